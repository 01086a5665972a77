// SPDX-License-Identifier: GPL-3.0-or-later
// What the debuggee makes of an agent that breaks, lies or talks nonsense.
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "debuggee/debuggee.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"
#include "transport/tcp.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;
using transport::bytes_of;
using transport::Channel;
using transport::Frame;

using Deed = std::function<void(Channel&, const Frame& request)>;

/// An agent that introduces itself properly, answers the first request (the version), and then does
/// what the test wants on each further one.
class StrangeAgent : public testing::Test {
protected:
    StrangeAgent() {
        debuggee.on_lost([this](const std::string& reason) { lost.push_back(reason); });
        EXPECT_EQ(listener.listen("127.0.0.1", 0), 0);
        asio::co_spawn(loop.context(), serve(), asio::detached);
    }

    asio::awaitable<void> serve() {
        auto socket = co_await listener.accept();
        if (socket.error_number != 0)
            co_return;
        channel = Channel::create(loop.context(), std::move(socket.descriptor));
        const auto handshake = co_await transport::introduce_agent(
            *channel, {}, std::chrono::steady_clock::now() + 20s);
        EXPECT_EQ(handshake.outcome, transport::Handshake::Outcome::kDone);
        channel->send(RS_PACKET_READY);
        bool is_first = true;
        while (true) {
            auto received = co_await channel->receive();
            if (!received.frame)
                co_return;
            if (received.frame->type != RS_PACKET_REQUEST)
                continue;
            if (is_first)
                answer_version(*received.frame);
            else
                deed(*channel, *received.frame);
            is_first = false;
        }
    }

    static rs_packet_reply reply_to(const Frame& frame) {
        rs_packet_request request;
        std::memcpy(&request, frame.payload.data(), sizeof(request));
        return {.id = request.id, .error_number = 0, .offset = 0, .reserved = 0};
    }

    void answer_version(const Frame& frame) {
        rs_version version{};
        version.size = sizeof(version);
        version.abi = RS_ABI_VERSION;
        channel->send(RS_PACKET_REPLY, {bytes_of(reply_to(frame)), bytes_of(version)});
    }

    /// The failure of a request to which the agent answers with `answer`.
    Failure failure_after(Deed answer) {
        const auto connected = debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}});
        EXPECT_TRUE(connected) << connected.text;
        deed = std::move(answer);
        debuggee.set_timeout(20s);
        return debuggee.core_stat(0).failure();
    }

    transport::Loop loop;
    transport::TcpListener listener{loop.context()};
    std::shared_ptr<Channel> channel;
    Deed deed;
    Debuggee debuggee{loop};
    std::vector<std::string> lost;
};

TEST_F(StrangeAgent, HangingUpEndsARequestThatWaits) {
    const auto failure = failure_after([](Channel& link, const Frame&) { link.close(); });
    EXPECT_EQ(failure.kind, Failure::Kind::kLost);
    EXPECT_EQ(lost, std::vector<std::string>{"the connection was lost"});
    EXPECT_FALSE(debuggee.is_connected());
}

TEST_F(StrangeAgent, AnAnswerBeyondTheArgumentIsRefused) {
    const auto failure = failure_after([](Channel& link, const Frame& request) {
        auto reply = reply_to(request);
        reply.offset = sizeof(rs_event_stat) - 4;
        link.send(RS_PACKET_REPLY, {bytes_of(reply), bytes_of(std::uint64_t{1})});
    });
    EXPECT_EQ(failure.kind, Failure::Kind::kMalformed);
    EXPECT_TRUE(debuggee.is_connected());
}

TEST_F(StrangeAgent, AnAnswerFarBeyondTheArgumentIsRefused) {
    const auto failure = failure_after([](Channel& link, const Frame& request) {
        auto reply = reply_to(request);
        reply.offset = 0xffff'fff0;
        link.send(RS_PACKET_REPLY, {bytes_of(reply), bytes_of(std::uint64_t{1})});
    });
    EXPECT_EQ(failure.kind, Failure::Kind::kMalformed);
}

TEST_F(StrangeAgent, AnAnswerToNoRequestIsPassedOver) {
    const auto failure = failure_after([](Channel& link, const Frame& request) {
        auto reply = reply_to(request);
        reply.id += 1000;
        link.send(RS_PACKET_REPLY, {bytes_of(reply)});
        link.send(RS_PACKET_REPLY, {bytes_of(reply_to(request))});
    });
    EXPECT_EQ(failure.kind, Failure::Kind::kNone);
}

TEST_F(StrangeAgent, AMalformedMessageEndsTheConnection) {
    const auto failure = failure_after([](Channel& link, const Frame&) {
        rs_msg message{};
        message.len = 100;
        link.send(RS_PACKET_MESSAGES, {bytes_of(message)});
    });
    EXPECT_EQ(failure.kind, Failure::Kind::kLost);
    EXPECT_EQ(lost, std::vector<std::string>{"the agent sent a malformed message"});
}

TEST_F(StrangeAgent, AFrameThatIsTheDebuggersEndsTheConnection) {
    const auto failure =
        failure_after([](Channel& link, const Frame&) { link.send(RS_PACKET_PING); });
    EXPECT_EQ(failure.kind, Failure::Kind::kLost);
    EXPECT_EQ(lost, std::vector<std::string>{"the agent sent an unexpected frame"});
}

TEST_F(StrangeAgent, ItsErrorIsTheReason) {
    const auto failure = failure_after([](Channel& link, const Frame&) {
        link.send(RS_PACKET_ERROR,
                  {bytes_of(transport::make_link_error(RS_LINK_ERR_DEVICE, ENODEV))});
    });
    EXPECT_EQ(failure.kind, Failure::Kind::kLost);
    EXPECT_EQ(lost, std::vector<std::string>{"the agent cannot use its device: No such device"});
}

TEST_F(StrangeAgent, AListThatGoesRoundForEverIsRefused) {
    const auto connected = debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}});
    ASSERT_TRUE(connected);
    deed = [](Channel& link, const Frame& request) {
        rs_event_list list{};
        list.size = sizeof(list);
        list.total_len = 64 * 1024;
        list.next_tag = 5;
        list.used_len = sizeof(list);
        link.send(RS_PACKET_REPLY, {bytes_of(reply_to(request)), bytes_of(list)});
    };
    EXPECT_EQ(debuggee.list_events().failure().kind, Failure::Kind::kMalformed);
}

TEST_F(StrangeAgent, AListWithMoreEntriesThanBytesIsRefused) {
    const auto connected = debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}});
    ASSERT_TRUE(connected);
    deed = [](Channel& link, const Frame& request) {
        rs_event_list list{};
        list.size = sizeof(list);
        list.count = 0xffff'ffff;
        list.used_len = ~0ull;
        link.send(RS_PACKET_REPLY, {bytes_of(reply_to(request)), bytes_of(list)});
    };
    EXPECT_EQ(debuggee.list_events().failure().kind, Failure::Kind::kMalformed);
}

TEST(SilentPeer, IsGivenUpAtTheDeadline) {
    transport::Loop loop;
    transport::TcpListener listener{loop.context()};
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);  // the kernel accepts, nobody answers
    Debuggee debuggee{loop};
    const auto failure =
        debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}, .timeout = 20ms});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kTimedOut);
    EXPECT_EQ(failure.text, "no answer from an agent");
}

TEST(SilentPeer, CanBeInterrupted) {
    transport::Loop loop;
    transport::TcpListener listener{loop.context()};
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);
    Debuggee debuggee{loop};
    loop.post([&] { EXPECT_TRUE(loop.interrupt()); });
    const auto failure = debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kInterrupted);
}

TEST(HangingUpPeer, IsNoAgent) {
    transport::Loop loop;
    transport::TcpListener listener{loop.context()};
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);
    asio::co_spawn(
        loop.context(),
        [](transport::TcpListener& from) -> asio::awaitable<void> {
            co_await from.accept();  // and closes it at once
        }(listener),
        asio::detached);
    Debuggee debuggee{loop};
    const auto failure = debuggee.connect_tcp("127.0.0.1", listener.port(), {.key = {}});
    EXPECT_EQ(failure.kind, ConnectFailure::Kind::kClosed);
}

}  // namespace
}  // namespace ringside::debuggee
