// SPDX-License-Identifier: GPL-2.0-or-later
// A set of interrupt vectors, one bit each.
#pragma once

#include "base/types.hpp"

namespace ringside::apic {

class VectorSet {
public:
    constexpr void add(u8 vector) { words_[vector / 64] |= bit(vector); }
    constexpr void remove(u8 vector) { words_[vector / 64] &= ~bit(vector); }
    constexpr bool contains(u8 vector) const { return (words_[vector / 64] & bit(vector)) != 0; }
    constexpr bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
    /// Calls visit(u8) for each vector in ascending order; it may remove that vector.
    template <class Visit>
    constexpr void for_each(Visit visit) const {
        for (u32 word = 0; word < 4; ++word)
            for (u64 left = words_[word]; left != 0; left &= left - 1)
                visit(u8(word * 64 + u32(__builtin_ctzll(left))));
    }

private:
    static constexpr u64 bit(u8 vector) { return u64{1} << (vector % 64); }
    u64 words_[4] = {};
};

}  // namespace ringside::apic
