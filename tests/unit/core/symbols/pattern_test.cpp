// SPDX-License-Identifier: GPL-3.0-or-later
#include "symbols/pattern.hpp"

#include <gtest/gtest.h>

namespace ringside::symbols {
namespace {

bool match(const char* pattern, const char* text) {
    return matches(pattern, nullptr, text);
}

TEST(Pattern, AWordMatchesItselfOnly) {
    EXPECT_TRUE(match("jiffies", "jiffies"));
    EXPECT_FALSE(match("jiffies", "jiffies_64"));
    EXPECT_FALSE(match("jiffies_64", "jiffies"));
    EXPECT_FALSE(match("Jiffies", "jiffies"));
    EXPECT_FALSE(match("", "jiffies"));
    EXPECT_TRUE(match("", ""));
}

TEST(Pattern, AQuestionMarkIsOneCharacter) {
    EXPECT_TRUE(match("do_?", "do_x"));
    EXPECT_FALSE(match("do_?", "do_"));
    EXPECT_FALSE(match("do_?", "do_xy"));
}

TEST(Pattern, AStarIsAnyNumber) {
    EXPECT_TRUE(match("*", ""));
    EXPECT_TRUE(match("*", "anything"));
    EXPECT_TRUE(match("sys_*", "sys_"));
    EXPECT_TRUE(match("sys_*", "sys_open"));
    EXPECT_FALSE(match("sys_*", "do_sys_open"));
    EXPECT_TRUE(match("*_open", "do_open_open"));
    EXPECT_FALSE(match("*_open", "do_openat"));
    EXPECT_TRUE(match("*a*b?", "xaybzb_"));
    EXPECT_FALSE(match("*a*b?", "xaybzb"));
    EXPECT_TRUE(match("**", "x"));
}

TEST(Pattern, ManyStarsEndInTime) {
    const std::string text(500, 'a');
    std::string pattern;
    for (int i = 0; i < 120; ++i)
        pattern += "*a";
    EXPECT_TRUE(match(pattern.c_str(), text.c_str()));
    EXPECT_FALSE(match((pattern + "b").c_str(), text.c_str()));
}

TEST(Pattern, MayEndBeforeItsZero) {
    const char* const text = "ext4!name";
    EXPECT_TRUE(matches(text, text + 4, "ext4"));
    EXPECT_FALSE(matches(text, text + 4, "ext4!name"));
    EXPECT_TRUE(is_word(text, text + 4, "ext4"));
    EXPECT_FALSE(is_word(text, text + 4, "ext"));
    EXPECT_FALSE(is_word(text, text + 4, "ext4!"));
}

TEST(Pattern, FindsTheFirstOfSeveralCharacters) {
    const char* const text = "a:b!c";
    EXPECT_EQ(first_of(text, "!:"), text + 1);
    EXPECT_EQ(first_of(text, "!"), text + 3);
    EXPECT_EQ(first_of(text, "*"), nullptr);
    EXPECT_EQ(length_of(text), 5U);
    EXPECT_EQ(length_of(""), 0U);
}

}  // namespace
}  // namespace ringside::symbols
