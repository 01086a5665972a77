// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring/ring_set.hpp"

namespace ringside::ring {

void RingSet::init(Consumer* consumers, u32 count) {
    consumers_ = consumers;
    count_ = count;
    owner_count_ = 0;
}

bool RingSet::is_live(u32 owner) const {
    for (u32 i = 0; i < owner_count_; ++i)
        if (owners_[i] == owner)
            return true;
    return false;
}

bool RingSet::add_owner(u32 owner) {
    if (owner_count_ == kMaxOwners)
        return false;
    owners_[owner_count_++] = owner;
    return true;
}

void RingSet::remove_owner(u32 owner) {
    for (u32 i = 0; i < owner_count_; ++i)
        if (owners_[i] == owner) {
            owners_[i] = owners_[--owner_count_];
            break;
        }
    release_all();
}

void RingSet::release(u32 ring) {
    consumers_[ring].release(
        [](const void* set, u32 owner) { return static_cast<const RingSet*>(set)->is_live(owner); },
        this);
}

void RingSet::release_all() {
    for (u32 ring = 0; ring < count_; ++ring)
        release(ring);
}

u64 RingSet::discard_all() {
    u64 count = 0;
    for (u32 ring = 0; ring < count_; ++ring) {
        u64 cursor = 0;
        while (const Record record = consumers_[ring].find(cursor)) {
            if (record.owner == kEveryOwner || is_live(record.owner))
                ++count;
            consumers_[ring].take(record);
            cursor = record.end;
        }
        release(ring);
    }
    return count;
}

void RingSet::discard_older(u64 time_ns) {
    for (u32 ring = 0; ring < count_; ++ring) {
        u64 cursor = 0;
        while (const Record record = consumers_[ring].find(cursor)) {
            const u16 kind = record.header->kind;
            if (record.header->time_ns < time_ns &&
                (kind == RS_MSG_TEXT || kind == RS_MSG_GATHERED || kind == RS_MSG_BINARY))
                consumers_[ring].take(record);
            cursor = record.end;
        }
        release(ring);
    }
}

void MergedReader::init(RingSet& rings, u32 owner) {
    rings_ = &rings;
    current_ = Record{};
    current_ring_ = 0;
    owner_ = owner;
    for (u64& cursor : cursors_)
        cursor = 0;
}

Record MergedReader::peek() {
    current_ = Record{};
    for (u32 ring = 0; ring < rings_->count(); ++ring) {
        const Record record = rings_->consumer(ring).find(cursors_[ring], owner_);
        if (record && (!current_ || record.header->time_ns < current_.header->time_ns)) {
            current_ = record;
            current_ring_ = ring;
        }
    }
    return current_;
}

void MergedReader::consume() {
    if (!current_)
        return;
    rings_->consumer(current_ring_).take(current_);
    cursors_[current_ring_] = current_.end;
    current_ = Record{};
    rings_->release(current_ring_);
}

bool MergedReader::prepare_to_wait() {
    for (u32 ring = 0; ring < rings_->count(); ++ring)
        rings_->consumer(ring).add_waiting_reader();
    if (!peek())
        return false;
    finish_waiting();
    return true;
}

void MergedReader::finish_waiting() {
    for (u32 ring = 0; ring < rings_->count(); ++ring)
        rings_->consumer(ring).remove_waiting_reader();
}

}  // namespace ringside::ring
