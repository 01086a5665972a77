// SPDX-License-Identifier: GPL-3.0-or-later
// The conformance runner: runs every case of a file and says which fail.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "commands/token.hpp"
#include "language/conformance.hpp"

namespace ringside {
namespace {

using nlohmann::json;

constexpr int kWrongOptions = 2;

struct Verdict {
    bool passed;
    std::string expected;
    std::string got;
};

Verdict judge_script(const json& test_case) {
    const language::CaseOutcome outcome = language::run_case(test_case);
    std::string got = !outcome.compiled               ? "refused: " + outcome.messages
                      : outcome.error != RS_SCRIPT_OK ? "stopped: " + outcome.messages
                                                      : "ran";
    if (outcome.compiled)
        got += fmt::format(", value {:X}, text {}", outcome.value,
                           json(outcome.text).dump(-1, ' ', true, json::error_handler_t::replace));
    const json expect = test_case.contains("expect") ? test_case["expect"] : json{};
    return {language::is_expected(test_case, outcome),
            test_case["kind"].get<std::string>() + ' ' + (expect.is_null() ? "" : expect.dump()),
            std::move(got)};
}

Verdict judge_command(const json& test_case) {
    const auto command = test_case.at("command").get<std::string>();
    const commands::Scan scan = commands::scan_command(command);
    json tokens = json::array();
    for (const commands::Token& token : scan.tokens)
        tokens.push_back(token.text);
    const json& expected = test_case.at("tokens");
    return {tokens == expected && scan.open == commands::Open::kNothing, expected.dump(),
            tokens.dump(-1, ' ', true, json::error_handler_t::replace)};
}

std::string one_line(std::string text) {
    for (usize at = 0; (at = text.find('\n', at)) != std::string::npos;)
        text.replace(at, 1, "\\n");
    return text;
}

int run(int argc, char** argv) {
    std::string path, filter, report_path;
    bool is_command_parser = false;
    CLI::App app{"Runs the cases of a conformance file, each in a session of its own.",
                 "ringside-conformance"};
    app.footer("\nexit codes: 0 all cases pass, 1 some do not, 2 wrong options or a bad file");
    app.add_option("CASES", path, "one JSON object a line")->required();
    app.add_option("--filter", filter, "only cases whose id matches")->option_text("RE");
    app.add_option("--report", report_path, "one JSON object a case")->option_text("FILE");
    app.add_flag("--command-parser", is_command_parser, "cases of the tokenizer of command lines");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kWrongOptions;
    }
    std::ifstream cases{path};
    if (!cases) {
        fmt::print(stderr, "err, cannot read '{}'\n", path);
        return kWrongOptions;
    }
    std::ofstream report;
    if (!report_path.empty())
        report.open(report_path);
    const std::regex wanted{filter};
    u64 passed = 0, failed = 0, number = 0;
    for (std::string line; std::getline(cases, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string::npos)
            continue;
        const json test_case = json::parse(line, nullptr, false);
        const char* text = is_command_parser ? "command" : "script";
        if (!test_case.is_object() || !test_case.contains("id") || !test_case.contains(text)) {
            fmt::print(stderr, "err, line {} of '{}' is no case\n", number, path);
            return kWrongOptions;
        }
        const auto id = test_case["id"].get<std::string>();
        if (!std::regex_search(id, wanted))
            continue;
        const Verdict verdict =
            is_command_parser ? judge_command(test_case) : judge_script(test_case);
        (verdict.passed ? passed : failed) += 1;
        if (!verdict.passed)
            fmt::print("{}: expected {}, got {}\n", id, verdict.expected, one_line(verdict.got));
        if (report)
            report << json{{"id", id},
                           {"passed", verdict.passed},
                           {"expected", verdict.expected},
                           {"got", verdict.got}}
                          .dump(-1, ' ', true, json::error_handler_t::replace)
                   << '\n';
    }
    fmt::print("{} passed, {} failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
    try {
        return ringside::run(argc, argv);
    } catch (const std::exception& exception) {
        fmt::print(stderr, "err, {}\n", exception.what());
        return ringside::kWrongOptions;
    }
}
