// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/walk_cache.hpp"

namespace ringside::memory {

WalkCache::Found WalkCache::walk_and_keep(Entry& entry, const PhysicalWindow& window,
                                          PagingState paging, Gva address) {
    WalkTrace trace;
    Found found;
    found.translation = walk_guest_page(window, paging, address, &trace);
    if (found.translation.ok)
        found.host = static_cast<u8*>(window.at(found.translation.address));
    entry.page = 0;
    if (!found.host)
        return found;
    entry.top_value = trace.values[0];
    entry.depth = trace.depth - 1;
    for (u32 i = 0; i < entry.depth; ++i) {
        entry.slots[i] = trace.slots[i + 1];
        entry.values[i] = trace.values[i + 1];
    }
    entry.levels = paging.levels;
    entry.top_table = paging.cr3 & x86::page::kAddress;
    entry.translation = found.translation;
    entry.translation.address = found.translation.address.page();
    entry.host = found.host - address.page_offset();
    entry.page = address.page().value();
    return found;
}

}  // namespace ringside::memory
