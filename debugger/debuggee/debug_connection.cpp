// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/debug_connection.hpp"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "ringside/version.h"
#include "transport/authentication.hpp"
#include "transport/handshake.hpp"
#include "transport/requests.hpp"

namespace ringside::debuggee {

using transport::bytes_of;
using transport::Channel;
using transport::Frame;
using transport::Handshake;
using transport::Wait;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kHelloInterval{300};
// How long our last word and the answer to it may take.
constexpr std::chrono::milliseconds kFarewell{2'000};
// The largest request that root mode takes, with its header.
constexpr std::size_t kMostBytes = 0x80000 - 64;

template <class T>
T read_front(const Frame& frame) {
    T value{};
    std::memcpy(&value, frame.payload.data(), std::min(sizeof(T), frame.payload.size()));
    return value;
}

bool is_fresh(std::uint32_t sequence, std::uint32_t expected) {
    return static_cast<std::int32_t>(sequence - expected) >= 0;
}

}  // namespace

DebugConnection::DebugConnection(transport::Loop& loop, std::shared_ptr<Channel> channel,
                                 KeepAlive keep, std::string name, ConnectionEvents events,
                                 Times times)
    : loop_{loop},
      channel_{std::move(channel)},
      keep_{std::move(keep)},
      name_{std::move(name)},
      events_{std::move(events)},
      times_{times},
      ping_timer_{loop.context()} {}

DebugConnection::~DebugConnection() {
    close();
}

ConnectFailure DebugConnection::introduce(bool pause, std::chrono::milliseconds timeout) {
    using Kind = ConnectFailure::Kind;
    hello_.link_version = RS_LINK_VERSION;
    hello_.abi = RS_ABI_VERSION;
    hello_.flags = RS_LINKF_DEBUG | RS_LINKF_NO_KEY | (pause ? RS_LINKF_PAUSE : 0);
    transport::fill_random(std::as_writable_bytes(std::span{hello_.nonce}));
    std::memcpy(hello_.release, RS_RELEASE, sizeof(RS_RELEASE));
    asio::co_spawn(loop_.context(), receive(shared_from_this()), asio::detached);
    const auto deadline = Clock::now() + timeout;
    const auto is_over = [this] {
        return state_ == State::kRunning || refusal_ || !channel_->is_open();
    };
    Wait how = Wait::kTimedOut;
    while (!is_over() && how == Wait::kTimedOut && Clock::now() < deadline) {
        channel_->send(RS_PACKET_HELLO, {bytes_of(hello_)});
        how = loop_.wait_until(is_over, std::min(kHelloInterval, timeout));
    }
    if (state_ == State::kRunning)
        return {};
    const bool was_open = channel_->is_open();
    let_go();
    if (refusal_)
        return {.kind = Kind::kVersion, .text = *refusal_};
    if (how == Wait::kInterrupted)
        return {.kind = Kind::kInterrupted, .text = "interrupted"};
    if (!was_open)
        return {.kind = Kind::kClosed, .text = "the other side hung up"};
    return {.kind = Kind::kTimedOut, .text = "no answer from a debuggee; is it prepared?"};
}

Failure DebugConnection::request(std::uint32_t request, std::span<std::byte> argument,
                                 std::chrono::milliseconds timeout) {
    if (const int error_number = transport::check_request(request, argument))
        return {.kind = Failure::Kind::kRefused, .error_number = error_number};
    if (argument.size() > kMostBytes)
        return {.kind = Failure::Kind::kRefused, .error_number = E2BIG};
    if (pending_.id != 0)
        return {.kind = Failure::Kind::kRefused, .error_number = EDEADLK};
    const auto self = shared_from_this();
    rs_packet_request header{};
    header.id = next_id_++;
    header.service = RS_SERVICE_IOCTL;
    header.request = request;
    header.size = static_cast<std::uint32_t>(argument.size());
    pending_ = {.id = header.id, .argument = argument, .failure = {}};
    // As it is now: an answer changes it.
    const auto length = transport::length_without_zeroes(argument);
    const std::vector<std::byte> sent{argument.begin(),
                                      argument.begin() + static_cast<std::ptrdiff_t>(length)};
    const auto deadline = Clock::now() + timeout;
    Wait how = Wait::kTimedOut;
    std::uint64_t heard = channel_->received_bytes();
    bool has_to_send = true;
    while (!pending_.failure && is_open() && Clock::now() < deadline) {
        if (has_to_send) {
            channel_->send(RS_PACKET_REQUEST, {bytes_of(header), sent});
            pending_.probe = 0;
            pending_.is_lost = false;
        } else {
            // A slow line may still carry the answer: a PING overtakes neither it nor us.
            if (pending_.probe == 0)
                pending_.probe = next_id_++;
            channel_->send(RS_PACKET_PING, {bytes_of(pending_.probe)});
        }
        how = loop_.wait_until(
            [&] { return pending_.failure.has_value() || pending_.is_lost || !is_open(); },
            times_.retry);
        if (how == Wait::kInterrupted)
            break;
        has_to_send = pending_.is_lost || heard == channel_->received_bytes();
        heard = channel_->received_bytes();
    }
    const Failure failure = pending_.failure.value_or(failure_of(how));
    pending_ = {};
    return failure;
}

Failure DebugConnection::drain(std::chrono::milliseconds timeout) {
    const auto self = shared_from_this();
    const std::uint32_t ping = next_id_++;
    channel_->send(RS_PACKET_PING, {bytes_of(ping)});
    const Wait how = loop_.wait_until([&] { return last_pong_ == ping || !is_open(); }, timeout);
    return last_pong_ == ping ? Failure{} : failure_of(how);
}

void DebugConnection::start() {
    asio::co_spawn(loop_.context(), keep_alive(shared_from_this()), asio::detached);
}

void DebugConnection::close() {
    if (!is_open())
        return;
    is_closed_ = true;
    const auto deadline = Clock::now() + kFarewell;
    Wait how = Wait::kTimedOut;
    while (how == Wait::kTimedOut && channel_->is_open() && Clock::now() < deadline) {
        channel_->send(RS_PACKET_BYE);
        how = loop_.wait_until([this] { return is_left_ || !channel_->is_open(); }, kHelloInterval);
    }
    let_go();
}

void DebugConnection::let_go() {
    is_closed_ = true;
    ping_timer_.cancel();
    channel_->close();
    keep_.reset();
}

Failure DebugConnection::failure_of(Wait how) const {
    if (!is_open())
        return {.kind = Failure::Kind::kLost};
    return {.kind =
                how == Wait::kTimedOut ? Failure::Kind::kTimedOut : Failure::Kind::kInterrupted};
}

asio::awaitable<void> DebugConnection::receive(
    [[maybe_unused]] std::shared_ptr<DebugConnection> self) {
    while (channel_->is_open()) {
        // In between, frames that are still missing are asked for again.
        const auto wake = asked_ ? *asked_ + times_.resend : transport::Deadline::max();
        auto received = co_await channel_->receive(wake);
        if (received.end == Channel::End::kTimedOut) {
            ask_for_missing();
            continue;
        }
        if (is_closed_) {
            is_left_ |= !received.frame || received.frame->type == RS_PACKET_BYE;
            if (!received.frame || is_left_)
                co_return;
            continue;
        }
        if (!received.frame) {
            if (state_ == State::kRunning)
                lose("the connection was lost");
            co_return;
        }
        take(*received.frame);
    }
}

/// Says that we are there: the debuggee breaks for nobody who is not (BRK-7).
asio::awaitable<void> DebugConnection::keep_alive(
    [[maybe_unused]] std::shared_ptr<DebugConnection> self) {
    std::uint64_t heard = 0;
    int unanswered = 0;
    while (is_open()) {
        ping_timer_.expires_after(times_.ping);
        std::error_code error;
        co_await ping_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (!is_open())
            co_return;
        unanswered = channel_->received_bytes() == heard ? unanswered + 1 : 0;
        heard = channel_->received_bytes();
        if (unanswered > times_.unanswered_pings) {
            lose("the connection was lost: the debuggee does not answer any more");
            co_return;
        }
        channel_->send(RS_PACKET_PING);
    }
}

/// Whether `frame` is the one that follows; else it is dropped, and what is missing asked for.
bool DebugConnection::is_next(const Frame& frame) {
    if (frame.sequence == expected_) {
        ++expected_;
        asked_.reset();
        return true;
    }
    if (is_fresh(frame.sequence, expected_) && (!asked_ || Clock::now() - *asked_ >= times_.resend))
        ask_for_missing();
    return false;
}

void DebugConnection::ask_for_missing() {
    rs_packet_resend request{};
    request.sequence = expected_;
    asked_ = Clock::now();
    channel_->send(RS_PACKET_RESEND, {bytes_of(request)});
}

void DebugConnection::take(const Frame& frame) {
    if (frame.type == RS_PACKET_DEBUGGEE)
        return take_debuggee(frame);
    if (frame.type == RS_PACKET_ERROR && (state_ == State::kIntroducing || is_missed(frame)))
        return take_error(frame);
    if (state_ != State::kRunning || !is_next(frame))
        return;
    switch (frame.type) {
        case RS_PACKET_REPLY:
            take_reply(frame);
            break;
        case RS_PACKET_MESSAGES:
            (void)for_each_message(frame.payload, [this](const Message& message) {
                if (!is_closed_ && events_.on_message)
                    events_.on_message(message);
            });
            break;
        case RS_PACKET_HALT:
            take_halt(frame);
            break;
        case RS_PACKET_PING:
            channel_->send(RS_PACKET_PONG);
            break;
        case RS_PACKET_PONG:
            take_pong(frame);
            break;
        case RS_PACKET_BYE:
            lose("the debuggee has ended Debugger Mode");
            break;
        default:
            break;
    }
}

void DebugConnection::take_debuggee(const Frame& frame) {
    const auto debuggee = read_front<rs_packet_debuggee>(frame);
    if (state_ == State::kRunning)
        return;  // to a HELLO that we said again
    if (std::memcmp(debuggee.nonce, hello_.nonce, sizeof(hello_.nonce)) != 0)
        return;  // to somebody who was here before
    expected_ = frame.sequence + 1;
    asked_.reset();
    state_ = State::kRunning;
}

void DebugConnection::take_error(const Frame& frame) {
    const auto error = read_front<rs_packet_error>(frame);
    if (state_ == State::kIntroducing) {
        // One that was said to somebody before us does not concern us.
        if (frame.payload.size() < sizeof(error) + sizeof(rs_packet_echo) ||
            std::memcmp(frame.payload.data() + sizeof(error), hello_.nonce, sizeof(hello_.nonce)) !=
                0)
            return;
        Handshake said{.outcome = Handshake::Outcome::kRefused};
        said.error = error;
        refusal_ = transport::describe(said);
        return;
    }
    // What we missed is gone for good; it goes on behind this frame.
    if (events_.on_notice)
        events_.on_notice(std::to_string(frame.sequence - expected_) +
                          " frames were lost on the link");
    expected_ = frame.sequence + 1;
    asked_.reset();
}

/// Whether `frame` says that what we miss is gone.
bool DebugConnection::is_missed(const Frame& frame) const {
    rs_packet_resend missed{};
    const auto error = read_front<rs_packet_error>(frame);
    if (error.code != RS_LINK_ERR_DAMAGED || frame.sequence == expected_ ||
        !is_fresh(frame.sequence, expected_) ||
        frame.payload.size() < sizeof(error) + sizeof(missed))
        return false;
    std::memcpy(&missed, frame.payload.data() + sizeof(error), sizeof(missed));
    return missed.sequence == expected_;
}

void DebugConnection::take_pong(const Frame& frame) {
    if (frame.payload.size() != sizeof(last_pong_))
        return;
    std::memcpy(&last_pong_, frame.payload.data(), sizeof(last_pong_));
    if (pending_.id != 0 && last_pong_ == pending_.probe)
        pending_.is_lost = true;
}

void DebugConnection::take_reply(const Frame& frame) {
    const auto reply = read_front<rs_packet_reply>(frame);
    const auto changed = std::span{frame.payload}.subspan(sizeof(reply));
    if (pending_.id == 0 || reply.id != pending_.id || pending_.failure)
        return;
    if (reply.offset > pending_.argument.size() ||
        changed.size() > pending_.argument.size() - reply.offset) {
        pending_.failure = Failure{.kind = Failure::Kind::kMalformed};
        return;
    }
    if (!changed.empty())
        std::memcpy(pending_.argument.data() + reply.offset, changed.data(), changed.size());
    pending_.failure = reply.error_number != 0
                           ? Failure{.kind = Failure::Kind::kRefused,
                                     .error_number = static_cast<int>(reply.error_number)}
                           : Failure{};
}

void DebugConnection::take_halt(const Frame& frame) {
    if (events_.on_halt)
        events_.on_halt(read_front<rs_halt>(frame));
}

void DebugConnection::lose(const std::string& reason) {
    if (is_closed_)
        return;
    let_go();
    if (events_.on_lost)
        events_.on_lost(reason);
}

}  // namespace ringside::debuggee
