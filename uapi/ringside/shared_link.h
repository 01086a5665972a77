/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * The debug link over memory that a virtual machine shares with its host (QEMU's ivshmem-plain):
 * two byte streams that carry frames (packet.h). Little-endian. Each side writes its own words
 * alone, reads the other's once, and takes nonsense for an empty, or a full, stream.
 */
#ifndef RINGSIDE_SHARED_LINK_H
#define RINGSIDE_SHARED_LINK_H

#include "types.h"

#define RS_SHARED_LINK_MAGIC 0x4d485352u /* "RSHM" */

/* One stream: `head` counts the bytes written since the beginning, `tail` those read; both only
 * grow. Data is a ring of `bytes` bytes, a power of two. */
struct rs_shared_stream { /* 0x100 bytes */
    __u64 head;           /* 0x00 written by the sender */
    __u64 reserved[15];   /* another cache line, and the one beside it */
    __u64 tail;           /* 0x80 written by the receiver */
    __u64 reserved2[15];
};
RS_STATIC_ASSERT(sizeof(struct rs_shared_stream) == 0x100, "rs_shared_stream");

/* At the beginning of the shared memory. The debuggee writes it when it is prepared: first
 * everything else, then the magic. The rings lie behind it: that to the debuggee at 0x1000. */
struct rs_shared_link {                  /* 0x300 bytes */
    __u32 magic;                         /* 0x00 RS_SHARED_LINK_MAGIC */
    __u32 link_version;                  /* 0x04 RS_LINK_VERSION */
    __u64 total_bytes;                   /* 0x08 of the shared memory */
    __u64 to_debuggee_offset;            /* 0x10 of the ring's data */
    __u64 to_debuggee_bytes;             /* 0x18 */
    __u64 to_debugger_offset;            /* 0x20 */
    __u64 to_debugger_bytes;             /* 0x28 */
    __u64 reserved[26];                  /* 0x30 */
    struct rs_shared_stream to_debuggee; /* 0x100 */
    struct rs_shared_stream to_debugger; /* 0x200 */
};
RS_STATIC_ASSERT(sizeof(struct rs_shared_link) == 0x300, "rs_shared_link");

#endif
