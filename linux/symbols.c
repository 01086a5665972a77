// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's names and its interrupt descriptor table, for the commands that show or take them. */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/desc.h>

#include "shim.h"

#ifdef CONFIG_KPROBES
static unsigned long (*lookup_name)(const char *name);

/* No module may call it by its name; a probe tells where it is. */
static bool find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };

	if (lookup_name)
		return true;
	if (register_kprobe(&probe))
		return false;
	lookup_name = (void *)probe.addr;
	unregister_kprobe(&probe);
	return true;
}

unsigned long rs_address_of(const char *name)
{
	return find_lookup() ? lookup_name(name) : 0;
}
#else
unsigned long rs_address_of(const char *name)
{
	return 0;
}
#endif

u32 rs_symbol_request(struct rs_symbol *request)
{
	char text[KSYM_SYMBOL_LEN];

	if (request->reserved || strnlen(request->name, sizeof(request->name)) == sizeof(request->name))
		return RS_ERR_BAD_IMAGE;
	if (request->name[0]) {
		request->address = rs_address_of(request->name);
		return request->address ? RS_OK : RS_ERR_NO_SYMBOL;
	}
	sprint_symbol(text, request->address);
	if (strscpy(request->name, text, sizeof(request->name)) < 0 || text[0] == '0') {
		request->name[0] = '\0';
		return RS_ERR_NO_SYMBOL;
	}
	return RS_OK;
}

u32 rs_idt_request(struct rs_idt *request)
{
	struct desc_ptr table;
	u32 i;

	if (request->reserved || request->count > RS_IDT_CHUNK ||
	    request->first + request->count > IDT_ENTRIES || request->first >= IDT_ENTRIES)
		return RS_ERR_BAD_IMAGE;
	preempt_disable();
	store_idt(&table);
	request->core = smp_processor_id();
	for (i = 0; i < request->count; i++) {
		const gate_desc *gate = (const gate_desc *)table.address + request->first + i;
		u32 at = (request->first + i + 1) * sizeof(*gate) - 1;

		request->handler[i] = at <= table.size ? gate_offset(gate) : 0;
	}
	preempt_enable();
	return RS_OK;
}
