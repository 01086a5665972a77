// SPDX-License-Identifier: GPL-3.0-or-later
// SC-9: when ignored level-triggered arrivals are a storm.
#include "apic/storm.hpp"

#include <gtest/gtest.h>

namespace ringside::apic {
namespace {

constexpr u64 kMs = 1000;  // ticks

TEST(Storm, The17thWithoutProgressIsTooMany) {
    Storm storm;
    for (u32 i = 0; i < 16; ++i)
        EXPECT_FALSE(storm.add(0x1000, i, kMs)) << i;
    EXPECT_TRUE(storm.add(0x1000, 16, kMs));
}

TEST(Storm, ARowMayMoveAFewInstructions) {
    Storm storm;
    bool is_storm = false;
    for (u32 i = 0; i < 17; ++i)
        is_storm = storm.add(0x1000 + i, i * 10, kMs);
    EXPECT_TRUE(is_storm);
}

TEST(Storm, TwoThousandASecondWithProgressAreNone) {
    Storm storm;
    for (u32 i = 0; i < 1000; ++i)
        EXPECT_FALSE(storm.add(0x1000 + i, i * kMs * 11 / 20, kMs)) << i;
}

TEST(Storm, AnIdleCoreThatIsInterruptedNowAndThenHasNone) {
    Storm storm;
    for (u32 i = 0; i < 100; ++i)
        EXPECT_FALSE(storm.add(0x1000, i * 9 * kMs, kMs)) << i;
}

TEST(Storm, StartsAnewWhenForgotten) {
    Storm storm;
    for (u32 i = 0; i < 16; ++i)
        storm.add(0x1000, i, kMs);
    storm.forget();
    EXPECT_FALSE(storm.add(0x1000, 17, kMs));
}

}  // namespace
}  // namespace ringside::apic
