// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <functional>
#include <string_view>
#include <vector>

#include "transport/loop.hpp"

namespace ringside::transport {
namespace {

using namespace std::chrono_literals;
using Received = Channel::Received;

class ChannelPair : public testing::Test {
protected:
    ChannelPair() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        one = Channel::create(loop.context(), UniqueFd{ends[0]});
        other = Channel::create(loop.context(), UniqueFd{ends[1]});
    }
    ~ChannelPair() override {
        one->close();
        other->close();
    }

    Received receive(const std::shared_ptr<Channel>& channel, Deadline deadline = Deadline::max()) {
        std::optional<Received> result;
        asio::co_spawn(
            loop.context(), channel->receive(deadline),
            [&](std::exception_ptr, Received received) { result = std::move(received); });
        EXPECT_EQ(loop.wait_until([&] { return result.has_value(); }, 20s), Wait::kDone);
        return result ? std::move(*result) : Received{};
    }

    bool comes_true(const std::function<bool()>& condition) {
        return loop.wait_until(condition, 20s) == Wait::kDone;
    }

    Loop loop;
    std::shared_ptr<Channel> one;
    std::shared_ptr<Channel> other;
};

std::vector<std::byte> some_bytes(std::size_t size) {
    return std::vector(size, std::byte{0x11});
}

TEST_F(ChannelPair, CarriesFramesBothWays) {
    const auto payload = some_bytes(10);
    one->send(RS_PACKET_PING, {payload});
    other->send(RS_PACKET_BYE);
    const auto ping = receive(other);
    ASSERT_TRUE(ping.frame);
    EXPECT_EQ(ping.frame->type, RS_PACKET_PING);
    EXPECT_EQ(ping.frame->payload, payload);
    const auto bye = receive(one);
    ASSERT_TRUE(bye.frame);
    EXPECT_EQ(bye.frame->type, RS_PACKET_BYE);
}

TEST_F(ChannelPair, CountsItsFrames) {
    for (int count = 0; count < 3; ++count)
        one->send(RS_PACKET_PING);
    EXPECT_EQ(receive(other).frame->sequence, 0u);
    EXPECT_EQ(receive(other).frame->sequence, 1u);
    EXPECT_EQ(receive(other).frame->sequence, 2u);
}

TEST_F(ChannelPair, CarriesMoreThanTheSocketHolds) {
    const auto payload = some_bytes(RS_MAX_PACKET_BYTES);
    for (int count = 0; count < 4; ++count)
        one->send(RS_PACKET_REQUEST, {payload});
    for (int count = 0; count < 4; ++count) {
        const auto received = receive(other);
        ASSERT_TRUE(received.frame);
        ASSERT_EQ(received.frame->payload, payload);
    }
    EXPECT_TRUE(comes_true([&] { return one->queued_bytes() == 0; }));
}

TEST_F(ChannelPair, TheOtherSideHangingUpEndsReceiving) {
    one->send(RS_PACKET_PING);
    one->close();
    EXPECT_TRUE(receive(other).frame) << "what was sent before arrives";
    EXPECT_EQ(receive(other).end, Channel::End::kClosed);
    EXPECT_EQ(receive(one).end, Channel::End::kClosed);
}

TEST_F(ChannelPair, HalfAFrameIsNoFrame) {
    const auto bytes = encode_frame(RS_PACKET_PING, 0, {some_bytes(40)});
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const auto channel = Channel::create(loop.context(), UniqueFd{ends[0]});
    ASSERT_EQ(::write(ends[1], bytes.data(), bytes.size() - 1),
              static_cast<ssize_t>(bytes.size() - 1));
    ::close(ends[1]);
    const auto received = receive(channel);
    EXPECT_FALSE(received.frame);
    EXPECT_EQ(received.end, Channel::End::kClosed);
}

TEST_F(ChannelPair, WorksOnAPipe) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const auto reader = Channel::create(loop.context(), UniqueFd{ends[0]});
    const auto writer = Channel::create(loop.context(), UniqueFd{ends[1]});
    writer->send(RS_PACKET_PING, {some_bytes(5)});
    const auto received = receive(reader);
    ASSERT_TRUE(received.frame);
    EXPECT_EQ(received.frame->payload, some_bytes(5));
}

TEST_F(ChannelPair, FindsItsFrameBehindNoise) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const auto reader = Channel::create(loop.context(), UniqueFd{ends[0]});
    constexpr std::string_view kNoise = "RSLK login: RSL";
    ASSERT_EQ(::write(ends[1], kNoise.data(), kNoise.size()), static_cast<ssize_t>(kNoise.size()));
    const auto writer = Channel::create(loop.context(), UniqueFd{ends[1]});
    writer->send(RS_PACKET_PING);
    EXPECT_TRUE(receive(reader).frame);
    EXPECT_EQ(reader->decoder().counts().garbage_bytes, kNoise.size());
}

TEST_F(ChannelPair, ADeadlineLeavesTheChannelUsable) {
    EXPECT_EQ(receive(other, std::chrono::steady_clock::now() + 5ms).end, Channel::End::kTimedOut);
    EXPECT_EQ(receive(other, std::chrono::steady_clock::now() - 5ms).end, Channel::End::kTimedOut);
    one->send(RS_PACKET_PING);
    EXPECT_TRUE(receive(other).frame);
}

TEST_F(ChannelPair, ClosingEndsAWaitingReader) {
    loop.post([&] { other->close(); });
    EXPECT_EQ(receive(other).end, Channel::End::kClosed);
}

TEST_F(ChannelPair, StopReceivingEndsAWaitingReaderAndKeepsSending) {
    loop.post([&] { other->stop_receiving(); });
    EXPECT_EQ(receive(other).end, Channel::End::kClosed);
    other->send(RS_PACKET_BYE);
    EXPECT_TRUE(receive(one).frame);
}

TEST_F(ChannelPair, ASenderThatWaitsForRoomHoldsBoundedMemory) {
    std::size_t largest = 0;
    std::size_t sent = 0;
    const auto payload = some_bytes(100'000);
    asio::co_spawn(
        loop.context(),
        [&]() -> asio::awaitable<void> {
            while (one->is_open()) {
                one->send(RS_PACKET_MESSAGES, {payload});
                ++sent;
                largest = std::max(largest, one->queued_bytes());
                co_await one->wait_for_room();
            }
        },
        asio::detached);
    // The other side reads nothing: the sender stops, and nothing is left to run.
    while (loop.context().poll() > 0) {
    }
    const std::size_t stuck_at = sent;
    EXPECT_GT(one->queued_bytes(), Channel::kRoomBytes);
    EXPECT_LE(largest, Channel::kRoomBytes + payload.size() + sizeof(rs_packet));
    // It goes on when the other side does.
    for (std::size_t count = 0; count < stuck_at; ++count)
        ASSERT_TRUE(receive(other).frame);
    EXPECT_TRUE(comes_true([&] { return sent > stuck_at; }));
    one->close();
    EXPECT_EQ(one->queued_bytes(), 0u);
    loop.wait_for(1ms);  // lets the sender see it
}

TEST_F(ChannelPair, FinishSendsWhatIsQueuedAndWaitsForTheOtherSide) {
    const auto payload = some_bytes(RS_MAX_PACKET_BYTES);
    one->send(RS_PACKET_REQUEST, {payload});
    bool is_finished = false;
    asio::co_spawn(loop.context(), one->finish(std::chrono::steady_clock::now() + 20s),
                   [&](std::exception_ptr) { is_finished = true; });
    EXPECT_TRUE(receive(other).frame);
    EXPECT_EQ(receive(other).end, Channel::End::kClosed);
    EXPECT_FALSE(is_finished);
    other->close();
    EXPECT_TRUE(comes_true([&] { return is_finished; }));
    EXPECT_FALSE(one->is_open());
}

TEST_F(ChannelPair, FinishEndsAtItsDeadline) {
    one->send(RS_PACKET_REQUEST, {some_bytes(RS_MAX_PACKET_BYTES)});
    bool is_finished = false;
    asio::co_spawn(loop.context(), one->finish(std::chrono::steady_clock::now() + 10ms),
                   [&](std::exception_ptr) { is_finished = true; });
    EXPECT_TRUE(comes_true([&] { return is_finished; }));
    EXPECT_FALSE(one->is_open());
}

TEST_F(ChannelPair, ForgetsQueuedFramesButFinishesTheOneOnItsWay) {
    const auto large = some_bytes(1'000'000);  // more than the socket's buffer
    one->send(RS_PACKET_REQUEST, {large});
    one->send(RS_PACKET_REQUEST, {large});
    one->send(RS_PACKET_REQUEST, {large});
    one->discard_queued();
    EXPECT_LE(one->queued_bytes(), large.size() + sizeof(rs_packet));
    one->send(RS_PACKET_BYE);
    EXPECT_EQ(receive(other).frame->payload.size(), large.size());
    EXPECT_EQ(receive(other).frame->type, RS_PACKET_BYE);
    EXPECT_EQ(other->decoder().counts().garbage_bytes, 0u);
}

TEST_F(ChannelPair, ReceivesAgainWhenToldTo) {
    one->stop_receiving();
    EXPECT_EQ(receive(one).end, Channel::End::kClosed);
    one->resume_receiving();
    other->send(RS_PACKET_PING);
    const std::uint64_t before = one->received_bytes();
    ASSERT_TRUE(receive(one).frame);
    EXPECT_EQ(one->received_bytes() - before, sizeof(rs_packet));
}

}  // namespace
}  // namespace ringside::transport
