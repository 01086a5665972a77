// SPDX-License-Identifier: GPL-2.0-or-later
// The sending end of the debug link: frames (uapi packet.h) in a ring of bytes, from which they can
// go out once more when the other side missed one (go-back-N).
#pragma once

#include <initializer_list>
#include <span>

#include "base/types.hpp"
#include "link/byte_stream.hpp"
#include "ringside/packet.h"

namespace ringside::link {

/// Outgoing frames, numbered from 0 on, and behind them the history: frames that were sent, kept
/// until their room is needed. Oldest frames go first.
///
/// Usable from zeroed memory with init(). Context: one caller at a time, root mode included; does
/// not wait, allocate or lock.
class FrameQueue {
public:
    FrameQueue() = default;
    explicit FrameQueue(std::span<u8> buffer) { init(buffer); }

    /// Begins anew, empty, with number 0.
    /// @param buffer  a power of two of bytes, at least kSmallestBuffer. It is read and written
    ///                under this address by the functions below, and not touched here.
    void init(std::span<u8> buffer);
    static constexpr usize kSmallestBuffer = 64;

    /// Forgets all frames, a half-sent one included, and begins again with number 0: a new debugger
    /// is there, which has never seen the beginning of that frame.
    void restart();

    /// Queues a frame; its payload is the given parts one behind the other, of a length that suits
    /// its type (packet.h).
    ///
    /// @return false if it does not fit beside what has still to be sent, or has more payload than
    ///         RS_MAX_PACKET_BYTES: nothing happened, and no number was used
    bool push(rs_packet_type type, std::initializer_list<std::span<const u8>> parts = {});

    /// Gives the stream as much as it takes now.
    void pump(ByteStream& stream);

    /// Sets back, so that the frames from `sequence` on go out again, in their order. A frame that
    /// is half sent is finished first: a receiver which has its header waits for all of its
    /// bytes, and would take those of the next frames for them.
    ///
    /// Never skips a frame: of frames that are still to be sent, and of the number that comes next,
    /// there is nothing to do.
    ///
    /// @return false if that frame is not there any more, or never was; nothing changed then.
    ///         Time: a step for each frame in the buffer.
    bool resend_from(u32 sequence);

    bool is_drained() const { return unsent() == 0; }
    /// Bytes that are still to be given to a stream, headers included.
    usize unsent() const;
    /// The largest payload that push() takes now, in bytes. 0 also if not even an empty frame fits.
    usize room() const;

    /// Number of the next frame pushed.
    u32 next_sequence() const { return next_sequence_; }
    /// Number of the oldest frame that can be sent again; next_sequence() if there is none.
    u32 oldest_sequence() const { return oldest_sequence_; }

private:
    bool is_half_sent() const { return sent_ != end_; }
    u64 oldest_needed() const;
    u64 frame_bytes(u64 position) const;
    void put(u64 position, const void* from, usize count);

    // Positions grow for ever; position modulo the buffer's size is the offset. Frames lie back to
    // back from oldest_ to head_.
    std::span<u8> buffer_;
    u64 oldest_ = 0;  ///< of the oldest frame
    u64 head_ = 0;    ///< behind the newest frame
    u64 start_ = 0;   ///< of the frame that is being sent, or was sent last
    u64 sent_ = 0;    ///< of its first byte that no stream has taken
    u64 end_ = 0;     ///< behind it
    u64 next_ = 0;    ///< of the frame to be sent after it
    u32 oldest_sequence_ = 0;
    u32 next_sequence_ = 0;
};

}  // namespace ringside::link
