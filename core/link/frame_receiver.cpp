// SPDX-License-Identifier: GPL-2.0-or-later
#include "link/frame_receiver.hpp"

#include "base/assert.hpp"
#include "base/memory.hpp"
#include "link/crc32.hpp"
#include "link/packet_rules.hpp"

namespace ringside::link {
namespace {

constexpr u8 kFirst = RS_PACKET_MAGIC & 0xff;

constexpr usize smaller(usize left, usize right) {
    return left < right ? left : right;
}

/// Where the first byte that may begin a header stands, at `at` or behind it; bytes.size() if
/// nowhere.
usize find_first(std::span<const u8> bytes, usize at) {
    while (at < bytes.size() && bytes[at] != kFirst)
        ++at;
    return at;
}

}  // namespace

void FrameReceiver::init(std::span<u8> buffer) {
    RS_ASSERT(buffer.size() >= sizeof(rs_packet));
    buffer_ = buffer;
    counts_ = Counts{};
    credit_ = 0;
    forget();
}

void FrameReceiver::forget() {
    begin_ = 0;
    end_ = 0;
    searched_ = 0;
    header_ = rs_packet{};
    is_ready_ = false;
}

bool FrameReceiver::poll(ByteStream& stream) {
    if (is_ready_ || find_frame())
        return true;
    for (usize taken = 0; taken < kBytesPerPoll;) {
        if (!make_room())
            continue;
        const usize room = smaller(buffer_.size() - end_, kBytesPerPoll - taken);
        const usize count = smaller(stream.read(buffer_.data() + end_, room), room);
        if (count == 0)
            return false;
        taken += count;
        end_ += count;
        credit_ = smaller(credit_ + kCreditPerByte * count, kCreditPerByte * buffer_.size());
        if (find_frame())
            return true;
    }
    return false;
}

void FrameReceiver::consume() {
    if (!is_ready_)
        return;
    is_ready_ = false;
    begin_ += sizeof(rs_packet) + header_.length;
    searched_ = 0;
}

/// Pays for work on bytes that were looked at before.
bool FrameReceiver::spend(usize bytes) {
    if (bytes > credit_)
        return false;
    credit_ -= bytes;
    return true;
}

void FrameReceiver::drop(usize count) {
    begin_ += count;
    searched_ = 0;
    counts_.garbage_bytes += count;
}

/// Sees to it that a byte more can be received. Honest frames are moved once at most, because they
/// fit when they begin the buffer.
/// @return false if it took dropping all there was
bool FrameReceiver::make_room() {
    if (begin_ == end_) {
        begin_ = 0;
        end_ = 0;
    }
    if (end_ < buffer_.size())
        return true;
    const usize count = end_ - begin_;
    if (!spend(count)) {
        drop(count);
        return false;
    }
    copy_bytes(buffer_.data(), buffer_.data() + begin_, count);
    begin_ = 0;
    end_ = count;
    return true;
}

/// Drops bytes until a sound header begins the buffer.
/// @return false if more bytes are needed to tell
bool FrameReceiver::find_header() {
    while (rest().size() >= sizeof(rs_packet)) {
        copy_bytes(&header_, rest().data(), sizeof(header_));
        if (is_sound(header_, limit()))
            return true;
        drop(find_first(rest(), 1));
    }
    return false;
}

/// Looks for a whole frame among the bytes received, and drops what is none.
bool FrameReceiver::find_frame() {
    while (find_header()) {
        if (rest().size() - sizeof(rs_packet) < header_.length) {
            if (!skip_to_hello())
                return false;
            continue;
        }
        if (crc32(payload()) == header_.payload_crc) {
            is_ready_ = true;
            ++counts_.frames;
            return true;
        }
        // Bytes were changed or lost. If some were lost the next frame begins inside what we took
        // for the payload, so look there, as long as that stays cheap.
        ++counts_.damaged_frames;
        drop(spend(header_.length) ? sizeof(rs_packet) : sizeof(rs_packet) + header_.length);
    }
    return false;
}

/// Drops the unfinished frame at the beginning if a whole HELLO stands inside it. Looks at each
/// byte once, however often it is asked.
bool FrameReceiver::skip_to_hello() {
    const std::span<const u8> bytes = rest();
    for (usize at = searched_ == 0 ? 1 : searched_;; ++at) {
        at = find_first(bytes, at);
        searched_ = at;
        if (bytes.size() - at < sizeof(rs_packet))
            return false;
        rs_packet hello;
        copy_bytes(&hello, bytes.data() + at, sizeof(hello));
        if (hello.type != RS_PACKET_HELLO || !is_sound(hello, limit()))
            continue;
        if (bytes.size() - at - sizeof(hello) < hello.length)
            return false;
        if (crc32(bytes.subspan(at + sizeof(hello), hello.length)) != hello.payload_crc)
            continue;
        drop(at);
        return true;
    }
}

}  // namespace ringside::link
