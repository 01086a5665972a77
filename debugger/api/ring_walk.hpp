// SPDX-License-Identifier: GPL-3.0-or-later
// Walks the records of a mapped ring (ringside/ring.h). Pure: the mapping is given.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ringside/event.h"
#include "ringside/ring.h"

namespace ringside::api {

class RingWalk {
public:
    RingWalk() = default;
    /// @param head   where root mode tells the position behind the last record
    /// @param data   a power of two of bytes
    /// @param owner  whose records are wanted
    RingWalk(const std::uint64_t* head, std::span<const std::byte> data, std::uint32_t owner,
             std::uint64_t position)
        : head_{head}, data_{data}, owner_{owner}, position_{position} {}

    /// The next message of the owner; null: none yet. Stays in place until position() is handed
    /// back.
    const rs_msg* next() {
        // The head is behind whole records only.
        const std::uint64_t head =
            std::atomic_ref{*const_cast<std::uint64_t*>(head_)}.load(std::memory_order_acquire);
        while (position_ != head) {
            const std::size_t offset = position_ & (data_.size() - 1);
            const auto& record = *reinterpret_cast<const rs_record*>(data_.data() + offset);
            if (!is_sound(record, offset, head - position_)) {
                is_damaged_ = true;
                return nullptr;
            }
            position_ += record.bytes;
            const bool is_ours = record.owner == owner_ || record.owner == RS_RING_EVERYBODY;
            if (record.kind == RS_RECORD_MESSAGE && record.is_taken == 0 && is_ours)
                return reinterpret_cast<const rs_msg*>(&record + 1);
        }
        return nullptr;
    }

    /// Behind the last message returned and what was passed over.
    std::uint64_t position() const { return position_; }
    /// What it found can be no record: nothing more will come.
    bool is_damaged() const { return is_damaged_; }

private:
    bool is_sound(const rs_record& record, std::size_t offset, std::uint64_t left) const {
        if (left > data_.size() || record.bytes < sizeof(record) || record.bytes % 16 != 0 ||
            record.bytes > left || record.bytes > data_.size() - offset)
            return false;
        if (record.kind == RS_RECORD_PADDING)
            return true;
        constexpr std::size_t kHeaders = sizeof(rs_record) + sizeof(rs_msg);
        if (record.bytes < kHeaders)
            return false;
        return reinterpret_cast<const rs_msg*>(&record + 1)->len <= record.bytes - kHeaders;
    }

    const std::uint64_t* head_ = nullptr;
    std::span<const std::byte> data_;
    std::uint32_t owner_ = 0;
    std::uint64_t position_ = 0;
    bool is_damaged_ = false;
};

}  // namespace ringside::api
