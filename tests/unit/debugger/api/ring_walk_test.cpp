// SPDX-License-Identifier: GPL-3.0-or-later
// A mapped ring (API-13): what the reader walks over, and what it may hand back.
#include "api/ring_walk.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "unit/core/ring/ring_pair.hpp"

namespace ringside::api {
namespace {

constexpr std::uint32_t kMine = 1, kOther = 2;

struct MappedRing : ring::RingPair {
    RingWalk walk(std::uint32_t owner = kMine) {
        return {reinterpret_cast<const std::uint64_t*>(indices.get()),
                std::as_bytes(std::span{data}), owner, consumer.tail()};
    }
    bool hand_back(std::uint64_t position) {
        if (!consumer.take_until(position, kMine))
            return false;
        consumer.release([](const void*, u32) { return true; }, nullptr);
        return true;
    }
};

std::string text_of(const rs_msg* message) {
    return {reinterpret_cast<const char*>(message + 1), message->len};
}

TEST(RingWalk, SeesTheMessagesOfOneOwner) {
    MappedRing ring;
    ring.print("a", 1, kMine);
    ring.print("b", 1, kOther);
    ring.print("c", 1, ring::kEveryOwner);
    RingWalk walk = ring.walk();
    EXPECT_EQ(text_of(walk.next()), "a");
    EXPECT_EQ(text_of(walk.next()), "c");
    EXPECT_EQ(walk.next(), nullptr);
    ring.print("d", 1, kMine);
    EXPECT_EQ(text_of(walk.next()), "d");
}

TEST(RingWalk, WhatIsNotHandedBackIsNeverOverwritten) {
    MappedRing ring;
    std::uint64_t written = 0;
    while (ring.print(std::to_string(written), 1, kMine))
        ++written;
    RingWalk walk = ring.walk();
    for (std::uint64_t i = 0; i < written / 2; ++i)
        ASSERT_EQ(text_of(walk.next()), std::to_string(i));
    ASSERT_FALSE(ring.print("no room", 1, kMine));
    ASSERT_TRUE(ring.hand_back(walk.position()));
    ASSERT_TRUE(ring.print("room", 1, kMine));
    for (std::uint64_t i = written / 2; i < written; ++i)
        ASSERT_EQ(text_of(walk.next()), std::to_string(i));
    EXPECT_EQ(walk.next()->kind, RS_MSG_LOST);
    EXPECT_EQ(text_of(walk.next()), "room");
}

TEST(RingWalk, GoesRoundManyTimesInOrder) {
    MappedRing ring;
    RingWalk walk = ring.walk();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(ring.print(std::string(i % 97, 'x') + std::to_string(i), 1, kMine));
        const rs_msg* const message = walk.next();
        ASSERT_NE(message, nullptr);
        ASSERT_EQ(text_of(message), std::string(i % 97, 'x') + std::to_string(i));
        if (i % 50 == 0) {
            ASSERT_TRUE(ring.hand_back(walk.position()));
        }
    }
}

TEST(RingWalk, StopsAtWhatIsNoRecord) {
    for (const std::uint32_t bytes : {0u, 8u, 17u, 48u, 1u << 20, 0xfffffff0u}) {
        MappedRing ring;
        ring.print("a", 1, kMine);
        reinterpret_cast<rs_record*>(ring.data.data())->bytes = bytes;
        RingWalk walk = ring.walk();
        EXPECT_EQ(walk.next(), nullptr) << bytes;
        EXPECT_TRUE(walk.is_damaged()) << bytes;
    }
}

/// A hostile reader's position: nothing but record boundaries is believed, and others' records
/// stay.
TEST(RingWalk, HostilePositionsTakeNothing) {
    MappedRing ring;
    ring.print("a", 1, kMine);
    const std::uint64_t first_end = ring.indices->head;
    ring.print("other", 1, kOther);
    const std::uint64_t second_end = ring.indices->head;
    ring.print("b", 1, kMine);
    const std::uint64_t head = ring.indices->head;
    std::mt19937_64 random{7};
    for (int i = 0; i < 5000; ++i) {
        const std::uint64_t position = i < 400 ? static_cast<std::uint64_t>(i) : random();
        if (position == 0 || position == first_end || position == second_end || position == head)
            continue;
        ASSERT_FALSE(ring.hand_back(position)) << position;
        ASSERT_EQ(ring.consumer.tail(), 0u);
    }
    EXPECT_TRUE(ring.hand_back(head));
    EXPECT_EQ(ring.consumer.tail(), first_end) << "another client's message is unread";
    EXPECT_TRUE(ring.hand_back(0));
    EXPECT_TRUE(ring.hand_back(17)) << "before the tail: nothing left to take";
    u64 cursor = 0;
    EXPECT_EQ(ring::text_of(ring.consumer.find(cursor, kOther)), "other");
    EXPECT_FALSE(ring.consumer.find(cursor, kMine));
}

}  // namespace
}  // namespace ringside::api
