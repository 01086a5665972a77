// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/walk_cache.hpp"

namespace ringside::memory {

const WalkCache::Page& WalkCache::walk_and_keep(Entry& entry, const PhysicalWindow& window,
                                                PagingState paging, Gva address) {
    WalkTrace trace;
    Page& found = entry.found;
    found.translation = walk_guest_page(window, paging, address.page(), &trace);
    found.host =
        found.translation.ok ? static_cast<u8*>(window.at(found.translation.address)) : nullptr;
    entry.page = 0;
    if (!found.host)
        return found;
    constexpr u64 kBoth = x86::page::kAccessed | x86::page::kDirty;
    found.is_dirty = (trace.values[trace.depth - 1] & kBoth) == kBoth;
    entry.top_value = trace.values[0];
    entry.depth = trace.depth - 1;
    for (u32 i = 0; i < entry.depth; ++i) {
        entry.slots[i] = trace.slots[i + 1];
        entry.values[i] = trace.values[i + 1];
    }
    entry.levels = paging.levels;
    entry.top_table = paging.cr3 & x86::page::kAddress;
    entry.page = address.page().value() + 1;
    return found;
}

}  // namespace ringside::memory
