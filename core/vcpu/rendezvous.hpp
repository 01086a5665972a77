// SPDX-License-Identifier: GPL-2.0-or-later
// A moment in which one core acts and all others stand still in root mode.
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// Runs `work(argument)` on this core while every other virtualized core stands still. Never waits
/// for a core that waits for this one.
///
/// @return false: another core does so right now, or one did not come in kPatienceMs (it is in a
///         long script, or in an NMI handler of the guest); nothing was run. Try again at a later
///         exit.
/// Context: root mode, own vCPU, interrupts off, NMIs taken.
inline constexpr u64 kPatienceMs = 50;
bool while_others_stand(Vcpu& vcpu, void (*work)(void*), void* argument);

/// Stands still for as long as another core asks for it; part of every way back to the guest. One
/// load if none does.
void stand_if_asked(Vcpu& vcpu);

}  // namespace ringside::vcpu
