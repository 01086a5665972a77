// SPDX-License-Identifier: GPL-3.0-or-later
// The agent on a line: debuggers come and go, and the line does not say so.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "support/fake_device.hpp"
#include "support/pty.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;
using transport::bytes_of;
using transport::Channel;
using transport::Frame;
using transport::Handshake;
using transport::Wait;

const transport::Key kKey(transport::kKeyBytes, std::byte{0x5a});
const transport::Key kOtherKey(transport::kKeyBytes, std::byte{0xa5});

class AgentOnALine : public testing::Test {
protected:
    void start(std::chrono::milliseconds silence = 300s) {
        Options options;
        options.key = kKey;
        options.open_device = module.opener();
        options.silence = silence;
        options.log = [this](const std::string& line) { log.push_back(line); };
        agent = std::make_unique<LineAgent>(loop, pty.open_master(), std::move(options),
                                            [this] { ++ends; });
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    /// Somebody at the other end of the cable. To close the channel is to die without a word.
    std::shared_ptr<Channel> somebody() {
        return Channel::create(loop.context(), transport::UniqueFd{::dup(pty.slave())});
    }

    Handshake introduce(const std::shared_ptr<Channel>& channel, const transport::Key& key = kKey) {
        std::optional<Handshake> result;
        asio::co_spawn(loop.context(),
                       transport::introduce_debugger_on_line(
                           *channel, key, std::chrono::steady_clock::now() + 20s, 200ms),
                       [&](std::exception_ptr, Handshake handshake) { result = handshake; });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        return result.value_or(Handshake{});
    }

    std::shared_ptr<Channel> debugger() {
        auto channel = somebody();
        const Handshake result = introduce(channel);
        EXPECT_EQ(result.outcome, Handshake::Outcome::kDone) << transport::describe(result);
        return channel;
    }

    std::optional<Frame> receive(const std::shared_ptr<Channel>& channel) {
        std::optional<Channel::Received> result;
        asio::co_spawn(
            loop.context(), channel->receive(),
            [&](std::exception_ptr, Channel::Received received) { result = std::move(received); });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        return result ? std::move(result->frame) : std::nullopt;
    }

    rs_link_error error_of(const std::shared_ptr<Channel>& channel) {
        const auto frame = receive(channel);
        EXPECT_TRUE(frame && frame->type == RS_PACKET_ERROR);
        rs_packet_error error{};
        if (frame)
            std::memcpy(&error, frame->payload.data(),
                        std::min(sizeof(error), frame->payload.size()));
        return static_cast<rs_link_error>(error.code);
    }

    template <class T>
    std::optional<Frame> ask(const std::shared_ptr<Channel>& channel, std::uint32_t request,
                             const T& argument) {
        const rs_packet_request header{
            .id = 1, .service = RS_SERVICE_IOCTL, .request = request, .size = sizeof(T)};
        channel->send(RS_PACKET_REQUEST, {bytes_of(header), bytes_of(argument)});
        return receive(channel);
    }

    /// A debugger with one event, whose tag is RS_TAG_BASE.
    std::shared_ptr<Channel> debugger_with_event() {
        auto channel = debugger();
        rs_load load{};
        load.size = sizeof(load);
        load.abi = RS_ABI_VERSION;
        EXPECT_EQ(ask(channel, RS_IOC_LOAD, load)->type, RS_PACKET_REPLY);
        rs_event_detail detail{};
        detail.size = sizeof(detail);
        detail.abi = RS_ABI_VERSION;
        detail.total_len = sizeof(detail);
        detail.event_type = RS_EVENT_EXTERNAL_INTERRUPT;
        detail.core_id = RS_ANY;
        detail.process_id = RS_ANY;
        detail.optional_param[0] = RS_VECTOR_ALL;
        EXPECT_EQ(ask(channel, RS_IOC_REGISTER_EVENT, detail)->type, RS_PACKET_REPLY);
        EXPECT_EQ(module.event_count(), 1u);
        return channel;
    }

    transport::Loop loop;
    test::FakeModule module;
    test::Pty pty;
    std::vector<std::string> log;
    int ends = 0;
    std::unique_ptr<LineAgent> agent;
};

TEST_F(AgentOnALine, ServesOneDebuggerAfterTheOther) {
    start();
    for (int count = 0; count < 3; ++count) {
        const auto channel = debugger();
        EXPECT_TRUE(agent->has_client());
        EXPECT_EQ(module.open_files(), 1u);
        EXPECT_EQ(ask(channel, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
        channel->send(RS_PACKET_BYE);
        EXPECT_EQ(receive(channel)->type, RS_PACKET_BYE) << "it was heard";
        ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
        channel->close();
    }
    EXPECT_EQ(log[0], "listening on serial line cable");
    EXPECT_EQ(log[1], "a debugger is connected");
    EXPECT_EQ(log[2], "link ended: the debugger left");
    EXPECT_EQ(log[3], "a debugger is connected");
}

TEST_F(AgentOnALine, AHelloEndsTheSessionOfADebuggerThatDied) {
    start();
    const auto dead = debugger_with_event();
    dead->close();
    const auto next = debugger();
    EXPECT_EQ(module.event_count(), 0u) << "EVT-12";
    EXPECT_EQ(module.open_files(), 1u);
    EXPECT_EQ(log[2], "link ended: another debugger came");
    EXPECT_EQ(ask(next, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
}

TEST_F(AgentOnALine, AHelloIsHeardInTheMiddleOfAFrame) {
    start();
    const auto dead = debugger_with_event();
    module.on_request([](std::uint32_t) { FAIL() << "half a request reached the device"; });
    const rs_packet_request header{
        .id = 9, .service = RS_SERVICE_IOCTL, .request = RS_IOC_EVAL, .size = 60'000};
    auto half = transport::encode_frame(RS_PACKET_REQUEST, 100,
                                        {bytes_of(header), std::vector(50'000, std::byte{1})});
    half.resize(1000);
    ASSERT_EQ(::write(pty.slave(), half.data(), half.size()), 1000);
    dead->close();
    module.on_request(nullptr);
    const auto next = debugger();
    EXPECT_EQ(module.event_count(), 0u);
    EXPECT_EQ(ask(next, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
}

TEST_F(AgentOnALine, SilenceEndsASession) {
    start(400ms);
    const auto silent = debugger_with_event();
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    EXPECT_EQ(module.event_count(), 0u) << "EVT-12";
    EXPECT_EQ(error_of(silent), RS_LINK_ERR_NO_SESSION);
    EXPECT_EQ(log[2], "link ended: nothing was heard from the debugger");
    // One that was only asleep hears it again.
    silent->send(RS_PACKET_PING);
    EXPECT_EQ(error_of(silent), RS_LINK_ERR_NO_SESSION);
    silent->close();
    (void)debugger();
}

TEST_F(AgentOnALine, PingsKeepASessionAlive) {
    start(400ms);
    const auto channel = debugger();
    const auto end = std::chrono::steady_clock::now() + 1s;
    while (std::chrono::steady_clock::now() < end) {
        channel->send(RS_PACKET_PING);
        ASSERT_EQ(receive(channel)->type, RS_PACKET_PONG);
    }
    EXPECT_TRUE(agent->has_client());
}

TEST_F(AgentOnALine, MessagesThatNobodyReadsDoNotBlockIt) {
    start(400ms);
    const auto dead = debugger_with_event();
    dead->close();
    // Until cable, queue and the device's own buffer are full.
    const std::string text(4000, 'm');
    std::uint64_t reads = 0;
    do {
        reads = module.read_count();
        while (module.emit(RS_TAG_BASE, 0, text)) {
        }
        while (loop.context().poll() > 0) {
        }
    } while (module.read_count() != reads);
    EXPECT_FALSE(module.emit(RS_TAG_BASE, 0, text));
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    const auto next = debugger();
    EXPECT_EQ(ask(next, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
}

TEST_F(AgentOnALine, AFloodOfMessagesDoesNotKeepTheNextOneOut) {
    start();
    const auto dead = debugger_with_event();
    dead->close();
    const std::string text(1000, 'm');
    while (module.emit(RS_TAG_BASE, 0, text)) {
    }
    const auto next = debugger();
    EXPECT_EQ(module.event_count(), 0u);
    EXPECT_EQ(ask(next, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
}

TEST_F(AgentOnALine, AnswersAreNotHeldUpByManyMessages) {
    start();
    const auto channel = debugger_with_event();
    const std::string text(1000, 'm');
    while (module.emit(RS_TAG_BASE, 0, text)) {
    }
    const std::uint32_t mark = 77;
    channel->send(RS_PACKET_PING, {bytes_of(mark)});
    const rs_packet_request header{.id = 5,
                                   .service = RS_SERVICE_IOCTL,
                                   .request = RS_IOC_VERSION,
                                   .size = sizeof(rs_version)};
    channel->send(RS_PACKET_REQUEST, {bytes_of(header)});
    std::size_t bytes = 0;
    while (true) {
        const auto frame = receive(channel);
        ASSERT_TRUE(frame);
        if (frame->type == RS_PACKET_REPLY)
            break;
        ASSERT_EQ(frame->type, RS_PACKET_MESSAGES) << "the PONG is behind more than the answer";
        EXPECT_LE(frame->payload.size(), 2048u);
        bytes += frame->payload.size();
    }
    EXPECT_LT(bytes, 32u * 1024) << "what waits in front of an answer";
    while (true) {
        const auto frame = receive(channel);
        ASSERT_TRUE(frame);
        if (frame->type == RS_PACKET_PONG)
            break;
        bytes += frame->payload.size();
    }
    EXPECT_GT(bytes, 50u * 1024);
    EXPECT_LT(bytes, 128u * 1024) << "and the PONG does not wait for all of them";
}

TEST_F(AgentOnALine, CarriesRecordsLongerThanItsBatch) {
    start();
    const auto channel = debugger_with_event();
    ASSERT_TRUE(module.emit(RS_TAG_BASE, 0, std::string(4000, 'm')));
    const auto frame = receive(channel);
    ASSERT_EQ(frame->type, RS_PACKET_MESSAGES);
    EXPECT_GT(frame->payload.size(), 4000u);
}

TEST_F(AgentOnALine, BytesLostOnTheLineEndTheSessionWithASentence) {
    start();
    const auto channel = debugger_with_event();
    const rs_packet_request header{
        .id = 5, .service = RS_SERVICE_IOCTL, .request = RS_IOC_UNLOAD, .size = sizeof(rs_load)};
    auto bytes =
        transport::encode_frame(RS_PACKET_REQUEST, 99, {bytes_of(header), bytes_of(rs_load{})});
    bytes.erase(bytes.begin() + 30);
    ASSERT_EQ(::write(pty.slave(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    channel->send(RS_PACKET_PING);
    EXPECT_EQ(error_of(channel), RS_LINK_ERR_DAMAGED);
    EXPECT_TRUE(module.is_loaded());
    EXPECT_EQ(module.open_files(), 0u);
    channel->close();
    (void)debugger();
}

TEST_F(AgentOnALine, NoiseBetweenFramesIsPassedOver) {
    start();
    const auto channel = debugger();
    const std::vector<std::byte> noise(2000, std::byte{0x52});
    ASSERT_EQ(::write(pty.slave(), noise.data(), noise.size()), 2000);
    EXPECT_EQ(ask(channel, RS_IOC_VERSION, rs_version{})->type, RS_PACKET_REPLY);
}

TEST_F(AgentOnALine, AnotherKeyIsRefusedAndTheNextOneServed) {
    start();
    const auto stranger = somebody();
    const Handshake result = introduce(stranger, kOtherKey);
    EXPECT_EQ(result.outcome, Handshake::Outcome::kRefused);
    EXPECT_EQ(transport::describe(result), "the keys differ");
    EXPECT_EQ(module.open_files(), 0u);
    stranger->close();
    (void)debugger();
}

TEST_F(AgentOnALine, TellsThatItCannotOpenTheDevice) {
    start();
    module.fail_next_open(ENOENT);
    const auto channel = somebody();
    const Handshake result = introduce(channel);
    EXPECT_EQ(transport::describe(result),
              "the agent cannot use its device: No such file or directory");
    channel->close();
    (void)debugger();
}

TEST_F(AgentOnALine, StopTellsTheDebuggerAndGivesTheLineBack) {
    start();
    const auto channel = debugger();
    agent->stop();
    EXPECT_EQ(module.open_files(), 0u);
    EXPECT_EQ(error_of(channel), RS_LINK_ERR_SHUTDOWN);
    EXPECT_EQ(ends, 0);
}

TEST_F(AgentOnALine, SaysThatTheLineIsGone) {
    start();
    const auto channel = debugger();
    channel->close();
    pty.unplug();
    ASSERT_TRUE(comes_true([&] { return ends == 1; }));
    EXPECT_EQ(module.open_files(), 0u);
    EXPECT_EQ(log.back(), "the serial line is gone");
}

TEST(AgentProgramOnALine, EndsAtASignalAndWhenTheLineIsGone) {
    EXPECT_EQ(run_on_line("/dev/no-such-port", {}), 1);
    test::Pty pty;
    Options options;
    // The first line of the log says that it listens.
    options.log = [](const std::string&) { ::raise(SIGTERM); };
    EXPECT_EXIT(std::exit(run_on_line(pty.path(), options)), testing::ExitedWithCode(0), "");
    options.log = [&](const std::string&) { pty.unplug(); };
    EXPECT_EQ(run_on_line(pty.path(), options), 1);
}

}  // namespace
}  // namespace ringside::agent
