// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory/guest_page_walk.hpp"

#include <gtest/gtest.h>

#include "support/guest_memory.hpp"

namespace ringside::memory {
namespace {

namespace page = x86::page;
using test::GuestMemory;

// A kernel address in both paging modes, with a different index at each level:
// PML5 511, PML4 0x1ff, PDPT 1, PD 2, PT 3.
constexpr Gva kAddress{0xffff'ff80'4040'3000};

class GuestPageWalk : public testing::TestWithParam<u32> {};
INSTANTIATE_TEST_SUITE_P(Levels, GuestPageWalk, testing::Values(4u, 5u));

TEST_P(GuestPageWalk, FindsA4KiBPage) {
    GuestMemory guest{GetParam()};
    const Hpa target = guest.take_page();
    guest.map(kAddress, target);

    const Translation found = guest.walk(kAddress + 0x123);

    EXPECT_TRUE(found.ok);
    EXPECT_EQ(found.address, target + 0x123);
    EXPECT_EQ(found.level, 1u);
    EXPECT_EQ(found.leaf, &guest.entry(kAddress, 1));
}

TEST_P(GuestPageWalk, FindsA2MiBPage) {
    GuestMemory guest{GetParam()};
    guest.map(kAddress, Hpa{0x1'4020'0000}, test::kKernelData, 2);

    const Translation found = guest.walk(kAddress + 0xabc);

    // Bits 0 to 20 come from the address: 0x3000 + 0xabc.
    EXPECT_TRUE(found.ok);
    EXPECT_EQ(found.address.value(), 0x1'4020'3abcu);
    EXPECT_EQ(found.level, 2u);
}

TEST_P(GuestPageWalk, FindsA1GiBPage) {
    GuestMemory guest{GetParam()};
    guest.map(kAddress, Hpa{0x2'8000'0000}, test::kKernelData, 3);

    const Translation found = guest.walk(kAddress + 0xabc);

    // Bits 0 to 29 come from the address: 0x40'3000 + 0xabc.
    EXPECT_TRUE(found.ok);
    EXPECT_EQ(found.address.value(), 0x2'8040'3abcu);
    EXPECT_EQ(found.level, 3u);
}

TEST_P(GuestPageWalk, CutsThePatBitOfALargePage) {
    GuestMemory guest{GetParam()};
    guest.map(kAddress, Hpa{0x1'4020'0000}, test::kKernelData | 1u << 12, 2);
    EXPECT_EQ(guest.walk(kAddress).address.value(), 0x1'4020'3000u);
}

TEST_P(GuestPageWalk, ReportsTheLevelWhereAPageIsMissing) {
    for (u32 level = GetParam(); level >= 1; --level) {
        GuestMemory guest{GetParam()};
        guest.map(kAddress, guest.take_page());
        guest.entry(kAddress, level) &= ~page::kPresent;

        const Translation found = guest.walk(kAddress);

        EXPECT_FALSE(found.ok);
        EXPECT_EQ(found.level, level);
        EXPECT_EQ(found.leaf, nullptr);
    }
}

TEST_P(GuestPageWalk, FollowsNoTableOutsideOfRam) {
    for (u32 level = GetParam(); level > 1; --level) {
        GuestMemory guest{GetParam()};
        guest.map(kAddress, guest.take_page());
        guest.entry(kAddress, level) = guest.ram_end() | page::kPresent | page::kWritable;

        const Translation found = guest.walk(kAddress);

        EXPECT_FALSE(found.ok);
        EXPECT_EQ(found.level, level - 1);  // the table that could not be read
    }
}

TEST_P(GuestPageWalk, FollowsNoCr3OutsideOfRam) {
    const GuestMemory guest{GetParam()};
    const PagingState nowhere{.cr3 = 0xfee0'0000, .levels = GetParam()};
    EXPECT_FALSE(walk_guest_page(guest.window(), nowhere, kAddress).ok);
}

TEST_P(GuestPageWalk, IgnoresProcessContextInCr3) {
    GuestMemory guest{GetParam()};
    guest.map(kAddress, guest.take_page());
    PagingState paging = guest.paging();
    paging.cr3 |= 0xfff;
    EXPECT_TRUE(walk_guest_page(guest.window(), paging, kAddress).ok);
}

TEST_P(GuestPageWalk, GrantsWritingOnlyIfEveryLevelDoes) {
    for (u32 level = GetParam(); level >= 1; --level) {
        GuestMemory guest{GetParam()};
        guest.map(kAddress, guest.take_page(), test::kUserData);
        EXPECT_TRUE(guest.walk(kAddress).writable);
        EXPECT_TRUE(guest.walk(kAddress).user);

        guest.entry(kAddress, level) &= ~page::kWritable;
        EXPECT_FALSE(guest.walk(kAddress).writable) << level;
        EXPECT_TRUE(guest.walk(kAddress).user) << level;

        guest.entry(kAddress, level) &= ~page::kUser;
        EXPECT_FALSE(guest.walk(kAddress).user) << level;
    }
}

TEST_P(GuestPageWalk, ForbidsExecutionIfAnyLevelDoes) {
    for (u32 level = GetParam(); level >= 1; --level) {
        GuestMemory guest{GetParam()};
        guest.map(kAddress, guest.take_page());
        EXPECT_TRUE(guest.walk(kAddress).executable);
        guest.entry(kAddress, level) |= page::kNoExecute;
        EXPECT_FALSE(guest.walk(kAddress).executable) << level;
    }
}

TEST_P(GuestPageWalk, StripsTheEncryptionBitFromEveryAddress) {
    for (const u32 bit : {47u, 51u}) {
        GuestMemory guest{GetParam(), u64{1} << bit};
        const Hpa target = guest.take_page();
        guest.map(kAddress, target);
        EXPECT_TRUE(guest.entry(kAddress, 1) >> bit & 1);

        const Translation found = guest.walk(kAddress + 8);

        EXPECT_TRUE(found.ok);
        EXPECT_EQ(found.address, target + 8);
    }
}

TEST_P(GuestPageWalk, TakesALargeBitAtATopLevelForNoLeaf) {
    // Bit 7 must be zero in PML4 and PML5 entries: there is no leaf of 512 GiB.
    GuestMemory guest{GetParam()};
    guest.map(kAddress, guest.take_page());
    guest.entry(kAddress, 4) |= page::kLarge;
    EXPECT_EQ(guest.walk(kAddress).level, 1u);
}

TEST(GuestPageWalkOfFourLevels, RefusesAddressesThatAreNotCanonical) {
    GuestMemory guest{4};
    // The same table entries as a canonical address that is mapped.
    guest.map(Gva{0xffff'8000'0000'0000}, guest.take_page());
    EXPECT_TRUE(guest.walk(Gva{0xffff'8000'0000'0000}).ok);

    const Translation found = guest.walk(Gva{0x0000'8000'0000'0000});

    EXPECT_FALSE(found.ok);
    EXPECT_EQ(found.level, 4u);
}

TEST(GuestPageWalkOfFiveLevels, RefusesAddressesThatAreNotCanonical) {
    GuestMemory guest{5};
    guest.map(Gva{0xff00'0000'0000'0000}, guest.take_page());
    EXPECT_TRUE(guest.walk(Gva{0xff00'0000'0000'0000}).ok);

    const Translation found = guest.walk(Gva{0x0100'0000'0000'0000});

    EXPECT_FALSE(found.ok);
    EXPECT_EQ(found.level, 5u);
}

TEST(GuestPageWalkOfFiveLevels, UsesBits48To56) {
    GuestMemory guest{5};
    const Hpa low = guest.take_page();
    const Hpa high = guest.take_page();
    guest.map(Gva{0x0000'1234'5678'9000}, low);
    guest.map(Gva{0x0001'1234'5678'9000}, high);
    EXPECT_EQ(guest.walk(Gva{0x0000'1234'5678'9000}).address, low);
    EXPECT_EQ(guest.walk(Gva{0x0001'1234'5678'9000}).address, high);
}

TEST(MarkAccessed, SetsTheAccessedBitOfAReadPage) {
    GuestMemory guest;
    guest.map(kAddress, guest.take_page());
    const u64 before = guest.entry(kAddress, 1);
    mark_accessed(guest.walk(kAddress), false);
    EXPECT_EQ(guest.entry(kAddress, 1), before | 0x20);
}

TEST(MarkAccessed, SetsAccessedAndDirtyOfAWrittenPage) {
    GuestMemory guest;
    guest.map(kAddress, guest.take_page());
    const u64 before = guest.entry(kAddress, 1);
    mark_accessed(guest.walk(kAddress), true);
    EXPECT_EQ(guest.entry(kAddress, 1), before | 0x60);
}

TEST(MarkAccessed, LeavesAPageAloneThatWasTakenAwayInBetween) {
    GuestMemory guest;
    guest.map(kAddress, guest.take_page());
    const Translation found = guest.walk(kAddress);
    guest.entry(kAddress, 1) = 0x1234'0000;  // swapped out: the other bits are the kernel's
    mark_accessed(found, true);
    EXPECT_EQ(guest.entry(kAddress, 1), 0x1234'0000u);
}

TEST(GuestPageWalkOfFourLevels, WritesNothingByItself) {
    GuestMemory guest;
    guest.map(kAddress, guest.take_page());
    u64 before[4];
    for (u32 level = 1; level <= 4; ++level)
        before[level - 1] = guest.entry(kAddress, level);
    (void)guest.walk(kAddress);
    for (u32 level = 1; level <= 4; ++level)
        EXPECT_EQ(guest.entry(kAddress, level), before[level - 1]);
}

}  // namespace
}  // namespace ringside::memory
