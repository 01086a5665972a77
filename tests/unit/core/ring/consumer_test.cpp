// SPDX-License-Identifier: GPL-3.0-or-later
#include "ring/consumer.hpp"

#include <gtest/gtest.h>

#include "unit/core/ring/ring_pair.hpp"

namespace ringside::ring {
namespace {

RecordHeader& header_of(RingPair& ring, u64 position) {
    return *reinterpret_cast<RecordHeader*>(reinterpret_cast<u8*>(ring.data.data()) + position);
}

TEST(Consumer, FindsTheRecordsOfOneOwner) {
    RingPair ring;
    ring.print("a", 1, 1);
    ring.print("b", 1, 2);
    ring.print("c", 1, 1);
    u64 cursor = 0;
    Record record = ring.consumer.find(cursor, 2);
    ASSERT_TRUE(record);
    EXPECT_EQ(text_of(record), "b");
    ring.consumer.take(record);
    EXPECT_FALSE(ring.consumer.find(cursor, 2));
    EXPECT_FALSE(ring.consumer.find(cursor, 3));
    cursor = 0;
    EXPECT_EQ(text_of(ring.consumer.find(cursor, 1)), "a");
}

TEST(Consumer, GivesRoomBackOnlyBeforeTheOldestUnreadRecord) {
    RingPair ring;
    ring.print("a", 1, 1);
    ring.print("b", 1, 2);
    u64 cursor = 0;
    const auto everybody_lives = [](const void*, u32) { return true; };
    ring.consumer.take(ring.consumer.find(cursor, 2));
    ring.consumer.release(everybody_lives, nullptr);
    EXPECT_EQ(ring.indices->tail, 0u);
    cursor = 0;
    ring.consumer.take(ring.consumer.find(cursor, 1));
    ring.consumer.release(everybody_lives, nullptr);
    EXPECT_EQ(ring.indices->tail, ring.indices->head);
    EXPECT_TRUE(ring.consumer.is_empty());
}

TEST(Consumer, DropsTheRecordsOfDeadOwners) {
    RingPair ring;
    ring.print("a", 1, 1);
    ring.print("b", 1, 2);
    ring.consumer.release([](const void*, u32 owner) { return owner == 2; }, nullptr);
    u64 cursor = 0;
    EXPECT_EQ(text_of(ring.consumer.find(cursor)), "b");
    EXPECT_EQ(ring.indices->tail, 80u);
}

TEST(Consumer, SkipsADamagedRecordAndWhatFollows) {
    for (const u32 bytes : {0u, 8u, 17u, 1u << 20, 96u, 0xfffffff0u}) {
        RingPair ring;
        ring.print("a");
        header_of(ring, 0).bytes = bytes;
        u64 cursor = 0;
        EXPECT_FALSE(ring.consumer.find(cursor)) << bytes;
        EXPECT_EQ(ring.consumer.damaged(), 1u) << bytes;
        EXPECT_EQ(ring.indices->tail, ring.indices->head);
        ring.print("b");
        EXPECT_EQ(text_of(ring.consumer.find(cursor)), "b") << bytes;
    }
}

TEST(Consumer, SkipsARecordWhosePayloadIsLongerThanTheRecord) {
    RingPair ring;
    ring.print("a");
    reinterpret_cast<rs_msg*>(&header_of(ring, 0) + 1)->len = 17;
    u64 cursor = 0;
    EXPECT_FALSE(ring.consumer.find(cursor));
    EXPECT_EQ(ring.consumer.damaged(), 1u);
}

TEST(Consumer, RepairsACursorOutsideOfTheUnreadRecords) {
    RingPair ring;
    ring.print("a");
    u64 cursor = 1 << 20;
    EXPECT_EQ(text_of(ring.consumer.find(cursor)), "a");
    EXPECT_EQ(cursor, 0u);
}

}  // namespace
}  // namespace ringside::ring
