/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world switch of SVM: launch, VMRUN loop, devirtualize, hypercall.
 * Source: AMD APM vol. 2 §15.5 "VMRUN Instruction", §15.6 "#VMEXIT", §15.17 "Global Interrupt Flag".
 */
#include "svm/entry.h"

	.text
	.code64

/*
 * u64 rs_svm_launch(struct LaunchBlock *block): called by the running kernel with interrupts off.
 * Captures what only assembly can, becomes the host and enters the guest, which goes on behind this
 * call. Returns 0 as guest, or the status given to rs_svm devirtualize when the entry failed.
 */
	.globl rs_svm_launch
	.type rs_svm_launch, @function
rs_svm_launch:
	pushfq
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rdi, %rbx
	mov LAUNCH_GUEST_VMCB_HPA(%rbx), %rax
	vmsave %rax		/* FS GS TR LDTR, KERNEL_GS_BASE, STAR.., SYSENTER.. of the guest */
	mov LAUNCH_VMCB(%rbx), %rdx
	mov %rsp, VMCB_RSP(%rdx)
	lea .Lguest(%rip), %rcx
	mov %rcx, VMCB_RIP(%rdx)
	pushfq
	popq VMCB_RFLAGS(%rdx)
	movq $0, VMCB_RAX(%rdx)

	/* Become the host. This code is mapped at the same address on both sides; the stack and the
	 * block are not: everything is in registers before CR3 changes. */
	mov LAUNCH_HOST_VMCB_HPA(%rbx), %r12
	mov LAUNCH_HOST_CR3(%rbx), %r8
	mov LAUNCH_HOST_RSP(%rbx), %r9
	mov LAUNCH_HOST_CR0(%rbx), %r10
	mov LAUNCH_HOST_CR4(%rbx), %r11
	mov LAUNCH_HOST_BLOCK(%rbx), %rbx
	clgi			/* no NMI until the host's tables are in place */
	mov %r11, %cr4		/* PCIDE off before a CR3 without PCID */
	mov %r8, %cr3
	mov %r9, %rsp
	mov %r10, %cr0
	lgdt LAUNCH_HOST_GDTR(%rbx)
	lidt LAUNCH_HOST_IDTR(%rbx)
	xor %eax, %eax
	lldt %ax
	mov $HOST_TSS_SELECTOR, %ax
	ltr %ax
	mov $HOST_DATA_SELECTOR, %eax
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	pushq $HOST_CODE_SELECTOR
	lea .Lhost_code(%rip), %rax
	push %rax
	lretq
.Lhost_code:
	mov $0xc0000080, %ecx	/* EFER: no SYSCALL in root mode */
	rdmsr
	btr $0, %eax
	wrmsr
	xor %eax, %eax		/* SYSENTER_CS = 0 */
	xor %edx, %edx
	mov $0x174, %ecx
	wrmsr
	mov %r12, %rax
	vmsave %rax		/* the host's TR and bases, for every exit */
	sub $GUEST_REGISTERS_BYTES, %rsp
	jmp .Lenter

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

.Lenter:			/* GIF = 0, rsp at the guest's registers */
	mov GUEST_REGISTERS_BYTES+STACK_GUEST_VMCB_HPA(%rsp), %rax
	vmload %rax
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
	vmrun %rax
	vmsave %rax
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
	mov GUEST_REGISTERS_BYTES+STACK_HOST_VMCB_HPA(%rsp), %rax
	vmload %rax
	mov GUEST_REGISTERS_BYTES+STACK_VCPU(%rsp), %rdi
	stgi			/* NMIs come through our own IDT from here on */
	call rs_svm_exit	/* returns with GIF = 0 */
	test %rax, %rax
	jz .Lenter

/* Devirtualize: rax is the DevirtualizeBlock as the guest's kernel sees it, and the block's root
 * address lies in the stack. Code and guest kernel mappings are the same after the CR3 switch. */
	mov %rax, %rbx
	mov GUEST_REGISTERS_BYTES+STACK_LEAVE_BLOCK(%rsp), %rdi
	mov GUEST_REGISTERS_BYTES+STACK_GUEST_VMCB_HPA(%rsp), %rax
	vmload %rax
	mov LEAVE_CR4(%rdi), %rax
	mov LEAVE_CR3(%rdi), %rcx
	mov %rax, %cr4		/* PCIDE on while CR3 has PCID 0 */
	mov %rcx, %cr3
	mov LEAVE_CR0(%rbx), %rax
	mov %rax, %cr0
	lgdt LEAVE_GDTR(%rbx)
	lidt LEAVE_IDTR(%rbx)
	mov LEAVE_DS(%rbx), %eax
	mov %eax, %ds
	mov LEAVE_ES(%rbx), %eax
	mov %eax, %es
	lea LEAVE_REGISTERS(%rbx), %rsp
	stgi
	mov $0xc0000080, %ecx
	mov LEAVE_EFER(%rbx), %eax
	mov LEAVE_EFER+4(%rbx), %edx
	wrmsr			/* the guest's EFER, SVME off */
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

/* u64 rs_hypercall(u64 operation, u64 a, u64 b): runs in the guest, at CPL 0. */
	.globl rs_svm_hypercall
	.type rs_svm_hypercall, @function
rs_svm_hypercall:
	mov $HYPERCALL_MAGIC, %eax
	mov %rdi, %rcx
	mov %rdx, %r8
	mov %rsi, %rdx
	vmmcall
	ret
	int3

	.section .note.GNU-stack, "", @progbits
