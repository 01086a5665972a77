// SPDX-License-Identifier: GPL-2.0-or-later
// Memory taken beforehand, for a machine that is halted: nothing of the guest's can be asked then
// (EVT-19, EVT-23). Pieces are whole pages.
#pragma once

#include "base/types.hpp"

namespace ringside::event {

/// Used by guest context and, while the machine is halted, by root mode: never by both at a time.
/// Usable from zeroed memory. Addresses are those of guest context, at which root mode has the
/// memory, too.
class Reserve {
public:
    static constexpr usize kChunkBytes = 1024 * 1024;  ///< largest piece
    static constexpr u32 kMaxChunks = 64;

    /// Adds a chunk of kChunkBytes; false: kMaxChunks are there.
    bool add_chunk(u8* chunk);
    u32 chunk_count() const { return chunk_count_; }
    u8* chunk(u32 index) const { return chunks_[index].memory; }
    /// Forgets the chunks, which the caller gives back.
    void clear() { chunk_count_ = 0; }

    /// A zeroed piece of at least `bytes`, aligned to a page; null: none that long is free.
    void* allocate(usize bytes);
    /// @param bytes  as passed to allocate()
    void release(void* piece, usize bytes);
    bool contains(const void* piece) const;

    usize total_bytes() const { return usize{chunk_count_} * kChunkBytes; }
    usize free_bytes() const;

private:
    static constexpr u32 kPages = kChunkBytes / kPageSize;
    struct Chunk {
        u8* memory;
        u64 used[kPages / 64];  ///< bit set: the page is taken
    };
    static bool is_used(const Chunk& chunk, u32 page) {
        return (chunk.used[page / 64] >> page % 64 & 1) != 0;
    }
    static void set_used(Chunk& chunk, u32 first, u32 count, bool used);

    Chunk chunks_[kMaxChunks] = {};
    u32 chunk_count_ = 0;
};

}  // namespace ringside::event
