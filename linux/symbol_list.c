// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RS_NR_SYMBOL_LIST: the names of the kernel and its modules that match a pattern, sorted by address.
 *
 * The kernel's functions that go over names are exported to no module; where they are is asked as for
 * kallsyms_lookup_name (symbols.c). That of the kernel's own names does not tell their letters: they
 * get t, r or d by the section they lie in. Where a function is not found its names are missing.
 */
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "shim.h"

#define MAX_ENTRIES (1u << 20)
#define MAX_TEXT_BYTES (1u << 26)
#define NAME_BYTES KSYM_NAME_LEN

/* Fixed to this kernel's versions of them. */
#ifdef RS_HAVE_SYMBOL_MODULE
typedef int visit_symbol(void *argument, const char *name, struct module *module,
			 unsigned long address);
#else
typedef int visit_symbol(void *argument, const char *name, unsigned long address);
#endif
typedef int on_each_symbol(visit_symbol *visit, void *argument);
typedef int get_module_symbol(unsigned int number, unsigned long *value, char *type, char *name,
			      char *module_name, int *exported);

struct found {
	u64 address;
	u32 text_at; /* "module!name" */
	u16 text_len;
	char type;
};

struct collection {
	const char *pattern; /* of the name */
	struct found *found;
	char *text;
	u32 count, room;
	u32 text_len, text_room;
	bool is_full;
	u64 text_start, text_end, data_start; /* of the kernel's sections */
};

/* '*': any characters, '?': one. */
static bool matches(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* Makes room for one more; false: there is none. */
static bool grow(void **memory, u32 *room, u32 needed, u32 limit, size_t size)
{
	u32 wanted = max_t(u32, *room * 2, 1024);
	void *larger;

	if (needed <= *room)
		return true;
	if (needed > limit)
		return false;
	wanted = min(max(wanted, needed), limit);
	larger = kvmalloc(wanted * size, GFP_KERNEL);
	if (!larger)
		return false;
	if (*memory)
		memcpy(larger, *memory, *room * size);
	kvfree(*memory);
	*memory = larger;
	*room = wanted;
	return true;
}

static int add(struct collection *all, const char *module, const char *name, u64 address, char type)
{
	u32 module_len = strlen(module), name_len = strlen(name);
	u32 len = module_len + 1 + name_len;
	char *text;

	if (!grow((void **)&all->found, &all->room, all->count + 1, MAX_ENTRIES,
		  sizeof(*all->found)) ||
	    !grow((void **)&all->text, &all->text_room, all->text_len + len + 1, MAX_TEXT_BYTES, 1)) {
		all->is_full = true;
		return 1;
	}
	all->found[all->count++] = (struct found){
		.address = address,
		.text_at = all->text_len,
		.text_len = len,
		.type = type,
	};
	text = all->text + all->text_len;
	memcpy(text, module, module_len);
	text[module_len] = '!';
	memcpy(text + module_len + 1, name, name_len + 1);
	all->text_len += len + 1;
	return 0;
}

static int visit_kernel(struct collection *all, const char *name, unsigned long address)
{
	char type = 'd';

	if (!matches(all->pattern, name))
		return 0;
	if (address >= all->text_start && address < all->text_end)
		type = 't';
	else if (address >= all->text_end && address < all->data_start)
		type = 'r';
	return add(all, "vmlinux", name, address, type);
}

#ifdef RS_HAVE_SYMBOL_MODULE
static int visit(void *argument, const char *name, struct module *module, unsigned long address)
{
	/* Where modules are in this list, they are at its end. */
	return module ? 1 : visit_kernel(argument, name, address);
}
#else
static int visit(void *argument, const char *name, unsigned long address)
{
	return visit_kernel(argument, name, address);
}
#endif

static void collect_kernel(struct collection *all)
{
	on_each_symbol *each = (void *)rs_address_of("kallsyms_on_each_symbol");

	all->text_start = rs_address_of("_stext");
	all->text_end = rs_address_of("_etext");
	all->data_start = rs_address_of("_sdata");
	if (each)
		each(visit, all);
}

static void collect_modules(struct collection *all, const char *module_pattern)
{
	get_module_symbol *get = (void *)rs_address_of("module_get_kallsym");
	char module[MODULE_NAME_LEN], *name;
	unsigned long address;
	unsigned int i;
	int exported;
	char type;

	name = kmalloc(NAME_BYTES, GFP_KERNEL);
	for (i = 0; get && name && !get(i, &address, &type, name, module, &exported); i++) {
		/* The first entry of a module's table has no name. */
		if (*name && matches(module_pattern, module) && matches(all->pattern, name) &&
		    add(all, module, name, address, type))
			break;
		if (need_resched())
			cond_resched();
	}
	kfree(name);
}

static int compare(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->text_at < b->text_at ? -1 : a->text_at > b->text_at;
}

/* Copies entries behind the header, from the request's `next` on. */
static void put_entries(struct rs_symbol_list *list, u8 *to, u64 room, const struct collection *all)
{
	u64 i;

	list->count = 0;
	list->used_len = 0;
	for (i = list->next, list->next = 0; i < all->count; i++) {
		const struct found *found = &all->found[i];
		struct rs_symbol_entry entry = {
			.address = found->address,
			.name_len = found->text_len,
			.type = (u8)found->type,
		};
		u32 bytes = sizeof(entry) + round_up(found->text_len, 8);

		if (list->used_len + bytes > room) {
			list->next = i;
			return;
		}
		memset(to + list->used_len, 0, bytes);
		memcpy(to + list->used_len, &entry, sizeof(entry));
		memcpy(to + list->used_len + sizeof(entry), all->text + found->text_at,
		       found->text_len);
		list->used_len += bytes;
		list->count++;
	}
}

static u32 list_symbols(struct rs_symbol_list *list, u8 *entries, u64 room)
{
	struct collection all = {};
	char *name = strchr(list->pattern, '!');
	const char *module = "vmlinux";

	if (name) {
		*name++ = '\0';
		module = list->pattern;
		if (!strcmp(module, "nt") || !strcmp(module, "kernel"))
			module = "vmlinux";
	}
	all.pattern = name ? name : list->pattern;
	if (matches(module, "vmlinux"))
		collect_kernel(&all);
	if (strcmp(module, "vmlinux"))
		collect_modules(&all, module);
	if (!all.is_full) {
		sort(all.found, all.count, sizeof(*all.found), compare, NULL);
		put_entries(list, entries, room, &all);
	}
	if (name)
		name[-1] = '!';
	kvfree(all.found);
	kvfree(all.text);
	return all.is_full ? RS_ERR_CANNOT_CREATE : RS_OK;
}

u32 rs_symbol_list_request(void *image, u64 bytes)
{
	struct rs_symbol_list *list = image;
	u64 i;

	if (bytes < sizeof(*list))
		return RS_ERR_BAD_IMAGE;
	list->error = RS_ERR_BAD_IMAGE;
	if (list->size < sizeof(*list) || list->size % 8 || list->size > bytes || list->reserved ||
	    !list->pattern[0] ||
	    strnlen(list->pattern, sizeof(list->pattern)) == sizeof(list->pattern) ||
	    /* No room for any entry. */
	    bytes - list->size < sizeof(struct rs_symbol_entry) + MODULE_NAME_LEN + NAME_BYTES + 8)
		return list->error;
	for (i = sizeof(*list); i < list->size; i++)
		if (((const u8 *)image)[i])
			return list->error = RS_ERR_UNKNOWN_FIELDS;
	list->error = list_symbols(list, image + list->size, bytes - list->size);
	return list->error;
}
