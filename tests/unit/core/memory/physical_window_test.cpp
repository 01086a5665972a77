// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory/physical_window.hpp"

#include <gtest/gtest.h>

namespace ringside::memory {
namespace {

constexpr RamMap two_ranges() {
    RamMap ram;
    ram.count = 2;
    ram.ranges[0] = {0x1000, 0x9'f000};
    ram.ranges[1] = {0x10'0000, 0x8000'0000};
    return ram;
}

TEST(RamMap, ContainsRangesWithoutTheirEnds) {
    constexpr RamMap ram = two_ranges();
    EXPECT_FALSE(ram.contains(Hpa{0}));
    EXPECT_FALSE(ram.contains(Hpa{0xfff}));
    EXPECT_TRUE(ram.contains(Hpa{0x1000}));
    EXPECT_TRUE(ram.contains(Hpa{0x9'efff}));
    EXPECT_FALSE(ram.contains(Hpa{0x9'f000}));
    EXPECT_FALSE(ram.contains(Hpa{0xb'8000}));
    EXPECT_TRUE(ram.contains(Hpa{0x10'0000}));
    EXPECT_TRUE(ram.contains(Hpa{0x7fff'ffff}));
    EXPECT_FALSE(ram.contains(Hpa{0x8000'0000}));
    EXPECT_FALSE(ram.contains(Hpa{~u64{0}}));
}

TEST(RamMap, EndsBehindItsLastRange) {
    EXPECT_EQ(two_ranges().end(), 0x8000'0000u);
    EXPECT_EQ(RamMap{}.end(), 0u);
}

TEST(RamMap, WithoutRangesContainsNothing) {
    EXPECT_FALSE(RamMap{}.contains(Hpa{0}));
}

TEST(PhysicalWindow, LeadsToRamOnly) {
    const RamMap ram = two_ranges();
    const PhysicalWindow window{0x7000'0000'0000, &ram};
    EXPECT_EQ(window.at(Hpa{0x1234}), reinterpret_cast<void*>(0x7000'0000'1234));
    EXPECT_EQ(window.at(Hpa{0xfee0'0000}), nullptr);
}

TEST(PhysicalWindow, ReachesOwnPagesWithoutAskingTheMap) {
    const RamMap none;
    const PhysicalWindow window{0x7000'0000'0000, &none};
    EXPECT_EQ(window.at_own(Hpa{0x1234}), reinterpret_cast<void*>(0x7000'0000'1234));
}

TEST(PhysicalWindow, TurnsPointersBack) {
    const RamMap ram = two_ranges();
    const PhysicalWindow window{0x7000'0000'0000, &ram, u64{1} << 47};
    EXPECT_EQ(window.address_of(window.at(Hpa{0x2345})), Hpa{0x2345});
    EXPECT_EQ(window.encryption(), u64{1} << 47);
}

}  // namespace
}  // namespace ringside::memory
