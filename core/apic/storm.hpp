// SPDX-License-Identifier: GPL-2.0-or-later
// Recognizes a level-triggered source that nobody serves, so that it interrupts again at once and
// the core makes no progress (SC-9). Pure.
#pragma once

#include "base/types.hpp"

namespace ringside::apic {

/// The ignored level-triggered arrivals of one core, one after the other.
class Storm {
public:
    static constexpr u32 kRepeats = 16;  ///< ignored; the next one in a row is too much
    /// A row may also move slowly: an IO-APIC takes a moment to send again, in which the guest runs
    /// a few instructions. More than 16 in this time is a storm as well.
    static constexpr u64 kWindowMs = 8;

    /// Counts one more. @return whether it is one too many in a row.
    bool add(u64 rip, u64 now, u64 ticks_per_ms) {
        const u64 window = kWindowMs * ticks_per_ms;
        const bool is_late = count_ != 0 && now - last_ > window;
        const bool has_moved = rip != rip_ && now - first_ > window;
        if (count_ == 0 || is_late || has_moved) {
            rip_ = rip;
            first_ = now;
            count_ = 0;
        }
        last_ = now;
        return ++count_ > kRepeats;
    }
    /// One was delivered, or the source is held.
    void forget() { count_ = 0; }

private:
    u64 rip_ = 0;
    u64 first_ = 0;  ///< TSC
    u64 last_ = 0;
    u32 count_ = 0;
};

}  // namespace ringside::apic
