// SPDX-License-Identifier: GPL-3.0-or-later
// Runs every conformance case of the script language. Cases that use a part of the language that
// is not available yet must say so; all others must give what the case expects.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <map>

#include "language/conformance.hpp"

namespace ringside::language {
namespace {

using nlohmann::json;

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
        const CaseOutcome outcome = run_case(test_case);
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
