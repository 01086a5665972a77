// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel itself counted: the numbers behind /proc/interrupts, by vector, taken with
// interrupts off on the core they belong to.
#include <asm/apic.h>
#include <asm/hardirq.h>
#include <asm/hw_irq.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/slab.h>

#include "kick.h"

/* irq_stat: one counter per system vector. NMI-delivered sources (perf) have no vector. */
static const struct {
	const char *name;
	u8 vector;
	u8 vector2;
	size_t offset;
} system_sources[] = {
    {"LOC", LOCAL_TIMER_VECTOR, 0, offsetof(irq_cpustat_t, apic_timer_irqs)},
    {"SPU", SPURIOUS_APIC_VECTOR, 0, offsetof(irq_cpustat_t, irq_spurious_count)},
    {"RES", RESCHEDULE_VECTOR, 0, offsetof(irq_cpustat_t, irq_resched_count)},
    {"CAL", CALL_FUNCTION_SINGLE_VECTOR, CALL_FUNCTION_VECTOR,
     offsetof(irq_cpustat_t, irq_call_count)},
    {"IWI", IRQ_WORK_VECTOR, 0, offsetof(irq_cpustat_t, apic_irq_work_irqs)},
    {"PLT", X86_PLATFORM_IPI_VECTOR, 0, offsetof(irq_cpustat_t, x86_platform_ipis)},
    {"PIN", POSTED_INTR_VECTOR, 0, offsetof(irq_cpustat_t, kvm_posted_intr_ipis)},
    {"PIW", POSTED_INTR_WAKEUP_VECTOR, 0, offsetof(irq_cpustat_t, kvm_posted_intr_wakeup_ipis)},
    {"NPI", POSTED_INTR_NESTED_VECTOR, 0, offsetof(irq_cpustat_t, kvm_posted_intr_nested_ipis)},
    {"TRM", THERMAL_APIC_VECTOR, 0, offsetof(irq_cpustat_t, irq_thermal_count)},
    {"THR", THRESHOLD_APIC_VECTOR, 0, offsetof(irq_cpustat_t, irq_threshold_count)},
    {"DFR", DEFERRED_ERROR_VECTOR, 0, offsetof(irq_cpustat_t, irq_deferred_error_count)},
};

static void add_source(struct kick_snapshot *shot, const char *name, u8 vector, u8 vector2,
		       unsigned int count)
{
	struct kick_source *source;

	if (shot->sources == KICK_MAX_SOURCES)
		return;
	source = &shot->source[shot->sources++];
	strscpy(source->name, name, sizeof(source->name));
	source->vector = vector;
	source->vector2 = vector2;
	source->count = count;
}

bool kick_goes_to(const struct irq_cfg *config, unsigned int cpu)
{
	return config->dest_apicid == apic->calc_dest_apicid(cpu);
}

void kick_take_snapshot(struct kick_snapshot *shot)
{
	const char *counters = (const char *)this_cpu_ptr(&irq_stat);
	unsigned int irq;
	size_t i;

	shot->cpu = smp_processor_id();
	shot->sources = 0;
	for (i = 0; i < ARRAY_SIZE(system_sources); i++)
		add_source(shot, system_sources[i].name, system_sources[i].vector,
			   system_sources[i].vector2,
			   *(const unsigned int *)(counters + system_sources[i].offset));
	for (irq = 0; irq < nr_irqs; irq++) {
		struct irq_data *data = irq_get_irq_data(irq);
		struct irq_cfg *config = data ? irqd_cfg(data) : NULL;
		char name[16];
		unsigned int count;

		if (!config || !irq_data_to_desc(data)->action)
			continue;
		count = irq_desc_kstat_cpu(irq_data_to_desc(data), shot->cpu);
		if (!kick_goes_to(config, shot->cpu) && count == 0)
			continue;
		snprintf(name, sizeof(name), "irq%u", irq);
		add_source(shot, name, config->vector, 0, count);
	}
}

unsigned int kick_growth(const struct kick_snapshot *from, const struct kick_snapshot *to)
{
	unsigned int growth = 0;
	unsigned int i;

	for (i = 0; i < to->sources; i++)
		growth += to->source[i].count - (i < from->sources ? from->source[i].count : 0);
	return growth;
}

/* "CORE NAME VECTOR VECTOR2 COUNT", vectors in hexadecimal. */
static void print_snapshot(const struct kick_snapshot *shot, struct seq_buf *answer)
{
	unsigned int i;

	for (i = 0; i < shot->sources; i++)
		seq_buf_printf(answer, "%u %s %02x %02x %u\n", shot->cpu, shot->source[i].name,
			       shot->source[i].vector, shot->source[i].vector2,
			       shot->source[i].count);
}

static void snap_here(void *argument)
{
	unsigned long flags;

	local_irq_save(flags);
	kick_take_snapshot(argument);
	local_irq_restore(flags);
}

int kick_snap(char **words, struct seq_buf *answer)
{
	struct kick_snapshot *shot = kzalloc(sizeof(*shot), GFP_KERNEL);
	unsigned int cpu;
	int status = shot ? 0 : -ENOMEM;

	for_each_online_cpu (cpu) {
		if (status)
			break;
		status = kick_run_on(cpu, snap_here, shot);
		if (!status)
			print_snapshot(shot, answer);
	}
	kfree(shot);
	return status;
}

/*
 * A marker: an interrupt of vector KICK_VECTOR_MARK raised by a core for itself, and the counts of
 * that core at that very moment. A window of one instruction is opened for it with interrupts off
 * before and after; when anything else got in, it is done again, so of a core's markers the last
 * one is exact. Who sees all interrupts of the core in order then knows exactly which of them the
 * counts hold: all before the marker, and the marker.
 */
struct mark {
	struct kick_snapshot before;
	struct kick_snapshot after;
	unsigned int tries;
	bool exact;
};

#define MARK_TRIES 1000

static void mark_here(void *argument)
{
	struct mark *mark = argument;

	mark->exact = false;
	for (mark->tries = 1; mark->tries <= MARK_TRIES && !mark->exact; mark->tries++) {
		local_irq_disable();
		kick_take_snapshot(&mark->before);
		apic->send_IPI_self(KICK_VECTOR_MARK);
		kick_wait_pending(KICK_VECTOR_MARK);
		asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
		kick_take_snapshot(&mark->after);
		mark->exact = kick_growth(&mark->before, &mark->after) == 1;
		local_irq_enable();
		cond_resched();
	}
	mark->tries--;
}

/* "mark CORE TRIES exact|loose", then the core's counts as snap prints them. */
int kick_mark(char **words, struct seq_buf *answer)
{
	struct mark *mark = kzalloc(sizeof(*mark), GFP_KERNEL);
	unsigned int cpu;
	int status = mark ? 0 : -ENOMEM;

	for_each_online_cpu (cpu) {
		if (status)
			break;
		status = kick_run_on(cpu, mark_here, mark);
		if (status)
			break;
		seq_buf_printf(answer, "mark %u %u %s\n", cpu, mark->tries,
			       mark->exact ? "exact" : "loose");
		print_snapshot(&mark->after, answer);
	}
	kfree(mark);
	return status;
}
