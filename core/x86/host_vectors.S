/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root mode's 256 interrupt and exception stubs, the window that accepts one interrupt, and the
 * accesses that may fault. No GS base is used: an NMI can arrive with any in the register. Stubs
 * find the vCPU at the top of the stack they run on.
 */
#include "x86/host_stack.h"

	.text
	.code64

/* s32 rs_take_interrupt(void): accepts one pending interrupt. Returns its vector, -1 if there was
 * none. The stub puts the vector into eax and returns with IF clear, so at most one is taken. */
	.globl rs_take_interrupt
	.type rs_take_interrupt, @function
rs_take_interrupt:
	mov $-1, %eax
	sti
	nop
	nop
	cli
	ret
	int3

/* s32 rs_halt(const u32 *nmi_count, u32 nmi_seen): halts until an interrupt or an NMI comes, at once
 * if the count has moved. Returns the vector accepted, -1 for none. */
	.globl rs_halt
	.type rs_halt, @function
rs_halt:
	mov $-1, %eax
rs_halt_begin:
	cmp %esi, (%rdi)
	jne rs_halt_end
	sti
	hlt
	jmp rs_halt_end
/* void rs_wait_for_nmi(const u32 *nmi_count, u32 nmi_seen): the same with interrupts off, until an
 * NMI comes. */
	.globl rs_wait_for_nmi
	.type rs_wait_for_nmi, @function
rs_wait_for_nmi:
	cmp %esi, (%rdi)
	jne rs_halt_end
	hlt
rs_halt_end:
	cli
	ret
	int3

/* int rs_safe_read_msr(u32 msr, u64 *value), int rs_safe_write_msr(u32 msr, u64 value):
 * 0, or -1 if the processor raised #GP. */
	.globl rs_safe_read_msr
	.type rs_safe_read_msr, @function
rs_safe_read_msr:
	mov %edi, %ecx
.Lread_msr:
	rdmsr
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, (%rsi)
	xor %eax, %eax
	ret
	int3
	.globl rs_safe_write_msr
	.type rs_safe_write_msr, @function
rs_safe_write_msr:
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
.Lwrite_msr:
	wrmsr
	xor %eax, %eax
	ret
	int3
/* int rs_safe_xsetbv(u32 index, u64 value): the same for XSETBV. */
	.globl rs_safe_xsetbv
	.type rs_safe_xsetbv, @function
rs_safe_xsetbv:
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
.Lxsetbv:
	xsetbv
	xor %eax, %eax
	ret
	int3
/* int rs_safe_read_counter(u32 counter, u64 *value): the same for RDPMC. */
	.globl rs_safe_read_counter
	.type rs_safe_read_counter, @function
rs_safe_read_counter:
	mov %edi, %ecx
.Lread_counter:
	rdpmc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, (%rsi)
	xor %eax, %eax
	ret
	int3
.Lmsr_fault:
	mov $-1, %eax
	ret
	int3

	.section .rodata
	.balign 8
	.globl rs_fixups
rs_fixups:
	.quad .Lread_msr, .Lmsr_fault
	.quad .Lwrite_msr, .Lmsr_fault
	.quad .Lxsetbv, .Lmsr_fault
	.quad .Lread_counter, .Lmsr_fault
	.globl rs_fixups_end
rs_fixups_end:

	.text
	.balign RS_STUB_BYTES
	.globl rs_host_stubs
rs_host_stubs:
	.set vector, 0
	.rept 256
	.if vector == 2
	jmp .Lnmi
	.elseif vector == 0x81
	testb $3, 8(%rsp)
	jz .Linterrupt_81
	push $0
	push $vector
	jmp .Lsandbox
	.elseif vector < 32
	.if (vector != 8) && (vector != 10) && (vector != 11) && (vector != 12) && (vector != 13) && (vector != 14) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
	push $0
	.endif
	push $vector
	jmp .Lexception
	.else
	mov $vector, %eax
	jmp .Linterrupt
	.endif
	.balign RS_STUB_BYTES
	.set vector, vector + 1
	.endr

/*
 * NMI: only noted here; the polling points look at the count. Two stretches of code have looked and
 * are about to let the guest run or to halt: one that halts goes on behind its HLT, the entry of a vendor
 * that cannot hold NMIs back is begun anew, with the registers' save area as its stack.
 */
.Lnmi:
	push %rax
	push %rcx
	mov RS_IST_VCPU+16(%rsp), %rcx
	incl RS_VCPU_NMI_COUNT(%rcx)
	mov 16(%rsp), %rax
	cmp $rs_halt_begin, %rax
	jb 1f
	cmp $rs_halt_end, %rax
	jae 1f
	movq $rs_halt_end, 16(%rsp)
1:	cmp $rs_entry_look, %rax
	jb 2f
	cmp $rs_entry_end, %rax
	jae 2f
	movq $rs_entry_look, 16(%rsp)
	mov RS_VCPU_REGISTERS(%rcx), %rax
	mov %rax, 40(%rsp)
2:	cmpl $0, RS_VCPU_KEEPS_NMIS(%rcx)
	jne 3f
	pop %rcx
	pop %rax
	iretq
3:	/* The same return without IRETQ, which would open NMIs; flags are the caller's loss. */
	movl $0, RS_VCPU_KEEPS_NMIS(%rcx)
	mov 16(%rsp), %rax
	mov 40(%rsp), %rcx
	mov %rax, -8(%rcx)
	mov (%rsp), %rax	/* rcx */
	mov %rax, -16(%rcx)
	mov 8(%rsp), %rax
	lea -16(%rcx), %rsp
	pop %rcx
	ret

/* void rs_open_nmis(void): ends the NMI blocking that an exit by NMI, or an NMI itself, began. */
	.globl rs_open_nmis
	.type rs_open_nmis, @function
rs_open_nmis:
	mov %rsp, %rax
	mov %ss, %ecx
	push %rcx
	push %rax
	pushfq
	mov %cs, %ecx
	push %rcx
	lea 1f(%rip), %rcx
	push %rcx
	iretq
1:	ret
	int3

.Linterrupt_81:
	mov $0x81, %eax
.Linterrupt:
	btrl $9, 16(%rsp)
	iretq

/* A fault in root mode. Frame: vector, error code, rip, cs, rflags, rsp, ss. */
.Lexception:
	testb $3, 24(%rsp)
	jnz .Lsandbox
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	cld
	lea 80(%rsp), %rdi
	mov %rsp, %rbx
	and $-16, %rsp
	call rs_host_fault
	mov %rbx, %rsp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq
	int3

/* The same at CPL 3: user code. The general registers in the order of their encoding; one place is
 * RSP's, which lies in the frame. What the frame says then is done: the code goes on, or rs_sandbox_left
 * does. Its flags are of no meaning here. */
.Lsandbox:
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
	push %rsp
	push %rbx
	push %rdx
	push %rcx
	push %rax
	push $2
	popfq
	mov %rsp, %rdi
	sub $8, %rsp
	call rs_sandbox_trap
	add $8, %rsp
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	add $8, %rsp
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
	add $16, %rsp
	iretq
	int3

/* void rs_sandbox_enter(struct Entry *entry): runs user code, with exceptions on the stack below
 * this frame, until one of them leads to rs_sandbox_left. No register of root mode's is in sight of
 * it. */
	.globl rs_sandbox_enter
	.type rs_sandbox_enter, @function
rs_sandbox_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push RS_SANDBOX_HOST_TABLE(%rdi)
	mov %rsp, RS_SANDBOX_RETURN_RSP(%rdi)
	mov RS_SANDBOX_RSP0(%rdi), %rax
	mov %rsp, (%rax)
	mov RS_SANDBOX_TABLE(%rdi), %rax
	mov %rax, %cr3
	push $RS_USER_DATA_SELECTOR
	push RS_SANDBOX_RSP(%rdi)
	push RS_SANDBOX_RSP+8(%rdi)
	push $RS_USER_CODE_SELECTOR
	push RS_SANDBOX_RSP-8(%rdi)
	mov RS_SANDBOX_RAX(%rdi), %rax
	mov RS_SANDBOX_RAX+8(%rdi), %rcx
	mov RS_SANDBOX_RAX+16(%rdi), %rdx
	mov RS_SANDBOX_RAX+24(%rdi), %r8
	mov RS_SANDBOX_RAX+32(%rdi), %r9
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %esi, %esi
	xor %edi, %edi
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	iretq

	.globl rs_sandbox_left
rs_sandbox_left:
	pop %rax
	mov %rax, %cr3
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	int3

	.section .note.GNU-stack, "", @progbits
