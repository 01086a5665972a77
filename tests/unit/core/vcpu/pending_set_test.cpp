// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <vector>

#include "vcpu/injection.hpp"

namespace ringside::vcpu {
namespace {

TEST(PendingSet, IsEmptyAtFirst) {
    constexpr PendingSet set;
    EXPECT_TRUE(set.empty());
    EXPECT_EQ(set.count(), 0u);
}

TEST(PendingSet, HoldsEveryVectorByItself) {
    for (u32 vector = 0; vector < 256; ++vector) {
        PendingSet set;
        set.add(u8(vector));
        EXPECT_FALSE(set.empty());
        EXPECT_EQ(set.count(), 1u);
        EXPECT_EQ(set.highest(), vector);
        for (u32 other = 0; other < 256; ++other)
            EXPECT_EQ(set.contains(u8(other)), other == vector);
        set.remove(u8(vector));
        EXPECT_TRUE(set.empty());
    }
}

TEST(PendingSet, HoldsAllVectorsAtOnce) {
    PendingSet set;
    for (u32 vector = 0; vector < 256; ++vector)
        set.add(u8(vector));
    EXPECT_EQ(set.count(), 256u);
    for (u32 vector = 256; vector-- > 0;) {
        EXPECT_EQ(set.highest(), vector);
        set.remove(u8(vector));
    }
    EXPECT_TRUE(set.empty());
}

TEST(PendingSet, KeepsAVectorAsOftenAsItWasAccepted) {
    PendingSet set;
    set.add(0xfd);
    set.add(0x31);
    set.add(0xfd);
    EXPECT_EQ(set.count(), 3u);
    set.remove(0xfd);
    EXPECT_TRUE(set.contains(0xfd));
    EXPECT_EQ(set.highest(), 0xfd);
    set.remove(0xfd);
    EXPECT_FALSE(set.contains(0xfd));
    EXPECT_EQ(set.highest(), 0x31);
    set.remove(0xfd);  // not there any more
    EXPECT_EQ(set.count(), 1u);
}

RC_GTEST_PROP(PendingSet, AgreesWithAnOrderedMultiset,
              (const std::vector<std::pair<u8, bool>>& steps)) {
    PendingSet set;
    std::multiset<u8> expected;
    for (const auto& [vector, is_added] : steps) {
        if (is_added) {
            set.add(vector);
            expected.insert(vector);
        } else {
            set.remove(vector);
            if (const auto one = expected.find(vector); one != expected.end())
                expected.erase(one);
        }
        RC_ASSERT(set.empty() == expected.empty());
        RC_ASSERT(set.count() == expected.size());
        RC_ASSERT(set.contains(vector) == (expected.count(vector) != 0));
        if (!expected.empty())
            RC_ASSERT(set.highest() == *expected.rbegin());
    }
}

}  // namespace
}  // namespace ringside::vcpu
