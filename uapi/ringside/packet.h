/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Frames of the link between debugger and agent (specification MOD-2), over any byte
 * stream. Little-endian, free of pointers. A frame is this header and 'length' payload
 * bytes; a receiver that meets anything else drops bytes until a header fits again.
 *
 * How a link starts:
 *   debugger  HELLO      versions, a nonce
 *   agent     CHALLENGE  versions, a nonce
 *   debugger  AUTH       HMAC-SHA256(key, "ringside debugger" | HELLO | CHALLENGE)
 *   agent     AUTH       HMAC-SHA256(key, "ringside agent" | HELLO | CHALLENGE)
 *   agent     READY      the device is open; requests may be sent
 * The labels are sent into the HMAC without a terminating zero, HELLO and CHALLENGE as the
 * payloads travelled. Without a key both sides set RS_LINKF_NO_KEY and use the empty key.
 * Instead of any answer the agent may send an ERROR and hang up. The layouts of struct
 * rs_packet, HELLO, CHALLENGE and ERROR stay as they are in every version, so that sides of
 * different versions can still say so.
 *
 * A line (serial port) does not tell who is there, and keeps bytes of those who were. On one
 *   - the debugger repeats its HELLO, unchanged, until it is answered;
 *   - a HELLO ends whatever was before it, half a frame or a session, and begins a new link;
 *   - CHALLENGE and an ERROR that ends an introduction carry a struct rs_packet_echo behind
 *     their structure: a debugger skips everything before the answer to its own HELLO;
 *   - the agent answers a BYE with a BYE, and the debugger waits for it: an emulator that sees its
 *     socket hung up may drop what it has not read yet;
 *   - the debugger sends PINGs, and each side takes the other for gone after a long silence;
 *   - the agent answers a PING or REQUEST of a debugger it does not serve with an ERROR.
 */
#ifndef RINGSIDE_PACKET_H
#define RINGSIDE_PACKET_H

#include "ioctl.h"
#include "types.h"

#define RS_PACKET_MAGIC 0x4b4c5352u /* "RSLK" on the wire */
#define RS_LINK_VERSION 1u

/* Most payload bytes of a frame: the largest request and its own header. */
#define RS_MAX_PACKET_BYTES (RS_MAX_REQUEST_BYTES + 64u)

struct rs_packet {     /* 0x18 bytes, then length bytes */
    __u32 magic;       /* 0x00 RS_PACKET_MAGIC */
    __u16 version;     /* 0x04 RS_LINK_VERSION of the sender */
    __u8 type;         /* 0x06 RS_PACKET_* */
    __u8 flags;        /* 0x07 0 */
    __u32 length;      /* 0x08 payload bytes, at most RS_MAX_PACKET_BYTES */
    __u32 sequence;    /* 0x0c frames of this sender before this one, modulo 2^32 */
    __u32 payload_crc; /* 0x10 CRC-32 (zlib's) of the payload */
    __u32 header_crc;  /* 0x14 CRC-32 of the 20 bytes above */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet) == 0x18, "rs_packet");

/* X(name, number, smallest payload, largest payload); other types are skipped. */
#define RS_PACKET_TABLE(X)                                                   \
    X(HELLO, 1, sizeof(struct rs_packet_hello), 256u)                        \
    X(CHALLENGE, 2, sizeof(struct rs_packet_hello), 256u)                    \
    X(AUTH, 3, sizeof(struct rs_packet_auth), sizeof(struct rs_packet_auth)) \
    X(READY, 4, 0u, 256u)                                                    \
    X(REQUEST, 5, sizeof(struct rs_packet_request), RS_MAX_PACKET_BYTES)     \
    X(REPLY, 6, sizeof(struct rs_packet_reply), RS_MAX_PACKET_BYTES)         \
    X(MESSAGES, 7, sizeof(struct rs_msg), RS_MAX_PACKET_BYTES)               \
    X(PING, 8, 0u, 64u) /* answered by a PONG with the same payload */       \
    X(PONG, 9, 0u, 64u)                                                      \
    X(BYE, 10, 0u, 64u) /* the sender hangs up on purpose */                 \
    X(ERROR, 11, sizeof(struct rs_packet_error), 256u)                       \
    X(DEBUGGEE, 12, sizeof(struct rs_packet_debuggee), 1024u)                \
    X(HALT, 13, sizeof(struct rs_halt), 1024u)                               \
    X(RESEND, 14, sizeof(struct rs_packet_resend), 64u)

/*
 * The PONG to a PING with a payload follows the messages that were there before the PING (or a
 * good part of them, where scripts print faster than the link carries); an empty PING only asks
 * whether somebody is there, and is answered at once.
 */

#define RS_LINKF_NO_KEY (1u << 0) /* this side was told to run without a key */
#define RS_LINKF_DEBUG (1u << 1)  /* this debugger wants Debugger Mode */
#define RS_LINKF_PAUSE (1u << 2)  /* and the machine halted at once */

struct rs_packet_hello { /* 0x50 bytes; HELLO and CHALLENGE */
    __u32 link_version;  /* 0x00 RS_LINK_VERSION */
    __u32 abi;           /* 0x04 RS_ABI_VERSION */
    __u32 flags;         /* 0x08 RS_LINKF_* */
    __u32 reserved;      /* 0x0c 0 */
    __u8 nonce[32];      /* 0x10 random, new for every link */
    char release[32];    /* 0x30 RS_RELEASE, zero-terminated */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_hello) == 0x50, "rs_packet_hello");

struct rs_packet_echo { /* 0x20 bytes; on a line or a debug link, behind CHALLENGE and ERROR */
    __u8 nonce[32];     /* 0x00 of the HELLO that is answered, 0 if there was none */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_echo) == 0x20, "rs_packet_echo");

struct rs_packet_auth { /* 0x20 bytes */
    __u8 mac[32];       /* 0x00 */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_auth) == 0x20, "rs_packet_auth");

/* What a request asks for. */
enum {
    RS_SERVICE_IOCTL = 0, /* RS_IOC_* on the device; facts the device has no request for follow */
};

/*
 * The argument of a request. Zeroes at its end do not travel: the payload holds the first
 * bytes, the rest up to 'size' is 0.
 */
struct rs_packet_request { /* 0x10 bytes, then the argument */
    __u32 id;              /* 0x00 echoed in the reply */
    __u32 service;         /* 0x04 RS_SERVICE_* */
    __u32 request;         /* 0x08 RS_SERVICE_IOCTL: RS_IOC_* */
    __u32 size;            /* 0x0c bytes of the argument, at most RS_MAX_REQUEST_BYTES */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_request) == 0x10, "rs_packet_request");

/* The part of the argument that changed: from its first to its last different byte. */
struct rs_packet_reply { /* 0x10 bytes, then the changed bytes */
    __u32 id;            /* 0x00 */
    __u32 error_number;  /* 0x04 errno of Linux/x86-64, 0 for success */
    __u32 offset;        /* 0x08 of the changed bytes within the argument */
    __u32 reserved;      /* 0x0c 0 */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_reply) == 0x10, "rs_packet_reply");

/* X(name, number, sentence): why the agent hangs up. */
#define RS_LINK_ERROR_TABLE(X)                                           \
    X(VERSION, 1, "versions differ")                                     \
    X(KEY_NEEDED, 2, "the agent wants a key")                            \
    X(KEY_UNEXPECTED, 3, "the agent runs without a key")                 \
    X(AUTHENTICATION, 4, "the keys differ")                              \
    X(BUSY, 5, "the agent serves another debugger")                      \
    X(DEVICE, 6, "the agent cannot use its device")                      \
    X(PROTOCOL, 7, "unexpected frame")                                   \
    X(TIMEOUT, 8, "the debugger did not introduce itself in time")       \
    X(SHUTDOWN, 9, "the agent was stopped")                              \
    X(NO_SESSION, 10, "the agent does not serve this debugger any more") \
    X(DAMAGED, 11, "bytes were lost or changed on the line")

struct rs_packet_error { /* 0x30 bytes */
    __u32 code;          /* 0x00 RS_LINK_* */
    __u32 error_number;  /* 0x04 errno, 0 if none */
    __u32 link_version;  /* 0x08 of the sender */
    __u32 abi;           /* 0x0c of the sender */
    char release[32];    /* 0x10 of the sender, zero-terminated */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_error) == 0x30, "rs_packet_error");

/*
 * The debug link (specification MOD-3 to MOD-7): the other end is root mode of the debuggee, which
 * answers while the machine is halted, too. It begins with
 *   debugger  HELLO      RS_LINKF_DEBUG, and RS_LINKF_PAUSE to begin halted; repeated until
 * answered debuggee  DEBUGGEE   who it is; sequence numbers of its frames begin anew with this one
 * or an ERROR. From there on
 *   - the debugger sends one REQUEST at a time, and sends it again, with the same id, when no REPLY
 *     comes; the debuggee carries an id out once and answers repetitions with the same REPLY;
 *   - the debuggee numbers its frames; a debugger that misses one says RESEND with the first number
 *     it wants, and gets all from there on, in their order. Where the debuggee has them no more it
 *     answers with an ERROR RS_LINK_ERR_DAMAGED, behind whose structure stands the rs_packet_resend
 *     that is answered, and its frames go on with the next number;
 *   - an ERROR that answers a HELLO carries a struct rs_packet_echo;
 *   - a PING with a payload is answered behind the REPLY to every REQUEST before it: a debugger
 *     whose REPLY did not come that way sends the REQUEST again;
 *   - HALT says that the machine stands, MESSAGES what its scripts printed;
 *   - PING is answered by a PONG. A debugger of which nothing was heard for RS_LINK_SILENCE_MS is
 *     taken for gone (BRK-7);
 *   - BYE ends the link, and the machine runs.
 */
#define RS_LINK_SILENCE_MS 10000u

struct rs_packet_debuggee {    /* 0x170 bytes */
    __u32 link_version;        /* 0x00 RS_LINK_VERSION */
    __u32 abi;                 /* 0x04 RS_ABI_VERSION */
    __u32 is_halted;           /* 0x08 a HALT follows */
    __u32 kind;                /* 0x0c RS_LINK_* of the transport */
    __u8 nonce[32];            /* 0x10 of the HELLO that is answered */
    struct rs_version version; /* 0x30 */
    __u64 reserved[16];        /* 0xf0 */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_debuggee) == 0x170, "rs_packet_debuggee");

struct rs_packet_resend { /* 0x08 bytes */
    __u32 sequence;       /* 0x00 of the first frame wanted */
    __u32 reserved;       /* 0x04 */
};
RS_STATIC_ASSERT(sizeof(struct rs_packet_resend) == 8, "rs_packet_resend");

enum rs_packet_type {
#define RS_PACKET_ENUM(name, number, smallest, largest) RS_PACKET_##name = (number),
    RS_PACKET_TABLE(RS_PACKET_ENUM)
#undef RS_PACKET_ENUM
};

enum rs_link_error {
    RS_LINK_OK = 0,
#define RS_LINK_ENUM(name, number, text) RS_LINK_ERR_##name = (number),
    RS_LINK_ERROR_TABLE(RS_LINK_ENUM)
#undef RS_LINK_ENUM
};

#endif
