// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/conformance.hpp"

#include <cerrno>
#include <cstdlib>
#include <map>

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

/// What a case says it needs besides its environment (README of the conformance cases).
class Needs : public SymbolResolver {
public:
    explicit Needs(const json& needs) {
        const json symbols = needs.value("symbols", json::object());
        u64 next = 0xffff'8881'0000'0000;
        for (const auto& [name, value] : symbols.items()) {
            symbols_[name] = value_of(value).value_or(next);
            next += 0x10;
        }
        for (const char* key : {"include", "includes", "files"})
            if (needs.contains(key) && needs[key].is_object())
                for (const auto& [path, text] : needs[key].items())
                    files_[path] = text.get<std::string>();
    }
    virtual ~Needs() = default;

    std::optional<u64> find_symbol(std::string_view name) const override {
        const auto found = symbols_.find(name);
        return found == symbols_.end() ? std::nullopt : std::optional{found->second};
    }
    IncludedFile load(const std::string& path) const {
        const auto found = files_.find(path);
        return found == files_.end() ? IncludedFile{path, {}, "No such file or directory"}
                                     : IncludedFile{path, found->second, {}};
    }

private:
    /// A number, or hexadecimal digits; other texts describe what any address will do for.
    static std::optional<u64> value_of(const json& value) {
        if (value.is_number_unsigned())
            return value.get<u64>();
        const std::string text = value.is_string() ? value.get<std::string>() : "";
        char* end = nullptr;
        const u64 number = std::strtoull(text.c_str(), &end, 16);
        return !text.empty() && *end == '\0' ? std::optional{number} : std::nullopt;
    }

    std::map<std::string, u64, std::less<>> symbols_;
    std::map<std::string, std::string> files_;
};

}  // namespace

CaseOutcome run_case(const json& test_case) {
    test::ScriptGuest guest;
    set_up(guest, test_case.value("env", "std"));
    const json needs = test_case.value("needs", json::object());
    if (needs.contains("pname")) {
        guest.map(0xffff'8885'0000'0000, needs["pname"].get<std::string>() + '\0');
        guest.task[script::TaskValue::kComm] = 0xffff'8885'0000'0000;
        guest.registers[RS_FULL_RIP] = 0x40'1000;  // the name is cut as the kernel's is
    }
    const Needs found{needs};
    CompileOptions options;
    options.symbols = &found;
    options.load_file = [&](const std::string& path, const std::string&) {
        return found.load(path);
    };
    options.in_event = true;
    options.max_image_bytes = ~u32{0};
    const CompileOutput output = compile(test_case["script"].get<std::string>(), options);

    CaseOutcome outcome;
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
    if (!script::link(image, *table)) {
        outcome.error = RS_SCRIPT_BAD_PROGRAM;
        return outcome;
    }
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

bool is_expected(const json& test_case, const CaseOutcome& outcome) {
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

}  // namespace ringside::language
