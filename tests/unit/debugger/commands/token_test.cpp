// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> texts(std::string_view command) {
    std::vector<std::string> result;
    for (const Token& token : scan_command(command).tokens)
        result.push_back(token.text);
    return result;
}

TEST(ScanCommand, SeparatesWordsAtBlanksTabsAndLineEnds) {
    EXPECT_THAT(texts("  events \t e\n3 "), ElementsAre("events", "e", "3"));
    EXPECT_THAT(texts(""), IsEmpty());
    EXPECT_THAT(texts(" \t\n"), IsEmpty());
}

TEST(ScanCommand, LetsABlockTouchItsNeighbours) {
    EXPECT_THAT(texts("!interrupt ec script{ print(1); }imm no"),
                ElementsAre("!interrupt", "ec", "script", " print(1); ", "imm", "no"));
}

TEST(ScanCommand, KeepsThePositionOfEveryToken) {
    const Scan scan = scan_command("ab {x} \"y z\"");
    ASSERT_EQ(scan.tokens.size(), 3u);
    EXPECT_EQ(scan.tokens[0].begin, 0u);
    EXPECT_EQ(scan.tokens[0].end, 2u);
    EXPECT_EQ(scan.tokens[1].kind, TokenKind::kBlock);
    EXPECT_EQ(scan.tokens[1].begin, 3u);
    EXPECT_EQ(scan.tokens[1].end, 6u);
    EXPECT_EQ(scan.tokens[2].kind, TokenKind::kString);
    EXPECT_EQ(scan.tokens[2].begin, 7u);
    EXPECT_EQ(scan.tokens[2].end, 12u);
}

TEST(ScanCommand, NestsBracesAndIgnoresThoseInStrings) {
    EXPECT_THAT(texts(R"(x { if (1) { printf("}{{"); } } y)"),
                ElementsAre("x", R"( if (1) { printf("}{{"); } )", "y"));
    EXPECT_THAT(texts(R"(x { printf("\"}"); } y)"), ElementsAre("x", R"( printf("\"}"); )", "y"));
}

TEST(ScanCommand, TakesEscapedDelimitersLiterally) {
    EXPECT_THAT(texts(R"(a\{b\} "say \"hi\"" c:\dir\file)"),
                ElementsAre("a{b}", "say \"hi\"", R"(c:\dir\file)"));
}

TEST(ScanCommand, DropsCommentsOutsideBlocksOnly) {
    EXPECT_THAT(texts("a // b\nc /* d\n */ e"), ElementsAre("a", "c", "e"));
    EXPECT_THAT(texts("a { // b\n /* c */ } d"), ElementsAre("a", " // b\n /* c */ ", "d"));
    EXPECT_THAT(texts("\"a // b\""), ElementsAre("a // b"));
}

TEST(ScanCommand, KeepsAnEmptyBlockAndDropsAnEmptyString) {
    EXPECT_THAT(texts("script {}"), ElementsAre("script", ""));
    EXPECT_THAT(texts("a \"\" b"), ElementsAre("a", "b"));
}

TEST(ScanCommand, SaysWhatIsStillOpenAndWhere) {
    EXPECT_EQ(scan_command("a { b").open, Open::kBlock);
    EXPECT_EQ(scan_command("a { b").open_at, 2u);
    EXPECT_EQ(scan_command("a \"b").open, Open::kString);
    EXPECT_EQ(scan_command("a /* b").open, Open::kComment);
    EXPECT_EQ(scan_command("a { b }").open, Open::kNothing);
    EXPECT_TRUE(needs_more_input("? {"));
    EXPECT_TRUE(needs_more_input("? { printf(\"}"));
    EXPECT_FALSE(needs_more_input("events // {"));
}

TEST(ScanCommand, IsNotLedAstrayByQuotesAndBracesInTheScriptsComments) {
    EXPECT_THAT(texts("s {\n // the 5\" disk\n print(1);\n} imm"),
                ElementsAre("s", "\n // the 5\" disk\n print(1);\n", "imm"));
    EXPECT_THAT(texts("s {\n // an open {\n print(1);\n} imm"),
                ElementsAre("s", "\n // an open {\n print(1);\n", "imm"));
}

TEST(ScanCommand, SurvivesABackslashAtTheEnd) {
    EXPECT_EQ(scan_command("a { \\").open, Open::kBlock);
    EXPECT_EQ(scan_command("\"\\").open, Open::kString);
    EXPECT_THAT(texts("a\\"), ElementsAre("a\\"));
}

TEST(PastedPrompt, IsRemovedInEveryShape) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"HyperDbg> !interrupt 25", "!interrupt 25"},
        {"Ringside> events", "events"},
        {"Ringside>events", "events"},
        {"0: kHyperDbg> g", "g"},
        {"2: kRingside> g", "g"},
        {"[192.168.1.10:50000] Ringside> events", "events"},
        {"[serial ttyS1] Ringside> events", "events"},
        {"228c:13fc (paused) u64HyperDbg> g", "g"},
        {"228c:13fc u86Ringside> g", "g"},
        {"HyperDbg (192.168.1.5:50000)> events", "events"},
        {"Ringside> ", ""},
    };
    for (const auto& [line, rest] : cases)
        EXPECT_EQ(without_pasted_prompt(line, false), rest) << line;
}

TEST(PastedPrompt, IsNotSeenWhereThereIsNone) {
    for (const std::string_view line :
         {"events", "> events", "print 1 // Ringside> ", "kRingside> g", "Ringsides> g"})
        EXPECT_EQ(pasted_prompt_length(line), 0u) << line;
}

TEST(PastedPrompt, OfAContinuationLineIsRemoved) {
    EXPECT_EQ(without_pasted_prompt("> print(1);", true), "print(1);");
    EXPECT_EQ(without_pasted_prompt(">", true), "");
    EXPECT_EQ(without_pasted_prompt("  print(1);", true), "  print(1);");
    EXPECT_EQ(without_pasted_prompt(">= 3;", true), ">= 3;");
}

TEST(Words, CompareWithoutRegardToCase) {
    EXPECT_TRUE(same_word("PID", "pid"));
    EXPECT_FALSE(same_word("pid", "pi"));
    EXPECT_EQ(lower_case("!InterRUPT 2F"), "!interrupt 2f");
}

}  // namespace
}  // namespace ringside::commands
