// SPDX-License-Identifier: GPL-2.0-or-later
// Page-table entry bits and index arithmetic of 4- and 5-level paging.
// Source: Intel SDM vol. 3A §4.5 "4-Level Paging and 5-Level Paging"; AMD APM vol. 2 §5.3
// "Long-Mode Page Translation".
#pragma once

#include "base/types.hpp"

namespace ringside::x86::page {

inline constexpr u64 kPresent = 1ull << 0;
inline constexpr u64 kWritable = 1ull << 1;
inline constexpr u64 kUser = 1ull << 2;
inline constexpr u64 kWriteThrough = 1ull << 3;
inline constexpr u64 kCacheDisable = 1ull << 4;
inline constexpr u64 kAccessed = 1ull << 5;
inline constexpr u64 kDirty = 1ull << 6;
inline constexpr u64 kLarge = 1ull << 7;
inline constexpr u64 kNoExecute = 1ull << 63;
inline constexpr u64 kAddress = 0x000f'ffff'ffff'f000;

/// Shift of the address bits that index a table of `level` (1: page table ... 5: PML5).
constexpr u32 shift(u32 level) {
    return 12 + 9 * (level - 1);
}
constexpr u32 index(u64 address, u32 level) {
    return u32(address >> shift(level)) & 511;
}
/// Bytes one entry of a `level` table maps.
constexpr u64 span(u32 level) {
    return 1ull << shift(level);
}

}  // namespace ringside::x86::page
