// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/problem.hpp"

#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

TEST(PointAt, PutsTheCaretUnderTheByte) {
    EXPECT_EQ(point_at("!interrupt foo", 11), "!interrupt foo\n           ^");
    EXPECT_EQ(point_at("x", 0), "x\n^");
}

TEST(PointAt, ShowsOnlyTheLineAndKeepsItsTabs) {
    EXPECT_EQ(point_at("first {\n\tab cd\n}", 12), "\tab cd\n\t   ^");
}

TEST(PointAt, CountsCharactersNotBytes) {
    EXPECT_EQ(point_at("é x", 3), "é x\n  ^");
}

TEST(PointAt, StaysInsideTheCommand) {
    EXPECT_EQ(point_at("ab", 99), "ab\n  ^");
}

TEST(Render, BuildsTheThreePartsOfADiagnostic) {
    const Problem problem{"unexpected parameter 'foo'", 11, "see '.help !interrupt'"};
    EXPECT_EQ(render(problem, "!interrupt foo"),
              "err, unexpected parameter 'foo'\n!interrupt foo\n           ^\n"
              "hint: see '.help !interrupt'");
    EXPECT_EQ(render({"no events", {}, {}}, "events c all"), "err, no events");
}

TEST(InQuotes, CutsLongWordsAndHidesControlCharacters) {
    EXPECT_EQ(in_quotes("abc"), "'abc'");
    EXPECT_EQ(in_quotes("a\x1b[2J\n"), "'a?[2J?'");
    EXPECT_EQ(in_quotes(std::string(100, 'x')), "'" + std::string(60, 'x') + "...'");
}

}  // namespace
}  // namespace ringside::commands
