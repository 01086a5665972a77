// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/frame_codec.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace ringside::transport {
namespace {

struct PayloadBounds {
    std::size_t smallest;
    std::size_t largest;
};

/// What packet.h allows for a type; nothing for types that do not exist.
std::optional<PayloadBounds> payload_bounds(std::uint8_t type) {
    switch (type) {
#define RS_BOUNDS(name, number, smallest, largest) \
    case number:                                   \
        return PayloadBounds{smallest, largest};
        RS_PACKET_TABLE(RS_BOUNDS)
#undef RS_BOUNDS
        default:
            return std::nullopt;
    }
}

std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t start = 0) {
    if (bytes.empty())
        return start;  // zlib would take the null pointer of an empty span for "begin anew"
    return static_cast<std::uint32_t>(
        crc32_z(start, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t header_checksum(const rs_packet& header) {
    return checksum(std::as_bytes(std::span{&header, 1}).first(offsetof(rs_packet, header_crc)));
}

bool is_sound(const rs_packet& header, std::size_t limit) {
    if (header.magic != RS_PACKET_MAGIC || header.header_crc != header_checksum(header))
        return false;
    const auto bounds = payload_bounds(header.type);
    return bounds && header.length >= bounds->smallest &&
           header.length <= std::min(bounds->largest, limit);
}

}  // namespace

std::vector<std::byte> encode_frame(rs_packet_type type, std::uint32_t sequence,
                                    std::initializer_list<std::span<const std::byte>> parts) {
    std::size_t length = 0;
    std::uint32_t payload_crc = 0;
    for (const auto part : parts) {
        length += part.size();
        payload_crc = checksum(part, payload_crc);
    }
    rs_packet header{};
    header.magic = RS_PACKET_MAGIC;
    header.version = RS_LINK_VERSION;
    header.type = static_cast<std::uint8_t>(type);
    header.length = static_cast<std::uint32_t>(length);
    header.sequence = sequence;
    header.payload_crc = payload_crc;
    header.header_crc = header_checksum(header);

    std::vector<std::byte> bytes;
    bytes.reserve(sizeof(header) + length);
    const auto head = std::as_bytes(std::span{&header, 1});
    bytes.insert(bytes.end(), head.begin(), head.end());
    for (const auto part : parts)
        bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
}

void FrameDecoder::feed(std::span<const std::byte> bytes) {
    if (begin_ > 0) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
        begin_ = 0;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    rescan_credit_ = std::min(rescan_credit_ + bytes.size(), 4 * std::size_t{RS_MAX_PACKET_BYTES});
}

std::optional<Frame> FrameDecoder::next() {
    rs_packet header;
    while (find_header(header)) {
        if (rest().size() - sizeof(header) < header.length) {
            if (!hello_interrupts_ || !skip_to_hello())
                return std::nullopt;
            continue;
        }
        const auto payload = rest().subspan(sizeof(header), header.length);
        if (checksum(payload) == header.payload_crc) {
            Frame frame{static_cast<rs_packet_type>(header.type),
                        header.version,
                        header.sequence,
                        {payload.begin(), payload.end()}};
            begin_ += sizeof(header) + header.length;
            searched_ = 0;
            note_sequence(header.sequence);
            ++counts_.frames;
            return frame;
        }
        // Bytes were changed or lost. If some were lost the next frame begins inside what we took
        // for the payload, so look there, as long as that stays cheap.
        ++counts_.damaged_frames;
        if (header.length <= rescan_credit_) {
            rescan_credit_ -= header.length;
            drop(sizeof(header));
        } else {
            drop(sizeof(header) + header.length);
        }
    }
    return std::nullopt;
}

void FrameDecoder::drop(std::size_t count) {
    begin_ += count;
    searched_ = 0;
    counts_.garbage_bytes += count;
}

/// Drops bytes until a sound header begins the buffer.
/// @return false if more bytes are needed to tell
bool FrameDecoder::find_header(rs_packet& header) {
    constexpr auto kFirst = static_cast<std::byte>(RS_PACKET_MAGIC & 0xff);
    while (rest().size() >= sizeof(header)) {
        std::memcpy(&header, rest().data(), sizeof(header));
        if (is_sound(header, limit_))
            return true;
        const auto after = rest().subspan(1);
        const auto candidate = std::find(after.begin(), after.end(), kFirst);
        drop(1 + static_cast<std::size_t>(candidate - after.begin()));
    }
    return false;
}

/// Drops the unfinished frame at the beginning if a whole HELLO stands inside it. Looks at each
/// byte once, however often it is asked.
bool FrameDecoder::skip_to_hello() {
    constexpr auto kFirst = static_cast<std::byte>(RS_PACKET_MAGIC & 0xff);
    const auto bytes = rest();
    for (std::size_t at = std::max(searched_, std::size_t{1});; ++at) {
        const auto found =
            std::find(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), kFirst);
        at = static_cast<std::size_t>(found - bytes.begin());
        searched_ = at;
        rs_packet header;
        if (bytes.size() - at < sizeof(header))
            return false;
        std::memcpy(&header, bytes.data() + at, sizeof(header));
        if (header.type != RS_PACKET_HELLO || !is_sound(header, limit_))
            continue;
        if (bytes.size() - at - sizeof(header) < header.length)
            return false;
        if (checksum(bytes.subspan(at + sizeof(header), header.length)) != header.payload_crc)
            continue;
        drop(at);
        return true;
    }
}

void FrameDecoder::note_sequence(std::uint32_t sequence) {
    // A sender counts up modulo 2^32; half of the range ahead is "frames went missing".
    const std::uint32_t ahead = expected_sequence_ ? sequence - *expected_sequence_ : 0;
    if (ahead < 0x8000'0000)
        counts_.missing_frames += ahead;
    expected_sequence_ = sequence + 1;
}

}  // namespace ringside::transport
