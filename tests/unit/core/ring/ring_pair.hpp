// SPDX-License-Identifier: GPL-3.0-or-later
// A ring with both ends in one address space.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"

namespace ringside::ring {

struct RingPair {
    explicit RingPair(u32 core = 0, u64 bytes = kMinimumBytes)
        : indices{std::make_unique<Indices>()}, data(bytes / sizeof(u64)) {
        u8* const first = reinterpret_cast<u8*>(data.data());
        producer.init(core, RootPointer<Indices>::from_guest(indices.get(), 0),
                      RootPointer<u8>::from_guest(first, 0), bytes);
        consumer.init(indices.get(), first, bytes);
    }

    /// Writes a text message.
    bool print(std::string_view text, u64 tag = 7, u32 owner = 1, u64 time = 0,
               Room room = Room::kText) {
        return producer.write({.kind = RS_MSG_TEXT,
                               .owner = owner,
                               .pid = 5,
                               .tag = tag,
                               .cookie = tag * 2,
                               .time_ns = time,
                               .payload = text.data(),
                               .len = static_cast<u32>(text.size())},
                              room);
    }

    std::unique_ptr<Indices> indices;
    std::vector<u64> data;
    Producer producer;
    Consumer consumer;
};

inline std::string text_of(const Record& record) {
    return {reinterpret_cast<const char*>(record.payload()), record.header->len};
}

/// Takes the oldest record and gives its room back.
inline void pop(RingPair& ring, const Record& record) {
    ring.consumer.take(record);
    ring.consumer.release([](const void*, u32) { return true; }, nullptr);
}

}  // namespace ringside::ring
