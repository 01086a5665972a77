// SPDX-License-Identifier: GPL-2.0-or-later
// An event's messages on their way to its owner. Root mode, own core.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"
#include "event/event.hpp"

namespace ringside::event {

struct Payload {
    u16 kind = 0;  ///< RS_MSG_*
    u16 flags = 0;
    const void* bytes = nullptr;
    u32 len = 0;  ///< at most RS_MAX_MESSAGE_BYTES
};

/// Writes a message of `event` behind what the core has gathered, counts it or its loss, and has
/// who waits for it woken.
void send(CoreState& core, const Event& event, u32 pid, u64 now_tsc, const Payload& payload,
          ring::Room room);

/// The like for a diagnostic.
void send(CoreState& core, const Event& event, u32 pid, u64 now_tsc,
          const rs_diagnostic& diagnostic);

}  // namespace ringside::event
