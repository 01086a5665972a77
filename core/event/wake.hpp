// SPDX-License-Identifier: GPL-2.0-or-later
// When root wakes a sleeping reader. Waking costs an NMI and an irq_work interrupt, which an
// all-vector event would see again: hence the pause between two of them.
#pragma once

#include "base/types.hpp"

namespace ringside::event {

/// One for each core, root mode.
class Wake {
public:
    static constexpr u64 kPauseUs = 5000;

    /// A message was written and a reader sleeps.
    void note() { is_wanted_ = true; }
    bool is_wanted() const { return is_wanted_; }

    /// Whether to wake now; true at most once every `pause_ticks`. A wish that comes too early is
    /// kept; one whose reader has woken meanwhile is dropped.
    bool is_due(u64 now_tsc, u64 pause_ticks, bool has_waiting_reader) {
        if (!is_wanted_)
            return false;
        if (!has_waiting_reader) {
            is_wanted_ = false;
            return false;
        }
        if (has_woken_ && now_tsc - last_tsc_ < pause_ticks)
            return false;
        is_wanted_ = false;
        has_woken_ = true;
        last_tsc_ = now_tsc;
        return true;
    }

private:
    u64 last_tsc_ = 0;
    bool is_wanted_ = false;
    bool has_woken_ = false;
};

}  // namespace ringside::event
