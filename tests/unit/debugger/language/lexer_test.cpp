// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/lexer.hpp"

#include <gtest/gtest.h>

namespace ringside::language {
namespace {

struct Lexed {
    std::vector<Token> tokens;  ///< views into the text given
    std::vector<Diagnostic> diagnostics;
};

Lexed lex(std::string_view text) {
    const Source source{text, ""};
    DiagnosticList diagnostics{source};
    Lexed result;
    result.tokens = tokenize(source, diagnostics);
    result.diagnostics = diagnostics.take();
    return result;
}

std::vector<TokenKind> kinds(std::string_view text) {
    std::vector<TokenKind> result;
    for (const Token& token : lex(text).tokens)
        result.push_back(token.kind);
    return result;
}

u64 number(std::string_view text) {
    const Lexed lexed = lex(text);
    EXPECT_EQ(lexed.tokens[0].kind, TokenKind::kNumber) << text;
    EXPECT_TRUE(lexed.diagnostics.empty()) << text;
    return lexed.tokens[0].value;
}

std::string error(std::string_view text) {
    const Lexed lexed = lex(text);
    return lexed.diagnostics.empty() ? "" : lexed.diagnostics[0].message;
}

TEST(Lexer, ReadsNumbersOfEveryBase) {
    EXPECT_EQ(number("10"), 16u);
    EXPECT_EQ(number("0x55"), 0x55u);
    EXPECT_EQ(number("0N100"), 100u);
    EXPECT_EQ(number("0t17"), 15u);
    EXPECT_EQ(number("0o17"), 15u);
    EXPECT_EQ(number("0y1011"), 11u);
    EXPECT_EQ(number("fffff807`4a51a000"), 0xffff'f807'4a51'a000u);
    EXPECT_EQ(number("ffffffffffffffff"), ~u64{0});
    EXPECT_EQ(number("1e5"), 0x1e5u);
    EXPECT_EQ(number("0b1"), 0xb1u) << "b is a digit, not a prefix";
}

TEST(Lexer, RefusesWrongNumbers) {
    EXPECT_EQ(error("0nff"), "'f' is not a digit of base 10");
    EXPECT_EQ(error("0x"), "'0x' has no digits");
    EXPECT_EQ(error("10h"), "'h' is not a digit of base 16");
    EXPECT_EQ(error("10000000000000000"), "number does not fit in 64 bits");
    EXPECT_EQ(error("ff`"), "'`' may only stand between digits");
    EXPECT_EQ(error("0x1.2"), "only plain decimal digits can have a point");
    EXPECT_NE(error("1.0f"), "");
}

TEST(Lexer, TellsWordsFromNumbersAndRegisters) {
    using enum TokenKind;
    EXPECT_EQ(kinds("face a_b rax af if counter"),
              (std::vector<TokenKind>{kNumber, kWord, kRegister, kRegister, kIf, kWord, kEnd}));
    EXPECT_EQ(kinds("@rax $pid + .a nt!name"),
              (std::vector<TokenKind>{kRegister, kPseudo, kPlus, kGlobal, kSymbol, kEnd}));
    EXPECT_EQ(kinds("x.y"), (std::vector<TokenKind>{kWord, kPoint, kWord, kEnd}));
    EXPECT_EQ(kinds("11. .5 x!=y"),
              (std::vector<TokenKind>{kReal, kPoint, kNumber, kWord, kNotEqual, kWord, kEnd}));
}

TEST(Lexer, TakesTheLongestOperator) {
    using enum TokenKind;
    EXPECT_EQ(kinds("<<= << <= < ++ += +"),
              (std::vector<TokenKind>{kShiftLeftAssign, kShiftLeft, kLessEqual, kLess, kIncrement,
                                      kPlusAssign, kPlus, kEnd}));
}

TEST(Lexer, DecodesStrings) {
    EXPECT_EQ(lex(R"("a\n\x41\"\\\0")").tokens[0].bytes, std::string("a\nA\"\\\0", 6));
    EXPECT_EQ(lex(R"(L"a\x263a")").tokens[0].bytes, std::string("a\0\x3a\x26", 4));
    EXPECT_EQ(lex("L\"\xc3\xa9\"").tokens[0].bytes, std::string("\xe9\0", 2)) << "UTF-8 source";
    EXPECT_EQ(error("\"open"), "string is not closed");
    EXPECT_EQ(error(R"("\q")"), "unknown escape '\\q'");
    EXPECT_EQ(error(R"("\x")"), "'\\x' needs hexadecimal digits");
}

TEST(Lexer, SkipsComments) {
    using enum TokenKind;
    EXPECT_EQ(kinds("x // y\n/* z **/ 1"), (std::vector<TokenKind>{kWord, kNumber, kEnd}));
    EXPECT_EQ(error("x /* y"), "comment is not closed");
}

TEST(Lexer, NamesWhatItDoesNotKnow) {
    EXPECT_EQ(error("@rxa"), "unknown register '@rxa'; did you mean '@rax'?");
    EXPECT_EQ(error("$pidd"), "unknown pseudo-register '$pidd'; did you mean '$pid'?");
    EXPECT_EQ(error("$arg3"), "no value for the script argument '$arg3'");
    EXPECT_EQ(error("x \xff"), "unexpected character 'byte 0xff'");
}

}  // namespace
}  // namespace ringside::language
