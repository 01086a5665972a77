// SPDX-License-Identifier: GPL-2.0-or-later
// Registers of a core that nobody may change under the kernel: control and debug registers, MSRs,
// descriptor tables.
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/special_insns.h>

#include "kick.h"

static const struct {
	const char *name;
	u32 number;
} msrs[] = {
    {"EFER", MSR_EFER},
    {"STAR", MSR_STAR},
    {"LSTAR", MSR_LSTAR},
    {"CSTAR", MSR_CSTAR},
    {"SYSCALL_MASK", MSR_SYSCALL_MASK},
    {"TSC_AUX", MSR_TSC_AUX},
    {"PAT", MSR_IA32_CR_PAT},
    {"SYSENTER_CS", MSR_IA32_SYSENTER_CS},
    {"SYSENTER_ESP", MSR_IA32_SYSENTER_ESP},
    {"SYSENTER_EIP", MSR_IA32_SYSENTER_EIP},
    {"DEBUGCTL", MSR_IA32_DEBUGCTLMSR},
    {"XSS", MSR_IA32_XSS},
    {"SPEC_CTRL", MSR_IA32_SPEC_CTRL},
    {"APIC_BASE", MSR_IA32_APICBASE},
    {"GS_BASE", MSR_GS_BASE},
};

struct state {
	unsigned long cr0, cr4, cr8, xcr0, dr[4], dr7;
	struct desc_ptr gdt, idt;
	unsigned long tr, ldt, cs, ss;
	u32 tr_limit;
	u64 msr[ARRAY_SIZE(msrs)];
	bool known[ARRAY_SIZE(msrs)];
};

static void state_here(void *argument)
{
	struct state *state = argument;
	size_t i;

	local_irq_disable();
	state->cr0 = read_cr0();
	state->cr4 = __read_cr4();
	asm volatile("mov %%cr8, %0" : "=r"(state->cr8));
	state->xcr0 = boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(0) : 0;
	asm volatile("mov %%db0, %0" : "=r"(state->dr[0]));
	asm volatile("mov %%db1, %0" : "=r"(state->dr[1]));
	asm volatile("mov %%db2, %0" : "=r"(state->dr[2]));
	asm volatile("mov %%db3, %0" : "=r"(state->dr[3]));
	asm volatile("mov %%db7, %0" : "=r"(state->dr7));
	native_store_gdt(&state->gdt);
	store_idt(&state->idt);
	store_tr(state->tr);
	asm volatile("lsl %1, %0" : "=r"(state->tr_limit) : "r"((u32)state->tr));
	store_ldt(state->ldt);
	savesegment(cs, state->cs);
	savesegment(ss, state->ss);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		state->known[i] = rdmsrl_safe(msrs[i].number, &state->msr[i]) == 0;
	local_irq_enable();
}

/* "NAME VALUE", a line each; MSRs the processor does not have are left out. */
int kick_state(char **words, struct seq_buf *answer)
{
	struct state state = {0};
	unsigned int cpu;
	int status;
	size_t i;

	if (kstrtouint(words[0], 10, &cpu))
		return -EINVAL;
	status = kick_run_on(cpu, state_here, &state);
	if (status)
		return status;
	seq_buf_printf(answer, "CR0 %lx\nCR4 %lx\nCR8 %lx\nXCR0 %lx\n", state.cr0, state.cr4,
		       state.cr8, state.xcr0);
	for (i = 0; i < ARRAY_SIZE(state.dr); i++)
		seq_buf_printf(answer, "DR%zu %lx\n", i, state.dr[i]);
	seq_buf_printf(answer, "DR7 %lx\nGDT %lx %x\nIDT %lx %x\nTR %lx %x\nLDT %lx\n", state.dr7,
		       state.gdt.address, state.gdt.size, state.idt.address, state.idt.size, state.tr,
		       state.tr_limit, state.ldt);
	seq_buf_printf(answer, "CS %lx\nSS %lx\n", state.cs, state.ss);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (state.known[i])
			seq_buf_printf(answer, "%s %llx\n", msrs[i].name, state.msr[i]);
	return 0;
}
