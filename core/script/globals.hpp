// SPDX-License-Identifier: GPL-2.0-or-later
// Names of the session's global variables. Linux's side only: root mode sees slot numbers.
#pragma once

#include <span>

#include "base/result.hpp"
#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "script/program.hpp"

namespace ringside::script {

/// Name to slot, in order of creation; a slot never moves. Fixed memory, usable from zeroed bytes
/// without construction. Not synchronised: the caller serialises.
class GlobalTable {
public:
    static constexpr u32 kNotFound = ~u32{0};
    static constexpr u32 kCapacity = RS_SCRIPT_MAX_GLOBALS;
    static constexpr u32 kNameBytes = 48 * kCapacity;

    u32 count() const { return count_; }
    /// Name of a slot below count(); not zero-terminated.
    std::span<const char> name(u32 slot) const;
    /// Slot of the name, or kNotFound.
    u32 find(std::span<const char> name) const;
    /// Slot of the name, made if it is new. RS_ERR_TOO_MANY_GLOBALS: no room.
    Result<u32> find_or_add(std::span<const char> name);
    /// Forgets all names (`.globals clear`); programs linked before must not run any more.
    void clear();

    /// Whether `new_names` names with `new_bytes` characters in all still fit.
    bool has_room(u32 new_names, u32 new_bytes) const;

private:
    struct Entry {
        u32 offset;
        u16 length;
        u16 hash;
    };
    u32 count_ = 0;
    u32 used_bytes_ = 0;
    Entry entries_[kCapacity];
    char bytes_[kNameBytes];
};

/// Gives every global of a verified, not yet linked image its slot and rewrites the global operands
/// in place (`image` is the caller's private copy). New names are created; on failure
/// (RS_ERR_TOO_MANY_GLOBALS) neither image nor table was changed. A new slot's value is whatever
/// the caller's GlobalStore holds there: it keeps unused slots zero.
Result<void> link(std::span<u8> image, GlobalTable& table);

}  // namespace ringside::script
