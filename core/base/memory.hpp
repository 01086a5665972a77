// SPDX-License-Identifier: GPL-2.0-or-later
// The three things one does with bytes, without a C library: root mode has no memcpy to call.
#pragma once

#include "base/types.hpp"

namespace ringside {

/// Copies `count` bytes, lowest address first; the areas may not overlap with destination above
/// source.
void copy_bytes(void* destination, const void* source, usize count);
void fill_bytes(void* destination, u8 value, usize count);
bool equal_bytes(const void* left, const void* right, usize count);

/// The eight bytes at any address, with one load.
inline u64 load_u64(const void* from) {
    using Anywhere [[gnu::may_alias, gnu::aligned(1)]] = u64;
    return *static_cast<const Anywhere*>(from);
}

}  // namespace ringside
