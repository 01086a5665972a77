// SPDX-License-Identifier: GPL-2.0-or-later
// How cores take over what guest context published: root mode, own core, interrupts off.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"

namespace ringside::event {

/// Whether something was published since the core's last adopt(). One load.
inline bool needs_adoption(const CoreState& core) {
    return core.engine->generation.load(std::memory_order_acquire) != core.adopted;
}

/// Takes over the current generation. Call at the start of an exit, never inside of a run: it
/// promises that the core holds nothing older any more.
/// @return whether any enabled event can trigger on this core (TRG-8: intercept interrupts).
bool adopt(CoreState& core);

/// Root changed an event (a script enabled, disabled or cleared one): every core, this one
/// included, has something to adopt.
void announce(CoreState& core);

/// Clears an owner's events as their scripts could (those to outlive it lose their owner), and
/// disables the events that would halt the machine, from root mode: also while guest context works
/// on the registry, which takes away what is cleared.
void clear_owner(CoreState& core, u32 owner);
void disable_breaks(CoreState& core);

/// Whether the other cores should be made to adopt now, since an event was enabled from root and
/// they may not exit by themselves. True once for each announce() that asked for it.
inline bool take_kick_request(CoreState& core) {
    const bool has_request = core.has_kick_request;
    core.has_kick_request = false;
    return has_request;
}

/// Whether the hypervisor should make Linux wake a sleeping reader now (an NMI on this core); at
/// most every 5 ms. Counts self_wakes.
bool should_wake_reader(CoreState& core, u64 now_tsc);

}  // namespace ringside::event
