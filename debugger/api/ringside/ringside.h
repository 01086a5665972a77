/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libringside: events, messages and commands of Ringside for C programs (events specification
 * section 15.3). docs/api.md is the guide. Valid C11 and C++20; ringside.hpp is the C++ face of it.
 *
 * Functions that can fail return 0, or a code: RS_ERR_* (error.h) where the module gave one, else
 * an errno number; RS_ERR_* are negative as int. rs_strerror() has a sentence for both, and
 * rs_error_text() tells more of the calling thread's last failure. errno is set as well.
 *
 * A handle is one client of the module, used by one thread at a time. The first rs_open() makes the
 * process ignore SIGPIPE.
 */
#ifndef RINGSIDE_RINGSIDE_H
#define RINGSIDE_RINGSIDE_H

#include <stddef.h>
#include <stdint.h>

#include "ringside/error.h"
#include "ringside/event.h"
#include "ringside/version.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RS_API __attribute__((visibility("default")))
#else
#define RS_API
#endif

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* functions called like structures of the module */
#endif

struct rs_handle;

/* Opens /dev/ringside, or $RINGSIDE_DEVICE. EACCES, EPERM: needs root; ENOENT: no module;
 * RS_ERR_ABI_MISMATCH: a module of another version. *handle is NULL after a failure. */
RS_API int rs_open(struct rs_handle** handle);
/* Clears the handle's events (not those of rs_event_persist()), unloads the hypervisor if
 * rs_load_vmm() on this handle loaded it and no event persists, and frees the handle. NULL does
 * nothing. Always 0. */
RS_API int rs_close(struct rs_handle* handle);

/* Slides the hypervisor under all cores; 0 as well if it is there already. RS_ERR_OTHER_CLIENTS
 * while others have the device open. */
RS_API int rs_load_vmm(struct rs_handle* handle);
/* Clears all events and takes the hypervisor away. RS_ERR_NOT_LOADED, RS_ERR_OTHER_CLIENTS. */
RS_API int rs_unload(struct rs_handle* handle);
/* What the module says of itself and this machine. */
RS_API int rs_get_version(struct rs_handle* handle, struct rs_version* version);

/* One action of an event that is being put together. */
struct rs_event_action {
    const void* bytes; /* code or a script image; the caller's, used by rs_event_commit() */
    size_t length;
    uint32_t type; /* RS_ACT_* */
};

/*
 * An event that is being put together: plain memory of the caller, filled in by the functions
 * below, nothing to free. Bytes and texts handed in are not copied: they must last until
 * rs_event_commit(), which may be called several times. The first mistake is kept in `error`, and
 * rs_event_commit() returns it.
 */
struct rs_event {
    uint32_t type;  /* RS_EVENT_* */
    uint32_t stage; /* RS_STAGE_* */
    uint32_t core;  /* or RS_ANY */
    uint32_t pid;   /* or RS_ANY */
    uint32_t flags; /* RS_EVF_* */
    uint32_t buffer_bytes;
    uint64_t vector; /* or RS_VECTOR_ALL */
    uint64_t cookie; /* comes back in rs_msg.cookie */
    int is_immediate;
    int error; /* of the functions below, 0 so far */
    const void* condition;
    size_t condition_length;
    const char* command; /* what 'events' lists, or NULL */
    uint32_t action_count;
    struct rs_event_action actions[RS_MAX_ACTIONS];
};

/* Defaults: every vector, core and process, stage pre, short-circuiting off, immediate messages, no
 * buffer, no condition, no action. */
RS_API void rs_event_init(struct rs_event* event, uint32_t type);
/* Each returns 0 or what the event's `error` is then. */
RS_API int rs_event_vector(struct rs_event* event, uint64_t vector); /* 0x20 to 0xff */
RS_API int rs_event_pid(struct rs_event* event, uint32_t pid);
RS_API int rs_event_core(struct rs_event* event, uint32_t core);
RS_API int rs_event_stage(struct rs_event* event, uint32_t stage); /* RS_STAGE_* */
RS_API int rs_event_sc(struct rs_event* event, int is_on);         /* needs stage pre */
RS_API int rs_event_imm(struct rs_event* event, int is_on);
RS_API int rs_event_buffer(struct rs_event* event, uint32_t bytes); /* up to RS_MAX_BUFFER_BYTES */
RS_API int rs_event_cookie(struct rs_event* event, uint64_t cookie);
RS_API int rs_event_command(struct rs_event* event, const char* text);
/* Registered, but not enabled. */
RS_API int rs_event_disabled(struct rs_event* event);
/* Outlives the handle. */
RS_API int rs_event_persist(struct rs_event* event);
/* Machine code that decides whether the event triggers: rax != 0 (CTX-4). */
RS_API int rs_event_condition(struct rs_event* event, const void* bytes, size_t length);
/* Halts the machine; the module refuses it outside of Debugger Mode. */
RS_API int rs_event_add_break(struct rs_event* event);
/* A script that rs_compile() has compiled. */
RS_API int rs_event_add_script(struct rs_event* event, const void* blob, size_t length);
/* Machine code as it is; the module appends a ret (API-8). */
RS_API int rs_event_add_code(struct rs_event* event, const void* bytes, size_t length);

/* Registers the event with everything that belongs to it, or nothing of it. */
RS_API int rs_event_commit(struct rs_handle* handle, const struct rs_event* event, uint64_t* tag);
/* tag RS_TAG_ALL: every event of every client. */
RS_API int rs_event_enable(struct rs_handle* handle, uint64_t tag);
RS_API int rs_event_disable(struct rs_handle* handle, uint64_t tag);
RS_API int rs_event_clear(struct rs_handle* handle, uint64_t tag);
RS_API int rs_event_query(struct rs_handle* handle, uint64_t tag, int* is_enabled);

/* Counters of one event, summed over the cores (EVT-14). */
struct rs_stat {
    uint64_t arrivals;
    uint64_t condition_false;
    uint64_t triggers_pre;
    uint64_t triggers_post;
    uint64_t ignored;
    uint64_t code_faults;
    uint64_t script_errors;
    uint64_t messages;
    uint64_t lost_messages;
    uint64_t cycles_total; /* TSC ticks */
    uint64_t cycles_max;
};
RS_API int rs_event_stat(struct rs_handle* handle, uint64_t tag, struct rs_stat* stat);

/* The next message: of events committed on this handle, and what arrives of others outside of
 * rs_command(). *message, its payload behind it, is the library's and lasts until the next call on
 * the handle. timeout_ms: at most that long, 0 for what is there, negative without limit.
 * ETIMEDOUT: none came. */
RS_API int rs_msg_next(struct rs_handle* handle, const struct rs_msg** message, int timeout_ms);
/* Payload of a message, `len` bytes; text is not zero-terminated. */
static inline const char* rs_msg_payload(const struct rs_msg* message) {
    return (const char*)(message + 1);
}
/* Drops all undelivered messages of all events (AUX-1); *count, unless NULL: how many. */
RS_API int rs_flush(struct rs_handle* handle, uint64_t* count);

/*
 * For programs that read a lot: one core's ring, mapped (API-13). Messages of this handle's events
 * are read where root mode wrote them; one system call hands many back. On this machine only. Use
 * either this or rs_msg_next() and rs_command() on a handle: what one has taken the other does not
 * see. Close rings before the handle.
 */
struct rs_ring_reader;
RS_API int rs_ring_open(struct rs_handle* handle, uint32_t core, struct rs_ring_reader** reader);
/* As rs_msg_next(), for this core; ETIMEDOUT may come early when another core has messages.
 * RS_ERR_NOT_LOADED: unloaded meanwhile, open it again. */
RS_API int rs_ring_next(struct rs_ring_reader* reader, const struct rs_msg** message,
                        int timeout_ms);
/* Hands back what was read. NULL does nothing. Always 0. */
RS_API int rs_ring_close(struct rs_ring_reader* reader);

enum {
    RS_SINK_TEXT = 0,       /* results, and what scripts print: bytes as they are */
    RS_SINK_DIAGNOSTIC = 1, /* one message of "err, ", "warn, " or "notice: ", no line end */
};
typedef void (*rs_sink)(void* user, int kind, const char* bytes, size_t length);
/* Runs command lines as the program's prompt does, on this handle's connection; several are
 * separated by line feeds. Output goes to `sink` (unless NULL) during the call, messages of events
 * that commands made included; what arrives later is rs_msg_next()'s. A connection made by
 * '.connect' becomes the handle's. Returns 0 or the program's exit status (LEX-11) of the first
 * command that failed, and runs none behind it; rs_error_text() has its diagnostics. */
RS_API int rs_command(struct rs_handle* handle, const char* text, rs_sink sink, void* user);

/* Compiles a script for rs_event_add_script(). `handle` knows the global variables assigned so far;
 * NULL: there are none. *length: room at `blob`, then bytes of the image. ENOSPC: too little room,
 * *length says how much it takes; EINVAL: not accepted, rs_error_text() says why. */
RS_API int rs_compile(struct rs_handle* handle, const char* script, void* blob, size_t* length);

/* Assembles Intel syntax for rs_event_add_code() and rs_event_condition(), as 'asm code' does. The
 * debuggee of `handle` knows the kernel's symbols; NULL: there are none. *length: room at `bytes`,
 * then bytes of the code. ENOSPC: too little room, *length says how much it takes; EINVAL: not
 * accepted, rs_error_text() says why and at which byte. */
RS_API int rs_assemble(struct rs_handle* handle, const char* text, void* bytes, size_t* length);

/* A sentence for what a function returned; never NULL, valid for ever. */
RS_API const char* rs_strerror(int code);
/* What there is to say of the calling thread's last failure, several lines perhaps; valid until its
 * next failure. */
RS_API const char* rs_error_text(void);

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#ifdef __cplusplus
}
#endif

#endif
