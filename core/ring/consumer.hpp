// SPDX-License-Identifier: GPL-2.0-or-later
// The reading end of a core's message ring: guest context, one caller at a time.
#pragma once

#include "base/types.hpp"
#include "ring/layout.hpp"

namespace ringside::ring {

/// A message where it lies in the ring; valid until it was taken and release() ran.
struct Record {
    const rs_msg* header = nullptr;  ///< followed by header->len payload bytes, zero-padded to 8
    u64 position = 0;
    u64 end = 0;  ///< position of the record behind it
    u32 owner = 0;

    explicit operator bool() const { return header != nullptr; }
    const u8* payload() const { return reinterpret_cast<const u8*>(header + 1); }
    /// Bytes of header and padded payload: what read() on the device returns.
    u32 read_bytes() const { return static_cast<u32>(sizeof(rs_msg)) + ((header->len + 7u) & ~7u); }
};

/// Looks at records between the tail and the head. Records are taken in any order, which lets
/// several owners share a ring; the tail follows when everything before it is taken.
///
/// Root writes the data, yet lengths are checked: what was damaged is skipped up to the head and
/// counted, never followed.
class Consumer {
public:
    /// @param indices, data  as guest context sees them. @param size  bytes of `data`.
    void init(Indices* indices, u8* data, u64 size);

    /// The oldest record at or behind `cursor` that nobody has taken; cursors of 0 or from an
    /// earlier call are fine. `cursor` moves to the record found, or to the head when there is
    /// none. `owner`: only this owner's (and kEveryOwner's); records of others are passed over.
    Record find(u64& cursor, u32 owner);
    /// The same for any owner.
    Record find(u64& cursor);

    void take(const Record& record);

    /// Takes every record of `owner` (and kEveryOwner's) that lies before `position`, for a reader
    /// of its own mapping. False, and nothing is taken: no record between tail and head begins or
    /// ends there. A position before the tail has nothing left to take.
    bool take_until(u64 position, u32 owner);
    /// Position of the oldest record that is still there.
    u64 tail() const { return tail_; }

    /// Gives the bytes before the oldest record not taken back to root. `is_live(context, owner)`
    /// false: nobody will ever read that owner's records; they count as taken.
    using IsLive = bool (*)(const void* context, u32 owner);
    void release(IsLive is_live, const void* context);

    bool is_empty() const;
    u64 damaged() const { return damaged_; }

    /// Readers say that they are about to sleep (+1) or have woken (-1), see has_waiting_reader().
    void add_waiting_reader();
    void remove_waiting_reader();

private:
    RecordHeader* header_at(u64 position) const;
    bool is_sound(u64 position, u64 head) const;
    template <class Wanted>
    Record find_if(u64& cursor, Wanted wanted);

    Indices* indices_ = nullptr;
    u8* data_ = nullptr;
    u64 size_ = 0;
    u64 tail_ = 0;
    u64 damaged_ = 0;
};

}  // namespace ringside::ring
