// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee at the other end of a line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "debuggee/debuggee.hpp"
#include "support/fake_device.hpp"
#include "support/pty.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;
using transport::bytes_of;
using transport::Wait;

const transport::Key kKey(transport::kKeyBytes, std::byte{0x5a});
const transport::Key kOtherKey(transport::kKeyBytes, std::byte{0xa5});

class DebuggeeOnALine : public testing::Test {
protected:
    DebuggeeOnALine() {
        debuggee.on_message([this](const Message& message) { texts.emplace_back(message.text()); });
        debuggee.on_lost([this](const std::string& reason) { lost.push_back(reason); });
    }

    void start_agent() {
        agent::Options options;
        options.key = kKey;
        options.open_device = module.opener();
        agent = std::make_unique<agent::LineAgent>(loop, pty.open_master(), std::move(options));
    }

    ConnectFailure connect(Debuggee& which, LineOptions options = {.key = kKey}) {
        return which.connect_serial(pty.path(), options);
    }

    void start(LineTraits traits = {}) {
        start_agent();
        const auto failure = connect(debuggee, {.key = kKey, .traits = traits});
        ASSERT_TRUE(failure) << failure.text;
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    transport::Loop loop;
    test::FakeModule module;
    test::Pty pty;
    std::unique_ptr<agent::LineAgent> agent;
    Debuggee debuggee{loop};
    std::vector<std::string> texts;
    std::vector<std::string> lost;
};

TEST_F(DebuggeeOnALine, IsASessionLikeAnyOther) {
    start();
    EXPECT_TRUE(debuggee.is_remote());
    EXPECT_EQ(debuggee.name(), "serial " + pty.path());
    EXPECT_EQ(debuggee.label(), "serial " + pty.path().substr(pty.path().rfind('/') + 1));
    EXPECT_STREQ(debuggee.identity().host_name, "loopback");
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{}.command(std::string(4000, 'x')));
    ASSERT_TRUE(tag);
    EXPECT_EQ(debuggee.list_events()->at(0).command, std::string(4000, 'x'));
    ASSERT_TRUE(module.emit(*tag, 0, "one"));
    ASSERT_TRUE(module.emit(*tag, 0, std::string(4000, 'y')));
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts, (std::vector<std::string>{"one", std::string(4000, 'y')}));
    ASSERT_TRUE(debuggee.unload());
}

TEST_F(DebuggeeOnALine, DeliversMessagesInOrderAndWithoutLoss) {
    start();
    ASSERT_TRUE(debuggee.load());
    const auto tag = debuggee.register_event(EventImage{});
    std::size_t sent = 0;
    while (sent < 20'000) {
        for (int burst = 0; burst < 2000 && module.emit(*tag, 0, std::to_string(sent)); ++burst)
            ++sent;
        ASSERT_TRUE(comes_true([&] { return texts.size() == sent; }));
    }
    for (std::size_t number = 0; number < sent; ++number)
        ASSERT_EQ(texts[number], std::to_string(number));
}

TEST_F(DebuggeeOnALine, DisconnectingTellsTheAgent) {
    start();
    ASSERT_TRUE(debuggee.load());
    ASSERT_TRUE(debuggee.register_event(EventImage{}));
    debuggee.disconnect();
    EXPECT_EQ(module.open_files(), 0u) << "it waits until the agent has heard";
    EXPECT_EQ(module.event_count(), 0u) << "EVT-12";
    EXPECT_TRUE(lost.empty());
    EXPECT_TRUE(connect(debuggee));
}

TEST_F(DebuggeeOnALine, IsNotThereWhenNobodyAnswers) {
    const auto failure = connect(debuggee, {.key = kKey, .timeout = 30ms});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kTimedOut);
    EXPECT_EQ(failure.text, "no answer from an agent");
    EXPECT_FALSE(debuggee.is_connected());
    start_agent();
    EXPECT_TRUE(connect(debuggee)) << "the line was given back";
}

TEST_F(DebuggeeOnALine, ThatTakesItsTimeIsNotDead) {
    start({.ping_interval = 10ms, .unanswered_pings = 20});
    // The agent shares this test's loop: while its request waits, it answers no PING.
    module.on_request([&](std::uint32_t) { loop.wait_for(400ms); });
    EXPECT_TRUE(debuggee.version());
    module.on_request(nullptr);
    EXPECT_EQ(loop.wait_for(400ms), Wait::kTimedOut);
    EXPECT_TRUE(debuggee.version());
    EXPECT_TRUE(lost.empty());
}

TEST_F(DebuggeeOnALine, RefusesAnotherKey) {
    start_agent();
    const auto failure = connect(debuggee, {.key = kOtherKey});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kAuthentication);
    EXPECT_EQ(failure.text, "the keys differ");
    EXPECT_EQ(connect(debuggee, {}).kind, ConnectFailure::Kind::kKeyNeeded);
    EXPECT_TRUE(connect(debuggee)) << "the agent goes on serving";
}

TEST_F(DebuggeeOnALine, NoticesThatTheAgentWasStopped) {
    start();
    agent.reset();
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{"the agent was stopped"});
}

TEST_F(DebuggeeOnALine, SaysWhatIsWrongWithThePath) {
    const auto failure = debuggee.connect_serial("/dev/no-such-port", {.key = kKey});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kUnreachable);
    EXPECT_EQ(failure.text, "cannot open serial line /dev/no-such-port: No such file or directory");
}

/// An agent that introduces itself, says which version it is, and then does what the test wants.
class StrangeAgentOnALine : public DebuggeeOnALine {
protected:
    void start(LineTraits traits = {}) {
        channel =
            transport::Channel::create(loop.context(), std::move(pty.open_master().descriptor));
        asio::co_spawn(loop.context(), serve(), asio::detached);
        const auto failure = connect(debuggee, {.key = kKey, .traits = traits});
        ASSERT_TRUE(failure) << failure.text;
    }

    asio::awaitable<void> serve() {
        const auto self = channel;
        (void)co_await transport::introduce_agent_on_line(*self, kKey, {});
        self->send(RS_PACKET_READY);
        while (true) {
            auto received = co_await self->receive();
            if (!received.frame)
                co_return;
            if (received.frame->type == RS_PACKET_REQUEST && !is_silent)
                answer_version(*received.frame);
            if (received.frame->type == RS_PACKET_PING && !is_silent)
                self->send(RS_PACKET_PONG);
            pings += received.frame->type == RS_PACKET_PING ? 1 : 0;
        }
    }

    void answer_version(const transport::Frame& frame) {
        rs_packet_request request;
        std::memcpy(&request, frame.payload.data(), sizeof(request));
        rs_version version{};
        version.size = sizeof(version);
        version.abi = RS_ABI_VERSION;
        channel->send(RS_PACKET_REPLY,
                      {bytes_of(rs_packet_reply{.id = request.id}), bytes_of(version)});
    }

    std::shared_ptr<transport::Channel> channel;
    bool is_silent = false;
    int pings = 0;
};

TEST_F(StrangeAgentOnALine, IsDeadAfterALongSilence) {
    start({.ping_interval = 10ms, .unanswered_pings = 20});
    ASSERT_TRUE(comes_true([&] { return pings > 40; }));
    EXPECT_TRUE(lost.empty());
    is_silent = true;
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{
                        "the connection was lost: the debuggee does not answer any more"});
    EXPECT_FALSE(debuggee.is_connected());
    EXPECT_TRUE(transport::open_serial(pty.path()).descriptor) << "the line was given back";
}

TEST_F(StrangeAgentOnALine, ThatIsSilentInTheMiddleOfARequestDoesNotHoldItForEver) {
    start({.ping_interval = 10ms, .unanswered_pings = 20});
    is_silent = true;
    debuggee.set_timeout(50ms);
    EXPECT_EQ(debuggee.version().failure().kind, Failure::Kind::kTimedOut);
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
}

TEST_F(StrangeAgentOnALine, WhoseBytesAreLostOrChangedIsNotListenedToAnyLonger) {
    start();
    auto damaged = transport::encode_frame(RS_PACKET_PONG, 99, {std::vector(8, std::byte{1})});
    damaged.back() ^= std::byte{1};
    ASSERT_EQ(::write(pty.master(), damaged.data(), damaged.size()),
              static_cast<ssize_t>(damaged.size()));
    channel->send(RS_PACKET_PONG);
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{
                        "the connection was lost: bytes were lost or changed on the line"});
}

TEST_F(StrangeAgentOnALine, MayDropWhatItHadToSayBeforeItSaysWhyItEnds) {
    start();
    const auto error = transport::encode_frame(
        RS_PACKET_ERROR, 1000, {bytes_of(transport::make_link_error(RS_LINK_ERR_NO_SESSION))});
    ASSERT_EQ(::write(pty.master(), error.data(), error.size()),
              static_cast<ssize_t>(error.size()));
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{"the agent does not serve this debugger any more"});
}

TEST_F(StrangeAgentOnALine, IsUnplugged) {
    start();
    channel->close();
    pty.unplug();
    ASSERT_TRUE(comes_true([&] { return !lost.empty(); }));
    EXPECT_EQ(lost, std::vector<std::string>{"the connection was lost"});
}

}  // namespace
}  // namespace ringside::debuggee
