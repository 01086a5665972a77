// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/memory.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/bits.hpp"

namespace ringside {
namespace {

TEST(CopyBytes, CopiesExactlyTheCount) {
    std::string to = "........";
    copy_bytes(to.data() + 1, "abcdefgh", 3);
    EXPECT_EQ(to, ".abc....");
    copy_bytes(to.data(), "x", 0);
    EXPECT_EQ(to, ".abc....");
}

TEST(CopyBytes, MovesDownInAnOverlap) {
    std::string text = "abcdef";
    copy_bytes(text.data(), text.data() + 2, 4);
    EXPECT_EQ(text, "cdefef");
}

TEST(FillBytes, FillsExactlyTheCount) {
    std::string text = "........";
    fill_bytes(text.data() + 2, 'x', 3);
    EXPECT_EQ(text, "..xxx...");
    fill_bytes(text.data(), 'y', 0);
    EXPECT_EQ(text, "..xxx...");
}

TEST(EqualBytes, LooksAtExactlyTheCount) {
    EXPECT_TRUE(equal_bytes("abcx", "abcy", 3));
    EXPECT_FALSE(equal_bytes("abcx", "abcy", 4));
    EXPECT_TRUE(equal_bytes("a", "b", 0));
}

TEST(AlignUp, GoesToTheNextMultiple) {
    EXPECT_EQ(align_up(0, 4096), 0u);
    EXPECT_EQ(align_up(1, 4096), 4096u);
    EXPECT_EQ(align_up(4096, 4096), 4096u);
    EXPECT_EQ(align_up(4097, 8), 4104u);
}

}  // namespace
}  // namespace ringside
