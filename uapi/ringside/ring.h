/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * A core's message ring as a reader may map it (API-13). mmap() the device read-only and shared, at
 * offset core * RS_RING_STRIDE: RS_RING_HEAD_BYTES with the head first, then the data, ring_bytes
 * of RS_IOC_RING. Root mode writes both; nobody else can.
 *
 * The reader walks from rs_ring.tail to the head. A record at `position` lies at position modulo
 * ring_bytes and never wraps. It belongs to the client whose number RS_IOC_RING told, or to
 * everybody; those of other clients, and those taken already, are passed over. RS_IOC_RING with a
 * position hands back what lies before it: only then is it overwritten. A mapping outlives its file
 * and an unload, and shows nothing new then.
 *
 * All records of a core are in one ring, so a mapping shows the messages of other clients, too. All
 * of them are root (API-1).
 */
#ifndef RINGSIDE_RING_H
#define RINGSIDE_RING_H

#include "types.h"

#define RS_RING_STRIDE 0x1000000ull
#define RS_RING_HEAD_BYTES 0x1000u /* __u64: position behind the last whole record */
#define RS_RING_EVERYBODY 0xffffffffu

enum { RS_RECORD_PADDING = 0, RS_RECORD_MESSAGE = 1 };
struct rs_record {  /* 16 bytes, then struct rs_msg and its payload, padded to 16 */
    __u32 bytes;    /* 0x00 whole record, this header included */
    __u16 kind;     /* 0x04 RS_RECORD_* */
    __u16 is_taken; /* 0x06 */
    __u32 owner;    /* 0x08 client, or RS_RING_EVERYBODY */
    __u32 reserved; /* 0x0c */
};
RS_STATIC_ASSERT(sizeof(struct rs_record) == 16, "rs_record");

struct rs_ring {    /* 0x30 bytes */
    __u32 size;     /* 0x00 */
    __u32 core;     /* 0x04 in */
    __u64 position; /* 0x08 in: this client has read its records before it; 0: it has not */
    __u64
        generation; /* 0x10 in: of the load that the mapping is of, 0: any; out: the current one */
    __u64 tail;     /* 0x18 out: oldest record that is still there */
    __u32 ring_bytes; /* 0x20 out */
    __u32 client;     /* 0x24 out: number of this client */
    __u32 error;      /* 0x28 out: RS_ERR_* */
    __u32 reserved;   /* 0x2c */
};
RS_STATIC_ASSERT(sizeof(struct rs_ring) == 0x30, "rs_ring");

#endif
