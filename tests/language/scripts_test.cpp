// SPDX-License-Identifier: GPL-3.0-or-later
// Runs the scripts of tests/language/scripts and the examples of docs/language.md. A script tells
// in comments what it does:
//   // expect: text          a line it prints
//   // expect error: text    the run-time error holds this text
//   // refused: text         the compiler's messages hold this text, and nothing runs
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "language/evaluator.hpp"
#include "language/names.hpp"
#include "support/script_guest.hpp"

namespace ringside::language {
namespace {

struct Expectations {
    std::string output;
    std::vector<std::string> errors;
    std::vector<std::string> refusals;
    bool any = false;
};

Expectations read_expectations(const std::string& script) {
    Expectations expectations;
    std::istringstream lines{script};
    for (std::string line; std::getline(lines, line);) {
        const auto after = [&](std::string_view mark) -> std::optional<std::string> {
            const usize at = line.find(mark);
            return at == std::string::npos ? std::nullopt
                                           : std::optional{line.substr(at + mark.size())};
        };
        if (const auto text = after("// expect: "))
            expectations.output += *text + '\n';
        else if (const auto error = after("// expect error: "))
            expectations.errors.push_back(*error);
        else if (const auto refusal = after("// refused: "))
            expectations.refusals.push_back(*refusal);
        else
            continue;
        expectations.any = true;
    }
    return expectations;
}

void run_script(const std::string& script) {
    const Expectations expectations = read_expectations(script);
    ASSERT_TRUE(expectations.any) << "the script expects nothing";
    test::ScriptGuest guest;
    guest.map(0xffff'8880'0010'0000, "ringside");
    guest.registers[RS_FULL_RDI] = 0xffff'8880'0010'0000;
    guest.registers[RS_FULL_RAX] = 0x1122'3344'5566'7788;
    guest.task[script::TaskValue::kComm] = 0xffff'8880'0010'0000;
    guest.task[script::TaskValue::kPid] = 0x4d2;
    Evaluator evaluator;
    const EvaluateOutput output = evaluator.evaluate(script, guest);
    EXPECT_EQ(output.compiled.ok, expectations.refusals.empty()) << output.error;
    for (const std::string& refusal : expectations.refusals)
        EXPECT_NE(output.error.find(refusal), std::string::npos)
            << "wanted: " << refusal << "\ngot: " << output.error;
    if (!output.compiled.ok)
        return;
    EXPECT_EQ(output.text, expectations.output);
    EXPECT_EQ(output.ok, expectations.errors.empty()) << output.error;
    for (const std::string& error : expectations.errors)
        EXPECT_NE(output.error.find(error), std::string::npos)
            << "wanted: " << error << "\ngot: " << output.error;
}

std::string read_file(const std::string& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<std::string> script_files() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{RINGSIDE_SCRIPTS})
        if (entry.path().extension() == ".ds")
            files.push_back(entry.path().stem().string());
    std::sort(files.begin(), files.end());
    return files;
}

class LanguageScript : public testing::TestWithParam<std::string> {};

TEST_P(LanguageScript, DoesWhatItsCommentsSay) {
    run_script(read_file(RINGSIDE_SCRIPTS "/" + GetParam() + ".ds"));
}

INSTANTIATE_TEST_SUITE_P(Files, LanguageScript, testing::ValuesIn(script_files()),
                         [](const auto& file) { return file.param; });

/// A decision's name and its script.
struct Decision {
    std::string name;
    std::string script;
};

std::vector<Decision> decisions() {
    std::vector<Decision> all;
    std::istringstream lines{read_file(RINGSIDE_DECISIONS)};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("== "))
            all.push_back({line.substr(3), ""});
        else if (!all.empty())
            all.back().script += line + '\n';
    }
    return all;
}

class LanguageDecision : public testing::TestWithParam<Decision> {};

TEST_P(LanguageDecision, Holds) {
    run_script(GetParam().script);
}

INSTANTIATE_TEST_SUITE_P(Section19, LanguageDecision, testing::ValuesIn(decisions()),
                         [](const auto& decision) {
                             std::string name = decision.param.name;
                             std::ranges::replace(name, ' ', '_');
                             return name;
                         });

TEST(LanguageDecisions, AreAllThere) {
    std::set<std::string> names;
    for (const Decision& decision : decisions())
        names.insert(decision.name);
    for (u32 number = 1; number <= 36; ++number)
        EXPECT_TRUE(names.contains("D" + std::to_string(number))) << number;
}

TEST(LanguageScripts, UseEveryFunctionAndPseudoRegister) {
    std::string all;
    for (const std::string& name : script_files())
        all += read_file(RINGSIDE_SCRIPTS "/" + name + ".ds");
    for (const Function& function : functions())
        EXPECT_NE(all.find(std::string{function.name} + "("), std::string::npos) << function.name;
    for (const std::string& name : all_names())
        if (name[0] == '$') {
            EXPECT_NE(all.find(name), std::string::npos) << name;
        }
}

TEST(LanguageDocument, EveryExampleDoesWhatItsCommentsSay) {
    const std::string document = read_file(RINGSIDE_EXAMPLES);
    const std::string fence = "```ds\n";
    u32 count = 0;
    for (usize at = document.find(fence); at != std::string::npos; at = document.find(fence, at)) {
        at += fence.size();
        const std::string script = document.substr(at, document.find("```", at) - at);
        SCOPED_TRACE(script);
        run_script(script);
        ++count;
    }
    EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace ringside::language
