// SPDX-License-Identifier: GPL-3.0-or-later
#include "x86/paging.hpp"

#include <gtest/gtest.h>

namespace ringside::x86 {
namespace {

TEST(Paging, TakesNineBitsALevel) {
    // Indices 1, 2, 3, 4, 5 from the top.
    constexpr u64 kAddress = 1ull << 48 | 2ull << 39 | 3ull << 30 | 4ull << 21 | 5ull << 12 | 0x678;
    EXPECT_EQ(page::index(kAddress, 5), 1u);
    EXPECT_EQ(page::index(kAddress, 4), 2u);
    EXPECT_EQ(page::index(kAddress, 3), 3u);
    EXPECT_EQ(page::index(kAddress, 2), 4u);
    EXPECT_EQ(page::index(kAddress, 1), 5u);
    EXPECT_EQ(page::index(~u64{0}, 4), 511u);
}

TEST(Paging, SpansThePagesOfTheManual) {
    EXPECT_EQ(page::span(1), 4096u);
    EXPECT_EQ(page::span(2), 2u << 20);
    EXPECT_EQ(page::span(3), 1u << 30);
    EXPECT_EQ(page::span(4), 1ull << 39);
}

TEST(Paging, NumbersItsBitsAsTheManual) {
    EXPECT_EQ(page::kPresent | page::kWritable | page::kUser, 7u);
    EXPECT_EQ(page::kWriteThrough | page::kCacheDisable, 0x18u);
    EXPECT_EQ(page::kAccessed | page::kDirty, 0x60u);
    EXPECT_EQ(page::kLarge, 0x80u);
    EXPECT_EQ(page::kNoExecute, 0x8000'0000'0000'0000u);
    EXPECT_EQ(page::kAddress, 0x000f'ffff'ffff'f000u);  // bits 12 to 51
}

}  // namespace
}  // namespace ringside::x86
