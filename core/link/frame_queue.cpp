// SPDX-License-Identifier: GPL-2.0-or-later
#include "link/frame_queue.hpp"

#include <cstddef>

#include "base/assert.hpp"
#include "base/bits.hpp"
#include "base/memory.hpp"
#include "link/crc32.hpp"
#include "link/packet_rules.hpp"

namespace ringside::link {

void FrameQueue::init(std::span<u8> buffer) {
    RS_ASSERT(buffer.size() >= kSmallestBuffer && is_power_of_two(buffer.size()));
    buffer_ = buffer;
    restart();
}

void FrameQueue::restart() {
    oldest_ = 0;
    head_ = 0;
    start_ = 0;
    sent_ = 0;
    end_ = 0;
    next_ = 0;
    oldest_sequence_ = 0;
    next_sequence_ = 0;
}

/// Of the oldest byte that may not be overwritten.
u64 FrameQueue::oldest_needed() const {
    return is_half_sent() && start_ < next_ ? start_ : next_;
}

usize FrameQueue::unsent() const {
    return (end_ - sent_) + (head_ - next_);
}

usize FrameQueue::room() const {
    const usize free = buffer_.size() - (head_ - oldest_needed());
    if (free < sizeof(rs_packet))
        return 0;
    const usize payload = free - sizeof(rs_packet);
    return payload < RS_MAX_PACKET_BYTES ? payload : RS_MAX_PACKET_BYTES;
}

bool FrameQueue::push(rs_packet_type type, std::initializer_list<std::span<const u8>> parts) {
    usize length = 0;
    u32 payload_crc = 0;
    for (const std::span<const u8> part : parts) {
        if (part.size() > RS_MAX_PACKET_BYTES - length)
            return false;
        length += part.size();
    }
    const usize bytes = sizeof(rs_packet) + length;
    if (bytes > buffer_.size() - (head_ - oldest_needed()))
        return false;
    while (head_ + bytes - oldest_ > buffer_.size()) {
        oldest_ += frame_bytes(oldest_);
        ++oldest_sequence_;
    }
    u64 position = head_ + sizeof(rs_packet);
    for (const std::span<const u8> part : parts) {
        payload_crc = crc32(part, payload_crc);
        put(position, part.data(), part.size());
        position += part.size();
    }
    rs_packet header{};
    header.magic = RS_PACKET_MAGIC;
    header.version = RS_LINK_VERSION;
    header.type = static_cast<u8>(type);
    header.length = static_cast<u32>(length);
    header.sequence = next_sequence_++;
    header.payload_crc = payload_crc;
    header.header_crc = header_checksum(header);
    put(head_, &header, sizeof(header));
    head_ = position;
    return true;
}

void FrameQueue::pump(ByteStream& stream) {
    while (!is_drained()) {
        if (!is_half_sent()) {
            start_ = next_;
            sent_ = start_;
            end_ = start_ + frame_bytes(start_);
            next_ = end_;
        }
        const usize offset = sent_ & (buffer_.size() - 1);
        const usize to_wrap = buffer_.size() - offset;
        const usize count = end_ - sent_ < to_wrap ? end_ - sent_ : to_wrap;
        const usize taken = stream.write(buffer_.data() + offset, count);
        sent_ += taken < count ? taken : count;
        if (taken < count)
            return;
    }
}

bool FrameQueue::resend_from(u32 sequence) {
    const u32 wanted = sequence - oldest_sequence_;  // modulo 2^32, as the numbers are
    if (wanted > next_sequence_ - oldest_sequence_)
        return false;
    u64 position = oldest_;
    for (u32 index = 0; index < wanted && position < next_; ++index)
        position += frame_bytes(position);
    const bool is_under_way = is_half_sent() && position == start_;
    if (position < next_ && !is_under_way)
        next_ = position;
    return true;
}

/// Of the frame that begins there, its header included.
u64 FrameQueue::frame_bytes(u64 position) const {
    u32 length = 0;
    for (usize byte = 0; byte < sizeof(length); ++byte)
        length |=
            u32{buffer_[(position + offsetof(rs_packet, length) + byte) & (buffer_.size() - 1)]}
            << (8 * byte);
    return sizeof(rs_packet) + length;
}

void FrameQueue::put(u64 position, const void* from, usize count) {
    const usize offset = position & (buffer_.size() - 1);
    const usize to_wrap = buffer_.size() - offset;
    const usize first = count < to_wrap ? count : to_wrap;
    copy_bytes(buffer_.data() + offset, from, first);
    copy_bytes(buffer_.data(), static_cast<const u8*>(from) + first, count - first);
}

}  // namespace ringside::link
