/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets of the structures entry.S uses; svm_backend.hpp asserts each of them.
 */
#ifndef RINGSIDE_CORE_SVM_ENTRY_H
#define RINGSIDE_CORE_SVM_ENTRY_H

/* LaunchBlock */
#define LAUNCH_GUEST_VMCB_HPA 0
#define LAUNCH_HOST_VMCB_HPA 8
#define LAUNCH_VMCB 16
#define LAUNCH_HOST_CR3 24
#define LAUNCH_HOST_RSP 32
#define LAUNCH_HOST_CR0 40
#define LAUNCH_HOST_CR4 48
#define LAUNCH_HOST_BLOCK 56
#define LAUNCH_HOST_GDTR 64
#define LAUNCH_HOST_IDTR 80

/* HostStackTop */
#define STACK_GUEST_VMCB_HPA 0
#define STACK_HOST_VMCB_HPA 8
#define STACK_VCPU 16
#define STACK_LEAVE_BLOCK 24

#define GUEST_REGISTERS_BYTES 112

/* LeaveBlock */
#define LEAVE_CR0 0
#define LEAVE_CR3 8
#define LEAVE_CR4 16
#define LEAVE_EFER 24
#define LEAVE_GDTR 32
#define LEAVE_IDTR 48
#define LEAVE_DS 64
#define LEAVE_ES 72
#define LEAVE_REGISTERS 80

/* Vmcb */
#define VMCB_RFLAGS 0x570
#define VMCB_RIP 0x578
#define VMCB_RSP 0x5d8
#define VMCB_RAX 0x5f8

#define HOST_CODE_SELECTOR 0x10
#define HOST_DATA_SELECTOR 0x18
#define HOST_TSS_SELECTOR 0x28

#define HYPERCALL_MAGIC 0x52534944

#endif
