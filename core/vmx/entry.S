/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world switch of VMX: launch, exit, entry, devirtualize, hypercall.
 * Source: Intel SDM vol. 3C chapter 26 "VM Entries", chapter 27 "VM Exits", chapter 30 "VMX
 * Instruction Reference".
 */
#include "vmx/entry.h"
#include "x86/host_stack.h"

	.text
	.code64

/*
 * u64 rs_vmx_launch(void): called by the running kernel with interrupts off and its VMCS current
 * and filled in. The guest goes on behind this call. Returns 0 as guest; 1 or 2 if the processor
 * refused VMLAUNCH without or with an error number; what root mode put into rax when it refused the
 * guest state (the VMCS is gone then).
 */
	.globl rs_vmx_launch
	.type rs_vmx_launch, @function
rs_vmx_launch:
	pushfq
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov $FIELD_GUEST_RSP, %eax
	vmwrite %rsp, %rax
	lea .Lguest(%rip), %rdx
	mov $FIELD_GUEST_RIP, %eax
	vmwrite %rdx, %rax
	pushfq
	pop %rdx
	mov $FIELD_GUEST_RFLAGS, %eax
	vmwrite %rdx, %rax
	xor %eax, %eax
	vmlaunch
	mov $1, %eax
	jc .Lguest
	mov $2, %eax
.Lguest:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	popfq
	ret
	int3

/* VM exits land here: rsp at HostStackTop, flags clear, interrupts off, NMIs open but after an exit
 * by NMI. */
	.globl rs_vmx_exit_stub
	.type rs_vmx_exit_stub, @function
rs_vmx_exit_stub:
	push %rax
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rdi
	push %rsi
	push %rbp
	push %rbx
	push %rdx
	push %rcx
	mov VMX_SAVED_REGISTERS_BYTES+VMX_STACK_VCPU(%rsp), %rdi
	call rs_vmx_exit
	test %rax, %rax
	jnz .Lleave

/*
 * The last look at NMIs. One that is taken between here and VMRESUME has its handler begin this
 * stretch anew (x86/host_vectors.S): rsp as here, the registers' save area unchanged. So no NMI is
 * slept over by an entry.
 */
	.globl rs_entry_look
rs_entry_look:
	mov VMX_SAVED_REGISTERS_BYTES+VMX_STACK_VCPU(%rsp), %rdi
	mov RS_VCPU_NMI_COUNT(%rdi), %eax
	cmp RS_VCPU_NMI_SEEN(%rdi), %eax
	jne .Lreconsider
	pop %rcx
	pop %rdx
	pop %rbx
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rax
	vmresume
	.globl rs_entry_end
rs_entry_end:
	/* Refused. Nothing was pushed meanwhile: the save area below rsp is intact. */
	sub $VMX_SAVED_REGISTERS_BYTES, %rsp
	mov VMX_SAVED_REGISTERS_BYTES+VMX_STACK_VCPU(%rsp), %rdi
	call rs_vmx_resume_refused
	jmp .Lleave

.Lreconsider:
	call rs_vmx_reconsider
	jmp rs_entry_look

/* Devirtualize: rax is the LeaveBlock as the guest's kernel sees it, its root address lies in the
 * stack. NMIs are blocked until the IRETQ. Code has the same address on both sides. */
.Lleave:
	mov %rax, %rbx
	mov VMX_SAVED_REGISTERS_BYTES+VMX_STACK_LEAVE_BLOCK(%rsp), %rdi
	vmclear VMX_LEAVE_VMCS(%rdi)
	vmxoff
	mov VMX_LEAVE_CR4(%rdi), %rax
	mov VMX_LEAVE_CR3(%rdi), %rcx
	mov %rax, %cr4		/* VMXE off; PCIDE on while CR3 has PCID 0 */
	mov %rcx, %cr3
	mov VMX_LEAVE_CR0(%rbx), %rax
	mov %rax, %cr0
	lgdt VMX_LEAVE_TASK_GDTR(%rbx)	/* the kernel's own entry is marked busy and not writable */
	mov VMX_LEAVE_TR(%rbx), %eax
	ltr %ax
	lgdt VMX_LEAVE_GDTR(%rbx)
	lidt VMX_LEAVE_IDTR(%rbx)
	mov VMX_LEAVE_LDTR(%rbx), %eax
	lldt %ax
	mov VMX_LEAVE_DS(%rbx), %eax
	mov %eax, %ds
	mov VMX_LEAVE_ES(%rbx), %eax
	mov %eax, %es
	mov VMX_LEAVE_FS(%rbx), %eax
	mov %eax, %fs
	mov VMX_LEAVE_GS(%rbx), %eax
	mov %eax, %gs

	.macro write_msr number, offset
	mov $\number, %ecx
	mov \offset(%rbx), %eax
	mov \offset+4(%rbx), %edx
	wrmsr
	.endm
	write_msr 0xc0000100, VMX_LEAVE_FS_BASE
	write_msr 0xc0000101, VMX_LEAVE_GS_BASE
	write_msr 0xc0000080, VMX_LEAVE_EFER
	write_msr 0x174, VMX_LEAVE_SYSENTER_CS
	write_msr 0x175, VMX_LEAVE_SYSENTER_CS+8
	write_msr 0x176, VMX_LEAVE_SYSENTER_CS+16
	write_msr 0x1d9, VMX_LEAVE_DEBUGCTL
	lea VMX_LEAVE_REGISTERS(%rbx), %rsp
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	iretq
	int3

/* u64 rs_vmx_hypercall(u64 operation, u64 a, u64 b): runs in the guest, at CPL 0. */
	.globl rs_vmx_hypercall
	.type rs_vmx_hypercall, @function
rs_vmx_hypercall:
	mov $VMX_HYPERCALL_MAGIC, %eax
	mov %rdi, %rcx
	mov %rdx, %r8
	mov %rsi, %rdx
	vmcall
	ret
	int3

	.section .note.GNU-stack, "", @progbits
