// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/parser.hpp"

#include <gtest/gtest.h>

#include "language/lexer.hpp"

namespace ringside::language {
namespace {

/// The expression with all its parentheses.
std::string text_of(const Expression& expression) {
    const std::string op = describe(expression.op);
    switch (expression.kind) {
        case ExpressionKind::kBinary:
        case ExpressionKind::kLogical:
            return "(" + text_of(*expression.operands[0]) + " " + op.substr(1, op.size() - 2) +
                   " " + text_of(*expression.operands[1]) + ")";
        case ExpressionKind::kUnary:
        case ExpressionKind::kDereference:
        case ExpressionKind::kAddressOf:
            return op.substr(1, op.size() - 2) + text_of(*expression.operands[0]);
        default:
            return std::string{expression.name};
    }
}

struct Parsed {
    std::vector<Token> tokens;
    Script script;
    std::vector<Diagnostic> diagnostics;
};

Parsed parse_text(std::string_view text) {
    const Source source{text, ""};
    DiagnosticList diagnostics{source};
    Parsed result;
    result.tokens = tokenize(source, diagnostics);
    result.script = parse(result.tokens, diagnostics);
    result.diagnostics = diagnostics.take();
    return result;
}

std::string expression(std::string_view text) {
    const std::string assignment = "x = " + std::string{text} + ";";
    const Parsed parsed = parse_text(assignment);
    EXPECT_TRUE(parsed.diagnostics.empty()) << text;
    return parsed.script.statements.empty() ? "" : text_of(*parsed.script.statements[0]->value);
}

std::string first_error(std::string_view text) {
    const Parsed parsed = parse_text(text);
    return parsed.diagnostics.empty() ? "" : parsed.diagnostics[0].message;
}

TEST(Parser, BindsOperatorsByStrength) {
    EXPECT_EQ(expression("1 + 2 * 3"), "(1 + (2 * 3))");
    EXPECT_EQ(expression("1 - 2 - 3"), "((1 - 2) - 3)");
    EXPECT_EQ(expression("5 > 3 == 1"), "((5 > 3) == 1)");
    EXPECT_EQ(expression("1 | 2 ^ 3 & 4 == 5"), "(1 | (2 ^ (3 & (4 == 5))))");
    EXPECT_EQ(expression("1 || 2 && 3"), "(1 || (2 && 3))");
    EXPECT_EQ(expression("1 << 2 + 3"), "(1 << (2 + 3))");
    EXPECT_EQ(expression("-~!1 * *2"), "(-~!1 * *2)");
    EXPECT_EQ(expression("(1 + 2) * 3"), "((1 + 2) * 3)");
}

TEST(Parser, BuildsStatements) {
    const Parsed parsed = parse_text(
        "if (1) { } elsif (2) { } else if (3) { } else { } while (1) { break; } do { } while (1);"
        "for (i = 0; i < 3; i++) { continue; } int n = 5, m; a_b = x = y = 2; return;");
    ASSERT_TRUE(parsed.diagnostics.empty()) << parsed.diagnostics[0].text();
    const auto& list = parsed.script.statements;
    ASSERT_EQ(list.size(), 7u);
    EXPECT_EQ(list[0]->arms.size(), 4u);
    EXPECT_EQ(list[4]->declarators.size(), 2u);
    EXPECT_EQ(list[5]->targets.size(), 3u);
    EXPECT_EQ(list[6]->kind, StatementKind::kReturn);
}

TEST(Parser, FindsEveryIndependentError) {
    const Parsed parsed = parse_text("x = ;\ny = 1\nz = (2;\nif (1) { v = ; }\nw = 3;");
    ASSERT_EQ(parsed.diagnostics.size(), 4u);
    EXPECT_EQ(parsed.diagnostics[0].line, 1u);
    EXPECT_EQ(parsed.diagnostics[1].line, 2u);
    EXPECT_EQ(parsed.diagnostics[1].column, 6u) << "where the ';' is missing";
    EXPECT_EQ(parsed.diagnostics[2].line, 3u);
    EXPECT_EQ(parsed.diagnostics[3].line, 4u);
}

TEST(Parser, ExplainsWhatIsWrong) {
    EXPECT_EQ(first_error("++x;"), "'++' stands behind a variable, not in front");
    EXPECT_EQ(first_error("if (1) x = 2;"), "expected '{'");
    EXPECT_EQ(first_error("}"), "unexpected '}'");
    EXPECT_EQ(first_error("x;"), "'x' alone is no statement; to see a value use print()");
    EXPECT_EQ(first_error("long double x;"), "these words make no type");
    EXPECT_EQ(first_error("short char x;"), "these words make no type");
    EXPECT_EQ(first_error("int rax;"), "'rax' is a register and cannot be a name");
    EXPECT_EQ(first_error("return 5;"), "'return' with a value outside of a function");
    EXPECT_EQ(first_error("goto x;"), "expected a statement, not 'goto'");
}

TEST(Parser, LimitsNesting) {
    EXPECT_EQ(first_error("x = " + std::string(300, '(') + "1" + std::string(300, ')') + ";"),
              "nested too deeply");
    EXPECT_EQ(first_error("x = " + std::string(300, '~') + "1;"), "nested too deeply");
    EXPECT_EQ(first_error(std::string(300, '{') + std::string(300, '}')), "nested too deeply");
    EXPECT_EQ(first_error("int " + std::string(100'000, '*') + "x;"), "nested too deeply");
    EXPECT_EQ(first_error("x = (int " + std::string(300, '*') + ")1;"), "nested too deeply");
    EXPECT_EQ(
        first_error("int x[2] = " + std::string(300, '{') + "1" + std::string(300, '}') + ";"),
        "nested too deeply");
    std::string sum = "x = 1";
    for (u32 i = 0; i < 3000; ++i)
        sum += "+1";
    EXPECT_EQ(first_error(sum + ";"), "expression is too long");
    EXPECT_EQ(first_error(std::string(150, '{') + "x = 1;" + std::string(150, '}')), "");
}

}  // namespace
}  // namespace ringside::language
