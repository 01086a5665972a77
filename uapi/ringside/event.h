/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Events: the image that registers one, the requests that change or list them, their
 * counters, and the messages they send. All structures are little-endian, naturally
 * aligned and free of pointers; the same bytes travel over the ioctl and over the link.
 */
#ifndef RINGSIDE_EVENT_H
#define RINGSIDE_EVENT_H

#include "types.h"

/* Event types; the numbering follows the reference system's enumeration. */
#define RS_EVENT_EXCEPTION 16u
#define RS_EVENT_EXTERNAL_INTERRUPT 17u
#define EXTERNAL_INTERRUPT_OCCURRED RS_EVENT_EXTERNAL_INTERRUPT

#define RS_ANY 0xffffffffu        /* core_id, process_id: all of them */
#define RS_VECTOR_ALL 0xffffffffu /* optional_param[0]: every vector 0x20 to 0xff */
#define RS_VECTOR_FIRST 0x20u
#define RS_VECTOR_LAST 0xffu

#define RS_TAG_BASE 0x1000000ull /* tag = RS_TAG_BASE + id */
#define RS_TAG_ALL (~0ull)       /* rs_modify_event.tag: every event of every client */

enum { RS_STAGE_PRE = 1, RS_STAGE_POST = 2, RS_STAGE_ALL = 3 }; /* 0 means PRE */
enum { RS_ACT_BREAK = 0, RS_ACT_SCRIPT = 1, RS_ACT_CODE = 2 };

#define RS_EVF_SHORT_CIRCUIT (1u << 0)
#define RS_EVF_START_DISABLED (1u << 1)
#define RS_EVF_PERSIST (1u << 2) /* outlive the client */
#define RS_ACTF_IMMEDIATE (1u << 0)

/* Limits (specification section 16). */
#define RS_MAX_EVENTS 1024u
#define RS_MAX_EVENTS_PER_VECTOR 64u
#define RS_MAX_ACTIONS 16u
#define RS_MAX_OUTPUTS 5u
#define RS_MAX_CONDITION_BYTES 4096u
#define RS_MAX_ACTION_BYTES 0x14000u
#define RS_MAX_COMMAND_BYTES 4096u
#define RS_MAX_BUFFER_BYTES 0x100000u
#define RS_MAX_MESSAGE_BYTES 4080u

struct rs_event_detail {     /* 0xc0 bytes, then the tail */
    __u32 size;              /* 0x00 bytes of this header the caller knows */
    __u32 abi;               /* 0x04 RS_ABI_VERSION */
    __u64 total_len;         /* 0x08 header + padded tail */
    __u32 event_type;        /* 0x10 RS_EVENT_* */
    __u32 stage;             /* 0x14 RS_STAGE_*, 0 means PRE */
    __u32 core_id;           /* 0x18 or RS_ANY */
    __u32 process_id;        /* 0x1c tgid in the initial pid namespace, or RS_ANY */
    __u32 flags;             /* 0x20 RS_EVF_* */
    __u32 safe_buffer_len;   /* 0x24 */
    __u64 optional_param[6]; /* 0x28 [0] = vector or RS_VECTOR_ALL, the rest 0 */
    __u32 condition_len;     /* 0x58 0: unconditional */
    __u32 action_count;      /* 0x5c */
    __u64 output_tag[5];     /* 0x60 opaque, echoed in messages */
    __u32 output_count;      /* 0x88 */
    __u32 command_len;       /* 0x8c text for 'events', not zero-terminated */
    __u64 cookie;            /* 0x90 echoed in messages */
    __u64 tag;               /* 0x98 out */
    __u32 event_id;          /* 0xa0 out */
    __u32 error;             /* 0xa4 out, RS_ERR_* */
    __u64 reserved[3];       /* 0xa8 */
};
/* Tail: condition bytes | action_count x (rs_action, payload) | command text; each part
 * is padded with zeroes to a multiple of 8. */
RS_STATIC_ASSERT(sizeof(struct rs_event_detail) == 0xc0, "rs_event_detail");

struct rs_action {        /* 0x20 bytes, then payload_len bytes */
    __u32 size;           /* 0x00 */
    __u32 action_type;    /* 0x04 RS_ACT_* */
    __u32 flags;          /* 0x08 RS_ACTF_* */
    __u32 payload_len;    /* 0x0c code bytes, or a script image (bytecode.h); 0 for break */
    __u32 script_pointer; /* 0x10 script: number of instructions, 0 otherwise */
    __u32 error;          /* 0x14 out, RS_IOC_ADD_ACTION only */
    __u64 event_tag;      /* 0x18 RS_IOC_ADD_ACTION only */
};
RS_STATIC_ASSERT(sizeof(struct rs_action) == 0x20, "rs_action");

enum { RS_MODIFY_QUERY = 0, RS_MODIFY_ENABLE = 1, RS_MODIFY_DISABLE = 2, RS_MODIFY_CLEAR = 3 };
struct rs_modify_event { /* 24 bytes */
    __u32 size;          /* 0x00 */
    __u32 action;        /* 0x04 RS_MODIFY_* */
    __u64 tag;           /* 0x08 or RS_TAG_ALL */
    __u32 is_enabled;    /* 0x10 out */
    __u32 error;         /* 0x14 out */
};
RS_STATIC_ASSERT(sizeof(struct rs_modify_event) == 24, "rs_modify_event");

/* Marks of an event (EVT-2). */
#define RS_MARK_NO_ACTION (1u << 0)
#define RS_MARK_FAULTED (1u << 1)
#define RS_MARK_HELD (1u << 2)

struct rs_event_entry { /* 0x40 bytes, then the command text padded to 8 */
    __u64 tag;          /* 0x00 */
    __u64 cookie;       /* 0x08 */
    __u32 event_type;   /* 0x10 */
    __u32 stage;        /* 0x14 */
    __u32 core_id;      /* 0x18 */
    __u32 process_id;   /* 0x1c */
    __u64 vector;       /* 0x20 optional_param[0] */
    __u32 flags;        /* 0x28 RS_EVF_* */
    __u32 is_enabled;   /* 0x2c */
    __u32 marks;        /* 0x30 RS_MARK_* */
    __u32 action_count; /* 0x34 */
    __u32 command_len;  /* 0x38 bytes of text that follow, before padding */
    __u32 reserved;     /* 0x3c */
};
RS_STATIC_ASSERT(sizeof(struct rs_event_entry) == 0x40, "rs_event_entry");

struct rs_event_list { /* 0x30 bytes, then the entries */
    __u32 size;        /* 0x00 */
    __u32 reserved;    /* 0x04 */
    __u64 total_len;   /* 0x08 in: bytes of this header + room for entries */
    __u64 first_tag;   /* 0x10 in: list from this tag on (0: from the first) */
    __u32 count;       /* 0x18 out: entries written, ascending tag */
    __u32 error;       /* 0x1c out */
    __u64 next_tag;    /* 0x20 out: first tag that did not fit, 0 when complete */
    __u64 used_len;    /* 0x28 out: bytes used, header included */
};
RS_STATIC_ASSERT(sizeof(struct rs_event_list) == 0x30, "rs_event_list");

enum {
    RS_STAT_EVENT = 0,
    RS_STAT_CORE = 1,
    RS_STAT_VECTOR = 2, /* tag: a vector; 'ignored' alone, over all cores (SC-12) */
};
struct rs_event_stat { /* 0xb0 bytes */
    __u32 size;        /* 0x00 */
    __u32 kind;        /* 0x04 in: RS_STAT_EVENT or RS_STAT_CORE */
    __u64 tag;         /* 0x08 in: tag of the event, or number of the core */
    /* RS_STAT_EVENT: summed over the cores. */
    __u64 arrivals;        /* 0x10 matched vector and core (RS_STAT_CORE: all taken) */
    __u64 condition_false; /* 0x18 */
    __u64 triggers_pre;    /* 0x20 */
    __u64 triggers_post;   /* 0x28 */
    __u64 ignored;         /* 0x30 both kinds */
    __u64 code_faults;     /* 0x38 */
    __u64 script_errors;   /* 0x40 */
    __u64 messages;        /* 0x48 */
    __u64 lost_messages;   /* 0x50 */
    __u64 cycles_total;    /* 0x58 TSC ticks spent in this event's actions */
    __u64 cycles_max;      /* 0x60 */
    /* RS_STAT_CORE. */
    __u64 delivered;       /* 0x68 */
    __u64 pending;         /* 0x70 accepted, not yet delivered or ignored */
    __u64 exits;           /* 0x78 all VM exits of the core */
    __u64 interrupt_exits; /* 0x80 exits by a physical interrupt */
    __u64 nmi_exits;       /* 0x88 */
    __u64 self_wakes;      /* 0x90 NMIs root raised to wake the reader */
    __u32 is_virtualized;  /* 0x98 */
    __u32 error;           /* 0x9c out */
    __u64 reserved[2];     /* 0xa0 */
};
RS_STATIC_ASSERT(sizeof(struct rs_event_stat) == 0xb0, "rs_event_stat");

/* Messages (API-12): read() returns whole records; each is this header + len payload bytes,
 * the next record starts at the following multiple of 8. */
enum {
    RS_MSG_TEXT = 1,       /* text of one print */
    RS_MSG_GATHERED = 2,   /* text of several prints (imm no) */
    RS_MSG_BINARY = 3,     /* a safe buffer's content */
    RS_MSG_LOST = 4,       /* payload: __u64 count; messages of tag on core dropped here */
    RS_MSG_HALT = 5,       /* halt report */
    RS_MSG_DIAGNOSTIC = 6, /* payload: struct rs_diagnostic */
};
#define RS_MSGF_MORE                                                                  \
    (1u << 0)      /* RS_MSG_BINARY: the buffer goes on in the next record of its tag \
                    */
struct rs_msg {    /* 48 bytes, then the payload */
    __u32 len;     /* 0x00 payload bytes, without padding */
    __u16 kind;    /* 0x04 RS_MSG_* */
    __u16 flags;   /* 0x06 RS_MSGF_* */
    __u32 core;    /* 0x08 */
    __u32 pid;     /* 0x0c tgid of the interrupted task */
    __u64 tag;     /* 0x10 */
    __u64 cookie;  /* 0x18 */
    __u64 time_ns; /* 0x20 TSC converted to nanoseconds; comparable across cores */
    __u64 seq;     /* 0x28 per core, grows by one for each record */
};
RS_STATIC_ASSERT(sizeof(struct rs_msg) == 48, "rs_msg");

/* What a diagnostic tells of. */
enum {
    RS_DIAG_SCRIPT = 0, /* a script's run-time error */
    RS_DIAG_CODE = 1,   /* a fault in an action's machine code; its event is disabled */
    RS_DIAG_NOTICE = 2, /* RS_NOTICE_* */
};
#define RS_DIAG_CONDITION 0xffffffffu /* rs_diagnostic.action: the event's condition */
#define RS_CODE_TIMEOUT 0x100u        /* rs_diagnostic.code of RS_DIAG_CODE: over its budget */
enum {
    RS_NOTICE_SC_IN_POST = 1,      /* event_sc() in the post stage does nothing (SC-5) */
    RS_NOTICE_NO_PAUSE = 3,        /* pause() without a debugger that holds the machine */
    RS_NOTICE_BREAK_LOST = 4,      /* a break that found no debugger; more of them are counted */
    RS_NOTICE_LEVEL_THROTTLED = 2, /* value: vector of a level-triggered source held (SC-9) */
};
struct rs_diagnostic { /* 0x20 bytes */
    __u32 code;        /* 0x00 enum rs_script_error (bytecode.h); exception vector; RS_NOTICE_* */
    __u32 action;      /* 0x04 index of the action in its event, or RS_DIAG_CONDITION */
    __u32 pc;          /* 0x08 index of the instruction, for the front end's line table; code: the
                        * offset of the instruction, 0xffffffff outside of the code */
    __u32 suppressed;  /* 0x0c reports of this event left out since the last one */
    __u64 value;       /* 0x10 the offending address (code: CR2), divisor, count ... */
    __u32 disabled;    /* 0x18 1: the event was disabled and marked [faulted] */
    __u32 kind;        /* 0x1c RS_DIAG_* */
};
RS_STATIC_ASSERT(sizeof(struct rs_diagnostic) == 0x20, "rs_diagnostic");

#endif
