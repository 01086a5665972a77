// SPDX-License-Identifier: GPL-2.0-or-later
// The time-stamp counter in units people use.
#pragma once

#include "base/types.hpp"

namespace ringside::event {

/// Conversion by one multiplication; the same on every core, so that times compare.
struct Clock {
    static constexpr u32 kShift = 32;
    u64 nanoseconds_per_tick = u64{1} << kShift;  // fixed point, kShift fraction bits
    u64 ticks_per_second = 1'000'000'000;

    /// @param tsc_khz  frequency; 0 (unknown): one tick counts as one nanosecond.
    static constexpr Clock from_khz(u64 tsc_khz) {
        return tsc_khz == 0 ? Clock{}
                            : Clock{.nanoseconds_per_tick = (u64{1'000'000} << kShift) / tsc_khz,
                                    .ticks_per_second = tsc_khz * 1000};
    }
    constexpr u64 to_ns(u64 ticks) const {
        return static_cast<u64>(static_cast<unsigned __int128>(ticks) * nanoseconds_per_tick >>
                                kShift);
    }
    constexpr u64 to_ticks(u64 microseconds) const {
        const u64 seconds = microseconds / 1'000'000;
        // 2^64 ticks are decades: longer times are cut to that.
        if (seconds >= ~u64{0} / ticks_per_second)
            return ~u64{0};
        return seconds * ticks_per_second +
               microseconds % 1'000'000 * (ticks_per_second / 1000) / 1000;
    }
};
static_assert(Clock::from_khz(1'000'000).to_ns(5) == 5);
static_assert(Clock::from_khz(2'000'000).to_ns(3'000'000'000) == 1'500'000'000);
static_assert(Clock::from_khz(2'500'000).to_ticks(200'000) == 500'000'000);

}  // namespace ringside::event
