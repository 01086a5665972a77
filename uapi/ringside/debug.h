/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Looking at a machine and changing it, and Debugger Mode (specification sections 13.2 and 14).
 *
 * Requests marked LOOK are answered by root mode: in VMI Mode on the core the caller runs on, in
 * the context of its thread; in Debugger Mode on the operating core, in the context that was
 * halted. Requests marked LINK exist on the debug link alone.
 */
#ifndef RINGSIDE_DEBUG_H
#define RINGSIDE_DEBUG_H

#include "bytecode.h"
#include "types.h"
#include "version.h"

enum {
    RS_MEM_READ = 0,
    RS_MEM_WRITE = 1,  /* all bytes or none */
    RS_MEM_SEARCH = 2, /* the pattern behind the header; answered by addresses of u64 */
};
#define RS_MEMF_PHYSICAL (1u << 0) /* address is a physical one */

#define RS_MAX_MEM_BYTES 0x8000u     /* of one request, without its header */
#define RS_MAX_MEM_PATTERN 0x100u    /* bytes */
#define RS_MAX_MEM_HITS 0x1000u      /* of RS_MEM_SEARCH */
#define RS_MAX_MEM_SEARCH 0x1000000u /* bytes one RS_MEM_SEARCH looks at */
#define RS_MAX_LOOK_BYTES 0x10000u   /* of an image root mode fills; room beyond stays as it is */

/* LOOK. Memory of the context, or through the tables of another process. RAM only: never a device's
 * registers, never root mode's memory. */
struct rs_mem {           /* 0x58 bytes, then the data */
    __u32 size;           /* 0x00 */
    __u32 error;          /* 0x04 out: RS_ERR_BAD_ADDRESS: not all of it, see failed_* */
    __u64 total_len;      /* 0x08 header + room for the data */
    __u64 address;        /* 0x10 */
    __u64 length;         /* 0x18 bytes to read, write or search in */
    __u32 operation;      /* 0x20 RS_MEM_* */
    __u32 flags;          /* 0x24 RS_MEMF_* */
    __u32 process_id;     /* 0x28 whose tables; RS_ANY: those of the context */
    __u32 unit;           /* 0x2c search: hits lie on multiples of it from `address` on; 1, 4, 8 */
    __u32 pattern_len;    /* 0x30 search: bytes behind the header */
    __u32 hit_count;      /* 0x34 out, search: addresses behind the header */
    __u64 done;           /* 0x38 out: bytes read from the beginning on; or searched: go on there */
    __u64 failed_address; /* 0x40 out: the first that could not be reached */
    __u32 failed_level;   /* 0x48 out: level of the entry that is missing (1: page table ... 5); 0:
                           * the page is there, and is no RAM, or root mode's, or read-only */
    __u32 reserved;       /* 0x4c */
    __u64 failed_entry;   /* 0x50 out: what that entry holds */
};
RS_STATIC_ASSERT(sizeof(struct rs_mem) == 0x58, "rs_mem");

/* LOOK. Every register, by RS_FULL_*. */
struct rs_registers {                    /* 0x178 bytes */
    __u32 size;                          /* 0x00 */
    __u32 error;                         /* 0x04 out */
    __u32 core;                          /* 0x08 out */
    __u32 is_long_mode;                  /* 0x0c out: code at rip is 64-bit code */
    __u64 value[RS_FULL_REGISTER_COUNT]; /* 0x10 out */
};
RS_STATIC_ASSERT(sizeof(struct rs_registers) == 0x178, "rs_registers");

#define RS_MSRF_WRITE (1u << 0)

/* LOOK. One model-specific register of one core: what the guest would read, or be allowed to
 * write. RS_ERR_BAD_MSR: the processor refuses it. */
struct rs_msr {     /* 0x20 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out */
    __u32 core;     /* 0x08 RS_ANY: the one that answers; out: which it was */
    __u32 flags;    /* 0x0c RS_MSRF_* */
    __u32 msr;      /* 0x10 */
    __u32 reserved; /* 0x14 */
    __u64 value;    /* 0x18 in for a write, out for a read */
};
RS_STATIC_ASSERT(sizeof(struct rs_msr) == 0x20, "rs_msr");

/* LOOK. CPUID as the guest would read it on one core. */
struct rs_cpuid {   /* 0x28 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out */
    __u32 core;     /* 0x08 RS_ANY: the one that answers; out: which it was */
    __u32 leaf;     /* 0x0c */
    __u32 subleaf;  /* 0x10 */
    __u32 eax;      /* 0x14 out */
    __u32 ebx;      /* 0x18 out */
    __u32 ecx;      /* 0x1c out */
    __u32 edx;      /* 0x20 out */
    __u32 reserved; /* 0x24 */
};
RS_STATIC_ASSERT(sizeof(struct rs_cpuid) == 0x28, "rs_cpuid");

#define RS_LAPIC_REGISTERS 64u

/* LOOK. The local APIC of the core that answers. */
struct rs_lapic {    /* 0x120 bytes */
    __u32 size;      /* 0x00 */
    __u32 error;     /* 0x04 out */
    __u32 core;      /* 0x08 out */
    __u32 is_x2apic; /* 0x0c out */
    __u64 base_msr;  /* 0x10 out: IA32_APIC_BASE */
    __u64 reserved;  /* 0x18 */
    /* 0x20 out: the register at offset 0x10 * index; 0 where there is none. ICR: low half. */
    __u32 value[RS_LAPIC_REGISTERS];
};
RS_STATIC_ASSERT(sizeof(struct rs_lapic) == 0x120, "rs_lapic");

#define RS_IO_APIC_ENTRIES 240u

/* LOOK. One IO-APIC; RS_ERR_NO_SUCH_DEVICE above the last. */
struct rs_io_apic {                  /* 0x7a0 bytes */
    __u32 size;                      /* 0x00 */
    __u32 error;                     /* 0x04 out */
    __u32 index;                     /* 0x08 0, 1 ... */
    __u32 count;                     /* 0x0c out: IO-APICs there are */
    __u64 address;                   /* 0x10 out: physical */
    __u32 id;                        /* 0x18 out: register 0 */
    __u32 version;                   /* 0x1c out: register 1 */
    __u64 entry[RS_IO_APIC_ENTRIES]; /* 0x20 out: redirection entries, as many as there are */
};
RS_STATIC_ASSERT(sizeof(struct rs_io_apic) == 0x7a0, "rs_io_apic");

#define RS_MAX_PAGE_LEVELS 5u

/* LOOK. How a virtual address is translated. */
struct rs_page_walk { /* 0x88 bytes */
    __u32 size;       /* 0x00 */
    __u32 error;      /* 0x04 out: RS_OK also when nothing is there: see is_present */
    __u64 address;    /* 0x08 */
    __u32 process_id; /* 0x10 whose tables; RS_ANY: those of the context */
    __u32 depth;      /* 0x14 out: entries read, top level first */
    __u32 levels;     /* 0x18 out: of the paging mode, 4 or 5 */
    __u32 is_present; /* 0x1c out */
    __u64 physical;   /* 0x20 out: where the address leads */
    __u64 page_bytes; /* 0x28 out: 4 KiB, 2 MiB or 1 GiB */
    __u64 cr3;        /* 0x30 out: whose tables they were */
    __u64 entry_address[RS_MAX_PAGE_LEVELS]; /* 0x38 out: physical */
    __u64 entry[RS_MAX_PAGE_LEVELS];         /* 0x60 out */
};
RS_STATIC_ASSERT(sizeof(struct rs_page_walk) == 0x88, "rs_page_walk");

/* One task, as root mode finds it in the kernel's lists. */
struct rs_task {      /* 0x38 bytes */
    __u64 task;       /* 0x00 address of its task_struct */
    __u64 leader;     /* 0x08 of that of its thread group's leader */
    __u64 mm;         /* 0x10 mm_struct, 0 of a kernel thread */
    __u64 page_table; /* 0x18 virtual address of its top-level table, 0 without mm */
    __u32 pid;        /* 0x20 of the thread */
    __u32 tgid;       /* 0x24 */
    char name[16];    /* 0x28 comm, zero-terminated */
};
RS_STATIC_ASSERT(sizeof(struct rs_task) == 0x38, "rs_task");

enum {
    RS_TASKS_CURRENT = 0,   /* the one that is interrupted */
    RS_TASKS_PROCESSES = 1, /* every thread group's leader */
    RS_TASKS_THREADS = 2,   /* threads of `process_id`'s group */
    RS_TASKS_ON_CORES = 3,  /* what each core runs, core 0 first; all 0: it is not there */
    RS_TASKS_ONE = 4, /* the thread `process_id`, or whose task_struct is at `task` if not 0 */
};

/* LOOK. The kernel's tasks; more of them from `next` on, which is 0 at the end. */
struct rs_tasks {     /* 0x30 bytes, then struct rs_task each */
    __u32 size;       /* 0x00 */
    __u32 error;      /* 0x04 out: RS_ERR_BAD_PID */
    __u64 total_len;  /* 0x08 header + room */
    __u32 which;      /* 0x10 RS_TASKS_* */
    __u32 process_id; /* 0x14 */
    __u64 next;       /* 0x18 in: 0 or what the last answer gave; out */
    __u32 count;      /* 0x20 out */
    __u32 core;       /* 0x24 out */
    __u64 task;       /* 0x28 RS_TASKS_ONE, else 0 */
};
RS_STATIC_ASSERT(sizeof(struct rs_tasks) == 0x30, "rs_tasks");

#define RS_MAX_MAPPING_PATH 0x400u /* bytes */

/* LOOK. What a process has mapped of files, ascending addresses; more of it from `next` on, which
 * is 0 at the end. In VMI Mode the process may go on changing it meanwhile. */
struct rs_mappings {  /* 0x28 bytes, then struct rs_mapping each */
    __u32 size;       /* 0x00 */
    __u32 error;      /* 0x04 out: RS_ERR_BAD_PID, RS_ERR_NO_USER_MEMORY; RS_ERR_BAD_ADDRESS: the
                       * kernel's structures do not hold together */
    __u64 total_len;  /* 0x08 header + room, at least for the longest mapping */
    __u64 next;       /* 0x10 in: 0 or what the last answer gave; out */
    __u32 process_id; /* 0x18 or RS_ANY: the one that is interrupted */
    __u32 count;      /* 0x1c out: mappings behind the header */
    __u32 used_len;   /* 0x20 out: bytes of them */
    __u32 reserved;   /* 0x24 */
};
RS_STATIC_ASSERT(sizeof(struct rs_mappings) == 0x28, "rs_mappings");

#define RS_MAPPINGF_PATH (1u << 0) /* from its file system's root on; else the last name only */

struct rs_mapping { /* 0x20 bytes, then the path, padded to 8 */
    __u64 start;    /* 0x00 */
    __u64 end;      /* 0x08 first address behind it */
    __u64 inode;    /* 0x10 address of the file's: the same of two mappings of one file */
    __u32 path_len; /* 0x18 bytes, without a zero; at most RS_MAX_MAPPING_PATH */
    __u32 flags;    /* 0x1c RS_MAPPINGF_* */
};
RS_STATIC_ASSERT(sizeof(struct rs_mapping) == 0x20, "rs_mapping");

/* Names and addresses of the kernel and its modules, sorted by address, as /proc/kallsyms has them;
 * from `next` on. In Debugger Mode those there were when it was prepared. */
struct rs_symbol_list { /* 0x128 bytes, then entries */
    __u32 size;         /* 0x00 */
    __u32 error;        /* 0x04 out */
    __u64 total_len;    /* 0x08 header + room */
    __u64 next;         /* 0x10 in: 0 or what the last answer gave; out, 0 at the end */
    __u32 count;        /* 0x18 out: entries behind the header */
    __u32 used_len;     /* 0x1c out: bytes of them */
    __u64 reserved;     /* 0x20 */
    char pattern[256];  /* 0x28 of names, with '*' and '?'; "module!pattern", "*!pattern" */
};
RS_STATIC_ASSERT(sizeof(struct rs_symbol_list) == 0x128, "rs_symbol_list");
struct rs_symbol_entry { /* 0x10 bytes, then the name, padded to 8 */
    __u64 address;       /* 0x00 */
    __u32 name_len;      /* 0x08 of "module!name", without a zero */
    __u32 type;          /* 0x0c its letter in kallsyms */
};

/* SC-6. LINK. The verdict on the interrupt the machine is halted at. */
struct rs_event_sc { /* 0x10 bytes */
    __u32 size;      /* 0x00 */
    __u32 error;     /* 0x04 out: RS_ERR_NO_VERDICT */
    __u32 ignores;   /* 0x08 1: the guest does not get it */
    __u32 reserved;  /* 0x0c */
};
RS_STATIC_ASSERT(sizeof(struct rs_event_sc) == 0x10, "rs_event_sc");

/* EVT-20. */
enum {
    RS_POOL_REGULAR_EVENT = 0,
    RS_POOL_BIG_EVENT = 1,
    RS_POOL_REGULAR_BUFFER = 2,
    RS_POOL_BIG_BUFFER = 3,
    RS_POOL_COUNT = 4,
};
#define RS_REGULAR_CONDITION_BYTES 100u
#define RS_REGULAR_ACTION_BYTES 0x2000u
#define RS_REGULAR_BUFFER_BYTES 0x1000u
#define RS_BIG_BUFFER_BYTES 0x14000u

/* EVT-22. Adds to a pool, or with a count of 0 only tells. */
struct rs_prealloc {                /* 0x50 bytes */
    __u32 size;                     /* 0x00 */
    __u32 error;                    /* 0x04 out */
    __u32 type;                     /* 0x08 RS_POOL_* */
    __u32 count;                    /* 0x0c */
    __u32 available[RS_POOL_COUNT]; /* 0x10 out: objects that can be taken while halted */
    __u32 in_use[RS_POOL_COUNT];    /* 0x20 out: taken */
    __u64 arena_bytes;              /* 0x30 out: of the reserve, all together */
    __u64 arena_free;               /* 0x38 out */
    __u64 reserved[2];              /* 0x40 */
};
RS_STATIC_ASSERT(sizeof(struct rs_prealloc) == 0x50, "rs_prealloc");

enum { RS_LINK_SERIAL = 1, RS_LINK_SHARED_MEMORY = 2 };

/* MOD-3. On the device: this machine becomes a debuggee; or with kind 0 stops being one. */
struct rs_prepare {    /* 0x30 bytes */
    __u32 size;        /* 0x00 */
    __u32 error;       /* 0x04 out */
    __u32 kind;        /* 0x08 RS_LINK_*; 0: end */
    __u32 baud;        /* 0x0c serial: bits a second */
    __u32 port;        /* 0x10 serial: I/O address of the UART; shared memory: the same of one that
                        * rings when there is something to read, 0: none */
    __u32 irq;         /* 0x14 ISA interrupt line of that UART */
    __u64 reserved[3]; /* 0x18 */
};
RS_STATIC_ASSERT(sizeof(struct rs_prepare) == 0x30, "rs_prepare");

/* Why a machine halted. */
enum {
    RS_HALT_EVENT = 1,   /* an event's break action */
    RS_HALT_SCRIPT = 2,  /* pause() in an event's script */
    RS_HALT_REQUEST = 3, /* the debugger asked */
    RS_HALT_STEP = 4,
    RS_HALT_BREAKPOINT = 5,
    RS_HALT_SWITCH = 6, /* another core operates now */
    RS_HALT_TASK = 7,   /* the task of RS_RUN_TO_PROCESS, RS_RUN_TO_THREAD runs */
};

/* Payload of RS_PACKET_HALT: the core that operates now. */
struct rs_halt {          /* 0x150 bytes */
    __u32 reason;         /* 0x00 RS_HALT_* */
    __u32 core;           /* 0x04 */
    __u32 event_id;       /* 0x08 of RS_HALT_EVENT and RS_HALT_SCRIPT */
    __u32 stage;          /* 0x0c RS_STAGE_PRE, RS_STAGE_POST */
    __u64 context;        /* 0x10 the vector */
    __u64 rip;            /* 0x18 */
    __u64 rflags;         /* 0x20 */
    __u32 is_long_mode;   /* 0x28 */
    __u32 code_len;       /* 0x2c of code[] that could be read */
    __u8 code[16];        /* 0x30 at rip */
    __u32 pid;            /* 0x40 */
    __u32 tid;            /* 0x44 */
    __u32 missing_cores;  /* 0x48 that did not halt in time */
    __u32 breakpoint;     /* 0x4c number, of RS_HALT_BREAKPOINT */
    __u64 generation;     /* 0x50 grows by one a halt */
    __u64 symbol_address; /* 0x58 where the symbol begins, 0 if none is known */
    char symbol[208];     /* 0x60 "vmlinux!default_idle", zero-terminated */
    __u64 trigger_tsc;    /* 0x130 when the reason came up */
    __u64 halted_tsc;     /* 0x138 when all cores stood */
    __u64 reserved[2];    /* 0x140 */
};
RS_STATIC_ASSERT(sizeof(struct rs_halt) == 0x150, "rs_halt");

enum {
    RS_RUN_GO = 0,
    RS_RUN_STEP = 1,       /* t: one instruction; a waiting interrupt is taken */
    RS_RUN_STEP_OVER = 2,  /* p: calls run to their return */
    RS_RUN_STEP_CORE = 3,  /* i: interrupts wait, the other cores stay halted */
    RS_RUN_STEP_OUT = 4,   /* gu */
    RS_RUN_TO_PROCESS = 5, /* until a core switches to a thread of the process `id` */
    RS_RUN_TO_THREAD = 6,  /* until one switches to the thread `id` */
};
#define RS_MAX_LEFT_ON_STACK 0x1000u

/* LINK, while halted: lets the machine run; a step ends in another RS_PACKET_HALT. */
struct rs_run {     /* 0x20 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out */
    __u32 how;      /* 0x08 RS_RUN_* */
    __u32 left;     /* 0x0c bytes the function leaves on the stack; at most RS_MAX_LEFT_ON_STACK */
    __u64 until;    /* 0x10 RS_RUN_STEP_OVER, RS_RUN_STEP_OUT: where it ends, once the stack is
                       as deep as now again; out: RS_ERR_BAD_ADDRESS for the latter.
                       RS_RUN_TO_*: what the kernel runs behind every switch of tasks */
    __u32 id;       /* 0x18 of RS_RUN_TO_*, else 0 */
    __u32 reserved; /* 0x1c */
};
RS_STATIC_ASSERT(sizeof(struct rs_run) == 0x20, "rs_run");

/* LINK. Halts all cores; answered at once, the RS_PACKET_HALT follows. */
struct rs_pause {   /* 0x10 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out */
    __u64 reserved; /* 0x08 */
};
RS_STATIC_ASSERT(sizeof(struct rs_pause) == 0x10, "rs_pause");

/* LINK, while halted: another core operates; an RS_PACKET_HALT of it follows. */
struct rs_switch_core { /* 0x10 bytes */
    __u32 size;         /* 0x00 */
    __u32 error;        /* 0x04 out: RS_ERR_BAD_CORE */
    __u32 core;         /* 0x08 */
    __u32 reserved;     /* 0x0c */
};
RS_STATIC_ASSERT(sizeof(struct rs_switch_core) == 0x10, "rs_switch_core");

#define RS_MAX_BREAKPOINTS 64u
enum {
    RS_BREAKPOINT_SET = 0,
    RS_BREAKPOINT_CLEAR = 1,
    RS_BREAKPOINT_ENABLE = 2,
    RS_BREAKPOINT_DISABLE = 3,
    RS_BREAKPOINT_NEXT = 4, /* the first one whose id is not below `id`; RS_ERR_NO_BREAKPOINT */
};

/* LINK, while halted: breakpoints in the guest's code. Its bytes are as they were while it is
 * halted. */
struct rs_breakpoint { /* 0x40 bytes */
    __u32 size;        /* 0x00 */
    __u32 error;       /* 0x04 out: RS_ERR_BAD_ADDRESS, RS_ERR_NO_BREAKPOINT, ... */
    __u32 operation;   /* 0x08 RS_BREAKPOINT_* */
    __u32 id;          /* 0x0c in, or out of RS_BREAKPOINT_SET: from 1 on, never used again */
    __u64 address;     /* 0x10 virtual */
    __u32 process_id;  /* 0x18 whose code; RS_ANY: the kernel's, or the halted process's */
    __u32 thread_id;   /* 0x1c or RS_ANY */
    __u32 core;        /* 0x20 or RS_ANY */
    __u32 is_enabled;  /* 0x24 out */
    __u64 hits;        /* 0x28 out */
    __u64 reserved[2]; /* 0x30 */
};
RS_STATIC_ASSERT(sizeof(struct rs_breakpoint) == 0x40, "rs_breakpoint");

#define RS_MAX_HALT_CORES 256u
enum { RS_CORE_ABSENT = 0, RS_CORE_RUNS = 1, RS_CORE_HALTED = 2, RS_CORE_OPERATES = 3 };

/* LINK. How the cores stand ('test query'). */
struct rs_halt_state {            /* 0x130 bytes */
    __u32 size;                   /* 0x00 */
    __u32 error;                  /* 0x04 out */
    __u32 is_halted;              /* 0x08 out */
    __u32 core_count;             /* 0x0c out */
    __u64 generation;             /* 0x10 out: halts so far */
    __u64 lost_breaks;            /* 0x18 out: break actions that found no debugger (BRK-7) */
    __u64 reserved[2];            /* 0x20 */
    __u8 core[RS_MAX_HALT_CORES]; /* 0x30 out: RS_CORE_* */
};
RS_STATIC_ASSERT(sizeof(struct rs_halt_state) == 0x130, "rs_halt_state");

#endif
