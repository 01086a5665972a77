// SPDX-License-Identifier: GPL-2.0-or-later
/* What the core must know of this kernel: where memory is, where the running task is found. */
#include <linux/acpi.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/percpu.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/current.h>
#include <asm/i8259.h>
#include <asm/irq_vectors.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#ifdef RS_HAVE_CC_PLATFORM
#include <linux/mem_encrypt.h>
#endif

#include "shim.h"

/* Adds [start, end) to the RAM ranges; touching ranges become one. */
static int add_ram(struct resource *resource, void *argument)
{
	struct rs_kernel_facts *facts = argument;
	u64 start = PAGE_ALIGN(resource->start);
	u64 end = (resource->end + 1) & PAGE_MASK;
	struct rs_memory_range *last =
		facts->ram_count ? &facts->ram[facts->ram_count - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	if (facts->ram_count == RS_MAX_RAM_RANGES)
		return -E2BIG;
	facts->ram[facts->ram_count++] = (struct rs_memory_range){ start, end };
	return 0;
}

static void add_image(struct rs_kernel_facts *facts, void *base, u32 bytes, u32 rights)
{
	if (!bytes || facts->image_count == RS_MAX_IMAGE_RANGES)
		return;
	facts->image[facts->image_count++] = (struct rs_image_range){
		.address = (unsigned long)base,
		.bytes = PAGE_ALIGN(bytes),
		.rights = rights,
	};
}

static void collect_image(struct rs_kernel_facts *facts)
{
#ifdef RS_HAVE_MODULE_MEMORY
	const struct module_memory *memory = THIS_MODULE->mem;

	add_image(facts, memory[MOD_TEXT].base, memory[MOD_TEXT].size, RS_IMAGE_EXECUTE);
	add_image(facts, memory[MOD_RODATA].base, memory[MOD_RODATA].size, 0);
	add_image(facts, memory[MOD_RO_AFTER_INIT].base, memory[MOD_RO_AFTER_INIT].size, 0);
	add_image(facts, memory[MOD_DATA].base, memory[MOD_DATA].size, RS_IMAGE_WRITE);
#else
	const struct module_layout *layout = &THIS_MODULE->core_layout;

	add_image(facts, layout->base, layout->text_size, RS_IMAGE_EXECUTE);
	add_image(facts, layout->base + layout->text_size, layout->ro_size - layout->text_size, 0);
	add_image(facts, layout->base + layout->ro_size, layout->size - layout->ro_size,
		  RS_IMAGE_WRITE);
#endif
}

static u64 current_slot(unsigned int cpu)
{
#ifdef RS_HAVE_PCPU_HOT
	void *slot = &per_cpu_ptr(&pcpu_hot, cpu)->current_task;
#else
	void *slot = per_cpu_ptr(&current_task, cpu);
#endif

	/* Static per-CPU data lies in the direct map or, on some NUMA machines, in vmalloc space. */
	if (is_vmalloc_addr(slot))
		return page_to_phys(vmalloc_to_page(slot)) + offset_in_page(slot);
	return __pa(slot);
}

#ifdef CONFIG_ACPI
/* The IO-APICs of the MADT (ACPI specification, "Multiple APIC Description Table"). Without one root
 * mode reaches none, and gives a storm of a level-triggered line to the kernel. */
static void collect_io_apics(struct rs_kernel_facts *facts)
{
	struct acpi_table_header *table;
	struct acpi_subtable_header *entry;
	void *end;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_MADT, 0, &table)))
		return;
	end = (void *)table + table->length;
	entry = (void *)table + sizeof(struct acpi_table_madt);
	while ((void *)(entry + 1) <= end && entry->length >= sizeof(*entry) &&
	       (void *)entry + entry->length <= end) {
		struct acpi_madt_io_apic *io_apic = (void *)entry;

		if (entry->type == ACPI_MADT_TYPE_IO_APIC && entry->length >= sizeof(*io_apic) &&
		    facts->io_apic_count < RS_MAX_IO_APICS)
			facts->io_apic[facts->io_apic_count++] = io_apic->address;
		entry = (void *)entry + entry->length;
	}
	acpi_put_table(table);
}
#else
static void collect_io_apics(struct rs_kernel_facts *facts)
{
}
#endif

#ifdef RS_HAVE_STALL_SUPPRESSION
extern int rcu_cpu_stall_suppress; /* exported to rcutorture, declared in no public header */
#endif

static u64 stall_suppression(void)
{
#ifdef RS_HAVE_STALL_SUPPRESSION
	return __pa_symbol(&rcu_cpu_stall_suppress);
#else
	unsigned long address = rs_address_of("rcu_cpu_stall_suppress");

	return address ? __pa(address) : 0;
#endif
}

static void add_replay(struct rs_kernel_facts *facts, unsigned int vector)
{
	facts->replay_vectors[vector / 64] |= 1ull << (vector % 64);
}

/*
 * Vectors below the system's own belong to devices. Of the others these announce a queue, and nobody
 * announces it again while it is not empty: a lost one would leave the CPU without calls of functions
 * for good, ours at unload included.
 */
static void collect_vectors(struct rs_kernel_facts *facts)
{
	unsigned int vector;

	for (vector = FIRST_EXTERNAL_VECTOR; vector < FIRST_SYSTEM_VECTOR; vector++)
		if (vector != IA32_SYSCALL_VECTOR)
			add_replay(facts, vector);
#ifdef CONFIG_SMP
	add_replay(facts, RESCHEDULE_VECTOR);
	add_replay(facts, CALL_FUNCTION_VECTOR);
	add_replay(facts, CALL_FUNCTION_SINGLE_VECTOR);
#endif
	add_replay(facts, IRQ_WORK_VECTOR);
	facts->pic_base = nr_legacy_irqs() ? ISA_IRQ_VECTOR(0) : 0;
}

static void collect_mappings(struct rs_mapping_layout *layout)
{
#ifdef RS_HAVE_MAPLE_TREE
	BUILD_BUG_ON(sizeof(struct maple_node) != 256);
	layout->has_tree = 1;
	layout->mm_areas = offsetof(struct mm_struct, mm_mt) + offsetof(struct maple_tree, ma_root);
	layout->range_pivots = offsetof(struct maple_range_64, pivot);
	layout->range_slots = offsetof(struct maple_range_64, slot);
	layout->range_count = MAPLE_RANGE64_SLOTS;
	layout->gap_range_pivots = offsetof(struct maple_arange_64, pivot);
	layout->gap_range_slots = offsetof(struct maple_arange_64, slot);
	layout->gap_range_count = MAPLE_ARANGE64_SLOTS;
#else
	layout->mm_areas = offsetof(struct mm_struct, mmap);
	layout->area_next = offsetof(struct vm_area_struct, vm_next);
#endif
	layout->area_start = offsetof(struct vm_area_struct, vm_start);
	layout->area_end = offsetof(struct vm_area_struct, vm_end);
	layout->area_file = offsetof(struct vm_area_struct, vm_file);
	layout->file_dentry = offsetof(struct file, f_path.dentry);
	layout->file_mount = offsetof(struct file, f_path.mnt);
	layout->file_inode = offsetof(struct file, f_inode);
	layout->mount_root = offsetof(struct vfsmount, mnt_root);
	layout->dentry_parent = offsetof(struct dentry, d_parent);
	layout->dentry_name = offsetof(struct dentry, d_name.name);
	layout->dentry_name_len = offsetof(struct dentry, d_name.len);
}

int rs_facts_collect(struct rs_kernel_facts *facts)
{
	u64 *slots, *bases;
	unsigned int cpu;

	memset(facts, 0, sizeof(*facts));
	slots = kcalloc(nr_cpu_ids, sizeof(u64), GFP_KERNEL);
	bases = kcalloc(nr_cpu_ids, sizeof(u64), GFP_KERNEL);
	facts->current_slot = slots;
	facts->kernel_gs = bases;
	if (!slots || !bases)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		slots[cpu] = current_slot(cpu);
		bases[cpu] = (u64)per_cpu_offset(cpu);
	}
	facts->core_count = nr_cpu_ids;
	facts->direct_map = PAGE_OFFSET;
#ifdef RS_HAVE_CC_PLATFORM
	facts->encryption_mask = sme_me_mask;
#endif
	facts->tsc_khz = tsc_khz;
	facts->page_table_isolation = boot_cpu_has(X86_FEATURE_PTI);
	facts->init_task = (unsigned long)&init_task;
	facts->init_task_physical = __pa_symbol(&init_task);
	facts->stall_suppression = stall_suppression();
	facts->task_pid = offsetof(struct task_struct, pid);
	facts->task_tgid = offsetof(struct task_struct, tgid);
	facts->task_comm = offsetof(struct task_struct, comm);
	facts->task_group_leader = offsetof(struct task_struct, group_leader);
	facts->task_mm = offsetof(struct task_struct, mm);
	facts->task_fs_base = offsetof(struct task_struct, thread.fsbase);
	facts->task_tasks = offsetof(struct task_struct, tasks);
	facts->task_signal = offsetof(struct task_struct, signal);
	facts->task_thread_node = offsetof(struct task_struct, thread_node);
	facts->signal_thread_head = offsetof(struct signal_struct, thread_head);
	facts->mm_pgd = offsetof(struct mm_struct, pgd);
	collect_mappings(&facts->mappings);
	collect_image(facts);
	collect_io_apics(facts);
	collect_vectors(facts);
	return walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1,
				   facts, add_ram);
}

void rs_facts_free(struct rs_kernel_facts *facts)
{
	kfree(facts->current_slot);
	kfree(facts->kernel_gs);
	facts->current_slot = NULL;
	facts->kernel_gs = NULL;
}
