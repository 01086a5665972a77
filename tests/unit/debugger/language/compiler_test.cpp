// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/compiler.hpp"

#include <gtest/gtest.h>

#include <map>

#include "language/disassembler.hpp"
#include "script/program.hpp"
#include "script/verifier.hpp"

namespace ringside::language {
namespace {

CompileOutput compile_text(std::string_view text, bool in_event = false) {
    CompileOptions options;
    options.file_name = "file.ds";
    options.in_event = in_event;
    return compile(text, options);
}

std::string first_message(std::string_view text, bool in_event = false) {
    const CompileOutput output = compile_text(text, in_event);
    return output.diagnostics.empty() ? "" : output.diagnostics[0].message;
}

TEST(Compiler, WritesMessagesInTheDocumentedForm) {
    const CompileOutput output = compile_text("x = 1;\n\n printf(\"%d\\n\", nope);");
    EXPECT_FALSE(output.ok);
    EXPECT_TRUE(output.image.empty());
    ASSERT_EQ(output.diagnostics.size(), 1u);
    EXPECT_EQ(output.diagnostics[0].text(),
              "line 3, column 17 (file.ds): unresolved variable 'nope'\n"
              "  printf(\"%d\\n\", nope);\n"
              "                 ^");
    EXPECT_STREQ(code_text(output.diagnostics[0].code), "S008");
}

TEST(Compiler, KeepsTabsInTheMarkerLine) {
    EXPECT_EQ(compile_text("\tx = y;").diagnostics[0].text(),
              "line 1, column 6 (file.ds): unresolved variable 'y'\n \tx = y;\n \t    ^");
}

TEST(Compiler, ReportsAtMostTwentyErrorsAndThenWarnings) {
    std::string text = "rbx = 1;\n";
    for (u32 i = 0; i < 30; ++i)
        text += "x = nope" + std::to_string(i) + ";\n";
    const CompileOutput output = compile_text(text);
    ASSERT_EQ(output.diagnostics.size(), 21u);
    EXPECT_TRUE(output.diagnostics[19].is_error());
    EXPECT_FALSE(output.diagnostics[20].is_error());
}

TEST(Compiler, Warns) {
    EXPECT_EQ(first_message("rbx = 1;"), "'rbx' is the register '@rbx'");
    EXPECT_EQ(first_message("x = cf;"), "'cf' is the register '@cf'; for the number write '0cf'");
    EXPECT_EQ(first_message("if ($pid) { x = 1; } y = x;"),
              "'x' may not be assigned here; it is 0 then");
    EXPECT_EQ(first_message("if ($pid) { x = 1; } else { x = 2; } y = x;"), "");
    EXPECT_EQ(first_message("while (1) { x = 1; if ($pid) { break; } } y = x;"), "");
    EXPECT_EQ(first_message("while (1) { }"),
              "this loop has no 'break'; only the instruction budget ends it");
    EXPECT_EQ(first_message("return; x = 1;"), "this is never reached");
    EXPECT_EQ(first_message("x = 1; if (x < 0) { }"), "an unsigned value is never below 0");
    EXPECT_EQ(first_message("if (@rip > 7fffffffffff) { }").substr(0, 20), "registers are signed");
    EXPECT_EQ(first_message("x = $peb;"), "'$peb' is always 0: Linux has no such block");
    EXPECT_EQ(first_message("int x = 123456789;"), "this value does not fit in 'int'");
    EXPECT_EQ(first_message(".g = 1; .g *= 2;", true),
              "this update of a shared variable is not atomic; other cores may interfere");
    EXPECT_EQ(first_message(".g = 1; .g += 2;", true), "");
    EXPECT_EQ(first_message("x = 1 << 40;").substr(0, 11), "shift count");
}

class Includes : public testing::Test {
protected:
    CompileOutput compile_files(std::string_view text) {
        CompileOptions options;
        options.file_name = "main.ds";
        options.load_file = [this](const std::string& path, const std::string& from) {
            asked_ += path + " from " + from + '\n';
            const auto found = files_.find(path);
            return found == files_.end() ? IncludedFile{path, {}, "No such file or directory"}
                                         : IncludedFile{path, found->second, {}};
        };
        return compile(text, options);
    }
    std::string message(std::string_view text) {
        const CompileOutput output = compile_files(text);
        return output.diagnostics.empty() ? "" : output.diagnostics[0].text();
    }
    std::map<std::string, std::string> files_;
    std::string asked_;
};

TEST_F(Includes, BringFunctionsAndStatementsOnce) {  // script language section 13
    files_["lib/one.ds"] = "? { #include \"two.ds\"\n int one() { return two() - 1; } }";
    files_["two.ds"] = "int two() { return 2; } .loaded++;";
    const CompileOutput output = compile_files(
        "#include \"lib\\one.ds\";\n#include \"two.ds\"\n#include \"lib/one.ds\"\nx = one();");
    EXPECT_TRUE(output.ok) << output.text();
    EXPECT_EQ(asked_,
              "lib/one.ds from main.ds\ntwo.ds from lib/one.ds\ntwo.ds from main.ds\n"
              "lib/one.ds from main.ds\n");
    u32 updates = 0;
    const script::ProgramView program{output.image.data()};
    for (u32 i = 0; i < program.code_count(); ++i)
        updates += program.code()[i].op == RS_OP_GLOBAL_ADD_I;
    EXPECT_EQ(updates, 1u) << "each file once";
}

TEST_F(Includes, AreNamedInMessages) {
    files_["bad.ds"] = "y = 1;\nx = nope;\n";
    EXPECT_EQ(message("\n#include \"bad.ds\"\n"),
              "line 2, column 5 (bad.ds): unresolved variable 'nope'\n x = nope;\n     ^");
    EXPECT_EQ(message("x = 1; #include \"none.ds\""),
              "line 1, column 17 (main.ds): cannot include 'none.ds': No such file or directory\n"
              " x = 1; #include \"none.ds\"\n                 ^");
    EXPECT_EQ(first_message("#include \"x\""), "files cannot be included here");
    EXPECT_EQ(first_message("#include x"), "expected a path in quotes behind '#include'");
}

TEST_F(Includes, AreNamedByRunTimeErrors) {  // script language section 15
    files_["lib/one.ds"] = "\nlong first(long at) { return dq(at); }";
    const CompileOutput output = compile_files("#include \"lib/one.ds\"\nx = first(5) + db(6);");
    ASSERT_TRUE(output.ok) << output.text();
    const script::ProgramView program{output.image.data()};
    const auto told_at = [&](rs_script_opcode op) {
        u32 pc = 0;
        while (program.code()[pc].op != op)
            ++pc;
        return describe_runtime_error(
            {.error = RS_SCRIPT_INVALID_ADDRESS, .pc = pc, .value = 5, .in_event = true},
            output.lines);
    };
    const std::string address = "script stopped: invalid address 0000000000000005 in ";
    EXPECT_EQ(told_at(RS_OP_LOAD64),
              address + "dq() at line 2, column 30 of lib/one.ds (event 0x0, core 0)");
    EXPECT_EQ(told_at(RS_OP_LOAD8), address + "db() at line 2, column 16 (event 0x0, core 0)");
}

TEST_F(Includes, AreBounded) {
    for (u32 i = 0; i < 20; ++i)
        files_["f" + std::to_string(i)] = "#include \"f" + std::to_string(i + 1) + "\"\n";
    EXPECT_NE(message("#include \"f0\"").find("files are included 16 deep"), std::string::npos);
    files_["self"] = "#include \"self\"\n";
    EXPECT_EQ(message("#include \"self\""), "");
    files_["long"] = std::string(0x100001, ' ');
    EXPECT_NE(message("#include \"long\"").find("longer than 1 MiB"), std::string::npos);
    for (u32 i = 0; i < 20; ++i)
        files_["long" + std::to_string(i)] = std::string(0x100000, ' ');
    std::string all;
    for (u32 i = 0; i < 20; ++i)
        all += "#include \"long" + std::to_string(i) + "\"\n";
    EXPECT_NE(message(all).find("too long together"), std::string::npos);
}

TEST(Compiler, KnowsTheSessionsGlobals) {
    const std::vector<KnownGlobal> known{{"seen", {}}};
    CompileOptions options;
    options.known_globals = known;
    EXPECT_TRUE(compile("print(.seen);", options).ok);
    EXPECT_EQ(compile("print(.sene);", options).diagnostics[0].message,
              "unresolved global variable '.sene'; did you mean '.seen'?");
    const CompileOutput output = compile(".other = .seen; .third++;", options);
    EXPECT_EQ(output.globals_assigned.size(), 2u);
}

class Symbols : public SymbolResolver {
public:
    virtual ~Symbols() = default;
    std::optional<u64> find_symbol(std::string_view name) const override {
        return name == "nt!jiffies" ? std::optional<u64>{0xffff'ffff'8000'1000} : std::nullopt;
    }
};

TEST(Compiler, ResolvesSymbols) {
    const Symbols symbols;
    CompileOptions options;
    options.symbols = &symbols;
    const CompileOutput output = compile("x = dq(nt!jiffies);", options);
    ASSERT_TRUE(output.ok) << output.text();
    EXPECT_NE(disassemble(output.image).find("0xffffffff80001000"), std::string::npos);
    EXPECT_FALSE(compile("x = nt!nothing;", options).ok);
}

TEST(Compiler, MarksProgramsWithoutEffects) {
    const auto flags = [](std::string_view text) {
        return script::ProgramView{compile_text(text).image.data()}.header().flags;
    };
    EXPECT_EQ(flags("x = @rax == 5 && $pid == 3;"), RS_SCRIPTF_CONDITION);
    EXPECT_EQ(flags(".g = 1;"), 0u);
    EXPECT_EQ(flags("print(1);"), 0u);
}

TEST(Compiler, FusesCompareAndJump) {
    const CompileOutput output =
        compile_text("s = 0; for (i = 0; i < 0n1000; i++) { s = s + i; } print(s);");
    ASSERT_TRUE(output.ok);
    EXPECT_EQ(disassemble(output.image),
              "    0  IMMEDIATE      r0, 0x0\n"
              "    1  IMMEDIATE      r1, 0x0\n"
              "    2  JGE_UI         r1, 1000, -> 6\n"
              "    3  ADD            r0, r0, r1\n"
              "    4  ADD_I          r1, r1, 1\n"
              "    5  JLT_UI         r1, 1000, -> 3\n"
              "    6  MOVE           r3, r0\n"
              "    7  CALL_BUILTIN   r2, r3, print()\n"
              "    8  RETURN\n");
}

TEST(Compiler, FoldsConstants) {
    const CompileOutput output = compile_text("x = (1 + 2) * 3 << 4 | sizeof(int) - (-1 > 0);");
    ASSERT_TRUE(output.ok);
    EXPECT_EQ(disassemble(output.image).substr(0, 30), "    0  IMMEDIATE      r0, 0x94");
}

TEST(Compiler, ShortCircuitsOnlyInEvents) {
    EXPECT_TRUE(compile_text("event_sc(1);", true).ok);
    EXPECT_FALSE(compile_text("event_sc(1);", false).ok);
}

TEST(Compiler, KeepsToTheLimits) {
    EXPECT_EQ(first_message(std::string(0x100001, ' ')), "script is longer than 1 MiB");
    std::string many;
    for (u32 i = 0; i < 2049; ++i)
        many += "v" + std::to_string(i) + "=1;";
    EXPECT_EQ(first_message(many), "too many variables");
    std::string long_text = "@rax = 1;";
    for (u32 i = 0; i < 20000; ++i)
        long_text += "@rax = 2;";
    EXPECT_EQ(first_message(long_text, true), "script is too large for one event");
    CompileOptions options;
    options.max_image_bytes = ~0u;
    EXPECT_TRUE(compile(long_text, options).ok);
    for (u32 i = 0; i < 20000; ++i)
        long_text += "@rax = 2;";
    EXPECT_EQ(compile(long_text, options).diagnostics[0].message,
              "script is too large: too many instructions");
}

TEST(LineTable, DescribesRunTimeErrors) {
    const CompileOutput output = compile_text("x = 5;\ny = 1 + dq(x);");
    u32 pc = 0;
    const script::ProgramView program{output.image.data()};
    while (program.code()[pc].op != RS_OP_LOAD64)
        ++pc;
    const RuntimeErrorReport report{.error = RS_SCRIPT_INVALID_ADDRESS,
                                    .pc = pc,
                                    .value = 0xffff'ffff'0000'0000,
                                    .in_event = true,
                                    .event_id = 2,
                                    .core = 3};
    EXPECT_EQ(describe_runtime_error(report, output.lines),
              "script stopped: invalid address ffffffff00000000 in dq() at line 2, column 9 "
              "(event 0x2, core 3)");
    EXPECT_EQ(describe_runtime_error({.error = RS_SCRIPT_BUDGET, .pc = 999}, {}),
              "script stopped: instruction budget used up");
}

TEST(Disassembler, RefusesWhatTheVerifierRefuses) {
    const std::vector<u8> nothing(100);
    EXPECT_EQ(disassemble(nothing), "refused at instruction 0: not a script image\n");
}

}  // namespace
}  // namespace ringside::language
