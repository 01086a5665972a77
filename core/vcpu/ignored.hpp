// SPDX-License-Identifier: GPL-2.0-or-later
// Interrupts an event ignores: ended, and what that leaves behind made good (specification section
// 6 "Short-circuiting"). Root mode, own vCPU, interrupts off.
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// Ends the interrupt accepted last, which the event with this id ignores. kDeliver: the guest has
/// to take it after all, nothing was ended.
apic::Outcome ignore_interrupt(Vcpu& vcpu, u8 vector, u32 event_id);

/// Part of every exit while sources are held: lets those go whose time is over.
void end_due_holds(Vcpu& vcpu);

/// After an adoption: makes good what events did that are gone or disabled by now.
void reconsider_ignored(Vcpu& vcpu);

/// The core leaves root mode: the like for all events.
void give_up_ignored(Vcpu& vcpu);

}  // namespace ringside::vcpu
