// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/reserve.hpp"

#include "base/bits.hpp"
#include "base/memory.hpp"

namespace ringside::event {

bool Reserve::add_chunk(u8* chunk) {
    if (chunk_count_ == kMaxChunks)
        return false;
    chunks_[chunk_count_++] = {.memory = chunk, .used = {}};
    return true;
}

void Reserve::set_used(Chunk& chunk, u32 first, u32 count, bool used) {
    for (u32 page = first; page < first + count; ++page) {
        const u64 bit = u64{1} << page % 64;
        chunk.used[page / 64] = used ? chunk.used[page / 64] | bit : chunk.used[page / 64] & ~bit;
    }
}

void* Reserve::allocate(usize bytes) {
    const u64 pages = align_up(bytes, kPageSize) / kPageSize;
    if (pages == 0 || pages > kPages)
        return nullptr;
    for (u32 i = 0; i < chunk_count_; ++i) {
        Chunk& chunk = chunks_[i];
        u32 free = 0;
        for (u32 page = 0; page < kPages; ++page) {
            free = is_used(chunk, page) ? 0 : free + 1;
            if (free < pages)
                continue;
            const u32 first = page + 1 - free;
            set_used(chunk, first, free, true);
            u8* const piece = chunk.memory + usize{first} * kPageSize;
            fill_bytes(piece, 0, usize{free} * kPageSize);
            return piece;
        }
    }
    return nullptr;
}

void Reserve::release(void* piece, usize bytes) {
    for (u32 i = 0; i < chunk_count_; ++i) {
        const usize offset = static_cast<usize>(static_cast<u8*>(piece) - chunks_[i].memory);
        if (offset < kChunkBytes)
            set_used(chunks_[i], static_cast<u32>(offset / kPageSize),
                     static_cast<u32>(align_up(bytes, kPageSize) / kPageSize), false);
    }
}

bool Reserve::contains(const void* piece) const {
    for (u32 i = 0; i < chunk_count_; ++i)
        if (static_cast<usize>(static_cast<const u8*>(piece) - chunks_[i].memory) < kChunkBytes)
            return true;
    return false;
}

usize Reserve::free_bytes() const {
    usize pages = 0;
    for (u32 i = 0; i < chunk_count_; ++i)
        for (u32 page = 0; page < kPages; ++page)
            pages += !is_used(chunks_[i], page);
    return pages * kPageSize;
}

}  // namespace ringside::event
