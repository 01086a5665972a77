// SPDX-License-Identifier: GPL-2.0-or-later
// Text that is not wanted at once (imm no): prints of one event gathered into one message (MSG-3).
#pragma once

#include "base/types.hpp"
#include "ringside/event.h"

namespace ringside::event {

struct EngineState;
struct CoreState;
struct EventCounters;

/// One for each core, root mode. Holds the prints of one event at a time: any other message of the
/// core goes behind them, so that a core's messages keep the order of the program (MSG-4).
struct Gathered {
    static constexpr u32 kCapacity = RS_MAX_MESSAGE_BYTES;

    u32 length = 0;
    u32 prints = 0;
    u32 owner = 0;
    u32 pid = 0;  ///< of the first print; time_ns and since_tsc likewise
    u64 tag = 0;
    u64 cookie = 0;
    u64 time_ns = 0;
    u64 since_tsc = 0;
    EventCounters* counters = nullptr;  ///< root address, this core's
    char text[kCapacity] = {};

    bool is_empty() const { return prints == 0; }
};

/// Forgets what is gathered.
void drop_gathered(CoreState& core);

/// Hands over what is gathered, if anything is.
void hand_over(CoreState& core);

/// Hands over what was gathered `imm_ticks` ago or earlier.
void hand_over_old(CoreState& core, u64 now_tsc);

}  // namespace ringside::event
