// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee behind an agent, over real TCP on the loopback interface.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "debuggee/debuggee.hpp"
#include "support/fake_device.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;
using transport::Wait;

const transport::Key kKey(transport::kKeyBytes, std::byte{0x5a});
const transport::Key kOtherKey(transport::kKeyBytes, std::byte{0xa5});

class RemoteDebuggee : public testing::Test {
protected:
    RemoteDebuggee() { watch(debuggee); }

    void watch(Debuggee& which) {
        which.on_message([this](const Message& message) {
            texts.emplace_back(message.text());
            kinds.push_back(message.header.kind);
        });
        which.on_lost([this](const std::string& reason) { lost.push_back(reason); });
    }

    void start_agent(transport::Key key = kKey, std::chrono::milliseconds handshake = 5s) {
        agent::Options options;
        options.address = "127.0.0.1";
        options.port = 0;
        options.key = std::move(key);
        options.open_device = module.opener();
        options.handshake_timeout = handshake;
        agent = std::make_unique<agent::Agent>(loop, std::move(options));
        ASSERT_EQ(agent->listen(), 0);
    }

    ConnectFailure connect(Debuggee& which, transport::Key key = kKey) {
        return which.connect_tcp("127.0.0.1", agent->port(), {.key = std::move(key)});
    }

    void start() {
        start_agent();
        const auto failure = connect(debuggee);
        ASSERT_TRUE(failure) << failure.text;
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    transport::Loop loop;
    test::FakeModule module;
    std::unique_ptr<agent::Agent> agent;
    Debuggee debuggee{loop};
    std::vector<std::string> texts;
    std::vector<std::uint16_t> kinds;
    std::vector<std::string> lost;
};

TEST_F(RemoteDebuggee, KnowsWhatItIsConnectedTo) {
    start();
    EXPECT_TRUE(debuggee.is_remote());
    EXPECT_EQ(debuggee.name(), "127.0.0.1:" + std::to_string(agent->port()));
    EXPECT_STREQ(debuggee.identity().host_name, "loopback");
    EXPECT_TRUE(agent->has_client());
    EXPECT_EQ(module.open_files(), 1u);
}

TEST_F(RemoteDebuggee, CarriesEveryRequest) {
    start();
    ASSERT_TRUE(debuggee.load());
    EXPECT_TRUE(module.is_loaded());
    const auto tag =
        debuggee.register_event(EventImage{}.vector(0xec).cookie(3).command("!interrupt ec"));
    ASSERT_TRUE(tag);
    const auto events = debuggee.list_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 1u);
    EXPECT_EQ((*events)[0].command, "!interrupt ec");
    EXPECT_EQ((*events)[0].entry.tag, *tag);
    EXPECT_FALSE(*debuggee.modify_event(*tag, RS_MODIFY_DISABLE));
    EXPECT_EQ(debuggee.event_stat(*tag)->triggers_pre, 0u);
    EXPECT_EQ(debuggee.core_stat(0)->is_virtualized, 1u);
    EXPECT_EQ(debuggee.eval(std::vector<std::byte>(16)).failure().code, RS_ERR_BAD_ACTION);
    ASSERT_TRUE(debuggee.unload());
    EXPECT_FALSE(module.is_loaded());
}

TEST_F(RemoteDebuggee, CarriesRefusalsWithTheirCodes) {
    start();
    const auto tag = debuggee.register_event(EventImage{});
    ASSERT_FALSE(tag);
    EXPECT_EQ(tag.failure().kind, Failure::Kind::kRefused);
    EXPECT_EQ(tag.failure().error_number, ENODEV);
    EXPECT_EQ(tag.failure().code, RS_ERR_NOT_LOADED);
    EXPECT_EQ(tag.failure().text(), "vmm not loaded (c0001002)");
}

TEST_F(RemoteDebuggee, ListsEventsThatTakeSeveralAnswers) {
    start();
    ASSERT_TRUE(debuggee.load());
    const std::string command(4000, 'x');
    for (int event = 0; event < 50; ++event)
        ASSERT_TRUE(debuggee.register_event(EventImage{}.command(command)));
    const auto events = debuggee.list_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 50u);
    EXPECT_EQ(events->back().command, command);
}

TEST_F(RemoteDebuggee, DeliversMessagesInOrderAndWithoutLoss) {
    start();
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{});
    std::size_t sent = 0;
    while (sent < 100'000) {
        // As fast as the device's buffer of one client takes them.
        for (int burst = 0; burst < 5000 && module.emit(*tag, 0, std::to_string(sent)); ++burst)
            ++sent;
        ASSERT_TRUE(comes_true([&] { return texts.size() == sent; }));
    }
    for (std::size_t number = 0; number < sent; ++number)
        ASSERT_EQ(texts[number], std::to_string(number));
}

TEST_F(RemoteDebuggee, MessagesGoOnWhileARequestWaits) {
    start();
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{});
    module.emit(*tag, 0, "before");
    ASSERT_TRUE(debuggee.list_events());
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts, std::vector<std::string>{"before"});
}

TEST_F(RemoteDebuggee, DrainDeliversWhatIsThere) {
    start();
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{});
    for (int number = 0; number < 5000; ++number)
        ASSERT_TRUE(
            module.emit(*tag, 0, "a text of some length to need several reads of the device"));
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts.size(), 5000u);
}

TEST_F(RemoteDebuggee, ASlowReaderLosesMessagesInTheDeviceNotMemoryHere) {
    start();
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{});
    const std::string text(4000, 'm');
    // Nobody runs the loop: the link takes nothing, so the device's buffer fills and counts.
    std::size_t sent = 0;
    std::size_t dropped = 0;
    for (int number = 0; number < 1000; ++number)
        ++(module.emit(*tag, 0, text) ? sent : dropped);
    EXPECT_GT(dropped, 0u);
    ASSERT_TRUE(comes_true([&] { return texts.size() == sent; }));
    // The next one that fits is preceded by the count.
    ASSERT_TRUE(module.emit(*tag, 0, "after"));
    ASSERT_TRUE(comes_true([&] { return texts.size() == sent + 2; }));
    EXPECT_EQ(kinds[sent], RS_MSG_LOST);
    std::uint64_t count = 0;
    std::memcpy(&count, texts[sent].data(), sizeof(count));
    EXPECT_EQ(count, dropped);
    EXPECT_EQ(texts[sent + 1], "after");
}

TEST_F(RemoteDebuggee, AnotherKeyIsRefused) {
    start_agent();
    const auto failure = connect(debuggee, kOtherKey);
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kAuthentication);
    EXPECT_EQ(failure.text, "the keys differ");
    EXPECT_EQ(module.open_files(), 0u);
    EXPECT_FALSE(agent->has_client());
    EXPECT_TRUE(connect(debuggee)) << "the agent goes on serving";
}

TEST_F(RemoteDebuggee, NoKeyMustBeAskedForOnBothEnds) {
    start_agent();
    EXPECT_EQ(connect(debuggee, {}).kind, ConnectFailure::Kind::kKeyNeeded);
    agent.reset();
    start_agent({});
    EXPECT_EQ(connect(debuggee).kind, ConnectFailure::Kind::kKeyUnexpected);
    EXPECT_TRUE(connect(debuggee, {}));
}

TEST_F(RemoteDebuggee, ASecondDebuggerIsToldThatTheAgentIsBusy) {
    start();
    Debuggee second{loop};
    const auto failure = connect(second);
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kBusy);
    EXPECT_EQ(failure.text, "the agent serves another debugger");
    EXPECT_EQ(module.open_files(), 1u);
    EXPECT_TRUE(debuggee.version());

    debuggee.disconnect();
    ASSERT_TRUE(comes_true([&] { return !agent->has_client(); }));
    EXPECT_TRUE(connect(second));
}

TEST_F(RemoteDebuggee, DisconnectingClearsTheEvents) {
    start();
    ASSERT_TRUE(debuggee.load());
    ASSERT_TRUE(debuggee.register_event(EventImage{}));
    debuggee.disconnect();
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    EXPECT_EQ(module.event_count(), 0u);
    EXPECT_TRUE(lost.empty());
}

TEST_F(RemoteDebuggee, NoticesThatTheAgentIsGone) {
    start();
    agent.reset();
    EXPECT_EQ(module.open_files(), 0u);
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{"the agent was stopped"});
    EXPECT_FALSE(debuggee.is_connected());
    EXPECT_EQ(debuggee.version().failure().kind, Failure::Kind::kNotConnected);
}

TEST_F(RemoteDebuggee, HearsThatReadingTheDeviceFailed) {
    start();
    module.fail_reads(EIO);
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost,
              std::vector<std::string>{"the agent cannot use its device: Input/output error"});
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    module.fail_reads(0);
    EXPECT_TRUE(connect(debuggee)) << "the agent goes on serving";
}

TEST_F(RemoteDebuggee, HearsThatTheAgentCannotOpenTheDevice) {
    start_agent();
    module.fail_next_open(ENOENT);
    const auto failure = connect(debuggee);
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kDevice);
    EXPECT_EQ(failure.error_number, ENOENT);
    EXPECT_EQ(failure.text, "the agent cannot use its device: No such file or directory");
}

TEST_F(RemoteDebuggee, AnInterruptEndsAWait) {
    start();
    module.on_request([&](std::uint32_t) { loop.interrupt(); });
    const auto version = debuggee.version();
    ASSERT_FALSE(version);
    EXPECT_EQ(version.failure().kind, Failure::Kind::kInterrupted);
    module.on_request(nullptr);
    EXPECT_TRUE(debuggee.version()) << "the late answer is not taken for this one's";
}

TEST_F(RemoteDebuggee, AnEventWhoseRegistrationWasInterruptedIsClearedAgain) {
    start();
    ASSERT_TRUE(debuggee.load());
    module.on_request([&](std::uint32_t request) {
        if (request == RS_IOC_REGISTER_EVENT)
            loop.interrupt();
    });
    const auto tag = debuggee.register_event(EventImage{});
    ASSERT_FALSE(tag);
    EXPECT_EQ(tag.failure().kind, Failure::Kind::kInterrupted);
    EXPECT_EQ(module.event_count(), 1u);
    ASSERT_TRUE(comes_true([&] { return module.event_count() == 0; }));
}

TEST_F(RemoteDebuggee, LooksAtTheMachine) {
    start();
    ASSERT_TRUE(debuggee.load());
    const std::string text(0x9000, 'm');
    module.look().memory.put(0x1000, text);
    const auto read = debuggee.read_memory(0x1000, 0xa000);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->bytes.size(), 0x9000u);
    EXPECT_EQ(read->failed_address, 0xa000u);
    const auto hits = debuggee.search_memory(0x9ff8, 8, {read->bytes.data(), 4}, 4);
    ASSERT_TRUE(hits);
    EXPECT_EQ(hits->hits, (std::vector<std::uint64_t>{0x9ff8, 0x9ffc}));
    module.look().tasks = {{.task = 0x5000, .pid = 7, .tgid = 7}};
    EXPECT_EQ(debuggee.tasks(RS_TASKS_PROCESSES)->front().pid, 7u);
    module.look().names = {{0x100, "vmlinux!ksys_read", 'T'}};
    EXPECT_EQ(debuggee.symbols("*")->front().name, "vmlinux!ksys_read");
    EXPECT_EQ(debuggee.read_msr(1).failure().code, RS_ERR_BAD_MSR);
}

TEST_F(RemoteDebuggee, ARequestMayTimeOut) {
    start();
    // The agent shares this test's loop; while its request waits inside ours, nobody answers.
    module.on_request([&](std::uint32_t) { loop.wait_for(50ms); });
    debuggee.set_timeout(1ms);
    EXPECT_EQ(debuggee.version().failure().kind, Failure::Kind::kTimedOut);
    EXPECT_TRUE(debuggee.is_connected());
}

TEST_F(RemoteDebuggee, SaysThatNobodyListens) {
    start_agent();
    const std::uint16_t port = agent->port();
    agent.reset();
    const auto failure = debuggee.connect_tcp("127.0.0.1", port, {.key = kKey});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kRefused);
    EXPECT_EQ(failure.text, "Connection refused");
}

TEST_F(RemoteDebuggee, SaysThatTheAddressIsNone) {
    EXPECT_EQ(debuggee.connect_tcp("300.1.1.1", 1, {}).kind, ConnectFailure::Kind::kBadAddress);
    EXPECT_EQ(debuggee.connect_tcp("example", 1, {}).kind, ConnectFailure::Kind::kBadAddress);
}

}  // namespace
}  // namespace ringside::debuggee
