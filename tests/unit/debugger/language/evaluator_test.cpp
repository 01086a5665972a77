// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/evaluator.hpp"

#include <gtest/gtest.h>

namespace ringside::language {
namespace {

TEST(Evaluator, GivesValueAndText) {
    Evaluator evaluator;
    ScratchGuest guest;
    const EvaluateOutput output = evaluator.evaluate("{ print(10 + 5); }", guest);
    EXPECT_TRUE(output.ok);
    EXPECT_TRUE(output.has_value());
    EXPECT_EQ(output.value(), 0x15u);
    EXPECT_EQ(output.text, "15\n");
}

TEST(Evaluator, KeepsGlobalsAndScratchRegisters) {
    Evaluator evaluator;
    ScratchGuest guest;
    EXPECT_TRUE(evaluator.evaluate(".count = 5; @rbx = 7;", guest).ok);
    EXPECT_EQ(evaluator.evaluate("print(.count + @rbx);", guest).value(), 12u);
    ASSERT_EQ(evaluator.known_globals().size(), 1u);
    EXPECT_EQ(evaluator.known_globals()[0].name, "count");
    EXPECT_FALSE(Evaluator{}.evaluate("print(.count);", guest).ok);
}

TEST(Evaluator, KeepsTypesOfGlobals) {  // script language section 5.2
    Evaluator evaluator;
    ScratchGuest guest;
    const auto text = [&](std::string_view script) {
        const EvaluateOutput output = evaluator.evaluate(script, guest);
        return output.ok ? output.text : output.error;
    };
    EXPECT_EQ(text("int .signed = -1; double .real = 3; .free = 1; long *.at = 0;"), "");
    EXPECT_EQ(text("if (.signed < 0) { printf(\"%f\", .real / 2); }"), "1.500000");
    EXPECT_EQ(text(".real = 7; .signed += 0n2;"), "");
    EXPECT_EQ(text("printf(\"%f %d\", .real, .signed);"), "7.000000 1");
    EXPECT_EQ(text("double .signed = 1;"),
              "line 1, column 8: '.signed' is of type 'int' already; '.globals clear' forgets it\n"
              " double .signed = 1;\n        ^\n");
    EXPECT_EQ(text("int .free = -2;"), "") << "untyped up to here";
    EXPECT_EQ(text("char *.at = 0; print(.free < 0);"), "1\n")
        << "pointers' types end with a script";
}

TEST(Evaluator, SaysWhyItFailed) {
    Evaluator evaluator;
    ScratchGuest guest;
    EXPECT_EQ(evaluator.evaluate("x = ;", guest).error,
              "line 1, column 5: expected a value, not ';'\n x = ;\n     ^\n");
    const EvaluateOutput output = evaluator.evaluate("print(1); print(dq(0));", guest);
    EXPECT_FALSE(output.ok);
    EXPECT_FALSE(output.has_value());
    EXPECT_EQ(output.text, "1\n");
    EXPECT_EQ(output.error,
              "script stopped: invalid address 0000000000000000 in dq() at line 1, column 17");
}

TEST(Evaluator, EndsOnRequestAndAtTheBudget) {
    Evaluator evaluator;
    ScratchGuest guest;
    EvaluateOptions options;
    options.budget = 1000;
    EXPECT_EQ(evaluator.evaluate("while (1) { }", guest, options).result.error, RS_SCRIPT_BUDGET);
    const volatile u32 stop = 1;
    options.stop = &stop;
    EXPECT_EQ(evaluator.evaluate("while (1) { }", guest, options).result.error, RS_SCRIPT_STOPPED);
}

}  // namespace
}  // namespace ringside::language
