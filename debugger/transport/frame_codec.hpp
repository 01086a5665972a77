// SPDX-License-Identifier: GPL-3.0-or-later
// Frames of the link (uapi packet.h) to bytes and back. Pure: any bytes give frames or counted
// garbage, in bounded memory and bounded time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "ringside/packet.h"

namespace ringside::transport {

struct Frame {
    rs_packet_type type{};
    std::uint16_t version = 0;  ///< of the sender; the codec takes every version
    std::uint32_t sequence = 0;
    std::vector<std::byte> payload;
};

/// Header and payload, the payload being the given parts one behind the other (together at most
/// RS_MAX_PACKET_BYTES).
std::vector<std::byte> encode_frame(rs_packet_type type, std::uint32_t sequence,
                                    std::initializer_list<std::span<const std::byte>> parts);

/// Cuts a byte stream into frames.
class FrameDecoder {
public:
    struct Counts {
        std::uint64_t frames = 0;
        std::uint64_t garbage_bytes = 0;   ///< bytes that belonged to no frame
        std::uint64_t damaged_frames = 0;  ///< sound header, wrong payload checksum
        std::uint64_t missing_frames = 0;  ///< gaps in the sender's sequence
    };

    /// Frames with a larger payload are garbage; keeps a stranger from making us store much.
    void set_limit(std::size_t payload_bytes) { limit_ = payload_bytes; }

    /// For a line: a whole HELLO inside a frame that is not there yet ends that frame. Its sender
    /// died in the middle of it, and somebody new has come.
    void let_hello_interrupt() { hello_interrupts_ = true; }

    /// Takes the next bytes of the stream. Call next() until it is empty before feeding again; the
    /// decoder then never holds more than one frame and the last bytes fed.
    void feed(std::span<const std::byte> bytes);

    /// The next whole frame, if the bytes so far hold one.
    std::optional<Frame> next();

    const Counts& counts() const { return counts_; }
    /// Bytes held back: the beginning of a frame.
    std::size_t buffered() const { return buffer_.size() - begin_; }

private:
    std::span<const std::byte> rest() const { return std::span{buffer_}.subspan(begin_); }
    void drop(std::size_t count);
    bool find_header(rs_packet& header);
    bool skip_to_hello();
    void note_sequence(std::uint32_t sequence);

    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::size_t limit_ = RS_MAX_PACKET_BYTES;
    // Bytes of failed payloads we may still look through for another header. Grows with what was
    // fed, so that crafted headers inside headers cannot make us sum the same bytes for ever.
    std::size_t rescan_credit_ = 0;
    std::optional<std::uint32_t> expected_sequence_;
    bool hello_interrupts_ = false;
    std::size_t searched_ = 0;  ///< bytes of rest() known to begin no HELLO
    Counts counts_;
};

}  // namespace ringside::transport
