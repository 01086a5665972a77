// SPDX-License-Identifier: GPL-2.0-or-later
/* Coming and going of the module. The hypervisor itself starts with the request 'load'. */
#include <linux/cpu.h>
#include <linux/module.h>

#include "shim.h"

DEFINE_MUTEX(rs_core_mutex);

static int __init ringside_init(void)
{
	int error;

	error = rs_hotplug_register();
	if (error)
		return error;
	error = rs_device_register();
	if (error)
		rs_hotplug_unregister();
	return error;
}

static void __exit ringside_exit(void)
{
	/* Whatever the reference count said (rmmod -f): no CPU may stay in root mode. This comes first:
	 * everything else waits for interrupts, which an event may be swallowing. */
	cpus_read_lock();
	mutex_lock(&rs_core_mutex);
	rs_device_close();
	if (rs_core_is_loaded()) {
		rs_core_unload();
		rs_hotplug_disarm();
	}
	mutex_unlock(&rs_core_mutex);
	cpus_read_unlock();
	rs_device_unregister();
	rs_hotplug_unregister();
}

module_init(ringside_init);
module_exit(ringside_exit);

MODULE_DESCRIPTION("Ringside: a hypervisor-level debugger under the running system");
MODULE_AUTHOR("The Ringside developers");
MODULE_VERSION(RS_RELEASE);
MODULE_LICENSE("GPL");
