// SPDX-License-Identifier: GPL-2.0-or-later
// A number that one core counts and others may read at any time.
#pragma once

#include <atomic>

#include "base/types.hpp"

namespace ringside::event {

/// One writer, any number of readers, no locked instruction. Release and acquire cost nothing on
/// x86 and let CoreStats bracket several counters with a sequence number.
class Counter {
public:
    u64 get() const { return value_.load(std::memory_order_acquire); }
    void set(u64 value) { value_.store(value, std::memory_order_release); }
    void add(u64 amount) { set(get() + amount); }
    void raise_to(u64 value) {
        if (value > get())
            set(value);
    }

private:
    std::atomic<u64> value_;
};

}  // namespace ringside::event
