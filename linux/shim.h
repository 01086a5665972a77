/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the shim know of each other. The shim decides nothing: it copies requests,
 * answers the core's questions and tells it what the kernel is about to do.
 */
#ifndef RINGSIDE_LINUX_SHIM_H
#define RINGSIDE_LINUX_SHIM_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "core_api.h"

extern struct mutex rs_core_mutex; /* serialises all calls into the core */

extern const struct rs_platform rs_platform_functions;

/* facts.c: fills *facts; the arrays are given back by rs_facts_free(). 0 or -errno. */
int rs_facts_collect(struct rs_kernel_facts *facts);
void rs_facts_free(struct rs_kernel_facts *facts);

/* device.c */
int rs_device_register(void);
void rs_device_unregister(void);
/* Refuses to load from now on; the mutex is held. */
void rs_device_close(void);
int rs_errno(u32 error);
void rs_wake_readers(void);

/* symbols.c, symbol_list.c, platform.c: requests that need no hypervisor; RS_ERR_*. */
u32 rs_symbol_request(struct rs_symbol *request);
/* A struct rs_symbol_list with room for its entries; sets its 'error' as well. */
u32 rs_symbol_list_request(void *image, u64 bytes);
u32 rs_idt_request(struct rs_idt *request);
/* symbols.c: gives the core all names there are now, of the kernel and of its initialized modules,
 * instead of those it had. The mutex is held; takes memory, and some tenths of a second. RS_ERR_*, and
 * then the core has none; RS_ERR_NO_SYMBOL: this kernel does not tell them. */
u32 rs_symbols_snapshot(void);
u32 rs_process_request(struct rs_process *request);

/* symbols.c: a name of the kernel, not exported; 0: unknown. */
unsigned long rs_address_of(const char *name);

/* watchdogs.c: BRK-6 */
void rs_watchdogs_register(void);
void rs_watchdogs_unregister(void); /* no NMI asks for anything any more */
/* NMI context: this CPU stood still for long, and none of its interrupts has been taken yet. */
void rs_watchdogs_tell(void);

/* hotplug.c: the ways a CPU leaves or the system ends. */
int rs_hotplug_register(void);
void rs_hotplug_unregister(void);
/* Called with the mutex held around load and unload. */
int rs_hotplug_arm(void);
void rs_hotplug_disarm(void);

#endif
