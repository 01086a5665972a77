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
    /// Where `address` leads now, as walk_guest_page() would find it; `host` is the page's memory,
    /// nullptr if it is no RAM.
    struct Found {
        Translation translation;
        u8* host = nullptr;  ///< of the byte, valid to the end of its page
    };
    inline Found find(const PhysicalWindow& window, PagingState paging, Gva address);

private:
    static constexpr u32 kEntries = 32;

    struct Entry {
        u64 page = 0;         // guest virtual page address; 0: empty (page 0 is never kept)
        u64 top_table = 0;    // physical address of the top-level table
        u64 top_value = 0;    // its entry
        const u64* slots[4];  // the entries below it, root addresses
        u64 values[4];        // what they held
        u32 depth = 0;        // how many of them
        u32 levels = 0;
        u8* host = nullptr;  // the page's memory
        Translation translation;
    };

    Found walk_and_keep(Entry& entry, const PhysicalWindow& window, PagingState paging,
                        Gva address);

    Entry entries_[kEntries];
};

inline WalkCache::Found WalkCache::find(const PhysicalWindow& window, PagingState paging,
                                        Gva address) {
    const u64 page = address.value() & ~kPageMask;
    Entry& entry = entries_[(page >> 12 ^ page >> 20) % kEntries];
    const u64 table = paging.cr3 & x86::page::kAddress;
    if (entry.page != page || entry.levels != paging.levels) [[unlikely]]
        return walk_and_keep(entry, window, paging, address);
    // Another top-level table is as good if it is RAM and leads to the same entry below.
    const Hpa top_page{table & ~window.encryption()};
    bool same = entry.top_table == table || window.at(top_page);
    same = same && static_cast<const u64*>(window.at_own(
                       top_page))[x86::page::index(page, paging.levels)] == entry.top_value;
    for (u32 i = 0; same && i < entry.depth; ++i)
        same = *const_cast<const volatile u64*>(entry.slots[i]) == entry.values[i];
    if (!same) [[unlikely]]
        return walk_and_keep(entry, window, paging, address);
    entry.top_table = table;
    Found found{entry.translation, entry.host + address.page_offset()};
    found.translation.address = entry.translation.address + address.page_offset();
    return found;
}

}  // namespace ringside::memory
