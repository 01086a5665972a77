// SPDX-License-Identifier: GPL-2.0-or-later
// Where the engine's memory comes from.
#pragma once

#include "base/types.hpp"

namespace ringside::event {

/// Memory that both guest context and root mode reach. Guest context only; the caller serialises.
class SharedMemory {
public:
    static constexpr usize kMaxBytes = 4 * 1024 * 1024;  ///< never asked for more

    /// Zeroed and physically contiguous, aligned to its size up to a page; the address is the one
    /// of guest context. Null: no memory.
    virtual void* allocate(usize bytes) = 0;
    /// @param bytes  as passed to allocate().
    virtual void release(void* memory, usize bytes) = 0;
    /// The like for memory that belongs to the user: scripts and user code may reach it at its
    /// address of guest context, as they may any kernel memory.
    virtual void* allocate_for_user(usize bytes) = 0;
    virtual void release_for_user(void* memory, usize bytes) = 0;
    /// Memory that root mode executes and cannot write there, one piece for a script's machine
    /// code; the address is the one of guest context, which writes it. Null: no room, or no such
    /// memory.
    virtual u8* allocate_code(usize /*bytes*/) { return nullptr; }
    virtual void release_code(u8* /*code*/, usize /*bytes*/) {}
    /// Where root mode executes it.
    virtual u64 code_in_root(const u8* /*code*/) { return 0; }
    /// What root mode adds to an address of guest context; constant while memory is in use.
    virtual s64 root_delta() = 0;

protected:
    ~SharedMemory() = default;
};

}  // namespace ringside::event
