// SPDX-License-Identifier: GPL-3.0-or-later
// Machine code against the interpreter: the same text, result, error, place and count of
// operations, the same variables and registers afterwards.
#include "script/machine_code.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "language/compiler.hpp"
#include "language/executable.hpp"
#include "script/globals.hpp"
#include "script/verifier.hpp"
#include "support/scale.hpp"
#include "support/script_guest.hpp"

namespace ringside::language {
namespace {

/// Everything one run leaves.
struct Traces {
    script::RunResult result;
    std::string text;
    std::vector<std::string> calls;
    std::vector<u64> slots;
    std::vector<u64> registers;
    std::vector<u8> memory;
    std::vector<u8> data;

    std::string describe() const {
        return "error " + std::to_string(result.error) + " pc " + std::to_string(result.pc) +
               " value " + std::to_string(result.value) + " operations " +
               std::to_string(result.operations) + " last " + std::to_string(result.last_value) +
               "\n" + text;
    }
    bool operator==(const Traces& other) const {
        return describe() == other.describe() && calls == other.calls && slots == other.slots &&
               registers == other.registers && memory == other.memory && data == other.data;
    }
};

constexpr u64 kMemory = 0xffff'8881'0000'0000;

class MachineCode : public testing::Test {
protected:
    Traces run(std::vector<u8> image, u64 budget, bool by_machine_code) {
        test::ScriptGuest guest;
        guest.map(kMemory, std::vector<u8>(64, 0x41));
        for (u32 i = 0; i < 16; ++i)
            guest.registers[i] = u64{0x1111'1111'1111'1111} * i;
        guest.registers[RS_FULL_RDI] = kMemory;
        const auto table = std::make_unique<script::GlobalTable>();
        EXPECT_TRUE(script::link(image, *table));
        std::vector<u64> slots(RS_SCRIPT_MAX_GLOBALS);
        test::RecordingHooks hooks;
        script::RunContext context;
        context.budget = budget;
        context.in_event = true;
        context.context = 0x30;
        const script::ProgramView program{image.data()};
        const script::GlobalStore globals{slots.data(), RS_SCRIPT_MAX_GLOBALS};
        // Addresses of local variables hold the number of the run.
        frame_->run_number = 0;
        Traces all;
        if (by_machine_code) {
            EXPECT_TRUE(executable_.make(program));
            all.result = script::run_machine_code(executable_.code(), program, *frame_, context,
                                                  guest, hooks, globals);
        } else {
            all.result = script::run(program, *frame_, context, guest, hooks, globals);
        }
        all.text = hooks.text;
        all.calls = hooks.calls;
        all.slots = slots;
        all.registers.assign(std::begin(guest.registers), std::end(guest.registers));
        all.memory = guest.area(kMemory);
        all.data.assign(program.data(), program.data() + program.data_bytes());
        return all;
    }

    /// Both ways, with the given budget and with every smaller one that ends in between.
    void compare(const std::vector<u8>& image, const std::string& what, u64 budget = 20'000) {
        const Traces expected = run(image, budget, false);
        const Traces got = run(image, budget, true);
        ASSERT_EQ(got.describe(), expected.describe()) << what;
        ASSERT_TRUE(got == expected) << what;
        for (const u64 less : {expected.result.operations / 2, expected.result.operations - 1,
                               expected.result.operations, u64{1}, u64{0}})
            if (less < budget) {
                ASSERT_EQ(run(image, less, true).describe(), run(image, less, false).describe())
                    << what << "\nbudget " << less;
            }
    }

    void compare_text(const std::string& text) {
        CompileOptions options;
        options.in_event = true;
        options.max_image_bytes = ~u32{0};
        const CompileOutput output = compile(text, options);
        if (output.ok)
            compare(output.image, text);
    }

    const std::unique_ptr<script::Frame> frame_ = std::make_unique<script::Frame>();
    Executable executable_;
    std::mt19937_64 random_{42};
};

TEST_F(MachineCode, AgreesOnTheLanguagesOwnScripts) {
    u32 count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{RINGSIDE_SCRIPTS}) {
        std::ifstream file{entry.path()};
        std::string text{std::istreambuf_iterator<char>{file}, {}};
        if (text.find("rdtsc") != std::string::npos || text.find("$time") != std::string::npos)
            continue;
        compare_text(text);
        ++count;
    }
    EXPECT_GT(count, 20u);
}

TEST_F(MachineCode, AgreesOnEveryOperationAtItsEdges) {
    const char* const kOperators[] = {"+",  "-",  "*",  "/",  "%", "&", "|",  "^",
                                      "<<", ">>", "==", "!=", "<", ">", "<=", ">="};
    const char* const kTypes[] = {"char",   "unsigned char", "short", "unsigned short",
                                  "int",    "unsigned int",  "long",  "unsigned long",
                                  "double", "float"};
    const char* const kValues[] = {"0",
                                   "1",
                                   "-1",
                                   "2",
                                   "1f",
                                   "20",
                                   "3f",
                                   "40",
                                   "7f",
                                   "80",
                                   "ff",
                                   "7fff",
                                   "8000",
                                   "7fffffff",
                                   "80000000",
                                   "ffffffff",
                                   "7fffffffffffffff",
                                   "8000000000000000",
                                   "ffffffffffffffff"};
    const auto any = [&](const auto& list) { return list[random_() % std::size(list)]; };
    const u32 rounds = test::is_full_run() ? 100'000 : 3000;
    for (u32 i = 0; i < rounds; ++i) {
        const std::string operation = any(kOperators), value = any(kValues);
        std::string text = std::string{any(kTypes)} + " x = " + any(kValues) + "; " + any(kTypes) +
                           " y = " + value + ";\n";
        text += "z = x " + operation + " y; .z = z; printf(\"%llx\\n\", z);\n";
        text += "if (x " + operation + " " + any(kValues) + ") { .z++; } else { .z--; }\n";
        text += "x++; y = x; while (y > 0 && .n < 5) { .n++; y -= 1; }\nprint(.n); .n = 0;";
        compare_text(text);
        if (HasFatalFailure())
            return;
    }
}

TEST_F(MachineCode, AgreesOnRandomPrograms) {
    // Random instructions over few registers; what the verifier takes is run both ways.
    const u32 rounds = test::is_full_run() ? 300'000 : 6000;
    const CompileOutput base = compile(
        "static int kept = 1; kept++; .g += 2; printf(\"%d %s\\n\", .g, \"text\"); x = "
        "1234567890abcdef; "
        "long deep(long n) { if (n > 3) { return n; } return deep(n + 1); } y = deep(x & 1); "
        "while (x) { x >>= 4; .g ^= x; } for (i = 0; i < 3; i++) { eq(@rdi, i); z = dq(@rdi); } "
        "t = z; u = t; v = u; w = v;",
        {});
    ASSERT_TRUE(base.ok) << base.text();
    const script::ProgramView program{base.image.data()};
    const usize code_start = program.header().code.offset;
    u32 accepted = 0;
    for (u32 round = 0; round < rounds; ++round) {
        std::vector<u8> image = base.image;
        for (u64 changes = 1 + random_() % 4; changes > 0; --changes) {
            rs_script_instruction in;
            in.op = static_cast<u16>(random_() % RS_OPCODE_COUNT);
            in.a = static_cast<u16>(random_() % (random_() % 4 == 0 ? 70 : 8));
            in.b = static_cast<u16>(random_() % (random_() % 4 == 0 ? 70 : 8));
            in.c = static_cast<u16>(random_() % (random_() % 4 == 0 ? 70 : 8));
            if (in.op == RS_OP_CALL_BUILTIN && in.c == RS_BUILTIN_RDTSC)
                continue;
            std::memcpy(image.data() + code_start + random_() % program.code_count() * 8, &in, 8);
        }
        if (!script::verify(image, {}))
            continue;
        ++accepted;
        compare(image, "round " + std::to_string(round), 5000);
        if (HasFatalFailure())
            return;
    }
    EXPECT_GT(accepted, rounds / 20);
}

TEST_F(MachineCode, IsMeasuredBeforeThereIsRoom) {
    CompileOutput output = compile("x = 1; while (x < 5) { x++; }", {});
    const auto table = std::make_unique<script::GlobalTable>();
    ASSERT_TRUE(script::link(output.image, *table));
    const script::ProgramView program{output.image.data()};
    std::vector<u32> offsets(program.code_count());
    const usize bytes = script::translate(program, {}, offsets);
    std::vector<u8> code(bytes + 8, 0xa5);
    EXPECT_EQ(script::translate(program, std::span{code}.first(bytes), offsets), bytes);
    EXPECT_EQ(script::translate(program, std::span{code}.first(bytes - 1), offsets), bytes);
    for (usize i = bytes; i < code.size(); ++i)
        EXPECT_EQ(code[i], 0xa5);
}

}  // namespace
}  // namespace ringside::language
