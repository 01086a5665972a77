// SPDX-License-Identifier: GPL-2.0-or-later
// All rings of a load and the clients that read them: guest context, under one lock.
#pragma once

#include "base/types.hpp"
#include "ring/consumer.hpp"

namespace ringside::ring {

inline constexpr u32 kMaxRings = 256;  ///< cores
inline constexpr u32 kMaxOwners = 64;  ///< clients open at the same time

/// The reading ends of all rings. Each record is for one owner; what nobody can read any more is
/// given back to root.
class RingSet {
public:
    /// Forgets everything; `consumers` outlives the set.
    void init(Consumer* consumers, u32 count);

    u32 count() const { return count_; }
    Consumer& consumer(u32 ring) const { return consumers_[ring]; }

    /// False: kMaxOwners are open already.
    bool add_owner(u32 owner);
    /// Unread records of this owner are dropped, now and later.
    void remove_owner(u32 owner);
    bool is_live(u32 owner) const;

    /// Gives what was taken back to root.
    void release(u32 ring);
    void release_all();

    /// Drops every unread record.
    /// @return how many somebody could have read
    u64 discard_all();
    /// Drops unread texts and bytes that events sent before that time.
    void discard_older(u64 time_ns);

private:
    Consumer* consumers_ = nullptr;
    u32 count_ = 0;
    u32 owner_count_ = 0;
    u32 owners_[kMaxOwners] = {};
};

/// One owner's view: the messages of all cores merged by time stamp; those of one core stay in
/// program order (MSG-4).
class MergedReader {
public:
    void init(RingSet& rings, u32 owner);

    /// The oldest unread record, an empty one when there is none. Stays where it is.
    Record peek();
    /// Marks what the last peek() returned as read and gives the room back to root. Copy it first.
    void consume();

    /// Call before sleeping. True: records are there, do not sleep (no finish_waiting() then).
    bool prepare_to_wait();
    void finish_waiting();

private:
    RingSet* rings_ = nullptr;
    Record current_;
    u32 current_ring_ = 0;
    u32 owner_ = 0;
    u64 cursors_[kMaxRings] = {};
};

}  // namespace ringside::ring
