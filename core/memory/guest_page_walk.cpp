// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/guest_page_walk.hpp"

#include <atomic>

#include "x86/control_registers.hpp"

namespace ringside::memory {

namespace page = x86::page;

Translation walk_guest_page(const PhysicalWindow& window, PagingState paging, Gva address,
                            WalkTrace* trace) {
    Translation result;
    result.level = paging.levels;
    if (!x86::is_canonical(address.value(), paging.levels))
        return result;
    u64 rights = page::kWritable | page::kUser;
    u64 no_execute = 0;
    Hpa table{paging.cr3 & page::kAddress & ~window.encryption()};
    for (u32 level = paging.levels; level >= 1; --level) {
        result.level = level;
        auto* entries = static_cast<u64*>(window.at(table));
        if (!entries)
            return result;
        u64* slot = entries + page::index(address.value(), level);
        const u64 entry = std::atomic_ref<u64>(*slot).load(std::memory_order_relaxed);
        if (trace) {
            trace->slots[trace->depth] = slot;
            trace->values[trace->depth++] = entry;
        }
        if (!(entry & page::kPresent))
            return result;
        rights &= entry;
        no_execute |= entry & page::kNoExecute;
        const Hpa next{entry & page::kAddress & ~window.encryption()};
        const bool is_leaf = level == 1 || (level <= 3 && (entry & page::kLarge));
        if (is_leaf) {
            const u64 mask = page::span(level) - 1;
            result.address = Hpa{(next.value() & ~mask) | (address.value() & mask)};
            result.writable = rights & page::kWritable;
            result.user = rights & page::kUser;
            result.executable = !no_execute;
            result.leaf = slot;
            result.ok = true;
            return result;
        }
        table = next;
    }
    return result;
}

void mark_accessed(const Translation& translation, bool written) {
    const u64 wanted = page::kAccessed | (written ? page::kDirty : 0);
    std::atomic_ref<u64> leaf{*translation.leaf};
    u64 entry = leaf.load(std::memory_order_relaxed);
    while ((entry & wanted) != wanted && (entry & page::kPresent))
        if (leaf.compare_exchange_weak(entry, entry | wanted))
            break;
}

}  // namespace ringside::memory
