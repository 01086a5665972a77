/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets shared between the assembly and the C++ of root mode; vcpu/vcpu.hpp asserts them.
 */
#ifndef RINGSIDE_CORE_X86_HOST_STACK_H
#define RINGSIDE_CORE_X86_HOST_STACK_H

#define RS_STUB_BYTES 32

/* Each IST stack is one page. The vCPU's address is its last word but one, and the processor's
 * frame starts right below it: distance from the pushed rip to that word. */
#define RS_IST_VCPU 40

/* Offsets in Vcpu. */
#define RS_VCPU_NMI_COUNT 0
#define RS_VCPU_NMI_SEEN 4
#define RS_VCPU_KEEPS_NMIS 8
#define RS_VCPU_REGISTERS 16

/* User code: its segments, and offsets in sandbox::Entry. */
#define RS_USER_DATA_SELECTOR 0x23
#define RS_USER_CODE_SELECTOR 0x3b
#define RS_SANDBOX_RSP 8
#define RS_SANDBOX_RAX 24
#define RS_SANDBOX_TABLE 64
#define RS_SANDBOX_HOST_TABLE 72
#define RS_SANDBOX_RSP0 80
#define RS_SANDBOX_RETURN_RSP 88

#endif
