// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/suggest.hpp"

#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

constexpr std::string_view kNames[] = {"!interrupt", "events", "event", "load", "unload",
                                       "g",          "exit",   "print", ".help"};

TEST(EditDistance, CountsSlipsOfTheFinger) {
    EXPECT_EQ(edit_distance("events", "events"), 0u);
    EXPECT_EQ(edit_distance("EVENTS", "events"), 0u);
    EXPECT_EQ(edit_distance("evnts", "events"), 1u);
    EXPECT_EQ(edit_distance("eventsx", "events"), 1u);
    EXPECT_EQ(edit_distance("evebts", "events"), 1u);
    EXPECT_EQ(edit_distance("evnets", "events"), 1u);  // a swap
    EXPECT_EQ(edit_distance("", "abc"), 3u);
}

TEST(Nearest, FindsWhatWasMeant) {
    EXPECT_EQ(nearest("!interupt", kNames), "!interrupt");
    EXPECT_EQ(nearest("interrupt", kNames), "!interrupt");
    EXPECT_EQ(nearest("evnets", kNames), "events");
    EXPECT_EQ(nearest("laod", kNames), "load");
    EXPECT_EQ(nearest("exi", kNames), "exit");
}

TEST(Nearest, IsSilentWhenNothingIsNear) {
    EXPECT_EQ(nearest("xyz", kNames), "");
    EXPECT_EQ(nearest("", kNames), "");
    EXPECT_EQ(nearest("x", kNames), "");
    EXPECT_EQ(nearest(std::string(200, 'a'), kNames), "");
}

}  // namespace
}  // namespace ringside::commands
