// SPDX-License-Identifier: GPL-2.0-or-later
// The writing end of a core's message ring: root mode on that core, nobody else.
#pragma once

#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "ring/layout.hpp"

namespace ringside::ring {

/// A message to be written. `payload` is read during write() only.
struct Message {
    u16 kind = 0;  ///< RS_MSG_*
    u32 owner = 0;
    u32 pid = 0;
    u64 tag = 0;
    u64 cookie = 0;
    u64 time_ns = 0;
    const void* payload = nullptr;
    u32 len = 0;    ///< at most RS_MAX_MESSAGE_BYTES; more is cut
    u32 parts = 1;  ///< prints in it: a loss counts them all
    u16 flags = 0;  ///< RS_MSGF_*
};

/// Which part of the ring a message may use. The reserve at its end is for control messages
/// (diagnostics, halt reports) alone, so that text cannot crowd them out (MSG-7).
enum class Room { kText, kControl };

/// Producer of one ring. All of its state is private to root: the reader's index is looked at
/// once for each message, and one that makes no sense means "full".
///
/// Lives in memory root alone writes; init() runs in guest context before the first exit, the
/// rest in root mode on the ring's core.
class Producer {
public:
    /// @param size     bytes of `data`, see is_ring_size().
    /// @param indices, data  shared memory, zeroed.
    void init(u32 core, RootPointer<Indices> indices, RootPointer<u8> data, u64 size);

    /// Writes one message. When messages were lost before, RS_MSG_LOST records go first, one for
    /// each event that lost some.
    /// @return false when there was no room: the message is dropped and counted for its tag.
    bool write(const Message& message, Room room);

    /// Announces losses that no later message has announced yet, if there is room; they carry the
    /// time of the latest loss.
    void report_losses();

    /// Whether a reader sleeps and must be woken to see what was written. Sequentially consistent
    /// with the last write(); the reader says that it sleeps before it looks for the last time.
    bool has_waiting_reader() const;

    u64 written() const { return written_; }  ///< messages, without RS_MSG_LOST records
    u64 dropped() const { return dropped_; }
    u64 unreported_losses() const;

private:
    /// Losses of one event not yet announced.
    struct Loss {
        u64 tag;
        u64 cookie;
        u64 count;
        u32 owner;
    };
    // As many as events on one vector; losses of further events share the last entry, under tag
    // RS_TAG_ALL.
    static constexpr u32 kMaxLosses = RS_MAX_EVENTS_PER_VECTOR;

    u64 free_bytes(Room room) const;
    u64 position_after(u64 position, u64 record_bytes) const;
    bool fits(u64 end, Room room) const;
    void append(const Message& message);
    void append_losses(u64 time_ns);
    void count_loss(const Message& message);

    RootPointer<Indices> indices_;
    RootPointer<u8> data_;
    u64 size_ = 0;
    u64 reserve_ = 0;
    u64 head_ = 0;
    u64 sequence_ = 0;
    u64 written_ = 0;
    u64 dropped_ = 0;
    u64 last_loss_ns_ = 0;
    u32 core_ = 0;
    u32 loss_count_ = 0;
    Loss losses_[kMaxLosses] = {};
};

}  // namespace ringside::ring
