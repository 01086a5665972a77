// SPDX-License-Identifier: GPL-2.0-or-later
// What the two ends of a core's message ring share: two index pages and the data.
//
// `data`: size bytes, a power of two, holding records back to back. A record is a RecordHeader,
// a struct rs_msg and the payload, padded to kRecordAlign; it never wraps, a padding record fills
// the end of the data instead. Positions grow for ever; position modulo size is the offset.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/types.hpp"
#include "ringside/event.h"
#include "ringside/ring.h"

namespace ringside::ring {

inline constexpr u64 kRecordAlign = 16;
inline constexpr u64 kMinimumBytes = 64 * 1024;
inline constexpr u64 kMaximumBytes = 4096 * 1024;
inline constexpr u64 kDefaultBytes = 1024 * 1024;

/// Owner of a record that no single client can be blamed for; its first reader takes it.
inline constexpr u32 kEveryOwner = 0xffffffff;

enum class RecordKind : u16 { kPadding = 0, kMessage = 1 };

/// In front of every record.
struct RecordHeader {
    u32 bytes;        // 0x00 whole record, this header included, a multiple of kRecordAlign
    RecordKind kind;  // 0x04
    u16 is_taken;     // 0x06 set by the consumer when the owner has read it
    u32 owner;        // 0x08 client the message belongs to
    u32 reserved;     // 0x0c
};
static_assert(sizeof(RecordHeader) == kRecordAlign);
// What readers of a mapping see (ringside/ring.h).
static_assert(sizeof(RecordHeader) == sizeof(rs_record));
static_assert(offsetof(RecordHeader, is_taken) == offsetof(rs_record, is_taken));
static_assert(offsetof(RecordHeader, owner) == offsetof(rs_record, owner));
static_assert(u16(RecordKind::kMessage) == RS_RECORD_MESSAGE && kEveryOwner == RS_RING_EVERYBODY);

/// The largest record: a message of RS_MAX_MESSAGE_BYTES.
inline constexpr u64 kLargestRecord = sizeof(RecordHeader) + sizeof(rs_msg) + RS_MAX_MESSAGE_BYTES;
static_assert(kLargestRecord % kRecordAlign == 0);

/// One page for each writer, so that the producer's can be mapped read-only.
struct Indices {
    // Written by root only: copies of what root keeps for itself.
    alignas(kPageSize) std::atomic<u64> head;  // position behind the last complete record
    // Written by guest context only; root believes nothing in it.
    alignas(kPageSize) std::atomic<u64> tail;  // position of the oldest unread record
    std::atomic<u32> waiting_readers;          // readers asleep, or about to be
};
static_assert(sizeof(Indices) == 2 * kPageSize);

constexpr bool is_ring_size(u64 bytes) {
    return bytes >= kMinimumBytes && bytes <= kMaximumBytes && (bytes & (bytes - 1)) == 0;
}

}  // namespace ringside::ring
