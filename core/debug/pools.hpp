// SPDX-License-Identifier: GPL-2.0-or-later
// How many events and buffers can still be taken while the machine is halted (EVT-19 to EVT-23).
// The memory itself comes from one reserve; pools promise it.
#pragma once

#include "base/types.hpp"
#include "event/image.hpp"
#include "ringside/debug.h"

namespace ringside::debug {

/// What one object of each pool may take of the reserve, in bytes: the pieces of an event of that
/// class with one action of the largest size, each in pages of its own, and its share of the table
/// of events, which is made anew each time.
inline constexpr u64 kPoolObjectBytes[RS_POOL_COUNT] = {0x10000, 0x40000, 0x1000, 0x14000};
/// What there is whenever the machine has run (EVT-21).
inline constexpr u32 kPoolStock[RS_POOL_COUNT] = {32, 4, 8, 1};

/// Used by root mode while the machine is halted, else by guest context. Usable from zeroed memory.
class Pools {
public:
    /// Takes what the event of `registration` needs.
    /// @return RS_OK, or the error that names the pool that has nothing left; nothing is taken then
    u32 take(const event::Registration& registration);
    /// The event could not be made after all.
    void put_back(const event::Registration& registration);

    /// Adds to a pool if the reserve has room for it beside all that is promised already.
    u32 add(u32 type, u32 count, u64 reserve_free);
    /// The machine runs: what was taken is made up for, as far as the reserve goes.
    void refill(u64 reserve_free);

    u32 available(u32 type) const { return available_[type]; }
    u32 in_use(u32 type) const { return in_use_[type]; }
    /// Bytes of the reserve that are spoken for.
    u64 promised() const;

private:
    struct Need {
        u32 event;   ///< pool
        u32 buffer;  ///< pool, RS_POOL_COUNT: none
        u32 error;
    };
    Need need_of(const event::Registration& registration) const;

    u32 available_[RS_POOL_COUNT] = {};
    u32 in_use_[RS_POOL_COUNT] = {};
    u32 extra_[RS_POOL_COUNT] = {};  ///< beyond the stock, as 'prealloc' asked for
    Need last_ = {};                 ///< of the last take()
};

}  // namespace ringside::debug
