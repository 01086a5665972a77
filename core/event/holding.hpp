// SPDX-License-Identifier: GPL-2.0-or-later
// What is known of an event whose interrupts are ignored, by its id: the event may be gone. Root
// mode, own core.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"
#include "script/guest_access.hpp"

namespace ringside::event {

/// Whether the event exists and is enabled.
bool is_active(const CoreState& core, u32 id);

/// The source of `vector`, which the event ignores, is held from now on: marks the event, and tells
/// its owner once (SC-9).
void begin_hold(CoreState& core, u32 id, u8 vector, script::GuestAccess& guest);
void end_hold(CoreState& core, u32 id);

/// The interrupt that was counted as ignored is delivered after all.
void uncount_ignored(CoreState& core, u32 id, u8 vector);

}  // namespace ringside::event
