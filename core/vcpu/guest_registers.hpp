// SPDX-License-Identifier: GPL-2.0-or-later
// The general registers that no vendor's hardware saves at an exit.
#pragma once

#include "base/types.hpp"

namespace ringside::vcpu {

/// As the entry code stores them on the host stack, lowest address first. rax and rsp are in the
/// VMCB (SVM); see Backend::read_register().
struct GuestRegisters {
    u64 rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};
static_assert(sizeof(GuestRegisters) == 14 * 8);

}  // namespace ringside::vcpu
