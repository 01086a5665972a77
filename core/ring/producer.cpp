// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring/producer.hpp"

#include "base/bits.hpp"
#include "base/memory.hpp"

namespace ringside::ring {
namespace {

constexpr u64 record_bytes(u64 payload_bytes) {
    return align_up(sizeof(RecordHeader) + sizeof(rs_msg) + payload_bytes, kRecordAlign);
}
constexpr u64 kLossRecord = record_bytes(sizeof(u64));

u32 clamped(u32 payload_bytes) {
    return payload_bytes > RS_MAX_MESSAGE_BYTES ? RS_MAX_MESSAGE_BYTES : payload_bytes;
}

}  // namespace

void Producer::init(u32 core, RootPointer<Indices> indices, RootPointer<u8> data, u64 size) {
    *this = Producer{};
    core_ = core;
    indices_ = indices;
    data_ = data;
    size_ = size;
    reserve_ = size / 16;
}

u64 Producer::free_bytes(Room room) const {
    // Acquire: the reader has finished with the bytes before `tail` which we are about to reuse.
    const u64 tail = indices_.in_root()->tail.load(std::memory_order_acquire);
    const u64 used = head_ - tail;
    if (used > size_ || tail % kRecordAlign != 0)
        return 0;  // nonsense from the reader: full
    const u64 free = size_ - used;
    const u64 kept = room == Room::kText ? reserve_ : 0;
    return free > kept ? free - kept : 0;
}

/// Where a record starting at `position` or behind the padding there ends.
u64 Producer::position_after(u64 position, u64 bytes) const {
    const u64 to_end = size_ - (position & (size_ - 1));
    return position + (to_end < bytes ? to_end : 0) + bytes;
}

bool Producer::fits(u64 end, Room room) const {
    return end - head_ <= free_bytes(room);
}

bool Producer::write(const Message& message, Room room) {
    const u64 bytes = record_bytes(clamped(message.len));
    u64 end = head_;
    for (u32 i = 0; i < loss_count_; ++i)
        end = position_after(end, kLossRecord);
    if (fits(position_after(end, bytes), room)) {
        append_losses(message.time_ns);
    } else if (room == Room::kText || !fits(position_after(head_, bytes), room)) {
        count_loss(message);
        return false;
    }
    append(message);
    ++written_;
    return true;
}

void Producer::report_losses() {
    u64 end = head_;
    for (u32 i = 0; i < loss_count_; ++i)
        end = position_after(end, kLossRecord);
    if (loss_count_ != 0 && fits(end, Room::kControl))
        append_losses(last_loss_ns_);
}

bool Producer::has_waiting_reader() const {
    return indices_.in_root()->waiting_readers.load(std::memory_order_seq_cst) != 0;
}

u64 Producer::unreported_losses() const {
    u64 sum = 0;
    for (u32 i = 0; i < loss_count_; ++i)
        sum += losses_[i].count;
    return sum;
}

/// Writes the record and publishes it. The caller has checked that there is room.
void Producer::append(const Message& message) {
    u8* const data = data_.in_root();
    const u32 len = clamped(message.len);
    const u64 bytes = record_bytes(len);
    const u64 to_end = size_ - (head_ & (size_ - 1));
    if (to_end < bytes) {
        auto* const padding = reinterpret_cast<RecordHeader*>(data + (head_ & (size_ - 1)));
        *padding = {.bytes = static_cast<u32>(to_end),
                    .kind = RecordKind::kPadding,
                    .is_taken = 1,
                    .owner = 0,
                    .reserved = 0};
        head_ += to_end;
    }
    u8* const record = data + (head_ & (size_ - 1));
    *reinterpret_cast<RecordHeader*>(record) = {.bytes = static_cast<u32>(bytes),
                                                .kind = RecordKind::kMessage,
                                                .is_taken = 0,
                                                .owner = message.owner,
                                                .reserved = 0};
    *reinterpret_cast<rs_msg*>(record + sizeof(RecordHeader)) = {.len = len,
                                                                 .kind = message.kind,
                                                                 .flags = message.flags,
                                                                 .core = core_,
                                                                 .pid = message.pid,
                                                                 .tag = message.tag,
                                                                 .cookie = message.cookie,
                                                                 .time_ns = message.time_ns,
                                                                 .seq = sequence_++};
    u8* const payload = record + sizeof(RecordHeader) + sizeof(rs_msg);
    copy_bytes(payload, message.payload, len);
    // Readers hand records out padded to 8: nothing old may show there.
    fill_bytes(payload + len, 0, bytes - sizeof(RecordHeader) - sizeof(rs_msg) - len);
    head_ += bytes;
    // A reader that sees the new head sees the whole record. Sequentially consistent for
    // has_waiting_reader(): either we see that the reader sleeps or it sees the record.
    indices_.in_root()->head.store(head_, std::memory_order_seq_cst);
}

void Producer::append_losses(u64 time_ns) {
    for (u32 i = 0; i < loss_count_; ++i)
        append({.kind = RS_MSG_LOST,
                .owner = losses_[i].owner,
                .pid = 0,
                .tag = losses_[i].tag,
                .cookie = losses_[i].cookie,
                .time_ns = time_ns,
                .payload = &losses_[i].count,
                .len = sizeof(u64)});
    loss_count_ = 0;
}

void Producer::count_loss(const Message& message) {
    dropped_ += message.parts;
    last_loss_ns_ = message.time_ns;
    u32 i = 0;
    while (i < loss_count_ && (losses_[i].tag != message.tag || losses_[i].owner != message.owner))
        ++i;
    if (i == kMaxLosses) {
        --i;
        losses_[i].tag = RS_TAG_ALL;
        losses_[i].owner = kEveryOwner;
    } else if (i == loss_count_) {
        losses_[i] = {
            .tag = message.tag, .cookie = message.cookie, .count = 0, .owner = message.owner};
        ++loss_count_;
    }
    losses_[i].count += message.parts;
}

}  // namespace ringside::ring
