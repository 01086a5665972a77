// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's names and its interrupt descriptor table, for the commands that show or take them. */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/desc.h>
#include <asm/pgtable.h>

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

#if defined(CONFIG_KPROBES) && defined(CONFIG_KALLSYMS)

/* The walk through the kernel's own names, which come by address. */
struct kernel_walk {
	u32 error;
	char type; /* of the section it is in */
	bool is_past; /* the image, where a name is that of one address */
	unsigned long last;
};

/* Where another kind of section begins: the letters in /proc/kallsyms are out of reach. */
static const struct {
	const char *name;
	char type;
} sections[] = {
	{ "_etext", 'r' }, { "__end_rodata", 'd' }, { "_sinittext", 't' },
	{ "_einittext", 'd' }, { "__bss_start", 'b' }, { "__bss_stop", 'd' },
};

static int add_kernel_symbol(struct kernel_walk *walk, const char *name, unsigned long address)
{
	size_t i;

	for (i = 0; name[0] == '_' && i < ARRAY_SIZE(sections); i++)
		if (!strcmp(name, sections[i].name))
			walk->type = sections[i].type;
	if (walk->is_past && address > walk->last)
		walk->error = rs_core_symbols_add_end(walk->last + 1);
	if (walk->error != RS_OK)
		return 1;
	walk->is_past = walk->is_past || !strcmp(name, "_end");
	walk->last = address;
	/* Offsets into the memory of each CPU lie in the lower half. */
	walk->error = rs_core_symbols_add(address, (long)address < 0 ? walk->type : 'A', NULL, name);
	return walk->error != RS_OK;
}

#ifdef RS_HAVE_SYMBOL_WITHOUT_MODULE
static int each_kernel_symbol(void *walk, const char *name, unsigned long address)
{
	return add_kernel_symbol(walk, name, address);
}
typedef int (*each_symbol)(int (*function)(void *, const char *, unsigned long), void *data);
#else
static int each_kernel_symbol(void *walk, const char *name, struct module *module,
			      unsigned long address)
{
	/* Older kernels go on with modules, whose names are taken in another way: enough. */
	return module || add_kernel_symbol(walk, name, address);
}
typedef int (*each_symbol)(int (*function)(void *, const char *, struct module *, unsigned long),
			   void *data);
#endif

static u32 add_kernel_symbols(void)
{
	each_symbol walk_all = (each_symbol)rs_address_of("kallsyms_on_each_symbol");
	struct kernel_walk walk = { .error = RS_OK, .type = 't' };

	if (!walk_all)
		return RS_ERR_NO_SYMBOL;
#ifdef RS_HAVE_MODULE_MUTEX
	mutex_lock(&module_mutex);
#endif
	walk_all(each_kernel_symbol, &walk);
#ifdef RS_HAVE_MODULE_MUTEX
	mutex_unlock(&module_mutex);
#endif
	if (walk.error != RS_OK)
		return walk.error;
	return rs_core_symbols_add_end(walk.last + 1);
}

static u32 add_module_ends(const struct module *module)
{
	unsigned long ends[8];
	u32 count = 0, error = RS_OK;
	u32 i;

#ifdef RS_HAVE_MODULE_MEMORY
	static const int kinds[] = { MOD_TEXT, MOD_DATA, MOD_RODATA, MOD_RO_AFTER_INIT };

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		ends[count++] = (unsigned long)module->mem[kinds[i]].base +
				module->mem[kinds[i]].size;
#else
	const struct module_layout *layout = &module->core_layout;
	unsigned long base = (unsigned long)layout->base;

	ends[count++] = base + layout->text_size;
	ends[count++] = base + layout->ro_size;
	ends[count++] = base + layout->ro_after_init_size;
	ends[count++] = base + layout->size;
#endif
	for (i = 0; i < count && error == RS_OK; i++)
		if (ends[i])
			error = rs_core_symbols_add_end(ends[i]);
	return error;
}

/* What is left of a module's names when it has been initialized. It does not go meanwhile. */
static u32 add_module_symbols(const struct module *module)
{
	const struct mod_kallsyms *names = &module->core_kallsyms;
	u32 error = add_module_ends(module);
	unsigned int i;

	for (i = 0; i < names->num_symtab && error == RS_OK; i++) {
		const Elf_Sym *symbol = &names->symtab[i];
		const char *name = names->strtab + symbol->st_name;

		/* No names, and the compiler's local labels. */
		if (symbol->st_shndx == SHN_UNDEF || !name[0] || !strncmp(name, ".L", 2))
			continue;
		error = rs_core_symbols_add(symbol->st_value, names->typetab[i], module->name, name);
	}
	return error;
}

/* The kernel's list of modules is a ring that we are in; its head lies in the kernel's own data. */
static bool is_list_head(const struct module *module)
{
	unsigned long address = (unsigned long)module;

	return address < MODULES_VADDR || address >= MODULES_END;
}

/* The next module that is initialized and not about to go, held; THIS_MODULE, not held: that was
 * all. `module` is held. */
static struct module *hold_next(struct module *module)
{
	rcu_read_lock();
	do {
		module = list_entry_rcu(module->list.next, struct module, list);
	} while (module != THIS_MODULE &&
		 (is_list_head(module) || READ_ONCE(module->state) != MODULE_STATE_LIVE ||
		  !try_module_get(module)));
	rcu_read_unlock();
	return module;
}

static u32 add_all_modules(void)
{
	struct module *module = THIS_MODULE;
	u32 error = add_module_symbols(module);

	while (error == RS_OK) {
		struct module *next = hold_next(module);

		if (module != THIS_MODULE)
			module_put(module);
		module = next;
		if (module == THIS_MODULE)
			return RS_OK;
		error = add_module_symbols(module);
		cond_resched();
	}
	if (module != THIS_MODULE)
		module_put(module);
	return error;
}

u32 rs_symbols_snapshot(void)
{
	u32 error = rs_core_symbols_begin();

	if (error != RS_OK)
		return error;
	error = add_kernel_symbols();
	if (error == RS_OK)
		error = add_all_modules();
	if (error == RS_OK)
		error = rs_core_symbols_end();
	if (error != RS_OK)
		rs_core_symbols_drop();
	return error;
}
#else
u32 rs_symbols_snapshot(void)
{
	return RS_ERR_NO_SYMBOL;
}
#endif

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
