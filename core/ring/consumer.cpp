// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring/consumer.hpp"

namespace ringside::ring {

void Consumer::init(Indices* indices, u8* data, u64 size) {
    *this = Consumer{};
    indices_ = indices;
    data_ = data;
    size_ = size;
}

RecordHeader* Consumer::header_at(u64 position) const {
    return reinterpret_cast<RecordHeader*>(data_ + (position & (size_ - 1)));
}

bool Consumer::is_sound(u64 position, u64 head) const {
    const RecordHeader* const header = header_at(position);
    const u64 to_end = size_ - (position & (size_ - 1));
    if (header->bytes < sizeof(RecordHeader) || header->bytes % kRecordAlign != 0 ||
        header->bytes > head - position || header->bytes > to_end)
        return false;
    if (header->kind == RecordKind::kPadding)
        return true;
    if (header->bytes < sizeof(RecordHeader) + sizeof(rs_msg))
        return false;
    const auto* const message = reinterpret_cast<const rs_msg*>(header + 1);
    return message->len <= header->bytes - sizeof(RecordHeader) - sizeof(rs_msg);
}

template <class Wanted>
Record Consumer::find_if(u64& cursor, Wanted wanted) {
    // Whole records are seen; sequentially consistent for add_waiting_reader().
    const u64 head = indices_->head.load(std::memory_order_seq_cst);
    if (cursor < tail_ || cursor > head)
        cursor = tail_;
    while (cursor != head) {
        if (!is_sound(cursor, head)) {
            ++damaged_;
            cursor = head;
            tail_ = head;
            indices_->tail.store(tail_, std::memory_order_release);
            break;
        }
        const RecordHeader* const header = header_at(cursor);
        if (header->kind == RecordKind::kMessage && header->is_taken == 0 && wanted(header->owner))
            return {.header = reinterpret_cast<const rs_msg*>(header + 1),
                    .position = cursor,
                    .end = cursor + header->bytes,
                    .owner = header->owner};
        cursor += header->bytes;
    }
    return {};
}

Record Consumer::find(u64& cursor, u32 owner) {
    return find_if(cursor, [owner](u32 of) { return of == owner || of == kEveryOwner; });
}

Record Consumer::find(u64& cursor) {
    return find_if(cursor, [](u32) { return true; });
}

void Consumer::take(const Record& record) {
    if (record.position >= tail_)
        header_at(record.position)->is_taken = 1;
}

bool Consumer::take_until(u64 position, u32 owner) {
    const u64 head = indices_->head.load(std::memory_order_acquire);
    if (position <= tail_)
        return true;
    if (position > head)
        return false;
    u64 at = tail_;
    while (at < position && is_sound(at, head))
        at += header_at(at)->bytes;
    if (at != position)
        return false;
    for (at = tail_; at != position; at += header_at(at)->bytes)
        if (header_at(at)->owner == owner || header_at(at)->owner == kEveryOwner)
            header_at(at)->is_taken = 1;
    return true;
}

void Consumer::release(IsLive is_live, const void* context) {
    const u64 head = indices_->head.load(std::memory_order_acquire);
    u64 position = tail_;
    while (position != head && is_sound(position, head)) {
        const RecordHeader* const header = header_at(position);
        if (header->is_taken == 0 &&
            (header->owner == kEveryOwner || is_live(context, header->owner)))
            break;
        position += header->bytes;
    }
    if (position == tail_)
        return;
    tail_ = position;
    // Release: our reads of these bytes are done before root may overwrite them.
    indices_->tail.store(tail_, std::memory_order_release);
}

bool Consumer::is_empty() const {
    return indices_->head.load(std::memory_order_acquire) == tail_;
}

void Consumer::add_waiting_reader() {
    // The caller looks for records once more after this; pairs with has_waiting_reader().
    indices_->waiting_readers.fetch_add(1, std::memory_order_seq_cst);
}

void Consumer::remove_waiting_reader() {
    indices_->waiting_readers.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace ringside::ring
