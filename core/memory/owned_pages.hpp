// SPDX-License-Identifier: GPL-2.0-or-later
// Which pages of RAM belong to root mode: one bit a page, in chunks of 128 MiB that exist only
// where something is owned. Scripts may reach no such page; with nested paging the guest may not
// either.
#pragma once

#include <atomic>

#include "base/address.hpp"
#include "base/bits.hpp"
#include "base/memory.hpp"
#include "base/types.hpp"

namespace ringside::memory {

/// Shared between the kernel's side, which marks, and root mode on all cores, which tests. Pointers
/// are kept as physical addresses, so that each side adds its own base. A bit is set before the
/// page is used for anything, and cleared after its last use.
class OwnedPages {
public:
    static constexpr u64 kChunkBytes = 1ull << 27;                      ///< RAM one chunk covers
    static constexpr u32 kMaxChunks = 8192;                             ///< 1 TiB
    static constexpr u64 kChunkMapBytes = kChunkBytes / kPageSize / 8;  ///< one page

    /// Whether the page holding `address` is owned. `base`: where this context sees physical 0.
    bool contains(Hpa address, u64 base) const {
        const u64 chunk = address.value() / kChunkBytes;
        if (chunk >= kMaxChunks)
            return false;
        const u64 map = chunks_[chunk];
        if (map == 0)
            return false;
        const u64 page = address.value() % kChunkBytes / kPageSize;
        const auto* words = reinterpret_cast<const u64*>(base + map);
        return words[page / 64] >> (page % 64) & 1;
    }

    /// Whether a page at this address can be marked at all.
    static constexpr bool covers(Hpa address) { return address.value() / kChunkBytes < kMaxChunks; }
    /// Whether a chunk map must be given with adopt_map() before pages of this chunk are marked.
    bool needs_map(Hpa address) const {
        return address.value() / kChunkBytes < kMaxChunks &&
               chunks_[address.value() / kChunkBytes] == 0;
    }
    /// Takes a zeroed page as map for the chunk of `address`.
    void adopt_map(Hpa address, Hpa map) {
        std::atomic_ref<u64>(chunks_[address.value() / kChunkBytes])
            .store(map.value(), std::memory_order_release);
    }
    /// The map of chunk `index`, 0 if it has none; for giving the pages back.
    u64 map_of(u32 index) const { return chunks_[index]; }

    /// Marks or unmarks one page, whose chunk has a map.
    void set(Hpa address, bool owned, u64 base) {
        const u64 chunk = address.value() / kChunkBytes;
        if (chunk >= kMaxChunks || chunks_[chunk] == 0)
            return;
        const u64 page = address.value() % kChunkBytes / kPageSize;
        auto* words = reinterpret_cast<u64*>(base + chunks_[chunk]);
        std::atomic_ref<u64> word{words[page / 64]};
        const u64 bit = u64{1} << (page % 64);
        if (owned)
            word.fetch_or(bit);
        else
            word.fetch_and(~bit);
    }

private:
    u64 chunks_[kMaxChunks];
};

}  // namespace ringside::memory
