// SPDX-License-Identifier: GPL-2.0-or-later
// An interrupt taken while the general registers hold known values, and what they hold then.
#include <asm/apic.h>
#include <linux/kernel.h>

#include "kick.h"

/* The order of the encoding: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15. */
enum { RSP = 4, REGISTERS = 16 };

u64 kick_found[REGISTERS];
u64 kick_own_rsp;

/* The stack the interrupt is taken on, from its middle: whoever changes RSP a little does no harm, and
 * whoever changed it much knows where to put it back to. Found by its name. */
u64 kick_stack[2048] __aligned(16);

/* Register n holds KNOWN + n while an interrupt of our wake-up vector is raised and taken: with
 * interrupts on, for a hypervisor may accept one that the core would not take yet. The interrupt
 * command register of an xAPIC takes the shorthand "self" without a register. */
#define KNOWN 0x1122334455667700
static noinline void take_with_registers(void)
{
	asm volatile("push %%rbx; push %%rbp; push %%r12; push %%r13; push %%r14; push %%r15\n"
		     "mov %%rsp, kick_own_rsp(%%rip)\n"
		     "lea kick_stack+8192(%%rip), %%rsp\n"
		     "mov %[known], %%rax; lea 1(%%rax), %%rcx; lea 2(%%rax), %%rdx\n"
		     "lea 3(%%rax), %%rbx; lea 5(%%rax), %%rbp; lea 6(%%rax), %%rsi\n"
		     "lea 7(%%rax), %%rdi; lea 8(%%rax), %%r8; lea 9(%%rax), %%r9\n"
		     "lea 10(%%rax), %%r10; lea 11(%%rax), %%r11; lea 12(%%rax), %%r12\n"
		     "lea 13(%%rax), %%r13; lea 14(%%rax), %%r14; lea 15(%%rax), %%r15\n"
		     "sti\n"
		     "movl %[command], %c[icr]\n"
		     ".rept 4000; nop; .endr\n"
		     "cli\n"
		     "mov %%rax, kick_found(%%rip); mov %%rcx, kick_found+8(%%rip)\n"
		     "mov %%rdx, kick_found+16(%%rip); mov %%rbx, kick_found+24(%%rip)\n"
		     "mov %%rsp, kick_found+32(%%rip); mov %%rbp, kick_found+40(%%rip)\n"
		     "mov %%rsi, kick_found+48(%%rip); mov %%rdi, kick_found+56(%%rip)\n"
		     "mov %%r8, kick_found+64(%%rip); mov %%r9, kick_found+72(%%rip)\n"
		     "mov %%r10, kick_found+80(%%rip); mov %%r11, kick_found+88(%%rip)\n"
		     "mov %%r12, kick_found+96(%%rip); mov %%r13, kick_found+104(%%rip)\n"
		     "mov %%r14, kick_found+112(%%rip); mov %%r15, kick_found+120(%%rip)\n"
		     "mov kick_own_rsp(%%rip), %%rsp\n"
		     "pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx\n"
		     :
		     : [known] "i"(KNOWN), [icr] "i"(APIC_BASE + APIC_ICR),
		       [command] "i"(APIC_DEST_SELF | APIC_DM_FIXED | KICK_VECTOR_WAKEUP)
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void take_here(void *argument)
{
	unsigned long flags;

	preempt_disable(); /* nobody else may come upon that stack */
	local_irq_save(flags);
	take_with_registers();
	local_irq_restore(flags);
	preempt_enable();
}

/* The difference of each register to what it was, "0" sixteen times if an interrupt changed none. */
int kick_registers(char **words, struct seq_buf *answer)
{
	unsigned int cpu;
	int i, status;

	if (kstrtouint(words[0], 10, &cpu))
		return -EINVAL;
	if (x2apic_enabled())
		return -EOPNOTSUPP;
	status = kick_run_on(cpu, take_here, NULL);
	if (status)
		return status;
	for (i = 0; i < REGISTERS; i++)
		seq_buf_printf(answer, "%s%lld", i ? " " : "",
			       (s64)(kick_found[i] - (i == RSP ? (u64)&kick_stack[1024] : KNOWN + i)));
	seq_buf_printf(answer, "\n");
	return 0;
}
