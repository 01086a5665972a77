// SPDX-License-Identifier: GPL-3.0-or-later
// The agent against debuggers that are slow, rude or gone. What a well-behaved one sees is tested
// with the debuggee.
#include "agent/agent.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/fake_device.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"
#include "transport/tcp.hpp"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;
using transport::bytes_of;
using transport::Channel;
using transport::Frame;
using transport::Handshake;
using transport::Wait;

const transport::Key kKey(transport::kKeyBytes, std::byte{0x5a});

class AgentLink : public testing::Test {
protected:
    void start(std::chrono::milliseconds handshake_timeout = 20s) {
        Options options;
        options.address = "127.0.0.1";
        options.port = 0;
        options.key = kKey;
        options.open_device = module.opener();
        options.handshake_timeout = handshake_timeout;
        options.log = [this](const std::string& line) { log.push_back(line); };
        agent = std::make_unique<Agent>(loop, std::move(options));
        ASSERT_EQ(agent->listen(), 0);
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    transport::UniqueFd connect() {
        std::optional<transport::Socket> result;
        asio::co_spawn(
            loop.context(),
            transport::connect_tcp(loop.context(), "127.0.0.1", agent->port(),
                                   std::chrono::steady_clock::now() + 20s),
            [&](std::exception_ptr, transport::Socket socket) { result = std::move(socket); });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        return result ? std::move(result->descriptor) : transport::UniqueFd{};
    }

    std::shared_ptr<Channel> stranger() {
        auto socket = connect();
        raw = transport::UniqueFd{::dup(socket.get())};
        return Channel::create(loop.context(), std::move(socket));
    }

    /// Writes to the newest link past its channel.
    void write_raw(const std::vector<std::byte>& bytes) {
        std::size_t written = 0;
        ASSERT_TRUE(comes_true([&] {
            const auto count = ::write(raw.get(), bytes.data() + written, bytes.size() - written);
            written += count > 0 ? static_cast<std::size_t>(count) : 0;
            return written == bytes.size();
        }));
    }

    /// A link that has introduced itself.
    std::shared_ptr<Channel> debugger() {
        const auto channel = stranger();
        std::optional<Handshake> result;
        asio::co_spawn(
            loop.context(),
            transport::introduce_debugger(*channel, kKey, std::chrono::steady_clock::now() + 20s),
            [&](std::exception_ptr, Handshake handshake) { result = handshake; });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        EXPECT_EQ(result->outcome, Handshake::Outcome::kDone) << transport::describe(*result);
        return channel;
    }

    void hang_up(const std::shared_ptr<Channel>& channel) {
        raw.reset();
        channel->close();
    }

    std::optional<Frame> receive(const std::shared_ptr<Channel>& channel) {
        std::optional<Channel::Received> result;
        asio::co_spawn(
            loop.context(), channel->receive(),
            [&](std::exception_ptr, Channel::Received received) { result = std::move(received); });
        EXPECT_TRUE(comes_true([&] { return result.has_value(); }));
        return result ? std::move(result->frame) : std::nullopt;
    }

    static rs_packet_request header(std::uint32_t request, std::size_t size, std::uint32_t id = 1) {
        return {.id = id,
                .service = RS_SERVICE_IOCTL,
                .request = request,
                .size = static_cast<std::uint32_t>(size)};
    }

    rs_packet_reply reply(const std::shared_ptr<Channel>& channel) {
        rs_packet_reply result{};
        const auto frame = receive(channel);
        EXPECT_TRUE(frame);
        if (frame) {
            EXPECT_EQ(frame->type, RS_PACKET_REPLY);
            std::memcpy(&result, frame->payload.data(), sizeof(result));
        }
        return result;
    }

    static rs_link_error error_of(const Frame& frame) {
        EXPECT_EQ(frame.type, RS_PACKET_ERROR);
        rs_packet_error error{};
        std::memcpy(&error, frame.payload.data(), std::min(sizeof(error), frame.payload.size()));
        return static_cast<rs_link_error>(error.code);
    }

    /// The proof that nothing got stuck.
    void expect_it_serves_the_next_one() {
        ASSERT_TRUE(comes_true([&] { return !agent->has_client(); }));
        EXPECT_EQ(module.open_files(), 0u);
        const auto next = debugger();
        EXPECT_EQ(module.open_files(), 1u);
        hang_up(next);
        ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    }

    transport::Loop loop;
    test::FakeModule module;
    std::unique_ptr<Agent> agent;
    std::vector<std::string> log;
    transport::UniqueFd raw;
};

TEST_F(AgentLink, OpensTheDeviceOnlyForAnAuthenticatedDebugger) {
    start();
    const auto unknown = stranger();
    unknown->send(RS_PACKET_PING);
    const auto frame = receive(unknown);
    ASSERT_TRUE(frame);
    EXPECT_EQ(error_of(*frame), RS_LINK_ERR_PROTOCOL);
    EXPECT_EQ(module.open_files(), 0u);
    const auto known = debugger();
    EXPECT_EQ(module.open_files(), 1u);
    EXPECT_TRUE(agent->has_client());
}

TEST_F(AgentLink, AnIdleStrangerIsShownTheDoor) {
    start(5ms);
    const auto idle = stranger();
    const auto frame = receive(idle);
    ASSERT_TRUE(frame);
    EXPECT_EQ(error_of(*frame), RS_LINK_ERR_TIMEOUT);
    EXPECT_FALSE(receive(idle)) << "and the agent hangs up";
}

TEST_F(AgentLink, IdleStrangersDoNotKeepTheDebuggerOut) {
    start();
    std::vector<std::shared_ptr<Channel>> idle;
    for (int count = 0; count < 5; ++count)
        idle.push_back(stranger());
    const auto known = debugger();
    EXPECT_TRUE(agent->has_client());
}

TEST_F(AgentLink, MoreStrangersThanItTakesAreDroppedAndItRecovers) {
    start(50ms);
    std::vector<transport::UniqueFd> idle;
    for (int count = 0; count < 50; ++count)
        idle.push_back(connect());
    idle.clear();
    // The agent's side ends at the latest at its time limit.
    std::shared_ptr<Channel> channel;
    bool is_in = false;
    for (int attempt = 0; attempt < 1000 && !is_in; ++attempt) {
        channel = stranger();
        std::optional<Handshake> result;
        asio::co_spawn(
            loop.context(),
            transport::introduce_debugger(*channel, kKey, std::chrono::steady_clock::now() + 20s),
            [&](std::exception_ptr, Handshake handshake) { result = handshake; });
        ASSERT_TRUE(comes_true([&] { return result.has_value(); }));
        is_in = result->outcome == Handshake::Outcome::kDone;
    }
    EXPECT_TRUE(is_in);
}

struct BadRequest {
    const char* name;
    rs_packet_request header;
    std::size_t bytes;
    int error_number;
};
class BadRequests : public AgentLink, public testing::WithParamInterface<BadRequest> {};

TEST_P(BadRequests, AreRefusedWithoutReachingTheDevice) {
    start();
    const auto channel = debugger();
    const std::vector<std::byte> argument(GetParam().bytes, std::byte{1});
    channel->send(RS_PACKET_REQUEST, {bytes_of(GetParam().header), argument});
    const auto answer = reply(channel);
    EXPECT_EQ(answer.id, GetParam().header.id);
    EXPECT_EQ(static_cast<int>(answer.error_number), GetParam().error_number);
    EXPECT_EQ(module.request_count(), 0u);
    // The link goes on.
    channel->send(RS_PACKET_REQUEST, {bytes_of(header(RS_IOC_VERSION, sizeof(rs_version), 77))});
    EXPECT_EQ(reply(channel).id, 77u);
    EXPECT_EQ(module.request_count(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    AgentLink, BadRequests,
    testing::Values(
        BadRequest{"unknown number", {5, RS_SERVICE_IOCTL, 0x5401, 8}, 8, ENOTTY},
        BadRequest{"unknown service", {6, 99, RS_IOC_VERSION, sizeof(rs_version)}, 0, EOPNOTSUPP},
        BadRequest{"too short", {7, RS_SERVICE_IOCTL, RS_IOC_LOAD, sizeof(rs_load) - 1}, 0, EINVAL},
        BadRequest{"too long", {8, RS_SERVICE_IOCTL, RS_IOC_LOAD, sizeof(rs_load) + 1}, 0, EINVAL},
        BadRequest{"empty", {9, RS_SERVICE_IOCTL, RS_IOC_LOAD, 0}, 0, EINVAL},
        BadRequest{"more bytes than size", {10, RS_SERVICE_IOCTL, RS_IOC_VERSION, 4}, 8, EINVAL},
        BadRequest{"total_len beyond", {11, RS_SERVICE_IOCTL, RS_IOC_EVAL, 0x100}, 0x100, EINVAL},
        BadRequest{"huge", {12, RS_SERVICE_IOCTL, RS_IOC_EVAL, 0xffff'ffff}, 0, E2BIG}),
    [](const auto& test) {
        std::string name = test.param.name;
        std::ranges::replace(name, ' ', '_');
        return name;
    });

TEST_F(AgentLink, AFrameThatIsTheAgentsEndsTheLink) {
    start();
    const auto channel = debugger();
    channel->send(RS_PACKET_REPLY, {bytes_of(rs_packet_reply{})});
    const auto frame = receive(channel);
    ASSERT_TRUE(frame);
    EXPECT_EQ(error_of(*frame), RS_LINK_ERR_PROTOCOL);
    hang_up(channel);
    expect_it_serves_the_next_one();
}

TEST_F(AgentLink, ADebuggerGoneInTheMiddleOfAFrameIsGone) {
    start();
    const auto channel = debugger();
    module.on_request([](std::uint32_t) { FAIL() << "half a request reached the device"; });
    const std::vector<std::byte> argument(sizeof(rs_load), std::byte{1});
    auto bytes = transport::encode_frame(
        RS_PACKET_REQUEST, 1, {bytes_of(header(RS_IOC_LOAD, sizeof(rs_load))), argument});
    bytes.pop_back();
    write_raw(bytes);
    hang_up(channel);
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    module.on_request(nullptr);
    expect_it_serves_the_next_one();
}

TEST_F(AgentLink, ADebuggerThatSaysByeIsGone) {
    start();
    const auto channel = debugger();
    channel->send(RS_PACKET_BYE);
    ASSERT_TRUE(comes_true([&] { return module.open_files() == 0; }));
    expect_it_serves_the_next_one();
}

TEST_F(AgentLink, NoiseInTheMiddleOfALinkIsPassedOver) {
    start();
    const auto channel = debugger();
    write_raw(std::vector<std::byte>(100'000, std::byte{0x52}));
    channel->send(RS_PACKET_REQUEST, {bytes_of(header(RS_IOC_VERSION, sizeof(rs_version), 3))});
    EXPECT_EQ(reply(channel).id, 3u);
}

TEST_F(AgentLink, ADebuggerThatNeverReadsAnswersIsNotAnsweredForEver) {
    start();
    const auto channel = debugger();
    // Each answer is long; the debugger reads none of them.
    constexpr std::size_t kRequests = 3000;
    for (std::size_t count = 0; count < kRequests; ++count)
        channel->send(RS_PACKET_REQUEST, {bytes_of(header(RS_IOC_VERSION, sizeof(rs_version)))});
    while (loop.context().poll() > 0) {
    }
    EXPECT_GT(module.request_count(), 0u);
    hang_up(channel);
    expect_it_serves_the_next_one();
}

TEST_F(AgentLink, StopsReadingTheDeviceWhileTheLinkIsFull) {
    start();
    const auto channel = debugger();
    rs_load load{};
    load.size = sizeof(load);
    load.abi = RS_ABI_VERSION;
    channel->send(RS_PACKET_REQUEST, {bytes_of(header(RS_IOC_LOAD, sizeof(load))), bytes_of(load)});
    EXPECT_EQ(reply(channel).error_number, 0u);
    rs_event_detail detail{};
    detail.size = sizeof(detail);
    detail.abi = RS_ABI_VERSION;
    detail.total_len = sizeof(detail);
    detail.event_type = RS_EVENT_EXTERNAL_INTERRUPT;
    detail.core_id = RS_ANY;
    detail.process_id = RS_ANY;
    detail.optional_param[0] = RS_VECTOR_ALL;
    channel->send(RS_PACKET_REQUEST,
                  {bytes_of(header(RS_IOC_REGISTER_EVENT, sizeof(detail))), bytes_of(detail)});
    EXPECT_EQ(reply(channel).error_number, 0u);

    // The debugger reads nothing. What the agent takes from the device is bounded by its queue and
    // the sockets' buffers; then the device's own buffer fills, and it counts what it drops.
    const std::string text(4000, 'm');
    std::uint64_t reads = 0;
    std::size_t accepted_bytes = 0;
    do {
        reads = module.read_count();
        while (module.emit(RS_TAG_BASE, 0, text))
            accepted_bytes += text.size();
        while (loop.context().poll() > 0) {
        }
    } while (module.read_count() != reads);
    EXPECT_FALSE(module.emit(RS_TAG_BASE, 0, text));
    EXPECT_LT(accepted_bytes, 64u * 1024 * 1024);
    hang_up(channel);
    expect_it_serves_the_next_one();
}

TEST_F(AgentLink, StopTellsTheDebuggerAndClosesTheDevice) {
    start();
    const auto channel = debugger();
    agent->stop();
    EXPECT_EQ(module.open_files(), 0u);
    EXPECT_EQ(agent->port(), 0u);
    const auto frame = receive(channel);
    ASSERT_TRUE(frame);
    EXPECT_EQ(error_of(*frame), RS_LINK_ERR_SHUTDOWN);
    EXPECT_FALSE(receive(channel));
}

TEST_F(AgentLink, LogsWhoComesAndGoes) {
    start();
    const auto channel = debugger();
    hang_up(channel);
    ASSERT_TRUE(comes_true([&] { return log.size() == 3; }));
    EXPECT_EQ(log[0], "listening on 127.0.0.1:" + std::to_string(agent->port()));
    EXPECT_EQ(log[1], "a debugger is connected");
    EXPECT_EQ(log[2], "link ended: the debugger left");
}

TEST(Agent, SaysThatThePortIsTaken) {
    transport::Loop loop;
    transport::TcpListener taken{loop.context()};
    ASSERT_EQ(taken.listen("127.0.0.1", 0), 0);
    Options options;
    options.address = "127.0.0.1";
    options.port = taken.port();
    Agent agent{loop, options};
    EXPECT_EQ(agent.listen(), EADDRINUSE);
    EXPECT_EQ(agent.port(), 0u);
    EXPECT_EQ(run(options), 1);
}

TEST(Agent, RunEndsAtASignal) {
    Options options;
    options.address = "127.0.0.1";
    options.port = 0;
    // The first line of the log says that it listens.
    options.log = [](const std::string&) { ::raise(SIGTERM); };
    EXPECT_EXIT(std::exit(run(options)), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ringside::agent
