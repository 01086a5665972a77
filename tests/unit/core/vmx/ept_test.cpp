// SPDX-License-Identifier: GPL-3.0-or-later
// The identity map and its memory types. Source: Intel SDM vol. 3C §28.3.2 "EPT Translation
// Mechanism", tables 28-1 to 28-6; vol. 3C §24.6.11 "Extended-Page-Table Pointer (EPTP)".
#include "vmx/ept.hpp"

#include <gtest/gtest.h>

#include "support/built_tables.hpp"
#include "support/memory_types.hpp"

namespace ringside::vmx {
namespace {

using test::add_range;
using test::default_type;
using test::pc_types;
using Ept = test::BuiltTables<EptFormat>;

constexpr u64 kMiB = 1 << 20, kGiB = 1 << 30;
constexpr u64 kAll = 7;  // read, write, execute
constexpr u64 kUncacheable = 0 << 3, kWriteProtected = 5 << 3, kWriteBack = 6 << 3;

/// The leaf for `address` must map it to itself. Its level, and its bits but the address.
struct Leaf {
    u32 level;
    u64 bits;
    bool operator==(const Leaf&) const = default;
};
Leaf leaf(Ept& ept, u64 address) {
    const auto found = ept.walk(address);
    if (!found)
        return {0, 0};
    EXPECT_EQ(found->target, address);
    return {found->level, found->leaf & ~test::kAddressBits};
}
constexpr Leaf small(u64 type) {
    return {1, kAll | type};
}
constexpr Leaf large(u32 level, u64 type) {
    return {level, kAll | type | 0x80};
}

TEST(MapIdentity, UsesOneLeafOfAGibibyteForOneType) {
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, pc_types(), 8 * kGiB, 3));
    EXPECT_EQ(leaf(ept, kGiB), large(3, kWriteBack));
    EXPECT_EQ(leaf(ept, 3 * kGiB - 1), large(3, kWriteBack));
    EXPECT_EQ(leaf(ept, 3 * kGiB), large(3, kUncacheable));
    EXPECT_EQ(leaf(ept, 4 * kGiB), large(3, kWriteBack));
    EXPECT_EQ(leaf(ept, 7 * kGiB), large(3, kUncacheable));
    EXPECT_FALSE(ept.walk(8 * kGiB));
}

TEST(MapIdentity, MapsTheFirstMibInPagesOfTheFixedTypes) {
    for (const u32 max_level : {2, 3}) {
        Ept ept;
        ASSERT_TRUE(map_identity(ept.table, pc_types(), kGiB, max_level));
        EXPECT_EQ(leaf(ept, 0), small(kWriteBack));
        EXPECT_EQ(leaf(ept, 0x9'f000), small(kWriteBack));
        EXPECT_EQ(leaf(ept, 0xa'0000), small(kUncacheable));
        EXPECT_EQ(leaf(ept, 0xb'ffff), small(kUncacheable));
        EXPECT_EQ(leaf(ept, 0xc'0000), small(kWriteProtected));
        EXPECT_EQ(leaf(ept, 0xc'8000), small(kWriteBack));
        EXPECT_EQ(leaf(ept, 0xf'ffff), small(kWriteBack));
        EXPECT_EQ(leaf(ept, kMiB), small(kWriteBack));
        EXPECT_EQ(leaf(ept, 2 * kMiB), large(2, kWriteBack));
        EXPECT_EQ(leaf(ept, kGiB - 1), large(2, kWriteBack));
    }
}

TEST(MapIdentity, UsesNoLargerLeafThanTheProcessorHas) {
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, pc_types(), 4 * kGiB, 2));
    EXPECT_EQ(leaf(ept, kGiB), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, 3 * kGiB), large(2, kUncacheable));
}

TEST(MapIdentity, MapsNothingBehindItsEnd) {
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, pc_types(), kGiB + 2 * kMiB + 0x1000, 3));
    EXPECT_EQ(leaf(ept, kGiB), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, kGiB + 2 * kMiB), small(kWriteBack));
    EXPECT_FALSE(ept.walk(kGiB + 2 * kMiB + 0x1000));
    EXPECT_FALSE(ept.walk(kGiB + 4 * kMiB));
}

TEST(MapIdentity, MapsAHoleInLeavesOfItsSize) {
    memory::Mtrrs types;
    types.default_type = default_type(6, false);
    add_range(types, kGiB + 512 * kMiB, 2 * kMiB, 0);
    add_range(types, 2 * kGiB + 0x5000, 0x1000, 0);
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, types, 4 * kGiB, 3));
    EXPECT_EQ(leaf(ept, 0), large(3, kWriteBack));
    EXPECT_EQ(leaf(ept, kGiB), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, kGiB + 512 * kMiB - 1), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, kGiB + 512 * kMiB), large(2, kUncacheable));
    EXPECT_EQ(leaf(ept, kGiB + 514 * kMiB), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, 2 * kGiB + 0x4fff), small(kWriteBack));
    EXPECT_EQ(leaf(ept, 2 * kGiB + 0x5000), small(kUncacheable));
    EXPECT_EQ(leaf(ept, 2 * kGiB + 0x6000), small(kWriteBack));
    EXPECT_EQ(leaf(ept, 2 * kGiB + 2 * kMiB), large(2, kWriteBack));
    EXPECT_EQ(leaf(ept, 3 * kGiB), large(3, kWriteBack));
}

TEST(MapIdentity, MakesAllUncacheableWhileMtrrsAreOff) {
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, memory::Mtrrs{}, 2 * kGiB, 3));
    EXPECT_EQ(leaf(ept, 0), large(3, kUncacheable));
    EXPECT_EQ(leaf(ept, kGiB), large(3, kUncacheable));
}

TEST(MapIdentity, GivesTablesEveryRightAndNothingElse) {
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, pc_types(), kGiB, 3));
    u64 table = ept.root.value();
    for (u32 level = 4; level > 1; --level) {
        const u64 entry = ept.pages.table(table)[0];
        EXPECT_EQ(entry & ~test::kAddressBits, kAll) << level;
        table = entry & test::kAddressBits;
    }
}

TEST(MapIdentity, ReportsWhenTablesRunOut) {
    Ept ept;
    ept.pages.left = 1;
    const auto mapped = map_identity(ept.table, pc_types(), kGiB, 3);
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().code, RS_ERR_CANNOT_CREATE);
}

/// What hide() does to a page of root mode's.
TEST(MapIdentity, KeepsTypesAroundAPageThatIsHiddenLater) {
    constexpr Hpa kDecoy{0x7'0000'0000};
    Ept ept;
    ASSERT_TRUE(map_identity(ept.table, pc_types(), 8 * kGiB, 3));
    for (const auto& [hidden, type] : {std::pair{kGiB + 0x345'6000, kWriteBack},
                                       std::pair{3 * kGiB + 0x345'6000, kUncacheable}}) {
        ASSERT_TRUE(ept.table.map(hidden, kPageSize, kDecoy,
                                  EptFormat::rights(memory::MemoryType::kWriteBack), 1));
        EXPECT_EQ(ept.walk(hidden)->leaf, kDecoy.value() | kAll | kWriteBack);
        EXPECT_EQ(leaf(ept, hidden - 1), small(type));
        EXPECT_EQ(leaf(ept, hidden + kPageSize), small(type));
        EXPECT_EQ(leaf(ept, hidden - 4 * kMiB + kPageSize), large(2, type));
        EXPECT_EQ(leaf(ept, hidden + 2 * kMiB), large(2, type));
    }
    EXPECT_EQ(leaf(ept, 2 * kGiB), large(3, kWriteBack));
}

TEST(IdentityEnd, IsAllThatTheProcessorAddresses) {
    EXPECT_EQ(identity_end(36, false), 64 * kGiB);
    EXPECT_EQ(identity_end(39, false), 512 * kGiB);
    EXPECT_EQ(identity_end(39, true), 512 * kGiB);
    EXPECT_EQ(identity_end(46, true), 0x4000'0000'0000u);
    EXPECT_EQ(identity_end(48, true), 0x1'0000'0000'0000u);
}

TEST(IdentityEnd, IsBoundByWhatTablesMayTake) {
    EXPECT_EQ(identity_end(40, false), 0u);  // 2 MiB leaves: 4 MiB of tables and more
    EXPECT_EQ(identity_end(46, false), 0u);
    EXPECT_EQ(identity_end(52, true), 0x1'0000'0000'0000u);  // four levels reach no further
}

TEST(EptPointer, NamesWriteBackTablesOfFourLevels) {
    EXPECT_EQ(ept_pointer(Hpa{0x12'3456'7000}), 0x12'3456'701eu);
}

}  // namespace
}  // namespace ringside::vmx
