// SPDX-License-Identifier: GPL-3.0-or-later
// Every example line of the reference system's command documentation (specification section 1,
// "Check"). The cases lie beside the source tree where they are present, and are not part of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "commands/token.hpp"

namespace ringside::commands {
namespace {

TEST(ScanCommand, AgreesWithTheReferenceSystemsTestCases) {
    const auto root = std::filesystem::path{__FILE__} / "../../../../..";
    std::ifstream file{root.lexically_normal() /
                       "../shared/conformance/command-parser/cases.jsonl"};
    if (!file)
        GTEST_SKIP() << "conformance/command-parser/cases.jsonl is not beside the source tree";
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) {
        const auto item = nlohmann::json::parse(line);
        const auto command = item.at("command").get<std::string>();
        const Scan scan = scan_command(command);
        std::vector<std::string> texts;
        for (const Token& token : scan.tokens)
            texts.push_back(token.text);
        EXPECT_EQ(texts, item.at("tokens").get<std::vector<std::string>>())
            << item.at("id") << ": " << command;
        EXPECT_EQ(scan.open, Open::kNothing) << item.at("id");
        ++count;
    }
    EXPECT_GT(count, 100u);
}

}  // namespace
}  // namespace ringside::commands
