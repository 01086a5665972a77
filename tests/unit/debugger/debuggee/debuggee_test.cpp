// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/debuggee.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "support/fake_device.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;

class LocalDebuggee : public testing::Test {
protected:
    void SetUp() override {
        debuggee.on_message([this](const Message& message) {
            texts.emplace_back(message.text());
            kinds.push_back(message.header.kind);
            cookies.push_back(message.header.cookie);
        });
        debuggee.on_lost([this](const std::string& reason) { lost.push_back(reason); });
        ASSERT_TRUE(debuggee.connect_local(module.opener()));
    }

    std::uint64_t registered(const EventImage& image) {
        const auto tag = debuggee.register_event(image);
        EXPECT_TRUE(tag) << tag.failure().text();
        return tag ? *tag : 0;
    }

    transport::Loop loop;
    test::FakeModule module;
    Debuggee debuggee{loop};
    std::vector<std::string> texts;
    std::vector<std::uint16_t> kinds;
    std::vector<std::uint64_t> cookies;
    std::vector<std::string> lost;
};

TEST_F(LocalDebuggee, KnowsWhatItIsConnectedTo) {
    EXPECT_TRUE(debuggee.is_connected());
    EXPECT_FALSE(debuggee.is_remote());
    EXPECT_EQ(debuggee.name(), "local");
    EXPECT_STREQ(debuggee.identity().kernel, "6.1.0-fake");
    EXPECT_EQ(debuggee.identity().cores_online, 2u);
}

TEST_F(LocalDebuggee, LoadsAndUnloads) {
    const auto loaded = debuggee.load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->cores, 2u);
    EXPECT_TRUE(module.is_loaded());
    const auto version = debuggee.version();
    ASSERT_TRUE(version);
    EXPECT_EQ(version->state & RS_STATE_LOADED, RS_STATE_LOADED);

    const auto again = debuggee.load();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.failure().kind, Failure::Kind::kRefused);
    EXPECT_EQ(again.failure().error_number, EBUSY);
    EXPECT_EQ(again.failure().code, RS_ERR_ALREADY_LOADED);
    EXPECT_EQ(again.failure().text(), "vmm is already loaded (c0001003)");

    EXPECT_TRUE(debuggee.unload());
    EXPECT_FALSE(module.is_loaded());
}

TEST_F(LocalDebuggee, RegistersListsModifiesAndClears) {
    ASSERT_TRUE(debuggee.load());
    const std::uint64_t tag =
        registered(EventImage{}.vector(0xec).cookie(7).command("!interrupt ec"));
    EXPECT_EQ(tag, RS_TAG_BASE);
    const auto events = debuggee.list_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 1u);
    EXPECT_EQ((*events)[0].command, "!interrupt ec");
    EXPECT_EQ((*events)[0].entry.vector, 0xecu);
    EXPECT_EQ((*events)[0].entry.cookie, 7u);

    const auto disabled = debuggee.modify_event(tag, RS_MODIFY_DISABLE);
    ASSERT_TRUE(disabled);
    EXPECT_FALSE(*disabled);
    EXPECT_TRUE(*debuggee.modify_event(tag, RS_MODIFY_ENABLE));
    ASSERT_TRUE(debuggee.modify_event(RS_TAG_ALL, RS_MODIFY_CLEAR));
    EXPECT_EQ(module.event_count(), 0u);
    const auto gone = debuggee.modify_event(tag, RS_MODIFY_QUERY);
    EXPECT_EQ(gone.failure().code, RS_ERR_NO_SUCH_EVENT);
    EXPECT_EQ(gone.failure().error_number, ENOENT);
}

TEST_F(LocalDebuggee, ListsMoreEventsThanFitOneAnswer) {
    ASSERT_TRUE(debuggee.load());
    const std::string command(4000, 'x');
    for (int event = 0; event < 50; ++event)
        registered(EventImage{}.command(command));
    const auto events = debuggee.list_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 50u);
    for (std::size_t index = 0; index < 50; ++index) {
        EXPECT_EQ((*events)[index].entry.tag, RS_TAG_BASE + index);
        EXPECT_EQ((*events)[index].command, command);
    }
}

TEST_F(LocalDebuggee, CountsOfEventsAndCores) {
    ASSERT_TRUE(debuggee.load());
    const std::uint64_t tag = registered(EventImage{}.vector(0xec));
    EXPECT_EQ(module.tick(0xec, 0, "a"), 1u);
    EXPECT_EQ(module.tick(0xed, 0, "a"), 0u);
    EXPECT_EQ(debuggee.event_stat(tag)->triggers_pre, 1u);
    EXPECT_EQ(debuggee.event_stat(tag + 1).failure().code, RS_ERR_NO_SUCH_EVENT);
    EXPECT_EQ(debuggee.core_stat(1)->is_virtualized, 1u);
    EXPECT_EQ(debuggee.core_stat(2).failure().code, RS_ERR_BAD_CORE);
}

TEST_F(LocalDebuggee, DeliversMessagesInOrder) {
    ASSERT_TRUE(debuggee.load());
    const std::uint64_t tag = registered(EventImage{}.cookie(9));
    for (int number = 0; number < 100; ++number)
        module.emit(tag, 0, std::to_string(number));
    EXPECT_EQ(loop.wait_until([&] { return texts.size() == 100; }, 10s), transport::Wait::kDone);
    for (std::size_t number = 0; number < 100; ++number)
        EXPECT_EQ(texts[number], std::to_string(number));
    EXPECT_EQ(cookies[0], 9u);
}

TEST_F(LocalDebuggee, DrainDeliversWhatIsThere) {
    ASSERT_TRUE(debuggee.load());
    const std::uint64_t tag = registered(EventImage{});
    for (int number = 0; number < 5000; ++number)
        module.emit(tag, 0, "a text of some length to need several reads of the device");
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts.size(), 5000u);
}

TEST_F(LocalDebuggee, ClosingTheFileClearsItsEvents) {
    ASSERT_TRUE(debuggee.load());
    registered(EventImage{});
    debuggee.disconnect();
    EXPECT_EQ(module.open_files(), 0u);
    EXPECT_EQ(module.event_count(), 0u);
    EXPECT_FALSE(debuggee.is_connected());
    EXPECT_EQ(debuggee.name(), "");
    EXPECT_TRUE(lost.empty());
    EXPECT_EQ(debuggee.version().failure().kind, Failure::Kind::kNotConnected);
}

TEST_F(LocalDebuggee, AReadErrorLosesTheConnection) {
    module.fail_reads(EIO);
    EXPECT_EQ(loop.wait_until([&] { return !lost.empty(); }, 10s), transport::Wait::kDone);
    EXPECT_EQ(lost, std::vector<std::string>{"reading the device failed: Input/output error"});
    EXPECT_FALSE(debuggee.is_connected());
    EXPECT_EQ(module.open_files(), 0u);
}

TEST_F(LocalDebuggee, EvalReportsTheModulesRefusal) {
    const std::vector<std::byte> program(16);
    const auto result = debuggee.eval(program);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.failure().code, RS_ERR_NOT_LOADED);
    EXPECT_EQ(result.failure().error_number, ENODEV);
}

TEST(Debuggee, SaysWhyTheDeviceCannotBeOpened) {
    transport::Loop loop;
    test::FakeModule module;
    Debuggee debuggee{loop};
    module.fail_next_open(EACCES);
    const auto failure = debuggee.connect_local(module.opener());
    ASSERT_FALSE(failure);
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kDevice);
    EXPECT_EQ(failure.error_number, EACCES);
    EXPECT_EQ(failure.text, "cannot open /dev/ringside: Permission denied");
    EXPECT_FALSE(debuggee.is_connected());
}

TEST(Debuggee, RefusesAModuleOfAnotherVersion) {
    transport::Loop loop;
    test::FakeModule module;
    module.identity().abi = 99;
    Debuggee debuggee{loop};
    const auto failure = debuggee.connect_local(module.opener());
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kVersion);
    EXPECT_NE(failure.text.find("abi 99"), std::string::npos);
    EXPECT_NE(failure.text.find("abi 1"), std::string::npos);
    EXPECT_EQ(module.open_files(), 0u);
}

TEST(Debuggee, WithoutAConnectionNothingIsAsked) {
    transport::Loop loop;
    Debuggee debuggee{loop};
    EXPECT_EQ(debuggee.load().failure().kind, Failure::Kind::kNotConnected);
    EXPECT_EQ(debuggee.list_events().failure().kind, Failure::Kind::kNotConnected);
    EXPECT_EQ(debuggee.drain().failure().kind, Failure::Kind::kNotConnected);
}

}  // namespace
}  // namespace ringside::debuggee
