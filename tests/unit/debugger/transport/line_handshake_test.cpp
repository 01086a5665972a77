// SPDX-License-Identifier: GPL-3.0-or-later
// Introductions on a line, where bytes of earlier links may be, and nobody may be at the other end.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "ringside/version.h"
#include "transport/handshake.hpp"
#include "transport/loop.hpp"

namespace ringside::transport {
namespace {

using namespace std::chrono_literals;
using Outcome = Handshake::Outcome;

const Key kKey(kKeyBytes, std::byte{0x5a});
const Key kOtherKey(kKeyBytes, std::byte{0xa5});

class LineIntroduction : public testing::Test {
protected:
    LineIntroduction() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        debugger_side = UniqueFd{::dup(ends[0])};
        agent_side = UniqueFd{::dup(ends[1])};
        debugger_end = Channel::create(loop.context(), UniqueFd{ends[0]});
        agent_end = Channel::create(loop.context(), UniqueFd{ends[1]});
    }
    ~LineIntroduction() override {
        debugger_end->close();
        agent_end->close();
    }

    void start_agent(Key key = kKey, std::optional<Frame> hello = {}) {
        agent.reset();
        asio::co_spawn(loop.context(),
                       introduce_agent_on_line(*agent_end, std::move(key), std::move(hello)),
                       [this](std::exception_ptr, Handshake result) { agent = result; });
    }

    void start_debugger(Key key = kKey, std::chrono::milliseconds interval = 20s,
                        std::chrono::milliseconds timeout = 20s) {
        debugger.reset();
        asio::co_spawn(
            loop.context(),
            introduce_debugger_on_line(*debugger_end, std::move(key),
                                       std::chrono::steady_clock::now() + timeout, interval),
            [this](std::exception_ptr, Handshake result) { debugger = result; });
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    void expect_success() {
        ASSERT_TRUE(comes_true([&] { return agent.has_value(); }));
        ASSERT_EQ(agent->outcome, Outcome::kDone) << describe(*agent);
        agent_end->send(RS_PACKET_READY);
        ASSERT_TRUE(comes_true([&] { return debugger.has_value(); }));
        EXPECT_EQ(debugger->outcome, Outcome::kDone) << describe(*debugger);
    }

    Frame receive(Channel& channel) {
        std::optional<Channel::Received> result;
        asio::co_spawn(
            loop.context(), channel.receive(),
            [&](std::exception_ptr, Channel::Received received) { result = std::move(received); });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        return result && result->frame ? std::move(*result->frame) : Frame{};
    }

    static void write(const UniqueFd& to, const std::vector<std::byte>& bytes) {
        ASSERT_EQ(::write(to.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }

    static rs_packet_hello hello(std::uint8_t nonce, std::uint32_t abi = RS_ABI_VERSION) {
        rs_packet_hello value{};
        value.link_version = RS_LINK_VERSION;
        value.abi = abi;
        std::memset(value.nonce, nonce, sizeof(value.nonce));
        std::strcpy(value.release, "9.8.7");
        return value;
    }

    static rs_packet_echo echo(std::uint8_t nonce) {
        rs_packet_echo value{};
        std::memset(value.nonce, nonce, sizeof(value.nonce));
        return value;
    }

    Loop loop;
    std::shared_ptr<Channel> debugger_end;
    std::shared_ptr<Channel> agent_end;
    UniqueFd debugger_side;  ///< for bytes past the channels
    UniqueFd agent_side;
    std::optional<Handshake> debugger;
    std::optional<Handshake> agent;
};

TEST_F(LineIntroduction, SucceedsWithTheSameKey) {
    start_debugger();
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, FindsTheHelloBehindNoise) {
    write(debugger_side, std::vector(5000, std::byte{0x52}));
    start_debugger();
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, FindsTheHelloInsideAFrameThatWasNeverFinished) {
    // Small enough for an introduction, so that only the HELLO says that nothing more comes.
    auto half = encode_frame(RS_PACKET_READY, 7, {std::vector(256, std::byte{1})});
    half.resize(40);
    write(debugger_side, half);
    start_debugger();
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, IsRepeatedUntilAnAgentComes) {
    start_debugger(kKey, 5ms);
    ASSERT_EQ(receive(*agent_end).type, RS_PACKET_HELLO);
    ASSERT_EQ(receive(*agent_end).type, RS_PACKET_HELLO);
    // Several are on the line by now; each is answered, with the same challenge.
    ASSERT_TRUE(comes_true([&] {
        std::byte bytes[1024];
        return ::recv(agent_side.get(), bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) > 250;
    }));
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, PassesOverWhatIsLeftOfEarlierLinks) {
    agent_end->send(RS_PACKET_CHALLENGE, {bytes_of(hello(1)), bytes_of(echo(2))});
    agent_end->send(RS_PACKET_CHALLENGE, {bytes_of(hello(1))});
    agent_end->send(RS_PACKET_AUTH, {bytes_of(rs_packet_auth{})});
    agent_end->send(RS_PACKET_READY);
    agent_end->send(RS_PACKET_PONG);
    agent_end->send(RS_PACKET_MESSAGES, {std::vector(3000, std::byte{0})});
    agent_end->send(RS_PACKET_REPLY, {bytes_of(rs_packet_reply{})});
    agent_end->send(RS_PACKET_ERROR, {bytes_of(make_link_error(RS_LINK_ERR_SHUTDOWN))});
    agent_end->send(RS_PACKET_ERROR,
                    {bytes_of(make_link_error(RS_LINK_ERR_AUTHENTICATION)), bytes_of(echo(2))});
    start_debugger();
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, BeginsAtTheEndOfAFrameWhoseBeginningWasMissed) {
    const auto frame = encode_frame(RS_PACKET_MESSAGES, 3, {std::vector(300, std::byte{0x4b})});
    write(agent_side, {frame.begin() + 100, frame.end()});
    start_debugger();
    start_agent();
    expect_success();
}

TEST_F(LineIntroduction, ANewHelloEndsTheIntroductionOfAnother) {
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(1))});
    start_agent();
    ASSERT_EQ(receive(*debugger_end).type, RS_PACKET_CHALLENGE);
    start_debugger();
    expect_success();
}

TEST_F(LineIntroduction, TakesTheHelloThatEndedASession) {
    start_debugger();
    start_agent(kKey, receive(*agent_end));
    expect_success();
}

TEST_F(LineIntroduction, TheSameHelloIsAnsweredAnewOnceItsProofWasLookedAt) {
    // Else somebody could play a recorded introduction again.
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(1))});
    start_agent();
    const Frame first = receive(*debugger_end);
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(1))});
    EXPECT_EQ(receive(*debugger_end).payload, first.payload);
    debugger_end->send(RS_PACKET_AUTH, {bytes_of(rs_packet_auth{})});
    ASSERT_TRUE(comes_true([&] { return agent.has_value(); }));
    EXPECT_EQ(agent->outcome, Outcome::kRefused);
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(1))});
    start_agent();
    EXPECT_NE(receive(*debugger_end).payload, first.payload);
}

TEST_F(LineIntroduction, AnotherKeyIsRefusedOnBothEnds) {
    start_debugger(kOtherKey);
    start_agent();
    ASSERT_TRUE(comes_true([&] { return agent.has_value(); }));
    EXPECT_EQ(agent->outcome, Outcome::kRefused);
    EXPECT_EQ(agent->error.code, RS_LINK_ERR_AUTHENTICATION);
    send_error_on_line(*agent_end, agent->error, agent->peer);
    ASSERT_TRUE(comes_true([&] { return debugger.has_value(); }));
    EXPECT_EQ(debugger->outcome, Outcome::kRefused);
    EXPECT_EQ(describe(*debugger), "the keys differ");
}

TEST_F(LineIntroduction, OtherVersionsAndMissingKeysAreRefused) {
    debugger_end->send(RS_PACKET_HELLO, {bytes_of(hello(1, RS_ABI_VERSION + 7))});
    start_agent();
    ASSERT_TRUE(comes_true([&] { return agent.has_value(); }));
    EXPECT_EQ(agent->error.code, RS_LINK_ERR_VERSION);
    start_debugger({});
    start_agent();
    ASSERT_TRUE(comes_true([&] { return agent.has_value(); }));
    EXPECT_EQ(agent->error.code, RS_LINK_ERR_KEY_NEEDED);
}

TEST_F(LineIntroduction, AnAgentWithoutTheKeyIsRefused) {
    start_debugger();
    const Frame introduction = receive(*agent_end);
    rs_packet_echo answer{};
    std::memcpy(&answer, introduction.payload.data() + offsetof(rs_packet_hello, nonce),
                sizeof(answer));
    agent_end->send(RS_PACKET_CHALLENGE, {bytes_of(hello(3)), bytes_of(answer)});
    agent_end->send(RS_PACKET_AUTH, {bytes_of(rs_packet_auth{})});
    agent_end->send(RS_PACKET_READY);
    ASSERT_TRUE(comes_true([&] { return debugger.has_value(); }));
    EXPECT_EQ(debugger->outcome, Outcome::kRefused);
    EXPECT_EQ(debugger->error.code, RS_LINK_ERR_AUTHENTICATION);
}

TEST_F(LineIntroduction, TellsADebuggerThatItIsNotServedAnyMore) {
    start_agent();
    debugger_end->send(RS_PACKET_PING);
    const Frame frame = receive(*debugger_end);
    ASSERT_EQ(frame.type, RS_PACKET_ERROR);
    rs_packet_error error{};
    std::memcpy(&error, frame.payload.data(), sizeof(error));
    EXPECT_EQ(error.code, RS_LINK_ERR_NO_SESSION);
    // And whoever comes next passes over such an answer.
    debugger_end->send(RS_PACKET_PING);
    start_debugger();
    expect_success();
}

TEST_F(LineIntroduction, EndsWhenNobodyAnswersInTime) {
    start_debugger(kKey, 1ms, 30ms);
    ASSERT_TRUE(comes_true([&] { return debugger.has_value(); }));
    EXPECT_EQ(debugger->outcome, Outcome::kTimedOut);
}

TEST_F(LineIntroduction, EndsInTimeThoughOthersTalk) {
    start_debugger(kKey, 20s, 30ms);
    const auto talk = encode_frame(RS_PACKET_PONG, 0, {});
    // As much as the line takes, for as long as it takes.
    ASSERT_TRUE(comes_true([&] {
        while (::send(agent_side.get(), talk.data(), talk.size(), MSG_DONTWAIT) > 0) {
        }
        loop.post([] {});  // look again soon
        return debugger.has_value();
    }));
    EXPECT_EQ(debugger->outcome, Outcome::kTimedOut);
}

TEST_F(LineIntroduction, EndsWhenTheLineDoes) {
    start_debugger();
    agent_side.reset();
    agent_end->close();
    ASSERT_TRUE(comes_true([&] { return debugger.has_value(); }));
    EXPECT_EQ(debugger->outcome, Outcome::kClosed);
}

}  // namespace
}  // namespace ringside::transport
