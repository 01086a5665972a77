// SPDX-License-Identifier: GPL-2.0-or-later
/* The functions the core needs from Linux (struct rs_platform). Kernel context only. */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "shim.h"

static void *platform_allocate(__u64 bytes)
{
	return alloc_pages_exact(bytes, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
}

static void platform_release(void *memory, __u64 bytes)
{
	free_pages_exact(memory, bytes);
}

static void platform_log(int level, const char *text)
{
	if (level == RS_LOG_ERROR)
		pr_err("ringside: %s\n", text);
	else if (level == RS_LOG_WARN)
		pr_warn("ringside: %s\n", text);
	else
		pr_info("ringside: %s\n", text);
}

static int platform_run_on(__u32 cpu, void (*function)(void *), void *argument)
{
	return smp_call_function_single(cpu, function, argument, 1) ? -1 : 0;
}

static void platform_run_here(void (*function)(void *), void *argument)
{
	unsigned long flags;

	local_irq_save(flags);
	function(argument);
	local_irq_restore(flags);
}

static __u32 platform_this_cpu(void)
{
	return raw_smp_processor_id();
}

static int platform_core_online(__u32 cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

static int platform_pid_exists(__u32 pid)
{
	bool found;

	rcu_read_lock();
	found = pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_TGID) != NULL;
	rcu_read_unlock();
	return found;
}

static void platform_relax(void)
{
	cpu_relax();
	cond_resched();
}

/* NMI handlers run inside of an RCU read-side critical section. */
static void platform_wait_for_nmi_handlers(void)
{
	synchronize_rcu_expedited();
}

const struct rs_platform rs_platform_functions = {
	.allocate = platform_allocate,
	.release = platform_release,
	.log = platform_log,
	.run_on = platform_run_on,
	.run_here = platform_run_here,
	.this_cpu = platform_this_cpu,
	.core_online = platform_core_online,
	.pid_exists = platform_pid_exists,
	.relax = platform_relax,
	.wait_for_nmi_handlers = platform_wait_for_nmi_handlers,
};
