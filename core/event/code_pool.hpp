// SPDX-License-Identifier: GPL-2.0-or-later
// The memory that the machine code of scripts lies in: pieces of whole pages.
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::event {

/// Used by guest context and, while the machine is halted, by root mode: never by both at a time.
/// Usable from zeroed memory; then nothing can be taken.
class CodePool {
public:
    static constexpr usize kBytes = 1024 * 1024;

    /// @param memory  kBytes, an address of guest context
    void open(u8* memory) {
        memory_ = memory;
        for (bool& is_taken : is_taken_)
            is_taken = false;
    }
    u8* memory() const { return memory_; }

    /// Null: no room.
    u8* allocate(usize bytes) {
        const u64 pages = align_up(bytes, kPage) / kPage;
        if (memory_ == nullptr || pages == 0 || pages > kPages)
            return nullptr;
        u32 free = 0;
        for (u32 page = 0; page < kPages; ++page) {
            free = is_taken_[page] ? 0 : free + 1;
            if (free < pages)
                continue;
            const u32 first = page + 1 - free;
            for (u32 i = first; i <= page; ++i)
                is_taken_[i] = true;
            return memory_ + usize{first} * kPage;
        }
        return nullptr;
    }
    /// @param bytes  as passed to allocate()
    void release(const u8* code, usize bytes) {
        const auto first = static_cast<u32>(static_cast<usize>(code - memory_) / kPage);
        for (u32 i = 0; i < align_up(bytes, kPage) / kPage; ++i)
            is_taken_[first + i] = false;
    }

private:
    static constexpr usize kPage = 4096;
    static constexpr u32 kPages = kBytes / kPage;

    u8* memory_ = nullptr;
    bool is_taken_[kPages] = {};
};

}  // namespace ringside::event
