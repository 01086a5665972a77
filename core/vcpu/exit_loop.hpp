// SPDX-License-Identifier: GPL-2.0-or-later
// The life of one exit, the same for both vendors.
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// Serves the exit just taken and prepares the next entry.
///
/// @return nullptr to enter the guest; else what Backend::prepare_devirtualize() gave. NMIs are
///         blocked when it returns.
/// Context: root mode, own vCPU, interrupts off.
void* handle_exit(Vcpu& vcpu);

/// Prepares the entry anew when an NMI was taken behind its preparation. What that had placed in
/// the entry is `waiting.in_flight` again.
void settle_entry(Vcpu& vcpu);

/// Sends an NMI of ours to every other virtualized core, so that each passes through root mode and
/// adopts what was published. Control never rides on interrupts of the guest, which an event might
/// swallow.
void signal_other_cores(Vcpu& vcpu);

/// Gives accepted interrupts that wait back to the local APIC: each is ended and sent anew by this
/// core to itself. An NMI whose delivery was cut short waits again. For a core that leaves at once.
void return_interrupts(Vcpu& vcpu);

/// Leaves root mode on this core by itself, not because it was asked: as handle_exit() does, with
/// accepted interrupts given back.
void* abandon(Vcpu& vcpu);

/// Queues an exception for the next entry; a fault code is pushed if `has_code`.
void queue_exception(Vcpu& vcpu, u8 vector, bool has_code, u32 code);
inline void queue_undefined_instruction(Vcpu& vcpu) {
    queue_exception(vcpu, 6, false, 0);
}
inline void queue_general_protection(Vcpu& vcpu) {
    queue_exception(vcpu, 13, true, 0);
}

}  // namespace ringside::vcpu
