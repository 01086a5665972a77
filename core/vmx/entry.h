/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets of the structures entry.S uses; vmx_backend.hpp asserts each of them.
 */
#ifndef RINGSIDE_CORE_VMX_ENTRY_H
#define RINGSIDE_CORE_VMX_ENTRY_H

/* HostStackTop */
#define VMX_STACK_VCPU 0
#define VMX_STACK_LEAVE_BLOCK 8
#define VMX_STACK_TOP_BYTES 24

#define VMX_SAVED_REGISTERS_BYTES 120

/* LeaveBlock */
#define VMX_LEAVE_VMCS 0
#define VMX_LEAVE_CR0 8
#define VMX_LEAVE_CR3 16
#define VMX_LEAVE_CR4 24
#define VMX_LEAVE_EFER 32
#define VMX_LEAVE_SYSENTER_CS 40 /* ESP and EIP behind it */
#define VMX_LEAVE_DEBUGCTL 64
#define VMX_LEAVE_FS_BASE 72
#define VMX_LEAVE_GS_BASE 80
#define VMX_LEAVE_TASK_GDTR 96
#define VMX_LEAVE_GDTR 112
#define VMX_LEAVE_IDTR 128
#define VMX_LEAVE_TASK 144
#define VMX_LEAVE_TR 160
#define VMX_LEAVE_LDTR 168
#define VMX_LEAVE_DS 176
#define VMX_LEAVE_ES 184
#define VMX_LEAVE_FS 192
#define VMX_LEAVE_GS 200
#define VMX_LEAVE_REGISTERS 208

/* VMCS field encodings */
#define FIELD_GUEST_RSP 0x681c
#define FIELD_GUEST_RIP 0x681e
#define FIELD_GUEST_RFLAGS 0x6820

#define VMX_HYPERCALL_MAGIC 0x52534944

#endif
