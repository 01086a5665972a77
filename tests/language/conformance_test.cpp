// SPDX-License-Identifier: GPL-3.0-or-later
// Runs every conformance case of the script language. Cases that use a part of the language that
// is not available yet must say so; all others must give what the case expects.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "language/evaluator.hpp"
#include "script/globals.hpp"
#include "support/script_guest.hpp"

namespace ringside::language {
namespace {

using nlohmann::json;

/// The register sets of the cases: "std" and "long", or "flat".
void set_up(test::ScriptGuest& guest, const std::string& environment) {
    u64* r = guest.registers;
    if (environment == "flat") {
        constexpr script::FullRegister kOrder[] = {
            RS_FULL_RAX, RS_FULL_RCX, RS_FULL_RDX, RS_FULL_RBX, RS_FULL_RSP, RS_FULL_RBP,
            RS_FULL_RSI, RS_FULL_RDI, RS_FULL_R8,  RS_FULL_R9,  RS_FULL_R10, RS_FULL_R11,
            RS_FULL_R12, RS_FULL_R13, RS_FULL_R14, RS_FULL_R15};
        for (u64 i = 0; i < 16; ++i)
            r[kOrder[i]] = i + 1;
        return;
    }
    constexpr std::pair<script::FullRegister, u64> kValues[] = {
        {RS_FULL_RAX, 1},   {RS_FULL_RDX, 3},   {RS_FULL_RBX, 4},   {RS_FULL_RBP, 6},
        {RS_FULL_RSI, 7},   {RS_FULL_RDI, 8},   {RS_FULL_R8, 9},    {RS_FULL_R9, 0xa},
        {RS_FULL_R10, 0xb}, {RS_FULL_R11, 0xc}, {RS_FULL_R12, 0xd}, {RS_FULL_R13, 0xe}};
    for (const auto& [which, value] : kValues)
        r[which] = value;
    guest.map(0xffff'8881'0000'0000, std::vector<u8>(0x3000));
    r[RS_FULL_RCX] = 0xffff'8881'0000'1000;
    std::vector<u8> stack(0x3000);
    for (usize i = 0; i < stack.size(); ++i)
        stack[i] = static_cast<u8>(i * 7 + 3);
    guest.map(0xffff'8882'0000'0000, stack);
    r[RS_FULL_RSP] = 0xffff'8882'0000'1000;
    guest.map(0xffff'8883'0000'0000, std::string{"Hello world !\0", 14});
    r[RS_FULL_R15] = 0xffff'8883'0000'0000;
    const std::string letters =
        "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z 0 1 2 3 4 5 6 7 8 9 "
        "a b c d e f g h i j k l m n o p q r s t u v w x y z";
    std::string wide;
    for (const char c : letters)
        wide += std::string{c, '\0'};
    guest.map(0xffff'8884'0000'0000, wide + std::string(2, '\0'));
    r[RS_FULL_R14] = 0xffff'8884'0000'0000;
}

class OneSymbol : public SymbolResolver {
public:
    virtual ~OneSymbol() = default;
    std::optional<u64> find_symbol(std::string_view name) const override {
        return name == "nt!ExAllocatePoolWithTag" ? std::optional<u64>{0xffff'8881'0000'0000}
                                                  : std::nullopt;
    }
};

struct Outcome {
    bool compiled = false;
    bool lacks_feature = false;  ///< the compiler says "not available yet"
    rs_script_error error = RS_SCRIPT_OK;
    u64 value = 0;
    std::string text;
    std::string messages;
};

Outcome run_case(const json& test_case) {
    test::ScriptGuest guest;
    set_up(guest, test_case.value("env", "std"));
    const json needs = test_case.value("needs", json::object());
    if (needs.contains("pname")) {
        guest.map(0xffff'8885'0000'0000, needs["pname"].get<std::string>() + '\0');
        guest.task[script::TaskValue::kComm] = 0xffff'8885'0000'0000;
        guest.registers[RS_FULL_RIP] = 0x40'1000;  // the name is cut as the kernel's is
    }
    const OneSymbol symbols;
    CompileOptions options;
    options.symbols = &symbols;
    options.in_event = true;
    options.max_image_bytes = ~u32{0};
    const CompileOutput output = compile(test_case["script"].get<std::string>(), options);

    Outcome outcome;
    outcome.compiled = output.ok;
    outcome.messages = output.text();
    if (!output.ok) {
        // A missing part may make what follows look wrong too; a case that wants an error must
        // have one of its own.
        const bool wants_error = test_case["kind"] == "compile-error";
        usize missing = 0;
        usize errors = 0;
        for (const Diagnostic& diagnostic : output.diagnostics) {
            errors += diagnostic.is_error();
            missing += diagnostic.code == Code::kNotAvailable;
        }
        outcome.lacks_feature = wants_error ? missing == errors : missing > 0;
        return outcome;
    }
    const auto table = std::make_unique<script::GlobalTable>();
    std::vector<u8> image = output.image;
    EXPECT_TRUE(script::link(image, *table));
    std::vector<u64> slots(RS_SCRIPT_MAX_GLOBALS);
    const auto frame = std::make_unique<script::Frame>();
    test::RecordingHooks hooks;
    script::RunContext context;
    context.budget = RS_SCRIPT_EVALUATE_BUDGET;
    const script::RunResult result = script::run(script::ProgramView{image.data()}, *frame, context,
                                                 guest, hooks, {slots.data(), table->count()});
    outcome.error = result.error;
    outcome.value = result.has_value ? result.last_value : 0;
    outcome.text = hooks.text;
    if (result.error != RS_SCRIPT_OK)
        outcome.messages += describe_runtime_error(
            {.error = result.error, .pc = result.pc, .value = result.value}, output.lines);
    return outcome;
}

bool is_expected(const json& test_case, const Outcome& outcome) {
    const std::string kind = test_case["kind"];
    const json& expect = test_case.contains("expect") ? test_case["expect"] : json{};
    const bool ran = outcome.compiled && outcome.error == RS_SCRIPT_OK;
    if (kind == "output")
        return ran && outcome.text == expect.get<std::string>();
    if (kind == "contains") {
        if (!ran || outcome.text.find("was failed") != std::string::npos)
            return false;
        for (const auto& part : expect)
            if (outcome.text.find(part.get<std::string>()) == std::string::npos)
                return false;
        return true;
    }
    if (kind == "value")
        return ran && outcome.value == std::stoull(expect.get<std::string>(), nullptr, 16);
    if (kind == "compiles")
        return outcome.compiled;
    if (kind == "compile-error")
        return !outcome.compiled;
    if (kind == "runtime-error")
        return outcome.compiled && outcome.error != RS_SCRIPT_OK;
    return !ran;  // "error"
}

TEST(LanguageConformance, EveryCaseGivesItsResultOrSaysWhatIsMissing) {
    std::ifstream file{std::string{RINGSIDE_CONFORMANCE} + "/script/cases.jsonl"};
    if (!file)
        GTEST_SKIP() << "no conformance cases in " << RINGSIDE_CONFORMANCE;
    u32 total = 0;
    u32 passed = 0;
    u32 missing = 0;
    std::map<std::string, u32> missing_features;
    for (std::string line; std::getline(file, line);) {
        const json test_case = json::parse(line);
        const Outcome outcome = run_case(test_case);
        ++total;
        if (outcome.lacks_feature) {
            ++missing;
            const usize at = outcome.messages.find(": ");
            ++missing_features[outcome.messages.substr(at + 2,
                                                       outcome.messages.find('\n', at) - at - 2)];
            continue;
        }
        if (is_expected(test_case, outcome))
            ++passed;
        else
            ADD_FAILURE() << test_case["id"] << " wants " << test_case["kind"] << ' '
                          << (test_case.contains("expect") ? test_case["expect"].dump() : "")
                          << "\nscript: " << test_case["script"].get<std::string>() << "\nvalue "
                          << std::hex << outcome.value << " text: " << outcome.text << '\n'
                          << outcome.messages;
    }
    std::cout << passed << " of " << total << " cases as expected, " << missing
              << " use what is not available yet\n";
    for (const auto& [feature, count] : missing_features)
        std::cout << "  " << count << "  " << feature << '\n';
    EXPECT_GE(passed, 788u);
}

}  // namespace
}  // namespace ringside::language
