// SPDX-License-Identifier: GPL-2.0-or-later
// Page walks that are repeated all the time, without walking: a kept walk remembers where each
// entry lies and what it held. Reading those words again proves that the walk still ends where it
// did, so nothing stale is ever used and nothing has to be flushed.
#pragma once

#include "memory/guest_page_walk.hpp"

namespace ringside::memory {

/// One core's kept walks; touched by that core in root mode only. Usable from zeroed memory.
class WalkCache {
public:
    /// Where a page leads. Valid until the next find().
    struct Page {
        Translation translation;  ///< of the page's first byte
        u8* host = nullptr;       ///< the page's memory; nullptr if it is absent or no RAM
        bool is_dirty = false;    ///< the leaf has its accessed and dirty bits set
    };
    /// Where the page holding `address` leads now, as walk_guest_page() would find it.
    inline const Page& find(const PhysicalWindow& window, PagingState paging, Gva address);

private:
    static constexpr u32 kEntries = 32;

    struct Entry {
        u64 page;             // guest virtual page address + 1; 0: empty
        u64 top_table;        // physical address of the top-level table
        u64 top_value;        // its entry
        const u64* slots[4];  // the entries below it, root addresses
        u64 values[4];        // what they held
        u32 depth;            // how many of them
        u32 levels;
        Page found;
    };

    const Page& walk_and_keep(Entry& entry, const PhysicalWindow& window, PagingState paging,
                              Gva address);

    Entry entries_[kEntries];
};

inline const WalkCache::Page& WalkCache::find(const PhysicalWindow& window, PagingState paging,
                                              Gva address) {
    const u64 page = address.value() & ~kPageMask;
    Entry& entry = entries_[(page >> 12 ^ page >> 20) % kEntries];
    const u64 table = paging.cr3 & x86::page::kAddress;
    if (entry.page != page + 1 || entry.levels != paging.levels) [[unlikely]]
        return walk_and_keep(entry, window, paging, address);
    // Another top-level table is as good if it is RAM and leads to the same entry below.
    const Hpa top_page{table & ~window.encryption()};
    if (entry.top_table != table) {
        if (!window.at(top_page)) [[unlikely]]
            return walk_and_keep(entry, window, paging, address);
        entry.top_table = table;
    }
    const auto* top = static_cast<const volatile u64*>(window.at_own(top_page));
    u64 difference = top[x86::page::index(page, paging.levels)] ^ entry.top_value;
    for (u32 i = 0; i < entry.depth; ++i)
        difference |= *const_cast<const volatile u64*>(entry.slots[i]) ^ entry.values[i];
    if (difference) [[unlikely]]
        return walk_and_keep(entry, window, paging, address);
    return entry.found;
}

}  // namespace ringside::memory
