// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel's side asks of root mode on its own CPU.
#pragma once

#include "base/types.hpp"

namespace ringside::vcpu {

/// In eax, so that no other hypervisor's call is taken for ours.
inline constexpr u32 kHypercallMagic = 0x52534944;

/// In rcx; arguments in rdx and r8, result in rax. Only CPL 0 may call.
enum class Hypercall : u64 {
    kPing = 1,      ///< returns kPingAnswer + core
    kAdopt,         ///< adopt the published snapshot here, and make every other core adopt it
    kDevirtualize,  ///< leave; rdx 0: returns kBusy while interrupts or NMIs wait, else: now
    kEvaluate,      ///< rdx: root address of an event::Evaluation
    kInspect,       ///< rdx: root address of an inspect::Inspection
};
inline constexpr u64 kPingAnswer = 0x5253'0000'0000;
inline constexpr u64 kBusy = 1;
inline constexpr u64 kLeft = 0x5253'4c45'4654;

}  // namespace ringside::vcpu
