/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only door between the kernel-module shim and the core: C entry points, and the table of
 * functions the core needs from the operating system. All calls are made in kernel context (never
 * in root mode), and the shim serialises those that are not marked otherwise with one mutex.
 */
#ifndef RINGSIDE_CORE_API_H
#define RINGSIDE_CORE_API_H

#include "ringside/error.h"
#include "ringside/ioctl.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RS_LOG_ERROR = 0, RS_LOG_WARN = 1, RS_LOG_INFO = 2 };

/* What the core needs from the operating system. Called in kernel context only. */
struct rs_platform {
    /* Zeroed, physically contiguous, aligned to its size rounded up to a power of two, inside the
     * direct map; 0 when out of memory. */
    void* (*allocate)(__u64 bytes);
    void (*release)(void* memory, __u64 bytes);
    void (*log)(int level, const char* text);
    /* Runs function(argument) on one online CPU, interrupts off, and waits. 0, or -1 if the CPU is
     * not online. */
    int (*run_on)(__u32 cpu, void (*function)(void*), void* argument);
    /* The like on the CPU the caller happens to be on: takes no interrupt of the guest's, which an
     * event might be swallowing. */
    void (*run_here)(void (*function)(void*), void* argument);
    __u32 (*this_cpu)(void);
    int (*core_online)(__u32 cpu);
    int (*pid_exists)(__u32 pid);
    /* UTC in nanoseconds since 1970. */
    __u64 (*realtime_ns)(void);
    /* Lets other tasks run; may be called for a long time. */
    void (*relax)(void);
    /* Returns when every NMI handler that ran at the time of the call has ended. */
    void (*wait_for_nmi_handlers)(void);
};

struct rs_memory_range {
    __u64 start; /* physical, page-aligned */
    __u64 end;
};

struct rs_image_range {
    __u64 address; /* virtual, where the module's pages are mapped */
    __u32 bytes;   /* multiple of the page size */
    __u32 rights;  /* RS_IMAGE_* */
};
enum { RS_IMAGE_WRITE = 1, RS_IMAGE_EXECUTE = 2 };

#define RS_MAX_RAM_RANGES 128
#define RS_MAX_IMAGE_RANGES 8
#define RS_MAX_IO_APICS 16

/* Where a process's mappings are, and the files they are of: offsets. */
struct rs_mapping_layout {
    __u32 has_tree;   /* mappings are in a maple tree (Linux 6.1 and later), else in a list */
    __u32 mm_areas;   /* into mm_struct: the tree's root, or the list's first vm_area_struct */
    __u32 area_start; /* into vm_area_struct */
    __u32 area_end;
    __u32 area_next; /* without a tree */
    __u32 area_file;
    __u32 file_dentry; /* into file */
    __u32 file_mount;
    __u32 file_inode;
    __u32 mount_root;    /* into vfsmount */
    __u32 dentry_parent; /* into dentry */
    __u32 dentry_name;   /* pointer */
    __u32 dentry_name_len;
    __u32 range_pivots; /* into maple_range_64 */
    __u32 range_slots;
    __u32 range_count;      /* of slots; there is one pivot less */
    __u32 gap_range_pivots; /* into maple_arange_64 */
    __u32 gap_range_slots;
    __u32 gap_range_count;
};

/* What the core must know of the running kernel. */
struct rs_kernel_facts {
    __u64 direct_map;      /* virtual address of physical address 0 */
    __u64 encryption_mask; /* AMD SME's C-bit in page-table entries, 0 if off */
    __u64 tsc_khz;
    __u32 page_table_isolation; /* user mode runs on page tables of its own (CR3 bit 12) */
    __u32 core_count;           /* possible CPUs; the arrays below have this many entries */
    const __u64* current_slot;  /* physical address of each CPU's pointer to 'current' */
    const __u64* kernel_gs;     /* each CPU's kernel GS base */
    __u64 init_task;            /* virtual */
    __u64 init_task_physical;
    __u64 stall_suppression; /* physical, of rcu_cpu_stall_suppress; 0: unknown */
    __u32 task_pid;          /* offsets into task_struct */
    __u32 task_tgid;
    __u32 task_comm;
    __u32 task_group_leader;
    __u32 task_mm;
    __u32 task_fs_base;
    __u32 task_tasks;         /* link of thread groups' leaders */
    __u32 task_signal;        /* pointer to signal_struct */
    __u32 task_thread_node;   /* link of a group's threads */
    __u32 signal_thread_head; /* offset into signal_struct: head of these */
    __u32 mm_pgd;             /* offset into mm_struct */
    struct rs_mapping_layout mappings;
    __u32 ram_count;
    __u32 image_count;
    __u32 pic_base; /* vector of the 8259's line 0; 0: there is none, or it is unknown */
    __u32 io_apic_count;
    __u64 io_apic[RS_MAX_IO_APICS]; /* physical addresses */
    /* Bit set: the handler finds out itself what there is to do, and its waiting for the interrupt
     * can last for ever: devices, and the IPIs that announce a queue. */
    __u64 replay_vectors[4];
    struct rs_memory_range ram[RS_MAX_RAM_RANGES];
    struct rs_image_range image[RS_MAX_IMAGE_RANGES];
};

/* Memory that this machine shares with its host, for the debug link. */
struct rs_link_device {
    __u64 address; /* physical */
    __u64 bytes;
};

/* Can this processor be virtualized, and is it free? RS_OK or RS_ERR_*; *vendor is filled in any
 * case. May be called without the mutex. */
__u32 rs_core_probe(__u32* vendor);

/* Slides under every online CPU, all or nothing. */
__u32 rs_core_load(const struct rs_platform* platform, const struct rs_kernel_facts* facts,
                   struct rs_load* request);
/* Whether a client may unload: RS_OK, RS_ERR_NOT_LOADED, RS_ERR_OTHER_CLIENTS. */
__u32 rs_core_may_unload(const struct rs_load* request);
/* Clears all events and devirtualizes every CPU, whoever has the device open. */
__u32 rs_core_unload(void);
int rs_core_is_loaded(void);

/* Requests of one client; images are copies the core may write to. Return RS_OK or RS_ERR_*, also
 * left in the request's own 'error' field where it has one. */
__u32 rs_core_register_event(__u32 client, void* image, __u64 bytes);
__u32 rs_core_add_action(__u32 client, void* image, __u64 bytes);
__u32 rs_core_modify_event(__u32 client, struct rs_modify_event* request);
__u32 rs_core_list_events(void* image, __u64 bytes);
__u32 rs_core_event_stat(struct rs_event_stat* request);
__u32 rs_core_ring(__u32 client, struct rs_ring* request);
__u32 rs_core_flush(struct rs_flush* request);
__u32 rs_core_settings(struct rs_settings* request);
__u32 rs_core_eval(__u32 client, void* image, __u64 bytes);
/* The requests of debug.h marked LOOK, by their RS_NR_*; the image holds the structure, whole also
 * if the caller's is shorter, and its data. */
__u32 rs_core_look(__u32 number, void* image, __u64 bytes);

/* Makes this machine a debuggee, or with kind 0 ends that. `version` is what the debugger is told.
 */
__u32 rs_core_prepare(struct rs_prepare* request, const struct rs_link_device* device,
                      const struct rs_version* version);
/* To be called now and then while it is one: every jiffy if `is_polled` says so, else ten times a
 * second. Whether it is one. */
int rs_core_tend_link(int* is_polled);

/* Where a core's ring lies: the page with its head, and its data. RS_ERR_NOT_LOADED,
 * RS_ERR_BAD_CORE. */
__u32 rs_core_ring_memory(__u32 core, const void** head, const void** data, __u64* bytes);

/* A client is one open file. RS_ERR_OTHER_CLIENTS: too many are open. Removing it clears its
 * events. */
__u32 rs_core_add_client(__u32 client);
void rs_core_remove_client(__u32 client);

/* Copies whole messages for `client` to `buffer`, oldest first. Returns bytes; -1 if the next one
 * does not fit; 0 if there are none: then root mode wakes the readers when there are, though not
 * within 5 ms of the last time. */
__s64 rs_core_read_messages(__u32 client, void* buffer, __u64 bytes);
/* Whether read would return something; if not, as above. */
int rs_core_poll_messages(__u32 client);
/* Whether any client that found nothing has messages by now. */
int rs_core_waiting_messages(void);

/* Has text that was gathered long enough handed over. Whether any core still gathers: ask again
 * soon. */
int rs_core_hand_over_old(void);

/* The kernel's names, for a machine that will be halted when it is asked for them: begin, any
 * number of calls of the next two, end. What was begun earlier is forgotten; the finished names
 * stay until the next begin, drop or unload. RS_ERR_NOT_LOADED; RS_ERR_DEBUGGER_MODE: root mode
 * uses those there are (Session::take_symbols). */
__u32 rs_core_symbols_begin(void);
/* One name: its letter in /proc/kallsyms; module: NULL for the kernel itself. RS_ERR_CANNOT_CREATE:
 * out of memory; RS_ERR_BAD_IMAGE: no letter, or a name of 0 or more than 511 characters;
 * RS_ERR_INTERNAL: not begun. */
__u32 rs_core_symbols_add(__u64 address, char type, const char* module, const char* name);
/* From this address up to the next name there is none. Errors as above. */
__u32 rs_core_symbols_add_end(__u64 address);
/* RS_ERR_INTERNAL: not begun. */
__u32 rs_core_symbols_end(void);
/* Gives them up, finished or not; root mode reads them no more. */
void rs_core_symbols_drop(void);

enum {
    RS_WAKEUP_READERS = 1 << 0,   /* wake those that wait in read() */
    RS_WAKEUP_WATCHDOGS = 1 << 1, /* this CPU stood still for long: tell what would report that */
    RS_WAKEUP_STRAY = 1 << 2,     /* nothing; it was ours */
};
/* NMI context, any CPU, no mutex: what root mode wants by this NMI, RS_WAKEUP_*; 0: not root's. */
__u32 rs_core_take_wakeup(__u32 cpu);

/* CPU hotplug; called on that CPU with the mutex held. */
__u32 rs_core_cpu_online(__u32 cpu);
__u32 rs_core_cpu_offline(__u32 cpu);
/* The kernel is dying or restarting and this CPU must leave virtualization now. Any context. */
void rs_core_emergency_leave(void);

#ifdef __cplusplus
}
#endif

#endif
