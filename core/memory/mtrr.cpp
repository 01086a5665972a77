// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/mtrr.hpp"

namespace ringside::memory {
namespace {

/// Where ranges overlap: uncacheable wins, write-through wins over write-back, any other pair is
/// undefined and taken as uncacheable.
MemoryType combine(MemoryType a, MemoryType b) {
    if (a == b)
        return a;
    const bool through_and_back = (a == MemoryType::kWriteThrough && b == MemoryType::kWriteBack) ||
                                  (a == MemoryType::kWriteBack && b == MemoryType::kWriteThrough);
    return through_and_back ? MemoryType::kWriteThrough : MemoryType::kUncacheable;
}

}  // namespace

MemoryType Mtrrs::fixed_type(u64 address) const {
    // Each register holds the types of eight blocks, one byte a block.
    u64 block;
    u32 index;
    if (address < 0x80000) {
        index = 0;
        block = address >> 16;
    } else if (address < 0xc0000) {
        index = 1 + u32((address - 0x80000) >> 17);
        block = (address - 0x80000) >> 14;
    } else {
        index = 3 + u32((address - 0xc0000) >> 15);
        block = (address - 0xc0000) >> 12;
    }
    return MemoryType(fixed[index] >> (block % 8 * 8) & 0xff);
}

Mtrrs::Answer Mtrrs::type_of(u64 address, u64 bytes) const {
    if (!Enabled::test(default_type))
        return {true, MemoryType::kUncacheable};
    if (FixedEnabled::test(default_type) && address < kFixedEnd) {
        constexpr u64 kSmallest = 0x1000;
        if (bytes > kSmallest)
            return {};
        return {true, fixed_type(address)};
    }
    bool is_covered = false;
    MemoryType type = MemoryType::kUncacheable;
    for (u32 i = 0; i < variable_count; ++i) {
        if (!MaskValid::test(mask[i]))
            continue;
        const u64 compared = mask[i] & ~kPageMask;
        const u64 inside = bytes - 1;
        if ((address ^ base[i]) & compared & ~inside)
            continue;  // no page of the block matches
        if (compared & inside)
            return {};  // some pages do, others do not
        const MemoryType own = MemoryType(base[i] & 0xff);
        type = is_covered ? combine(type, own) : own;
        is_covered = true;
    }
    return {true, is_covered ? type : MemoryType(DefaultType::get(default_type))};
}

}  // namespace ringside::memory
