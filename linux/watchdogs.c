// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine that a debugger halted goes on late: what watches over time is told so that it reports no
 * lock-up (specification 5.1, BRK-6). RCU's stall reports are held back by root mode itself.
 *
 * All that is done in NMI context is a store each: the lock-up detectors' marks of this CPU, a flag of
 * the hung-task detector's, a count of the clocksource watchdog's.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/nmi.h>
#include <linux/percpu.h>

#include "shim.h"

/* The clocksource watchdog begins anew while this is not 0, and counts it down. Kernels since 6.8, and
 * stable ones, skip an interval that was too long by themselves, but say so. */
static atomic_t *clocksource_reset;

static DEFINE_PER_CPU(struct irq_work, second_touch);
static DEFINE_PER_CPU(unsigned long, jiffies_at_nmi);

static void touch_lockup_detectors(void)
{
#ifdef RS_HAVE_TOUCH_HARDLOCKUP
	arch_touch_nmi_watchdog();
#endif
#ifdef RS_HAVE_TOUCH_SOFTLOCKUP
	touch_softlockup_watchdog();
#endif
}

/*
 * The workqueue watchdog compares times in jiffies, which still are those of before the halt when the
 * NMI comes. This runs in the timer interrupt that makes up for them, ahead of the timers it finds due.
 */
static void touch_again(struct irq_work *work)
{
	touch_lockup_detectors();
	if (jiffies == this_cpu_read(jiffies_at_nmi))
		irq_work_queue(work); /* another CPU is the one that counts them */
}

void rs_watchdogs_tell(void)
{
	touch_lockup_detectors();
#ifdef RS_HAVE_RESET_HUNG_TASK
	reset_hung_task_detector();
#endif
	if (clocksource_reset)
		atomic_cmpxchg(clocksource_reset, 0, 1);
	this_cpu_write(jiffies_at_nmi, jiffies);
	irq_work_queue(this_cpu_ptr(&second_touch));
}

void rs_watchdogs_register(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct irq_work *work = per_cpu_ptr(&second_touch, cpu);

#ifdef IRQ_WORK_INIT_LAZY
		*work = IRQ_WORK_INIT_LAZY(touch_again);
#else
		init_irq_work(work, touch_again);
		atomic_set(&work->flags, IRQ_WORK_LAZY);
#endif
	}
	clocksource_reset = (atomic_t *)rs_address_of("watchdog_reset_pending");
}

void rs_watchdogs_unregister(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&second_touch, cpu));
}
