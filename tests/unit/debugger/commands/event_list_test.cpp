// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ringside::commands {
namespace {

rs_event_entry entry(u64 id, bool is_enabled, u32 marks = 0) {
    rs_event_entry result{};
    result.tag = RS_TAG_BASE + id;
    result.is_enabled = is_enabled ? 1 : 0;
    result.marks = marks;
    return result;
}

TEST(EventLine, HasTheReferenceSystemsColumns) {
    EXPECT_EQ(event_line(entry(0, true), "!interrupt 25 core 1"),
              "0\t(enabled)\t    !interrupt 25 core 1");
    EXPECT_EQ(event_line(entry(0x1f, false), "!interrupt ec"), "1f\t(disabled)\t    !interrupt ec");
}

TEST(EventLine, CutsAtSeventyCharacters) {
    const std::string seventy(70, 'x');
    EXPECT_EQ(event_line(entry(1, true), seventy), "1\t(enabled)\t    " + seventy);
    EXPECT_EQ(event_line(entry(1, true), seventy + "y"), "1\t(enabled)\t    " + seventy + "...");
}

TEST(EventLine, NeverCutsInsideACharacter) {
    std::string text(69, 'x');
    text += "éé";
    EXPECT_EQ(event_line(entry(1, true), text),
              "1\t(enabled)\t    " + std::string(69, 'x') + "é...");
}

TEST(EventLine, ShowsLineEndsAsBlanksAndMarksBehindTheText) {
    EXPECT_EQ(event_line(entry(2, false, RS_MARK_FAULTED), "a\nb"),
              "2\t(disabled)\t    a b [faulted]");
    EXPECT_EQ(event_line(entry(2, false, RS_MARK_NO_ACTION | RS_MARK_HELD), "a"),
              "2\t(disabled)\t    a [no action] [held]");
}

TEST(EventCounters, NamesEveryCounter) {
    rs_event_stat stat{};
    stat.tag = RS_TAG_BASE + 3;
    stat.arrivals = 1234567890123;
    stat.lost_messages = 7;
    const std::string text = event_counters(stat);
    EXPECT_EQ(text.substr(0, text.find('\n')), "event 0x3");
    EXPECT_NE(text.find("arrivals               1234567890123\n"), std::string::npos);
    EXPECT_NE(text.find("lost messages                      7\n"), std::string::npos);
}

TEST(CoreCounters, HaveOneRowACore) {
    rs_event_stat cores[2]{};
    cores[0].tag = 0;
    cores[0].arrivals = 5;
    cores[0].is_virtualized = 1;
    cores[1].tag = 1;
    const std::string text = core_counters(cores);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    EXPECT_NE(text.find("\n0                   5"), std::string::npos);
    EXPECT_NE(text.find("(not virtualized)\n"), std::string::npos);
}

}  // namespace
}  // namespace ringside::commands
