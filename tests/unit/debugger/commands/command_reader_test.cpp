// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/command_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CommandReader, GivesAWholeLineAtOnce) {
    CommandReader reader;
    EXPECT_EQ(reader.add_line("events"), "events");
    EXPECT_EQ(reader.add_line(""), "");
    EXPECT_FALSE(reader.is_open());
}

TEST(CommandReader, JoinsLinesWhileABraceIsOpen) {
    CommandReader reader;
    EXPECT_EQ(reader.add_line("!interrupt ec script {"), std::nullopt);
    EXPECT_TRUE(reader.is_open());
    EXPECT_EQ(reader.add_line("  print(1);"), std::nullopt);
    EXPECT_EQ(reader.pending(), "!interrupt ec script {\n  print(1);\n");
    EXPECT_EQ(reader.add_line("}"), "!interrupt ec script {\n  print(1);\n}");
    EXPECT_FALSE(reader.is_open());
    EXPECT_EQ(reader.pending(), "");
}

TEST(CommandReader, RemovesPastedPromptsOfBothKinds) {
    CommandReader reader;
    EXPECT_EQ(reader.add_line("HyperDbg> ? {"), std::nullopt);
    EXPECT_EQ(reader.add_line("> print(1);"), std::nullopt);
    EXPECT_EQ(reader.add_line("> }"), "? {\nprint(1);\n}");
}

TEST(CommandReader, ForgetsAnUnfinishedCommand) {
    CommandReader reader;
    EXPECT_EQ(reader.add_line("? {"), std::nullopt);
    EXPECT_EQ(reader.abandon(), "? {\n");
    EXPECT_FALSE(reader.is_open());
    EXPECT_EQ(reader.add_line("events"), "events");
}

TEST(ReplaceArguments, PutsTheLongestIndexFirst) {
    std::vector<std::string> arguments;
    for (int i = 0; i < 11; ++i)
        arguments.push_back("<" + std::to_string(i) + ">");
    EXPECT_EQ(replace_arguments("a $arg0 $arg1 $arg10x", arguments), "a <0> <1> <10>x");
}

TEST(ReplaceArguments, LeavesWhatIsNotGiven) {
    EXPECT_EQ(replace_arguments("$arg1 $arg $argx $arg99999999999999999999", {"f"}),
              "$arg1 $arg $argx $arg99999999999999999999");
}

TEST(SplitLines, TakesBothLineEnds) {
    EXPECT_THAT(split_lines("a\nb\r\n\nc"), ElementsAre("a", "b", "", "c"));
    EXPECT_THAT(split_lines(""), IsEmpty());
}

}  // namespace
}  // namespace ringside::commands
