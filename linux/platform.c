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

/* The leader of a thread group; the caller is an RCU reader. */
static struct task_struct *find_process(__u32 pid)
{
	return pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_TGID);
}

static int platform_pid_exists(__u32 pid)
{
	bool found;

	rcu_read_lock();
	found = find_process(pid) != NULL;
	rcu_read_unlock();
	return found;
}

static __u64 platform_realtime_ns(void)
{
	return ktime_get_real_ns();
}

u32 rs_process_request(struct rs_process *request)
{
	struct task_struct *leader;

	if (request->start_ns)
		return RS_ERR_BAD_IMAGE;
	rcu_read_lock();
	leader = find_process(request->pid);
	if (leader) {
		request->flags = test_ti_thread_flag(task_thread_info(leader), TIF_ADDR32) ?
					 RS_PROCESSF_32BIT : 0;
		get_task_comm(request->name, leader);
		request->start_ns = leader->start_boottime;
	}
	rcu_read_unlock();
	return leader ? RS_OK : RS_ERR_BAD_PID;
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
	.realtime_ns = platform_realtime_ns,
	.relax = platform_relax,
	.wait_for_nmi_handlers = platform_wait_for_nmi_handlers,
};
