// SPDX-License-Identifier: GPL-2.0-or-later
// The receiving end of the debug link: frames (uapi packet.h) cut out of a byte stream, in a buffer
// of the caller's. Any bytes give frames or counted garbage, in bounded memory and bounded time.
#pragma once

#include <span>

#include "base/types.hpp"
#include "link/byte_stream.hpp"
#include "ringside/packet.h"

namespace ringside::link {

/// Cuts a byte stream into frames. A line does not tell who is there (see packet.h): whatever is no
/// frame is dropped byte by byte until a sound header begins the buffer, also inside the payload of
/// a frame that turned out damaged; and a whole HELLO inside a frame that is not there yet ends
/// that frame, since its sender died in the middle of it.
///
/// Usable from zeroed memory with init(). Context: one caller at a time, root mode included; does
/// not wait, allocate or lock.
class FrameReceiver {
public:
    struct Counts {
        u64 frames = 0;
        u64 garbage_bytes = 0;   ///< bytes that belonged to no frame
        u64 damaged_frames = 0;  ///< sound header, wrong payload checksum
    };
    /// Most bytes that one poll() takes from the stream.
    static constexpr usize kBytesPerPoll = 16 * 1024;

    FrameReceiver() = default;
    explicit FrameReceiver(std::span<u8> buffer) { init(buffer); }

    /// Begins anew, with nothing received and nothing counted.
    /// @param buffer  at least a header's size; holds the largest frame that is taken. It is read
    ///                and written under this address by the functions below, and not touched here.
    void init(std::span<u8> buffer);

    /// Forgets the bytes received so far and the frame that is ready, and keeps the counts.
    void forget();

    /// Takes what is there, kBytesPerPoll at most, until a whole frame is ready. Takes nothing if
    /// one is ready already, or among the bytes taken before.
    ///
    /// The time of all calls together grows with the bytes taken alone, whatever they are: looking
    /// twice at the same bytes is paid for by bytes taken (`credit_`), and who sends frames inside
    /// frames for ever has them dropped as a whole.
    ///
    /// @return whether a frame is ready: header() and payload() are valid until consume()
    bool poll(ByteStream& stream);

    bool is_ready() const { return is_ready_; }
    /// Of the frame that is ready.
    const rs_packet& header() const { return header_; }
    /// Of the frame that is ready: header().length bytes, at any alignment.
    std::span<const u8> payload() const {
        return buffer_.subspan(begin_ + sizeof(rs_packet), header_.length);
    }
    /// Is done with the frame that is ready; nothing happens if none is.
    void consume();

    const Counts& counts() const { return counts_; }
    /// Bytes taken from the stream that belong to no finished frame yet, the frame that is ready
    /// included.
    usize buffered() const { return end_ - begin_; }

private:
    /// Bytes of credit for each byte taken, and most of it, in buffers.
    static constexpr usize kCreditPerByte = 4;

    std::span<const u8> rest() const { return buffer_.subspan(begin_, end_ - begin_); }
    usize limit() const { return buffer_.size() - sizeof(rs_packet); }
    bool spend(usize bytes);
    void drop(usize count);
    bool make_room();
    bool find_header();
    bool find_frame();
    bool skip_to_hello();

    std::span<u8> buffer_;  ///< bytes begin_ to end_ are those received
    usize begin_ = 0;
    usize end_ = 0;
    usize searched_ = 0;  ///< bytes of rest() known to begin no HELLO
    usize credit_ = 0;    ///< bytes that may be looked at, or moved, once more
    rs_packet header_{};
    bool is_ready_ = false;
    Counts counts_;
};

}  // namespace ringside::link
