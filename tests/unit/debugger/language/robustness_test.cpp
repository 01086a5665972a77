// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes in, an image or an error out; any image in, a verdict and a run that ends. Seeds are
// fixed, so that a failure repeats.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "language/compiler.hpp"
#include "language/names.hpp"
#include "script/globals.hpp"
#include "script/verifier.hpp"
#include "script/vm.hpp"
#include "support/script_guest.hpp"

namespace ringside::language {
namespace {

class Robustness : public testing::Test {
protected:
    /// Links and runs an accepted image with a small budget.
    void run(std::vector<u8> image) {
        table_->clear();
        if (!script::link(image, *table_))
            return;
        test::ScriptGuest guest;
        guest.map(0x1000, std::vector<u8>(0x1000, 'x'));
        guest.ticks_a_look = 100;  // a lock nobody frees is given up at the second look
        test::RecordingHooks hooks;
        script::RunContext context;
        context.budget = 2000;
        context.lock_limit_ticks = 100;
        context.in_event = true;
        script::run(script::ProgramView{image.data()}, *frame_, context, guest, hooks,
                    {slots_.data(), table_->count()});
    }

    std::mt19937_64 random_{20260101};
    std::unique_ptr<script::GlobalTable> table_ = std::make_unique<script::GlobalTable>();
    std::unique_ptr<script::Frame> frame_ = std::make_unique<script::Frame>();
    std::vector<u64> slots_ = std::vector<u64>(RS_SCRIPT_MAX_GLOBALS);
};

TEST_F(Robustness, CompilerSurvivesRandomBytes) {
    for (u32 round = 0; round < 3000; ++round) {
        std::string text(random_() % 200, '\0');
        for (char& c : text)
            c = static_cast<char>(round % 2 == 0 ? random_() : 0x20 + random_() % 0x60);
        const CompileOutput output = compile(text, {});
        EXPECT_EQ(output.ok, !output.image.empty());
        if (!output.ok) {
            EXPECT_FALSE(output.diagnostics.empty()) << text;
        }
    }
}

TEST_F(Robustness, CompilerSurvivesRandomTokensAndWhatItAcceptsRuns) {
    std::vector<std::string> words = all_names();
    for (const char* word : {"x",
                             "y",
                             "1",
                             "ff",
                             "0n9",
                             ".g",
                             "\"%d\"",
                             "\"text\"",
                             "L\"w\"",
                             "(",
                             ")",
                             "(",
                             ")",
                             "{",
                             "}",
                             ";",
                             ";",
                             ";",
                             "=",
                             "=",
                             "+",
                             "-",
                             "*",
                             "/",
                             "&",
                             "==",
                             "<",
                             "&&",
                             "||",
                             "++",
                             "+=",
                             ",",
                             "!",
                             "~",
                             "x = 1;",
                             "y = x;",
                             "print(x);",
                             "if (x) {",
                             "while (y) {",
                             "@rax",
                             "[",
                             "]",
                             ".",
                             "->",
                             "int",
                             "char",
                             "double",
                             "*",
                             "struct S",
                             "{ 1, 2 }",
                             "1.5",
                             "int t[3];",
                             "struct S { int m; char n[2]; };",
                             "t[x]",
                             "t[1] = 2;",
                             "long fun(long p) {",
                             "fun(1)",
                             "return x;",
                             "static int s = 1;",
                             "percore long c2;",
                             "typedef int T;",
                             "T",
                             "s++;",
                             "(double)",
                             "sizeof"})
        for (u32 i = 0; i < 8; ++i)
            words.emplace_back(word);
    u32 accepted = 0;
    for (u32 round = 0; round < 6000; ++round) {
        std::string text;
        for (u64 count = 1 + random_() % 20; count > 0; --count)
            text += words[random_() % words.size()] + ' ';
        const CompileOutput output = compile(text, {});
        if (output.ok) {
            ++accepted;
            run(output.image);
        }
    }
    EXPECT_GT(accepted, 10u);
}

TEST_F(Robustness, AChangedImageIsRefusedOrRunsToAnEnd) {
    CompileOptions options;
    options.in_event = true;
    const CompileOutput output = compile(
        "for (i = 0; i < 20; i++) { .g += dq(1000 + i); x = @rax * i; if (x > 5 && .g != 3) { "
        "printf(\"%d %s\\n\", x, \"text\"); } } spinlock_lock(&.l); .l = strcmp(\"a\", 1000); "
        "eq(1000, $pid / (x + 1)); event_sc(1); static int kept = 3; kept += 2; percore long own; "
        "own++; int t[5] = {1, 2}; t[x & 7] = own; struct S { char m; double n; } s; s.n = t[1] / "
        "2.5; "
        "s.m = (int)s.n; long deep(long n) { if (n > 5) { return 0; } return 1 + deep(n + 1); } "
        "printf(\"%f %d\\n\", s.n, deep(0)); struct S o = s; memcpy(&o, &s, 10);",
        options);
    ASSERT_TRUE(output.ok) << output.text();
    const usize code_start = script::ProgramView{output.image.data()}.header().code.offset;
    u32 accepted = 0;
    for (u32 round = 0; round < 10000; ++round) {
        std::vector<u8> image = output.image;
        for (u64 changes = 1 + random_() % 3; changes > 0; --changes) {
            // Half of the changes go to the code, with small values that are often in range.
            const usize start = random_() % 2 == 0 ? 0 : code_start;
            u8& byte = image[start + random_() % (image.size() - start)];
            byte = static_cast<u8>(random_() % 2 == 0 ? random_() : random_() % 16);
        }
        if (!script::verify(image, {}))
            continue;
        ++accepted;
        run(image);
    }
    EXPECT_GT(accepted, 300u);
}

}  // namespace
}  // namespace ringside::language
