// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/handshake.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>

#include "transport/authentication.hpp"
#include "transport/loop.hpp"

namespace ringside::transport {
namespace {

using namespace std::chrono_literals;
using Outcome = Handshake::Outcome;

const Key kKey(kKeyBytes, std::byte{0x5a});
const Key kOtherKey(kKeyBytes, std::byte{0xa5});

class Introduction : public testing::Test {
protected:
    Introduction() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        debugger_end = Channel::create(loop.context(), UniqueFd{ends[0]});
        agent_end = Channel::create(loop.context(), UniqueFd{ends[1]});
    }

    void start_debugger(const Key& key, std::chrono::milliseconds timeout = 20s) {
        asio::co_spawn(
            loop.context(),
            introduce_debugger(*debugger_end, key, std::chrono::steady_clock::now() + timeout),
            [this](std::exception_ptr, Handshake result) { debugger = result; });
    }

    /// As agent.cpp: an own refusal is sent, a success ends in READY.
    void start_agent(const Key& key, std::chrono::milliseconds timeout = 20s) {
        asio::co_spawn(loop.context(),
                       introduce_agent(*agent_end, key, std::chrono::steady_clock::now() + timeout),
                       [this](std::exception_ptr, Handshake result) {
                           agent = result;
                           if (result.outcome == Outcome::kDone)
                               agent_end->send(RS_PACKET_READY);
                           else if (result.is_ours)
                               agent_end->send(RS_PACKET_ERROR, {bytes_of(result.error)});
                       });
    }

    void run_until_both_are_done() {
        ASSERT_EQ(loop.wait_until([&] { return agent && debugger; }, 20s), Wait::kDone);
    }

    Frame receive(Channel& channel) {
        std::optional<Channel::Received> result;
        asio::co_spawn(
            loop.context(), channel.receive(),
            [&](std::exception_ptr, Channel::Received received) { result = std::move(received); });
        EXPECT_EQ(loop.wait_until([&] { return result.has_value(); }, 20s), Wait::kDone);
        EXPECT_TRUE(result && result->frame);
        return result && result->frame ? std::move(*result->frame) : Frame{};
    }

    static rs_packet_hello hello(std::uint32_t link, std::uint32_t abi, std::uint32_t flags) {
        rs_packet_hello value{};
        value.link_version = link;
        value.abi = abi;
        value.flags = flags;
        std::strcpy(value.release, "9.8.7");
        return value;
    }

    Loop loop;
    std::shared_ptr<Channel> debugger_end;
    std::shared_ptr<Channel> agent_end;
    std::optional<Handshake> debugger;
    std::optional<Handshake> agent;
};

TEST_F(Introduction, SucceedsWithTheSameKey) {
    start_debugger(kKey);
    start_agent(kKey);
    run_until_both_are_done();
    EXPECT_EQ(debugger->outcome, Outcome::kDone);
    EXPECT_EQ(agent->outcome, Outcome::kDone);
    EXPECT_STREQ(debugger->peer.release, RS_RELEASE);
    EXPECT_EQ(agent->peer.abi, RS_ABI_VERSION);
}

TEST_F(Introduction, SucceedsWhenBothWereToldToUseNoKey) {
    start_debugger({});
    start_agent({});
    run_until_both_are_done();
    EXPECT_EQ(debugger->outcome, Outcome::kDone);
    EXPECT_EQ(agent->outcome, Outcome::kDone);
}

struct Refusal {
    Key debugger_key;
    Key agent_key;
    rs_link_error code;
    const char* text;
};
class RefusedIntroduction : public Introduction, public testing::WithParamInterface<Refusal> {};

TEST_P(RefusedIntroduction, SaysWhyOnBothEnds) {
    start_debugger(GetParam().debugger_key);
    start_agent(GetParam().agent_key);
    run_until_both_are_done();
    EXPECT_EQ(agent->outcome, Outcome::kRefused);
    EXPECT_TRUE(agent->is_ours);
    EXPECT_EQ(agent->error.code, GetParam().code);
    EXPECT_EQ(debugger->outcome, Outcome::kRefused);
    EXPECT_FALSE(debugger->is_ours);
    EXPECT_EQ(debugger->error.code, GetParam().code);
    EXPECT_EQ(describe(*debugger), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, RefusedIntroduction,
    testing::Values(Refusal{kKey, kOtherKey, RS_LINK_ERR_AUTHENTICATION, "the keys differ"},
                    Refusal{{}, kKey, RS_LINK_ERR_KEY_NEEDED, "the agent wants a key"},
                    Refusal{kKey, {}, RS_LINK_ERR_KEY_UNEXPECTED, "the agent runs without a key"}));

TEST_F(Introduction, NonceAndCodesAreNewForEveryLink) {
    start_debugger(kKey);
    const Frame first = receive(*agent_end);
    debugger_end->close();
    loop.wait_until([&] { return debugger.has_value(); }, 20s);
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    debugger_end = Channel::create(loop.context(), UniqueFd{ends[0]});
    agent_end = Channel::create(loop.context(), UniqueFd{ends[1]});
    start_debugger(kKey);
    const Frame second = receive(*agent_end);
    EXPECT_NE(first.payload, second.payload);
    agent_end->close();
    loop.wait_until([&] { return false; }, 1ms);
}

TEST_F(Introduction, AnAgentRefusesAnotherVersionAndNamesBoth) {
    start_agent(kKey);
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(RS_LINK_VERSION + 1, 5, 0))});
    const Frame answer = receive(*debugger_end);
    ASSERT_EQ(answer.type, RS_PACKET_ERROR);
    rs_packet_error error;
    std::memcpy(&error, answer.payload.data(), sizeof(error));
    EXPECT_EQ(error.code, RS_LINK_ERR_VERSION);
    EXPECT_EQ(error.abi, RS_ABI_VERSION);
    EXPECT_STREQ(error.release, RS_RELEASE);
    EXPECT_EQ(describe(*agent), "versions differ: this side is " RS_RELEASE
                                " (link 1, abi 1), the other is 9.8.7 (link 2, abi 5)");
}

TEST_F(Introduction, ADebuggerRefusesAnotherVersionAndNamesBoth) {
    start_debugger(kKey);
    agent_end->send(RS_PACKET_CHALLENGE, {bytes_of(hello(RS_LINK_VERSION, 5, 0))});
    ASSERT_EQ(loop.wait_until([&] { return debugger.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(debugger->outcome, Outcome::kRefused);
    EXPECT_EQ(describe(*debugger), "versions differ: this side is " RS_RELEASE
                                   " (link 1, abi 1), the other is 9.8.7 (link 1, abi 5)");
}

TEST_F(Introduction, ReleasesThatWouldUpsetATerminalAreCleaned) {
    start_agent(kKey);
    auto strange = hello(9, 9, 0);
    std::memcpy(strange.release, "\x1b[2J\n1", 7);
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(strange)});
    ASSERT_EQ(loop.wait_until([&] { return agent.has_value(); }, 20s), Wait::kDone);
    EXPECT_NE(describe(*agent).find("the other is [2J1 (link 9"), std::string::npos);
}

TEST_F(Introduction, AnAgentsOwnCodeSentBackProvesNothing) {
    // Someone without the key plays both ends against each other.
    start_agent(kKey);
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(RS_LINK_VERSION, RS_ABI_VERSION, 0))});
    const Frame challenge = receive(*debugger_end);
    ASSERT_EQ(challenge.type, RS_PACKET_CHALLENGE);
    const auto code = authentication_code(
        Role::kAgent, kKey, bytes_of(hello(RS_LINK_VERSION, RS_ABI_VERSION, 0)), challenge.payload);
    debugger_end->send(RS_PACKET_AUTH, {code});
    ASSERT_EQ(loop.wait_until([&] { return agent.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(agent->error.code, RS_LINK_ERR_AUTHENTICATION);
}

TEST_F(Introduction, ADebuggerRefusesAnAgentWithoutTheKey) {
    start_debugger(kKey);
    const Frame introduction = receive(*agent_end);
    ASSERT_EQ(introduction.type, RS_PACKET_HELLO);
    const auto challenge = hello(RS_LINK_VERSION, RS_ABI_VERSION, 0);
    agent_end->send(RS_PACKET_CHALLENGE, {bytes_of(challenge)});
    EXPECT_EQ(receive(*agent_end).type, RS_PACKET_AUTH);
    agent_end->send(
        RS_PACKET_AUTH,
        {authentication_code(Role::kAgent, kOtherKey, introduction.payload, bytes_of(challenge))});
    agent_end->send(RS_PACKET_READY);
    ASSERT_EQ(loop.wait_until([&] { return debugger.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(debugger->outcome, Outcome::kRefused);
    EXPECT_TRUE(debugger->is_ours);
    EXPECT_EQ(debugger->error.code, RS_LINK_ERR_AUTHENTICATION);
}

TEST_F(Introduction, AnyOtherFrameEndsIt) {
    start_agent(kKey);
    debugger_end->send(RS_PACKET_PING);
    ASSERT_EQ(loop.wait_until([&] { return agent.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(agent->error.code, RS_LINK_ERR_PROTOCOL);
}

TEST_F(Introduction, SilenceAndHangingUpEndIt) {
    start_agent(kKey, 5ms);
    ASSERT_EQ(loop.wait_until([&] { return agent.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(agent->outcome, Outcome::kTimedOut);

    start_debugger(kKey);
    agent_end->close();
    ASSERT_EQ(loop.wait_until([&] { return debugger.has_value(); }, 20s), Wait::kDone);
    EXPECT_EQ(debugger->outcome, Outcome::kClosed);
}

TEST_F(Introduction, AStrangerCannotMakeUsStoreALargeFrame) {
    start_agent(kKey, 50ms);
    const std::vector<std::byte> large(1'000'000);
    debugger_end->send(RS_PACKET_REQUEST, {large});
    ASSERT_EQ(loop.wait_until([&] { return debugger_end->queued_bytes() == 0; }, 20s), Wait::kDone);
    EXPECT_LT(agent_end->decoder().buffered(), 1024u);
    ASSERT_EQ(loop.wait_until([&] { return agent.has_value(); }, 20s), Wait::kDone);
}

TEST(LinkError, IsDescribedWithItsErrno) {
    Handshake handshake{.outcome = Outcome::kRefused};
    handshake.error = make_link_error(RS_LINK_ERR_DEVICE, EACCES);
    EXPECT_EQ(describe(handshake), "the agent cannot use its device: Permission denied");
    handshake.error.code = 999;
    handshake.error.error_number = 0;
    EXPECT_EQ(describe(handshake), "unknown reason 999");
}

}  // namespace
}  // namespace ringside::transport
