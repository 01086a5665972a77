// SPDX-License-Identifier: GPL-3.0-or-later
#include "ring/ring_set.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "unit/core/ring/ring_pair.hpp"

namespace ringside::ring {
namespace {

/// `count` rings and the set over their consumers.
struct Rings {
    explicit Rings(u32 count) {
        for (u32 core = 0; core < count; ++core)
            pairs.push_back(std::make_unique<RingPair>(core));
        for (const auto& pair : pairs)
            consumers.push_back(pair->consumer);
        set.init(consumers.data(), count);
    }
    std::vector<std::unique_ptr<RingPair>> pairs;
    std::vector<Consumer> consumers;
    RingSet set;
};

TEST(RingSet, KnowsItsOwners) {
    Rings rings{1};
    EXPECT_FALSE(rings.set.is_live(5));
    EXPECT_TRUE(rings.set.add_owner(5));
    EXPECT_TRUE(rings.set.is_live(5));
    rings.set.remove_owner(5);
    EXPECT_FALSE(rings.set.is_live(5));
    EXPECT_EQ(rings.set.count(), 1u);
}

/// AUX-1: of every client, and only what somebody could have read counts.
TEST(RingSet, DiscardsWhatNobodyHasRead) {
    Rings rings{2};
    rings.set.add_owner(1);
    rings.set.add_owner(2);
    rings.pairs[0]->print("a", 1, 1);
    rings.pairs[0]->print("dead", 1, 9);
    rings.pairs[1]->print("b", 1, 2);
    rings.pairs[1]->print("all", 1, kEveryOwner);
    EXPECT_EQ(rings.set.discard_all(), 3u);
    EXPECT_EQ(rings.set.discard_all(), 0u);
    for (const auto& pair : rings.pairs)
        EXPECT_EQ(pair->indices->tail, pair->indices->head) << "the room is root's again";
    rings.pairs[1]->print("new", 1, 2);
    MergedReader reader;
    reader.init(rings.set, 2);
    EXPECT_EQ(text_of(reader.peek()), "new");
}

TEST(RingSet, RefusesMoreOwnersThanItHolds) {
    Rings rings{1};
    for (u32 owner = 1; owner <= kMaxOwners; ++owner)
        EXPECT_TRUE(rings.set.add_owner(owner));
    EXPECT_FALSE(rings.set.add_owner(1000));
    rings.set.remove_owner(1);
    EXPECT_TRUE(rings.set.add_owner(1000));
}

TEST(RingSet, GivesTheRoomOfARemovedOwnerBack) {
    Rings rings{2};
    rings.set.add_owner(1);
    rings.set.add_owner(2);
    rings.pairs[0]->print("a", 1, 1);
    rings.pairs[1]->print("b", 1, 1);
    rings.pairs[1]->print("c", 1, 2);
    rings.set.remove_owner(1);
    EXPECT_EQ(rings.pairs[0]->indices->tail, 80u);
    EXPECT_EQ(rings.pairs[1]->indices->tail, 80u);
}

TEST(MergedReader, MergesByTimeStamp) {
    Rings rings{3};
    rings.set.add_owner(1);
    MergedReader reader;
    reader.init(rings.set, 1);
    EXPECT_FALSE(reader.peek());
    rings.pairs[2]->print("third", 1, 1, 30);
    rings.pairs[0]->print("second", 1, 1, 20);
    rings.pairs[1]->print("first", 1, 1, 10);
    rings.pairs[1]->print("fourth", 1, 1, 40);
    for (const char* const expected : {"first", "second", "third", "fourth"}) {
        EXPECT_EQ(text_of(reader.peek()), expected);
        EXPECT_EQ(text_of(reader.peek()), expected);
        reader.consume();
    }
    EXPECT_FALSE(reader.peek());
    reader.consume();
}

TEST(MergedReader, LeavesOtherOwnersTheirRecords) {
    Rings rings{1};
    rings.set.add_owner(1);
    rings.set.add_owner(2);
    MergedReader one, two;
    one.init(rings.set, 1);
    two.init(rings.set, 2);
    rings.pairs[0]->print("a", 1, 1);
    rings.pairs[0]->print("b", 1, 2);
    EXPECT_EQ(text_of(two.peek()), "b");
    two.consume();
    EXPECT_FALSE(two.peek());
    EXPECT_EQ(text_of(one.peek()), "a");
    one.consume();
    EXPECT_FALSE(one.peek());
    EXPECT_EQ(rings.pairs[0]->indices->tail, rings.pairs[0]->indices->head);
}

TEST(MergedReader, SaysThatItSleepsOnlyWhenNothingIsThere) {
    Rings rings{2};
    rings.set.add_owner(1);
    MergedReader reader;
    reader.init(rings.set, 1);
    EXPECT_FALSE(reader.prepare_to_wait());
    EXPECT_TRUE(rings.pairs[1]->producer.has_waiting_reader());
    reader.finish_waiting();
    EXPECT_FALSE(rings.pairs[1]->producer.has_waiting_reader());
    rings.pairs[1]->print("a");
    EXPECT_TRUE(reader.prepare_to_wait());
    EXPECT_FALSE(rings.pairs[0]->producer.has_waiting_reader());
}

RC_GTEST_PROP(MergedReader, KeepsEachCoresOrderAndLosesNothing, ()) {
    Rings rings{3};
    rings.set.add_owner(1);
    rings.set.add_owner(2);
    MergedReader readers[2];
    readers[0].init(rings.set, 1);
    readers[1].init(rings.set, 2);
    std::vector<std::string> expected[2][3];
    std::vector<std::string> seen[2][3];
    u64 time = 0;
    const auto steps = *rc::gen::container<std::vector<u32>>(rc::gen::inRange(0u, 1000u));
    for (const u32 step : steps) {
        const u32 which = step % 2;
        const u32 core = step / 2 % 3;
        if (step % 7 < 5) {
            const std::string text(step, static_cast<char>('a' + step % 26));
            if (rings.pairs[core]->print(text, 1, which + 1, ++time))
                expected[which][core].push_back(text);
        } else if (const Record record = readers[which].peek()) {
            if (record.header->kind == RS_MSG_TEXT)
                seen[which][record.header->core].push_back(text_of(record));
            readers[which].consume();
        }
    }
    for (u32 which = 0; which < 2; ++which) {
        while (const Record record = readers[which].peek()) {
            if (record.header->kind == RS_MSG_TEXT)
                seen[which][record.header->core].push_back(text_of(record));
            readers[which].consume();
        }
        for (u32 core = 0; core < 3; ++core)
            RC_ASSERT(seen[which][core] == expected[which][core]);
    }
}

}  // namespace
}  // namespace ringside::ring
