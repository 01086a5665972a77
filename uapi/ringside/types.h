/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * The fixed-width types of the shared headers. Linux's own names, so that the headers read
 * like any other kernel interface; the freestanding core has no <linux/types.h> and gets
 * the same names from the compiler's <stdint.h>.
 */
#ifndef RINGSIDE_TYPES_H
#define RINGSIDE_TYPES_H

#if defined(__linux__) && !defined(RS_FREESTANDING)
#include <linux/types.h>
#else
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
#endif

#ifdef __cplusplus
#define RS_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define RS_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#endif
