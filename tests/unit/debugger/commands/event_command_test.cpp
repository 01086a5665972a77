// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ringside::commands {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::variant<EventCommand, Problem> parse(std::string_view command) {
    const Scan scan = scan_command(command);
    return parse_event_command(kInterrupts, std::span{scan.tokens}.subspan(1));
}

EventCommand accepted(std::string_view command) {
    auto result = parse(command);
    if (const Problem* problem = std::get_if<Problem>(&result)) {
        ADD_FAILURE() << command << ": " << problem->text;
        return {};
    }
    return std::get<EventCommand>(result);
}

Problem refused(std::string_view command) {
    auto result = parse(command);
    if (std::holds_alternative<EventCommand>(result)) {
        ADD_FAILURE() << command << ": accepted";
        return {};
    }
    return std::get<Problem>(result);
}

TEST(ParseInterrupt, DefaultsToEveryVectorProcessAndCore) {
    const EventCommand command = accepted("!interrupt script { print(1); }");
    EXPECT_FALSE(command.vector);
    EXPECT_FALSE(command.pid);
    EXPECT_FALSE(command.core);
    EXPECT_TRUE(command.immediate);
    EXPECT_FALSE(command.short_circuit);
    EXPECT_EQ(command.stage, Stage::kPre);
    ASSERT_THAT(command.actions, SizeIs(1));
    EXPECT_EQ(command.actions[0].kind, BlockKind::kScript);
    EXPECT_EQ(command.actions[0].text, " print(1); ");
    EXPECT_EQ(command.actions[0].offset, 19u);
}

TEST(ParseInterrupt, ReadsTheSameVectorInEveryForm) {
    for (const std::string_view text :
         {"!interrupt 25", "!interrupt 0x25", "!interrupt 0n37", "!interrupt pid 1 25",
          "!interrupt script { x } 25", "!interrupt core all 25 imm yes"})
        EXPECT_EQ(accepted(text).vector, 0x25u) << text;
    EXPECT_EQ(accepted("!interrupt 20").vector, 0x20u);
    EXPECT_EQ(accepted("!interrupt FF").vector, 0xffu);
}

TEST(ParseInterrupt, GivesTheSameResultInEveryOrder) {
    std::vector<std::string> parts = {
        "ec", "pid 0n1234", "core 2", "imm yes", "sc off", "stage pre", "script { print(1); }"};
    std::sort(parts.begin(), parts.end());
    std::size_t orders = 0;
    do {
        std::string text = "!interrupt";
        for (const std::string& part : parts)
            text += " " + part;
        const EventCommand command = accepted(text);
        ASSERT_EQ(command.vector, 0xecu) << text;
        ASSERT_EQ(command.pid, 1234u) << text;
        ASSERT_EQ(command.core, 2u) << text;
        ASSERT_THAT(command.actions, SizeIs(1)) << text;
        ++orders;
    } while (std::next_permutation(parts.begin(), parts.end()));
    EXPECT_EQ(orders, 5040u);
}

TEST(ParseInterrupt, TakesKeywordsInAnyCaseAndKeepsTheScriptsCase) {
    const EventCommand command = accepted("!INTERRUPT EC PID ALL Core 1 SCRIPT { Abc } IMM YES");
    EXPECT_EQ(command.vector, 0xecu);
    EXPECT_FALSE(command.pid);
    EXPECT_EQ(command.core, 1u);
    EXPECT_EQ(command.actions.at(0).text, " Abc ");
}

TEST(ParseInterrupt, KeepsActionsInTheOrderWritten) {
    const EventCommand command =
        accepted("!interrupt script { a } script { file: \"/tmp/x y.ds\" } script { c }");
    ASSERT_THAT(command.actions, SizeIs(3));
    EXPECT_EQ(command.actions[0].text, " a ");
    EXPECT_EQ(command.actions[1].kind, BlockKind::kScriptFile);
    EXPECT_EQ(command.actions[1].text, "/tmp/x y.ds");
    EXPECT_EQ(command.actions[2].text, " c ");
}

TEST(ParseInterrupt, ReadsFilePathsWithAndWithoutBlanksAndQuotes) {
    for (const std::string_view text :
         {"!interrupt script {file:/a/b.ds}", "!interrupt script { file: /a/b.ds }",
          "!interrupt script {file:\"/a/b.ds\"}", "!interrupt script {\n FILE:/a/b.ds\n}"})
        EXPECT_EQ(accepted(text).actions.at(0).text, "/a/b.ds") << text;
}

TEST(ParseInterrupt, KeepsNumbersNoMachineHasForTheModuleToRefuse) {
    EXPECT_EQ(accepted("!interrupt pid ffffffff").pid, 0xfffffffeu);
    EXPECT_EQ(accepted("!interrupt core 123456789a").core, 0xfffffffeu);
}

/// One row of the bad-input table: the command, the answer, and the word under the caret.
struct BadInput {
    std::string_view command;
    std::string_view text;
    std::string_view at;  ///< the caret stands where this begins (its last occurrence)
};

class BadInterrupt : public testing::TestWithParam<BadInput> {};

TEST_P(BadInterrupt, IsRefusedAtTheOffendingWord) {
    const BadInput& row = GetParam();
    const Problem problem = refused(row.command);
    EXPECT_EQ(problem.text, row.text);
    EXPECT_EQ(problem.where, row.command.rfind(row.at));
    EXPECT_EQ(problem.hint, "see '.help !interrupt'");
}

constexpr std::string_view kRange =
    "vector must be 0x20 to 0xff (use '!exception' for 0x0 to 0x1f)";
const BadInput kBadInputs[] = {
    {"!interrupt 1f", kRange, "1f"},
    {"!interrupt 0", kRange, "0"},
    {"!interrupt 100", kRange, "100"},
    {"!interrupt 25 26", "unexpected parameter '26'", "26"},
    {"!interrupt foo", "unexpected parameter 'foo'", "foo"},
    {"!interrupt 25h", "unexpected parameter '25h'", "25h"},
    {"!interrupt \"25\"", "unexpected parameter '25'", "\"25\""},
    {"!interrupt { x }", "unexpected parameter '{ x }'", "{"},
    {"!interrupt 10000000000000020", "number too large: '10000000000000020'", "1000"},
    {"!interrupt 25 pid", "'pid' needs a value", "pid"},
    {"!interrupt core", "'core' needs a value", "core"},
    {"!interrupt imm", "'imm' needs a value", "imm"},
    {"!interrupt sc", "'sc' needs a value", "sc"},
    {"!interrupt stage", "'stage' needs a value", "stage"},
    {"!interrupt buffer", "'buffer' needs a value", "buffer"},
    {"!interrupt pid { x }", "'pid' needs a value", "pid"},
    {"!interrupt pid zz", "bad pid 'zz'", "zz"},
    {"!interrupt core zz", "bad core 'zz'", "zz"},
    {"!interrupt core -1", "bad core '-1'", "-1"},
    {"!interrupt buffer zz", "bad buffer size 'zz'", "zz"},
    {"!interrupt pid 10000000000000000", "number too large: '10000000000000000'", "1000"},
    {"!interrupt imm maybe", "'imm' takes yes or no", "maybe"},
    {"!interrupt sc 1", "'sc' takes on or off", "1"},
    {"!interrupt stage mid", "'stage' takes pre, post or all", "mid"},
    {"!interrupt sc on stage post", "short-circuiting needs stage pre (c000003a)", "sc"},
    {"!interrupt stage all sc on", "short-circuiting needs stage pre (c000003a)", "sc"},
    {"!interrupt pid 1 pid 2", "'pid' given twice", "pid"},
    {"!interrupt core 1 25 core 1", "'core' given twice", "core"},
    {"!interrupt imm yes imm yes", "'imm' given twice", "imm"},
    {"!interrupt sc off sc off", "'sc' given twice", "sc"},
    {"!interrupt stage pre stage pre", "'stage' given twice", "stage"},
    {"!interrupt buffer 1 buffer 1", "'buffer' given twice", "buffer"},
    {"!interrupt condition {90} condition {90}", "'condition' given twice", "condition"},
    {"!interrupt asm condition {x} condition {90}", "'condition' given twice", "condition"},
    {"!interrupt output {a} output {b}", "'output' given twice", "output"},
    {"!interrupt script", "'script' needs a { } block", "script"},
    {"!interrupt script foo", "'script' needs a { } block", "script"},
    {"!interrupt code", "'code' needs a { } block", "code"},
    {"!interrupt condition 90", "'condition' needs a { } block", "condition"},
    {"!interrupt output", "'output' needs a { } block", "output"},
    {"!interrupt asm code", "'code' needs a { } block", "code"},
    {"!interrupt asm", "'asm' needs a { } block: asm code { ... } or asm condition { ... }", "asm"},
    {"!interrupt asm {x}", "'asm' needs a { } block: asm code { ... } or asm condition { ... }",
     "asm"},
    {"!interrupt script {}", "empty 'script' block", "{"},
    {"!interrupt code { }", "empty 'code' block", "{"},
    {"!interrupt code {0x}", "empty 'code' block", "{"},
    {"!interrupt condition {\n}", "empty 'condition' block", "{"},
    {"!interrupt script {file:}", "'file:' needs a path", "{"},
    {"!interrupt code {9}", "odd number of hex digits", "{"},
    {"!interrupt code {90 9}", "odd number of hex digits", "{"},
    {"!interrupt code {zz}", "not a hex byte: 'zz'", "{"},
    {"!interrupt buffer 100001", "safe buffer too large (c0000048)", "100001"},
    {"!interrupt output {}", "no output name", "{"},
    {"!interrupt output {a,,b}", "no output name", "{"},
    {"!interrupt output {a,b,c,d,e,f}", "at most 5 outputs per event", "{"},
    // The first problem wins.
    {"!interrupt foo pid zz", "unexpected parameter 'foo'", "foo"},
    {"!interrupt sc on stage post zz", "unexpected parameter 'zz'", "zz"},
};
INSTANTIATE_TEST_SUITE_P(Table, BadInterrupt, testing::ValuesIn(kBadInputs));

TEST(ParseInterrupt, RefusesCodeBeyondTheLimits) {
    std::string condition = "!interrupt condition {";
    for (int i = 0; i < 4097; ++i)
        condition += "90";
    EXPECT_EQ(refused(condition + "}").text, "condition too large (c0000041)");
    std::string code = "!interrupt code {";
    for (int i = 0; i < 0x14001; ++i)
        code += "90";
    EXPECT_EQ(refused(code + "}").text, "action too large (c0000047)");
}

TEST(ParseInterrupt, RefusesASeventeenthAction) {
    std::string text = "!interrupt";
    for (int i = 0; i < 16; ++i)
        text += " script { x }";
    EXPECT_THAT(accepted(text).actions, SizeIs(16));
    EXPECT_EQ(refused(text + " script { y }").text, "at most 16 actions per event");
}

TEST(ParseHexBytes, IgnoresSeparatorsAndPrefixesBetweenPairs) {
    for (const std::string_view text :
         {"90ab0C", "90 ab 0c", "0x90, 0xab, 0x0c", "\\x90\\xab\\x0c", "90\nab\t0c", "0x90ab0c"}) {
        const auto bytes = parse_hex_bytes(text);
        ASSERT_TRUE(std::holds_alternative<std::vector<u8>>(bytes)) << text;
        EXPECT_THAT(std::get<std::vector<u8>>(bytes), ElementsAre(0x90, 0xab, 0x0c)) << text;
    }
}

TEST(ParseHexBytes, SaysWhatIsWrong) {
    EXPECT_EQ(std::get<std::string>(parse_hex_bytes("9")), "odd number of hex digits");
    EXPECT_EQ(std::get<std::string>(parse_hex_bytes("90 9 0")), "odd number of hex digits");
    EXPECT_EQ(std::get<std::string>(parse_hex_bytes("9g")), "not a hex byte: '9g'");
    EXPECT_EQ(std::get<std::string>(parse_hex_bytes("90 z")), "not a hex byte: 'z'");
}

}  // namespace
}  // namespace ringside::commands
