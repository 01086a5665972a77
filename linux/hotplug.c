// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ways a CPU or the system goes away under root mode: hotplug, suspend, reboot, panic. Each ends
 * with the CPU native again before the kernel does what it means to do.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <asm/nmi.h>
#ifdef RS_HAVE_EMERGENCY_CALLBACK
#include <asm/reboot.h>
#endif

#include "shim.h"

static int hotplug_state;
static bool armed;

static int cpu_came(unsigned int cpu)
{
	unsigned long flags;
	u32 error;

	if (!armed)
		return 0;
	mutex_lock(&rs_core_mutex);
	local_irq_save(flags);
	error = rs_core_cpu_online(cpu);
	local_irq_restore(flags);
	mutex_unlock(&rs_core_mutex);
	if (error)
		pr_warn("ringside: cpu %u stays outside of the hypervisor (%08x)\n", cpu, error);
	return 0;
}

static int cpu_goes(unsigned int cpu)
{
	u32 error;

	if (!armed)
		return 0;
	mutex_lock(&rs_core_mutex);
	error = rs_core_cpu_offline(cpu);
	mutex_unlock(&rs_core_mutex);
	return error ? -EBUSY : 0;
}

static int on_reboot(struct notifier_block *block, unsigned long action, void *data)
{
	cpus_read_lock();
	mutex_lock(&rs_core_mutex);
	if (rs_core_is_loaded()) {
		rs_core_unload();
		rs_hotplug_disarm();
		pr_info("ringside: unloaded for the restart\n");
	}
	mutex_unlock(&rs_core_mutex);
	cpus_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = {
	.notifier_call = on_reboot,
	.priority = INT_MAX,
};

static int on_power(struct notifier_block *block, unsigned long action, void *data)
{
	if (action != PM_SUSPEND_PREPARE && action != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	if (!rs_core_is_loaded())
		return NOTIFY_DONE;
	pr_err("ringside: suspend refused while the hypervisor is loaded; use 'unload' first\n");
	return NOTIFY_BAD;
}

static struct notifier_block power_block = { .notifier_call = on_power };

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	u32 wanted = rs_core_take_wakeup(raw_smp_processor_id());

	if (!wanted)
		return NMI_DONE;
	if (wanted & RS_WAKEUP_WATCHDOGS)
		rs_watchdogs_tell();
	if (wanted & RS_WAKEUP_READERS)
		rs_wake_readers();
	return NMI_HANDLED;
}

#ifdef RS_HAVE_EMERGENCY_CALLBACK
static void on_emergency(void)
{
	rs_core_emergency_leave();
}
#endif

int rs_hotplug_arm(void)
{
	armed = true;
#ifdef RS_HAVE_EMERGENCY_CALLBACK
	cpu_emergency_register_virt_callback(on_emergency);
#endif
	return 0;
}

void rs_hotplug_disarm(void)
{
#ifdef RS_HAVE_EMERGENCY_CALLBACK
	if (armed)
		cpu_emergency_unregister_virt_callback(on_emergency);
#endif
	armed = false;
}

int rs_hotplug_register(void)
{
	int error;

	rs_watchdogs_register();
	error = register_nmi_handler(NMI_LOCAL, on_nmi, NMI_FLAG_FIRST, "ringside");
	if (error)
		return error;
	hotplug_state = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "ringside:online", cpu_came,
					  cpu_goes);
	if (hotplug_state < 0) {
		unregister_nmi_handler(NMI_LOCAL, "ringside");
		return hotplug_state;
	}
	register_reboot_notifier(&reboot_block);
	register_pm_notifier(&power_block);
	return 0;
}

void rs_hotplug_unregister(void)
{
	unregister_pm_notifier(&power_block);
	unregister_reboot_notifier(&reboot_block);
	cpuhp_remove_state(hotplug_state);
	unregister_nmi_handler(NMI_LOCAL, "ringside");
	rs_watchdogs_unregister();
}
