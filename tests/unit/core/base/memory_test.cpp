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
    // Also when words overlap.
    for (usize distance = 1; distance < 20; ++distance) {
        std::string alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const std::string moved = alphabet.substr(distance, 30) + alphabet.substr(30);
        copy_bytes(alphabet.data(), alphabet.data() + distance, 30);
        EXPECT_EQ(alphabet, moved) << distance;
    }
}

TEST(CopyBytes, KeepsToEveryCountAtEveryPlace) {
    for (usize count = 0; count < 40; ++count)
        for (usize at = 0; at < 8; ++at) {
            std::string from = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL";
            std::string to(56, '.');
            copy_bytes(to.data() + at, from.data() + 1, count);
            EXPECT_EQ(to, std::string(at, '.') + from.substr(1, count) +
                              std::string(56 - at - count, '.'));
            fill_bytes(to.data() + at, 'x', count);
            EXPECT_EQ(to, std::string(at, '.') + std::string(count, 'x') +
                              std::string(56 - at - count, '.'));
        }
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
    const std::string text = "abcdefghijklmnopqrstuvwxyz";
    for (usize different = 0; different < text.size(); ++different) {
        std::string other = text;
        other[different] = '.';
        for (usize count = 0; count <= text.size(); ++count)
            EXPECT_EQ(equal_bytes(text.data(), other.data(), count), different >= count);
    }
}

TEST(AlignUp, GoesToTheNextMultiple) {
    EXPECT_EQ(align_up(0, 4096), 0u);
    EXPECT_EQ(align_up(1, 4096), 4096u);
    EXPECT_EQ(align_up(4096, 4096), 4096u);
    EXPECT_EQ(align_up(4097, 8), 4104u);
}

}  // namespace
}  // namespace ringside
