/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Version of the interface between module, agent and debugger, and the answer of
 * RS_IOC_VERSION. Valid C11 and C++20. A change to any header below uapi/ raises
 * RS_ABI_VERSION; sides that disagree refuse each other and name both numbers.
 */
#ifndef RINGSIDE_VERSION_H
#define RINGSIDE_VERSION_H

#include "types.h"

#define RS_ABI_VERSION 1u
#define RS_RELEASE "0.1.0"

enum rs_vendor { RS_VENDOR_NONE = 0, RS_VENDOR_SVM = 1, RS_VENDOR_VMX = 2 };

/* Bits of rs_version.capabilities: what this module can do on this machine. */
#define RS_CAP_INTERRUPT_EVENTS (1ull << 0) /* !interrupt */
#define RS_CAP_SCRIPTS (1ull << 1)          /* script actions */
#define RS_CAP_NESTED_PAGING (1ull << 2)    /* load option npt=on */

/* Bits of rs_version.state. */
#define RS_STATE_LOADED (1u << 0) /* the hypervisor is under the system */

struct rs_version {       /* 0xc0 bytes; out, except size */
    __u32 size;           /* 0x00 in: bytes the caller knows */
    __u32 abi;            /* 0x04 RS_ABI_VERSION of the module */
    __u32 vendor;         /* 0x08 enum rs_vendor */
    __u32 cores_online;   /* 0x0c logical CPUs Linux runs on now */
    __u32 cores_possible; /* 0x10 */
    __u32 state;          /* 0x14 RS_STATE_* */
    __u64 capabilities;   /* 0x18 RS_CAP_* */
    char release[32];     /* 0x20 RS_RELEASE of the module, zero-terminated */
    char kernel[64];      /* 0x40 release of the running Linux (uname -r) */
    char host_name[48];   /* 0x80 uname -n */
    __u64 tsc_khz;        /* 0xb0 frequency of the time-stamp counter, 0 if unknown */
    __u64 reserved;       /* 0xb8 */
};

#endif
