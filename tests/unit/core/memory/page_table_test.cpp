// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory/page_table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <vector>

#include "support/built_tables.hpp"
#include "svm/vmcb.hpp"

namespace ringside::memory {
namespace {

namespace page = x86::page;
constexpr u64 kMiB = 1 << 20, kGiB = 1 << 30;

using test::BuiltTables;
using test::kAddressBits;
using Host = BuiltTables<HostFormat>;
using Nested = BuiltTables<svm::NestedFormat>;

TEST(PageTable, MapsNothingAtFirst) {
    Host host;
    EXPECT_FALSE(host.walk(0));
}

TEST(PageTable, MapsOnePage) {
    Host host;
    ASSERT_TRUE(host.table.map(0x7000'1234'5000, kPageSize, Hpa{0x8000}, page::kWritable, 1));

    const auto found = host.walk(0x7000'1234'5678);

    ASSERT_TRUE(found);
    EXPECT_EQ(found->target, 0x8678u);
    EXPECT_EQ(found->leaf, 0x8003u);
    EXPECT_FALSE(host.walk(0x7000'1234'4fff));
    EXPECT_FALSE(host.walk(0x7000'1234'6000));
}

TEST(PageTable, UsesTheLargestLeavesThatFit) {
    // From 4 KiB below 1 GiB: 4 KiB, then 1 GiB, then 2 MiB, then 4 KiB.
    Host host;
    ASSERT_TRUE(host.table.map(kGiB - kPageSize, 2 * kPageSize + kGiB + 2 * kMiB,
                               Hpa{5 * kGiB - kPageSize}, page::kWritable, 3));
    EXPECT_EQ(host.walk(kGiB - 1)->level, 1u);
    EXPECT_EQ(host.walk(kGiB)->level, 3u);
    EXPECT_EQ(host.walk(2 * kGiB)->level, 2u);
    EXPECT_EQ(host.walk(2 * kGiB + 2 * kMiB)->level, 1u);
    EXPECT_FALSE(host.walk(2 * kGiB + 2 * kMiB + kPageSize));
    EXPECT_EQ(host.walk(2 * kGiB + 12345)->target, 6 * kGiB + 12345);
}

TEST(PageTable, UsesNoLeafAboveTheLevelAllowed) {
    Host host{4, 0, 1024};
    ASSERT_TRUE(host.table.map(kGiB, kGiB, Hpa{kGiB}, page::kWritable, 2));
    EXPECT_EQ(host.walk(kGiB)->level, 2u);
}

TEST(PageTable, UsesNoLargeLeafIfTheTargetIsNotAligned) {
    Host host;
    ASSERT_TRUE(host.table.map(2 * kMiB, 2 * kMiB, Hpa{2 * kMiB + kPageSize}, 0, 2));
    EXPECT_EQ(host.walk(2 * kMiB)->level, 1u);
    EXPECT_EQ(host.walk(4 * kMiB - 1)->target, 4 * kMiB + kPageSize - 1);
}

TEST(PageTable, SetsTheBitsOfTheHostFormat) {
    Host host{5, u64{1} << 51};
    ASSERT_TRUE(host.table.map(0, kPageSize, Hpa{0x8000}, page::kWritable | page::kNoExecute, 1));
    // Present, writable, encrypted; the table entries above grant writing.
    EXPECT_EQ(host.walk(0)->leaf, 0x8000'0000'0000'0003 | u64{1} << 51 | 0x8000);
    EXPECT_EQ(host.pages.table(host.root.value())[0] & ~kAddressBits, 3u);
    EXPECT_EQ(host.pages.table(host.root.value())[0] >> 51 & 1, 1u);
}

TEST(PageTable, SetsTheBitsOfTheNestedFormat) {
    // Every guest access is a user access at the nested level: AMD APM vol. 2 §15.25.5.
    Nested nested;
    ASSERT_TRUE(nested.table.map(0, kGiB, Hpa{0}, page::kWritable, 3));
    EXPECT_EQ(nested.walk(0)->leaf, 0x87u);
    EXPECT_EQ(nested.pages.table(nested.root.value())[0] & 0xfff, 7u);
}

TEST(PageTable, LeavesTheEncryptionBitOutForDevices) {
    Host host{4, u64{1} << 47};
    ASSERT_TRUE(host.table.map(0, kPageSize, Hpa{0xfee0'0000}, page::kCacheDisable, 1, true));
    EXPECT_EQ(host.walk(0)->leaf, 0xfee0'0011u);
}

TEST(PageTable, SplitsOverTwoLevelsAndKeepsTheRest) {
    Nested nested;
    ASSERT_TRUE(nested.table.map(0, kGiB, Hpa{0}, page::kWritable, 3));

    ASSERT_TRUE(nested.table.map(0x345'6000, kPageSize, Hpa{0x7'0000'0000}, page::kWritable, 1));

    EXPECT_EQ(nested.walk(0x345'6789)->target, 0x7'0000'0789u);
    EXPECT_EQ(nested.walk(0x345'5fff)->target, 0x345'5fffu);
    EXPECT_EQ(nested.walk(0x345'5fff)->leaf & 0xfff, 7u);
    EXPECT_EQ(nested.walk(0x345'7000)->target, 0x345'7000u);
    EXPECT_EQ(nested.walk(0x360'0000)->level, 2u);
    EXPECT_EQ(nested.walk(0x360'0000)->leaf, 0x360'0087u);
    EXPECT_EQ(nested.walk(kGiB - 1)->target, kGiB - 1);
}

TEST(PageTable, SplitsADevicesLeafWithoutEncryptingIt) {
    Host host{4, u64{1} << 47};
    ASSERT_TRUE(host.table.map(0, 2 * kMiB, Hpa{0xc000'0000}, page::kCacheDisable, 2, true));
    ASSERT_TRUE(host.table.map(0, kPageSize, Hpa{0x1000}, 0, 1));
    EXPECT_EQ(host.walk(kPageSize)->leaf, 0xc000'1011u);
    EXPECT_EQ(host.walk(0)->leaf, u64{1} << 47 | 0x1001);
}

TEST(PageTable, KeepsNoExecuteWhenItSplits) {
    Host host;
    ASSERT_TRUE(host.table.map(0, 2 * kMiB, Hpa{0}, page::kWritable | page::kNoExecute, 2));
    ASSERT_TRUE(host.table.map(0, kPageSize, Hpa{0}, page::kWritable, 1));
    EXPECT_EQ(host.walk(kPageSize)->leaf, 0x8000'0000'0000'1003);
}

TEST(PageTable, ReportsWhenThereIsNoPageForATable) {
    Host host;
    host.pages.left = 2;  // three are needed
    const auto mapped = host.table.map(0x1000, kPageSize, Hpa{0}, 0, 1);
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().code, RS_ERR_CANNOT_CREATE);
    EXPECT_FALSE(host.walk(0x1000));
}

TEST(PageTable, KeepsALargeLeafThatCouldNotBeSplit) {
    Nested nested;
    ASSERT_TRUE(nested.table.map(0, kGiB, Hpa{0}, page::kWritable, 3));
    for (u64 pages = 0; pages < 2; ++pages) {
        nested.pages.left = pages;
        const auto mapped = nested.table.map(0x5000, kPageSize, Hpa{0x9000}, 0, 1);
        ASSERT_FALSE(mapped);
        EXPECT_EQ(mapped.error().code, RS_ERR_CANNOT_CREATE);
        EXPECT_EQ(nested.walk(0x5678)->target, 0x5678u);
        EXPECT_EQ(nested.walk(kGiB - 1)->target, kGiB - 1);
    }
}

TEST(PageTable, GivesTheEntryOfALevel) {
    Host host;
    ASSERT_TRUE(host.table.map(0, kGiB, Hpa{0}, page::kWritable, 3));
    const auto entry = host.table.entry(0x20'0000, 2);
    ASSERT_TRUE(entry);
    EXPECT_EQ(**entry, 0x20'0083u);
    **entry = 0;
    EXPECT_FALSE(host.walk(0x20'0000));
    EXPECT_TRUE(host.walk(0x1f'ffff));
}

/// One call of map(). Later ones win where they overlap.
struct Mapping {
    u64 address, bytes, target;
    u32 max_level;
};

template <class Format>
void agrees_with_a_list_of_mappings() {
    const u32 levels = *rc::gen::element(4u, 5u);
    BuiltTables<Format> built{levels, *rc::gen::element(u64{0}, u64{1} << 47, u64{1} << 51), 2048};
    std::vector<Mapping> mappings;
    const auto small = [] { return *rc::gen::inRange<u64>(0, 1100); };
    const usize count = *rc::gen::inRange<usize>(1, 8);
    for (usize i = 0; i < count; ++i) {
        const u64 unit = *rc::gen::element(kPageSize, kPageSize, 2 * kMiB, kGiB);
        Mapping mapping;
        mapping.address = 0x7f00'0000'0000 + small() % 4 * kGiB +
                          small() * 2 * kMiB / 4 * u64{unit < kGiB} / (2 * kMiB) * (2 * kMiB) +
                          small() * kPageSize * u64{unit == kPageSize};
        mapping.bytes = unit * (1 + small() % (unit == kPageSize ? 1100 : 2));
        mapping.target = small() % 64 * unit;
        mapping.max_level = *rc::gen::element(1u, 2u, 3u);
        if (unit == kGiB)
            mapping.max_level = 3;
        else if (unit == 2 * kMiB && mapping.max_level == 1)
            mapping.max_level = 2;
        RC_ASSERT(bool{built.table.map(mapping.address, mapping.bytes, Hpa{mapping.target},
                                       page::kWritable, mapping.max_level)});
        mappings.push_back(mapping);
    }
    const auto expected = [&](u64 address) -> std::optional<u64> {
        for (auto it = mappings.rbegin(); it != mappings.rend(); ++it)
            if (address - it->address < it->bytes)
                return it->target + (address - it->address);
        return {};
    };
    const auto check = [&](u64 address) {
        const auto found = built.walk(address);
        const auto wanted = expected(address);
        RC_ASSERT(found.has_value() == wanted.has_value());
        if (!found)
            return;
        RC_ASSERT(found->target == *wanted);
        RC_ASSERT((found->leaf & page::kWritable) != 0);
        RC_ASSERT((found->leaf & built.encryption) == built.encryption);
        // One leaf, one mapping: its size is never above what was allowed for its place.
        for (auto it = mappings.rbegin(); it != mappings.rend(); ++it)
            if (address - it->address < it->bytes) {
                RC_ASSERT(found->level <= it->max_level);
                break;
            }
    };
    for (const Mapping& mapping : mappings) {
        const u64 end = mapping.address + mapping.bytes;
        for (const u64 edge : {mapping.address - 1, mapping.address, end - 1, end,
                               mapping.address + 0x1f'ffff, end + 0x1f'ffff})
            check(edge);
        for (u32 i = 0; i < 8; ++i)
            check(mapping.address + *rc::gen::inRange<u64>(0, mapping.bytes));
    }
}

RC_GTEST_PROP(PageTable, AgreesWithAListOfMappingsInTheHostFormat, ()) {
    agrees_with_a_list_of_mappings<HostFormat>();
}
RC_GTEST_PROP(PageTable, AgreesWithAListOfMappingsInTheNestedFormat, ()) {
    agrees_with_a_list_of_mappings<svm::NestedFormat>();
}

}  // namespace
}  // namespace ringside::memory
