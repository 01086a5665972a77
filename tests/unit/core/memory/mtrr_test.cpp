// SPDX-License-Identifier: GPL-3.0-or-later
// Source: Intel SDM vol. 3A §11.11.2 "Setting Memory Ranges with MTRRs", §11.11.4.1 "MTRR
// Precedences".
#include "memory/mtrr.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <set>

#include "support/memory_types.hpp"

namespace ringside::memory {
namespace {

using test::add_range;
using test::default_type;

constexpr u64 kPage = 0x1000, kMiB = 1 << 20, kGiB = 1 << 30;
constexpr u8 kUc = 0, kWc = 1, kWt = 4, kWp = 5, kWb = 6;

/// The type of a block, or nothing if it is mixed.
std::optional<u8> type(const Mtrrs& types, u64 address, u64 bytes = kPage) {
    const Mtrrs::Answer answer = types.type_of(address, bytes);
    if (!answer.is_uniform)
        return {};
    return u8(answer.type);
}

TEST(Mtrrs, MakeEverythingUncacheableWhileTheyAreOff) {
    Mtrrs types = test::pc_types();
    types.default_type = 0x406;  // E clear
    EXPECT_EQ(type(types, 0), kUc);
    EXPECT_EQ(type(types, kMiB), kUc);
    EXPECT_EQ(type(types, 0, kGiB), kUc);
}

TEST(Mtrrs, GiveTheDefaultTypeWhereNoRangeIs) {
    for (const u8 otherwise : {kUc, kWc, kWt, kWp, kWb}) {
        Mtrrs types;
        types.default_type = default_type(otherwise, false);
        EXPECT_EQ(type(types, 0), otherwise);
        EXPECT_EQ(type(types, u64{1} << 38, kGiB), otherwise);
    }
}

TEST(Mtrrs, GiveEachFixedBlockItsByte) {
    Mtrrs types;
    types.default_type = default_type(kWb, true);
    // The first and the last block of each kind, and what is beside them.
    types.fixed[0] = 0x0100'0000'0000'0004;   // 64 KiB each: 0 and 70000
    types.fixed[1] = 0x0500'0000'0000'0006;   // 16 KiB each: 80000 and 9c000
    types.fixed[2] = 0x0400'0000'0000'0001;   // a0000 and bc000
    types.fixed[3] = 0x0600'0000'0000'0005;   // 4 KiB each: c0000 and c7000
    types.fixed[10] = 0x0100'0000'0000'0004;  // f8000 and ff000
    EXPECT_EQ(type(types, 0x0'0000), kWt);
    EXPECT_EQ(type(types, 0x0'f000), kWt);
    EXPECT_EQ(type(types, 0x1'0000), kUc);
    EXPECT_EQ(type(types, 0x6'f000), kUc);
    EXPECT_EQ(type(types, 0x7'0000), kWc);
    EXPECT_EQ(type(types, 0x7'f000), kWc);
    EXPECT_EQ(type(types, 0x8'0000), kWb);
    EXPECT_EQ(type(types, 0x8'3000), kWb);
    EXPECT_EQ(type(types, 0x8'4000), kUc);
    EXPECT_EQ(type(types, 0x9'c000), kWp);
    EXPECT_EQ(type(types, 0x9'f000), kWp);
    EXPECT_EQ(type(types, 0xa'0000), kWc);
    EXPECT_EQ(type(types, 0xb'f000), kWt);
    EXPECT_EQ(type(types, 0xc'0000), kWp);
    EXPECT_EQ(type(types, 0xc'1000), kUc);
    EXPECT_EQ(type(types, 0xc'7000), kWb);
    EXPECT_EQ(type(types, 0xc'8000), kUc);
    EXPECT_EQ(type(types, 0xf'8000), kWt);
    EXPECT_EQ(type(types, 0xf'f000), kWc);
    EXPECT_EQ(type(types, 0x10'0000), kWb);
}

TEST(Mtrrs, LetFixedRangesWinOverVariableOnes) {
    Mtrrs types = test::pc_types();
    EXPECT_EQ(type(types, 0xa'0000), kUc);
    EXPECT_EQ(type(types, 0xc'0000), kWp);
    types.default_type = default_type(kUc, false);  // fixed ranges off
    EXPECT_EQ(type(types, 0xa'0000), kWb);
    EXPECT_EQ(type(types, 0, 2 * kMiB), kWb);
}

TEST(Mtrrs, HaveTheFirstMibAskedForInPages) {
    const Mtrrs types = test::pc_types();
    EXPECT_FALSE(type(types, 0, 2 * kMiB));
    EXPECT_FALSE(type(types, 0, kGiB));
    EXPECT_FALSE(type(types, 0xe'0000, 2 * kPage));
    EXPECT_EQ(type(types, kMiB, kMiB), kWb);
}

TEST(Mtrrs, LetUncacheableWin) {
    const Mtrrs types = test::pc_types();
    EXPECT_EQ(type(types, 3 * kGiB - kPage), kWb);
    EXPECT_EQ(type(types, 3 * kGiB), kUc);
    EXPECT_EQ(type(types, 3 * kGiB, kGiB), kUc);
    EXPECT_EQ(type(types, 4 * kGiB - kPage), kUc);
    EXPECT_EQ(type(types, 4 * kGiB), kWb);
    EXPECT_EQ(type(types, 5 * kGiB), kUc);
}

TEST(Mtrrs, CombineOverlapsInEitherOrder) {
    const auto combined = [](std::initializer_list<u8> kinds) {
        Mtrrs types;
        types.default_type = default_type(kWc, false);
        for (const u8 kind : kinds)
            add_range(types, kGiB, kGiB, kind);
        return type(types, kGiB, 2 * kMiB);
    };
    EXPECT_EQ(combined({kWt, kWb}), kWt);
    EXPECT_EQ(combined({kWb, kWt}), kWt);
    EXPECT_EQ(combined({kWb, kWt, kWb}), kWt);
    EXPECT_EQ(combined({kWp, kWp}), kWp);
    for (const u8 kind : {kUc, kWc, kWt, kWp, kWb}) {
        EXPECT_EQ(combined({kUc, kind}), kUc);
        EXPECT_EQ(combined({kind, kUc}), kUc);
        EXPECT_EQ(combined({kind, kUc, kind}), kUc);
    }
    // The manual leaves these open; a device must not be read ahead.
    EXPECT_EQ(combined({kWc, kWb}), kUc);
    EXPECT_EQ(combined({kWp, kWt}), kUc);
}

TEST(Mtrrs, LeaveOutARangeThatIsNotValid) {
    Mtrrs types;
    types.default_type = default_type(kWb, false);
    add_range(types, kGiB, kGiB, kUc);
    types.mask[0] &= ~u64{0x800};
    EXPECT_EQ(type(types, kGiB), kWb);
}

TEST(Mtrrs, SayWhenABlockIsMixed) {
    Mtrrs types;
    types.default_type = default_type(kWb, false);
    add_range(types, kGiB + 4 * kMiB, 4 * kMiB, kUc);
    EXPECT_FALSE(type(types, kGiB, kGiB));
    EXPECT_EQ(type(types, kGiB + 2 * kMiB, 2 * kMiB), kWb);
    EXPECT_EQ(type(types, kGiB + 4 * kMiB, 2 * kMiB), kUc);
    EXPECT_EQ(type(types, kGiB + 6 * kMiB, 2 * kMiB), kUc);
    EXPECT_EQ(type(types, kGiB + 8 * kMiB, 2 * kMiB), kWb);
    EXPECT_EQ(type(types, 0, kGiB), kWb);
}

/// A mask need not be one run of bits: every other page.
TEST(Mtrrs, FollowAMaskWithHoles) {
    Mtrrs types;
    types.default_type = default_type(kWb, false);
    types.variable_count = 1;
    types.base[0] = kGiB | kUc;
    types.mask[0] = 0x7f'c000'1000 | 0x800;
    EXPECT_EQ(type(types, kGiB), kUc);
    EXPECT_EQ(type(types, kGiB + kPage), kWb);
    EXPECT_EQ(type(types, kGiB + 2 * kPage), kUc);
    EXPECT_FALSE(type(types, kGiB, 2 * kMiB));
    EXPECT_EQ(type(types, 2 * kGiB, 2 * kMiB), kWb);
}

/// Page by page as the manual tells it.
u8 type_of_page(const Mtrrs& types, u64 page) {
    std::set<u8> kinds;
    for (u32 i = 0; i < types.variable_count; ++i)
        if (types.mask[i] & 0x800 &&
            (page & types.mask[i] & ~u64{0xfff}) == (types.base[i] & types.mask[i] & ~u64{0xfff}))
            kinds.insert(u8(types.base[i]));
    if (kinds.empty())
        return u8(types.default_type);
    if (kinds.size() == 1)
        return *kinds.begin();
    return kinds == std::set<u8>{kWt, kWb} ? kWt : kUc;
}

RC_GTEST_PROP(Mtrrs, AgreeWithEveryPageOfABlock, ()) {
    Mtrrs types;
    types.default_type = default_type(*rc::gen::element(kUc, kWb), false);
    const u32 count = *rc::gen::inRange<u32>(0, 6);
    for (u32 i = 0; i < count; ++i) {
        const u64 bytes = kPage << *rc::gen::inRange<u32>(0, 11);
        const u64 address = *rc::gen::inRange<u64>(0, 1024) * kPage & ~(bytes - 1);
        add_range(types, 64 * kMiB + address, bytes, *rc::gen::element(kUc, kWc, kWt, kWp, kWb));
    }
    for (const u64 bytes : {kPage, 16 * kPage, 512 * kPage, 1024 * kPage})
        for (u64 address = 64 * kMiB; address < 68 * kMiB; address += bytes) {
            const std::optional<u8> told = type(types, address, bytes);
            RC_ASSERT(told || bytes > kPage);
            for (u64 page = address; told && page < address + bytes; page += kPage)
                RC_ASSERT(type_of_page(types, page) == *told);
        }
}

}  // namespace
}  // namespace ringside::memory
