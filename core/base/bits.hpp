// SPDX-License-Identifier: GPL-2.0-or-later
// Named fields over a raw integer, readable in constant expressions.
#pragma once

#include "base/types.hpp"

namespace ringside {

/// Bits kLow to kHigh (inclusive) of a 64-bit register.
template <unsigned kLow, unsigned kHigh = kLow>
struct Bits {
    static_assert(kLow <= kHigh && kHigh < 64);
    static constexpr u64 kMask = (~u64{0} >> (63 - (kHigh - kLow))) << kLow;
    /// The field holding `value`; bits of `value` that do not fit are cut.
    static constexpr u64 make(u64 value) { return (value << kLow) & kMask; }
    static constexpr u64 get(u64 raw) { return (raw & kMask) >> kLow; }
    static constexpr u64 set(u64 raw, u64 value) { return (raw & ~kMask) | make(value); }
    static constexpr bool test(u64 raw) { return (raw & kMask) != 0; }
};

/// Not std::has_single_bit(): where there is no POPCNT that calls a function of the compiler's.
constexpr bool is_power_of_two(u64 value) {
    return value != 0 && (value & (value - 1)) == 0;
}

constexpr u64 align_up(u64 value, u64 alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

}  // namespace ringside
