// SPDX-License-Identifier: GPL-2.0-or-later
// The memory of the event engine while the machine is halted: from the reserve.
#pragma once

#include "event/code_pool.hpp"
#include "event/reserve.hpp"
#include "event/shared_memory.hpp"
#include "memory/owned_pages.hpp"

namespace ringside::debug {

/// Pieces that guest context took, and nobody holds any more: guest context gives them back.
struct Leftover {
    Leftover* next;
    usize bytes;
    u32 is_for_user;
};

/// Root mode, the operating core. Addresses are those of guest context, as everywhere in the
/// engine.
class HaltedMemory final : public event::SharedMemory {
public:
    struct Parts {
        event::Reserve* reserve;
        event::CodePool* code_pool;  ///< may be null
        memory::OwnedPages* owned;
        Leftover** leftovers;
        u64 direct_map;
        s64 root_delta;
        u64 code_base;  ///< where root mode executes the pool's memory
    };
    explicit HaltedMemory(const Parts& parts) : parts_{parts} {}

    void* allocate(usize bytes) override { return parts_.reserve->allocate(bytes); }
    void release(void* memory, usize bytes) override;
    void* allocate_for_user(usize bytes) override;
    void release_for_user(void* memory, usize bytes) override;
    u8* allocate_code(usize bytes) override;
    void release_code(u8* code, usize bytes) override;
    u64 code_in_root(const u8* code) override;
    s64 root_delta() override { return parts_.root_delta; }

private:
    void leave(void* memory, usize bytes, bool is_for_user);
    void mark(void* memory, usize bytes, bool is_owned);
    const Parts parts_;
};

}  // namespace ringside::debug
