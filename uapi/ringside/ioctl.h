/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Requests of /dev/ringside (specification section 15). Every argument starts with its
 * size: smaller than the module's means the missing fields are 0, larger with a tail that
 * is not zero means E2BIG. Arguments marked 'image' carry their data behind the header and
 * hold the whole length in total_len at offset 8.
 */
#ifndef RINGSIDE_IOCTL_H
#define RINGSIDE_IOCTL_H

#include "debug.h"
#include "error.h"
#include "event.h"
#include "ring.h"
#include "types.h"
#include "version.h"

#define RS_IOC_MAGIC 0xD7

/* The kernel's _IOWR encoding, spelled out so that the freestanding core can use it. */
#define RS_IOC(nr, type) \
    ((3u << 30) | ((__u32)sizeof(type) << 16) | ((__u32)RS_IOC_MAGIC << 8) | (__u32)(nr))
#define RS_IOC_NR(request) ((request)&0xffu)

#define RS_NR_VERSION 0x00u
#define RS_NR_LOAD 0x01u
#define RS_NR_UNLOAD 0x02u
#define RS_NR_REGISTER_EVENT 0x10u
#define RS_NR_ADD_ACTION 0x11u
#define RS_NR_MODIFY_EVENT 0x12u
#define RS_NR_LIST_EVENTS 0x13u
#define RS_NR_EVENT_STAT 0x14u
#define RS_NR_SHORT_CIRCUIT 0x15u
#define RS_NR_FLUSH 0x20u
#define RS_NR_PREALLOC 0x21u
#define RS_NR_RING 0x23u
#define RS_NR_SETTINGS 0x24u
#define RS_NR_MEM 0x30u
#define RS_NR_MSR 0x31u
#define RS_NR_IDT 0x32u
#define RS_NR_LAPIC 0x33u
#define RS_NR_IO_APIC 0x34u
#define RS_NR_EVAL 0x35u
#define RS_NR_SYMBOL 0x36u
#define RS_NR_PROCESS 0x37u
#define RS_NR_REGISTERS 0x38u
#define RS_NR_PAGE_WALK 0x39u
#define RS_NR_TASKS 0x3au
#define RS_NR_SYMBOL_LIST 0x3bu
#define RS_NR_CPUID 0x3cu
#define RS_NR_MAPPINGS 0x3du
#define RS_NR_PREPARE 0x40u
#define RS_NR_RUN 0x41u
#define RS_NR_PAUSE 0x42u
#define RS_NR_SWITCH_CORE 0x43u
#define RS_NR_HALT_STATE 0x44u
#define RS_NR_BREAKPOINT 0x45u

#define RS_IOC_VERSION RS_IOC(RS_NR_VERSION, struct rs_version)
#define RS_IOC_LOAD RS_IOC(RS_NR_LOAD, struct rs_load)
#define RS_IOC_UNLOAD RS_IOC(RS_NR_UNLOAD, struct rs_load)
#define RS_IOC_REGISTER_EVENT RS_IOC(RS_NR_REGISTER_EVENT, struct rs_event_detail) /* image */
#define RS_IOC_ADD_ACTION RS_IOC(RS_NR_ADD_ACTION, struct rs_action) /* its payload behind it */
#define RS_IOC_MODIFY_EVENT RS_IOC(RS_NR_MODIFY_EVENT, struct rs_modify_event)
#define RS_IOC_LIST_EVENTS RS_IOC(RS_NR_LIST_EVENTS, struct rs_event_list) /* image */
#define RS_IOC_EVENT_STAT RS_IOC(RS_NR_EVENT_STAT, struct rs_event_stat)
#define RS_IOC_FLUSH RS_IOC(RS_NR_FLUSH, struct rs_flush)
#define RS_IOC_RING RS_IOC(RS_NR_RING, struct rs_ring)
#define RS_IOC_SETTINGS RS_IOC(RS_NR_SETTINGS, struct rs_settings)
#define RS_IOC_IDT RS_IOC(RS_NR_IDT, struct rs_idt)
#define RS_IOC_SYMBOL RS_IOC(RS_NR_SYMBOL, struct rs_symbol)
#define RS_IOC_PROCESS RS_IOC(RS_NR_PROCESS, struct rs_process)
#define RS_IOC_EVAL RS_IOC(RS_NR_EVAL, struct rs_eval) /* image */
/* debug.h */
#define RS_IOC_SHORT_CIRCUIT RS_IOC(RS_NR_SHORT_CIRCUIT, struct rs_event_sc)
#define RS_IOC_PREALLOC RS_IOC(RS_NR_PREALLOC, struct rs_prealloc)
#define RS_IOC_MEM RS_IOC(RS_NR_MEM, struct rs_mem) /* image */
#define RS_IOC_MSR RS_IOC(RS_NR_MSR, struct rs_msr)
#define RS_IOC_LAPIC RS_IOC(RS_NR_LAPIC, struct rs_lapic)
#define RS_IOC_IO_APIC RS_IOC(RS_NR_IO_APIC, struct rs_io_apic)
#define RS_IOC_REGISTERS RS_IOC(RS_NR_REGISTERS, struct rs_registers)
#define RS_IOC_PAGE_WALK RS_IOC(RS_NR_PAGE_WALK, struct rs_page_walk)
#define RS_IOC_TASKS RS_IOC(RS_NR_TASKS, struct rs_tasks)                   /* image */
#define RS_IOC_SYMBOL_LIST RS_IOC(RS_NR_SYMBOL_LIST, struct rs_symbol_list) /* image */
#define RS_IOC_CPUID RS_IOC(RS_NR_CPUID, struct rs_cpuid)
#define RS_IOC_MAPPINGS RS_IOC(RS_NR_MAPPINGS, struct rs_mappings) /* image */
#define RS_IOC_PREPARE RS_IOC(RS_NR_PREPARE, struct rs_prepare)
#define RS_IOC_RUN RS_IOC(RS_NR_RUN, struct rs_run)
#define RS_IOC_PAUSE RS_IOC(RS_NR_PAUSE, struct rs_pause)
#define RS_IOC_SWITCH_CORE RS_IOC(RS_NR_SWITCH_CORE, struct rs_switch_core)
#define RS_IOC_BREAKPOINT RS_IOC(RS_NR_BREAKPOINT, struct rs_breakpoint)
#define RS_IOC_HALT_STATE RS_IOC(RS_NR_HALT_STATE, struct rs_halt_state)

#define RS_MAX_REQUEST_BYTES 0x200000u /* largest image of any request */

#define RS_LOADF_NPT (1u << 0) /* nested paging, root's memory hidden from the guest */
/* Short-circuiting (specification SC-9, SC-11). */
#define RS_LOADF_SC_DELIVER (1u << 1)   /* deliver a level storm's 17th interrupt, do not hold it */
#define RS_LOADF_SC_NO_REPLAY (1u << 2) /* raise nothing anew when an event ends */

struct rs_load {          /* 0x50 bytes */
    __u32 size;           /* 0x00 */
    __u32 abi;            /* 0x04 RS_ABI_VERSION of the caller */
    __u32 flags;          /* 0x08 RS_LOADF_* */
    __u32 msg_ring_kb;    /* 0x0c per core; 0: 1024; power of two, 64 to 4096 */
    __u64 script_budget;  /* 0x10 operations a run; 0: 1,000,000 */
    __u64 script_time_us; /* 0x18 microseconds a run; 0: 200,000 */
    __u32 cores;          /* 0x20 out: cores virtualized */
    __u32 error;          /* 0x24 out: RS_ERR_* */
    __u32 error_core;     /* 0x28 out: core that failed, RS_ANY if none did */
    __u32 fail_step;      /* 0x2c in: test only, fail at this step of the launch (0: none) */
    __u32 fail_core;      /* 0x30 in: test only, core that fails */
    __u32 reserved[7];    /* 0x34 */
};
RS_STATIC_ASSERT(sizeof(struct rs_load) == 0x50, "rs_load");

#define RS_FLUSHF_HAND_OVER (1u << 0) /* drop nothing: make gathered text (imm no) readable now */

/* Drops every unread message of every event and client, gathered text included (AUX-1). */
struct rs_flush {   /* 0x18 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out: RS_ERR_* */
    __u64 count;    /* 0x08 out: messages dropped */
    __u32 flags;    /* 0x10 RS_FLUSHF_* */
    __u32 reserved; /* 0x14 */
};
RS_STATIC_ASSERT(sizeof(struct rs_flush) == 0x18, "rs_flush");

#define RS_SET_SCRIPT_BUDGET (1u << 0)
#define RS_SET_SCRIPT_TIME (1u << 1)
#define RS_SET_CODE_TIME (1u << 2)
#define RS_SET_GATHER_TIME (1u << 3)
#define RS_SET_SC_REPLAY (1u << 4)
#define RS_SET_SC_DELIVER (1u << 5)
#define RS_SET_UTC_OFFSET (1u << 6)
#define RS_SET_JIT (1u << 7)
#define RS_SET_LINK_LOSS (1u << 8) /* for the debug link; the device passes over it */
#define RS_SET_ALL 0x1ffu

/* Presets, and the most there may be; the least is 1. */
#define RS_DEFAULT_SCRIPT_TIME_US 200000u
#define RS_DEFAULT_CODE_TIME_US 10000u
#define RS_DEFAULT_GATHER_TIME_MS 250u
#define RS_MAX_SCRIPT_BUDGET (1ull << 40)
#define RS_MAX_SCRIPT_TIME_US 10000000u
#define RS_MAX_CODE_TIME_US 1000000u
#define RS_MAX_GATHER_TIME_MS 60000u
#define RS_MAX_UTC_OFFSET_S 86400

/* What the hypervisor works with, until 'unload': changes what `mask` names and tells all. A value
 * out of range: EINVAL, and nothing is changed. */
struct rs_settings {      /* 0x48 bytes */
    __u32 size;           /* 0x00 */
    __u32 error;          /* 0x04 out: RS_ERR_* */
    __u32 mask;           /* 0x08 RS_SET_*: the fields to be changed */
    __u16 sc_replay;      /* 0x0c 0 or 1: SC-11 */
    __u16 sc_deliver;     /* 0x0e 0 or 1: SC-9, deliver a level storm's 17th interrupt */
    __u64 script_budget;  /* 0x10 operations a run */
    __u64 script_time_us; /* 0x18 a run */
    __u64 code_time_us;   /* 0x20 a run of machine code */
    __u64 gather_time_ms; /* 0x28 age limit of text of 'imm no' */
    __s64 utc_offset_s;   /* 0x30 of $date and $time: local time less UTC, at most a day */
    __u64 jit;            /* 0x38 0 or 1: machine code for the scripts of events */
    __u64 link_loss;      /* 0x40 0: a halted machine waits when the debug link is lost; 1: it goes
                           * on, its breaks disabled */
};
RS_STATIC_ASSERT(sizeof(struct rs_settings) == 0x48, "rs_settings");

/* Runs a script once in root mode, in the context of the calling thread. */
struct rs_eval {        /* 0x48 bytes, then program; on return, then text */
    __u32 size;         /* 0x00 */
    __u32 reserved;     /* 0x04 */
    __u64 total_len;    /* 0x08 header + the larger of program and room for text */
    __u32 program_len;  /* 0x10 bytes of the script image behind this header */
    __u32 text_len;     /* 0x14 out: bytes of text behind this header */
    __u64 value;        /* 0x18 out: value of the last print or test_statement */
    __u32 script_error; /* 0x20 out: enum rs_script_error, 0 if it ran to its end */
    __u32 error_pc;     /* 0x24 out */
    __u64 error_value;  /* 0x28 out */
    __u32 error;        /* 0x30 out: RS_ERR_* */
    __u32 core;         /* 0x34 out: core it ran on */
    __u64 reserved2[2]; /* 0x38 */
};
RS_STATIC_ASSERT(sizeof(struct rs_eval) == 0x48, "rs_eval");

#define RS_MAX_SYMBOL_NAME 208u

/* A name of the kernel or of one of its modules: its address, or what stands at an address. */
struct rs_symbol {  /* 0xe8 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out: RS_ERR_NO_SYMBOL */
    __u64 address;  /* 0x08 in if name is empty, else out */
    __u64 reserved; /* 0x10 */
    /* 0x18 zero-terminated; in: "jiffies", "module:name"; out: "name+0x2/0x40 [module]" */
    char name[RS_MAX_SYMBOL_NAME];
};
RS_STATIC_ASSERT(sizeof(struct rs_symbol) == 0xe8, "rs_symbol");

#define RS_PROCESSF_32BIT (1u << 0) /* its program is one for 32-bit processors */

/* A process by its tgid in the initial namespace. */
struct rs_process { /* 0x28 bytes */
    __u32 size;     /* 0x00 */
    __u32 error;    /* 0x04 out: RS_ERR_BAD_PID if there is none */
    __u32 pid;      /* 0x08 */
    __u32 flags;    /* 0x0c out: RS_PROCESSF_* */
    char name[16];  /* 0x10 out: of its program, zero-terminated */
    __u64 start_ns; /* 0x20 in: 0; out: when it began, since the machine did: a pid is used again */
};
RS_STATIC_ASSERT(sizeof(struct rs_process) == 0x28, "rs_process");

#define RS_IDT_CHUNK 32u

/* Entries of the interrupt descriptor table of the core the request runs on. */
struct rs_idt {                  /* 0x118 bytes */
    __u32 size;                  /* 0x00 */
    __u32 error;                 /* 0x04 out: RS_ERR_* */
    __u32 first;                 /* 0x08 first entry, 0 to 255 */
    __u32 count;                 /* 0x0c entries, at most RS_IDT_CHUNK, none above 255 */
    __u32 core;                  /* 0x10 out */
    __u32 reserved;              /* 0x14 */
    __u64 handler[RS_IDT_CHUNK]; /* 0x18 out: address of the handler; 0 behind the table's end */
};
RS_STATIC_ASSERT(sizeof(struct rs_idt) == 0x118, "rs_idt");

#endif
