// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside::app {
namespace {

using testing::ElementsAre;

std::optional<Options> parse(std::vector<const char*> arguments, int& exit_code) {
    arguments.insert(arguments.begin(), "ringside");
    return parse_options(static_cast<int>(arguments.size()), arguments.data(), exit_code);
}

Options accepted(std::vector<const char*> arguments) {
    int exit_code = -1;
    const auto options = parse(std::move(arguments), exit_code);
    EXPECT_TRUE(options) << "exit code " << exit_code;
    return options.value_or(Options{});
}

int refused(std::vector<const char*> arguments) {
    testing::internal::CaptureStderr();
    int exit_code = -1;
    EXPECT_FALSE(parse(std::move(arguments), exit_code));
    EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::StartsWith("err, "));
    return exit_code;
}

TEST(ParseOptions, TakesCommandsInOrderOneEach) {
    const Options options = accepted({"-c", "a", "-c", "b c", "--batch"});
    EXPECT_THAT(options.commands, ElementsAre("a", "b c"));
    EXPECT_TRUE(options.batch);
    EXPECT_EQ(refused({"-c", "a", "b"}), 2);
}

TEST(ParseOptions, TakesJsonWithAnyOrigin) {
    EXPECT_TRUE(accepted({"--json", "-c", "a"}).json);
    EXPECT_TRUE(accepted({"--script", "f.ds", "--json"}).json);
    EXPECT_FALSE(accepted({"-c", "a"}).json);
}

TEST(ParseOptions, TakesAScriptWithItsArguments) {
    const Options options = accepted({"--script", "f.ds", "1", "two"});
    EXPECT_EQ(options.script_file, "f.ds");
    EXPECT_THAT(options.script_arguments, ElementsAre("f.ds", "1", "two"));
}

TEST(ParseOptions, TakesALabWithAndWithoutName) {
    EXPECT_EQ(accepted({"--lab"}).lab, "");
    EXPECT_EQ(accepted({"--lab", "two", "-c", "x"}).lab, "two");
    EXPECT_EQ(accepted({"-c", "x"}).lab, std::nullopt);
    EXPECT_EQ(accepted({"--lab", "--load"}).lab, "");
}

TEST(ParseOptions, DebuggerModeNeedsALab) {
    EXPECT_TRUE(accepted({"--lab", "two", "--debug"}).debug);
    EXPECT_TRUE(accepted({"--lab", "--debug", "--load", "--intro", "-c", "g"}).debug);
    EXPECT_FALSE(accepted({"--lab", "--load"}).debug);
    EXPECT_EQ(refused({"--debug"}), 2);
    EXPECT_EQ(refused({"--connect", "local", "--debug"}), 2);
}

TEST(ParseOptions, TakesDecimalSecondsToWait) {
    using std::chrono::seconds;
    EXPECT_EQ(accepted({"--lab", "--debug"}).halt_patience, seconds{60});
    EXPECT_EQ(accepted({"--wait", "0"}).halt_patience, seconds{0});
    EXPECT_EQ(accepted({"--wait", "010"}).halt_patience, seconds{10});
    EXPECT_EQ(accepted({"--wait=1000000"}).halt_patience, seconds{1'000'000});
    for (const char* const wrong :
         {"1000001", "0x10", "-1", "1.5", "5s", "", "0n5", "18446744073709551616"})
        EXPECT_EQ(refused({"--lab", "--debug", "--wait", wrong}), 2) << wrong;
}

TEST(ParseOptions, KnowsItsSubcommands) {
    EXPECT_EQ(accepted({"doctor"}).mode, Mode::kDoctor);
    const Options agent = accepted({"agent", "--port", "50001", "--no-key"});
    EXPECT_EQ(agent.mode, Mode::kAgent);
    EXPECT_EQ(agent.agent_port, 50001);
    EXPECT_TRUE(agent.no_key);
    EXPECT_EQ(agent.agent_serial, "");
    EXPECT_EQ(accepted({"agent", "--serial", "com2", "--key-file", "k"}).agent_serial,
              "/dev/ttyS1");
    EXPECT_EQ(refused({"agent", "--serial", "nonsense"}), 2);
    EXPECT_EQ(refused({"agent", "--serial", "ttyS1", "--port", "1"}), 2);
    EXPECT_EQ(refused({"agent", "--address", "::1", "--serial", "ttyS1"}), 2);
    const Options lab = accepted({"lab", "shell", "--help", "-x"});
    EXPECT_EQ(lab.mode, Mode::kLab);
    EXPECT_THAT(lab.lab_arguments, ElementsAre("shell", "--help", "-x"));
}

TEST(ParseOptions, RefusesWhatItDoesNotKnowWith2) {
    EXPECT_EQ(refused({"--nope"}), 2);
    EXPECT_EQ(refused({"nope"}), 2);
    EXPECT_EQ(refused({"-c"}), 2);
    EXPECT_EQ(refused({"-c", "x", "--script", "f"}), 2);
    EXPECT_EQ(refused({"--lab", "--connect", "local"}), 2);
    EXPECT_EQ(refused({"--connect", "1.2.3.4:x"}), 2);
    EXPECT_EQ(refused({"agent", "--port", "70000"}), 2);
}

TEST(SplitAddress, ReadsEveryForm) {
    struct Row {
        std::string text;
        std::string address;
        std::uint16_t port;
    };
    for (const Row& row : {Row{"1.2.3.4", "1.2.3.4", 50000}, Row{"1.2.3.4:99", "1.2.3.4", 99},
                           Row{"::1", "::1", 50000}, Row{"[::1]:99", "::1", 99},
                           Row{"[::1]", "::1", 50000}, Row{"local", "local", 50000}}) {
        std::string address;
        std::uint16_t port = 50000;
        EXPECT_TRUE(split_address(row.text, address, port)) << row.text;
        EXPECT_EQ(address, row.address);
        EXPECT_EQ(port, row.port);
    }
}

TEST(SplitAddress, RefusesBadPorts) {
    std::string address;
    std::uint16_t port = 0;
    for (const char* text :
         {"1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "[::1]x", ":5", ""})
        EXPECT_FALSE(split_address(text, address, port)) << text;
}

}  // namespace
}  // namespace ringside::app
