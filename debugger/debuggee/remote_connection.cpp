// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/remote_connection.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "transport/handshake.hpp"
#include "transport/requests.hpp"

namespace ringside::debuggee {

using transport::bytes_of;
using transport::Channel;
using transport::Frame;
using transport::Handshake;
using transport::Wait;

namespace {

// How long a line may take to carry our last word and the answer to it.
constexpr std::chrono::milliseconds kFarewell{2'000};
// A slow line, and behind it perhaps an emulator much slower than its machine.
constexpr std::chrono::milliseconds kLineTimeout{180'000};

bool apply(const rs_packet_reply& reply, std::span<const std::byte> changed,
           std::span<std::byte> argument) {
    if (reply.offset > argument.size() || changed.size() > argument.size() - reply.offset)
        return false;
    if (!changed.empty())
        std::memcpy(argument.data() + reply.offset, changed.data(), changed.size());
    return true;
}

}  // namespace

RemoteConnection::RemoteConnection(transport::Loop& loop, std::shared_ptr<Channel> channel,
                                   std::string name, ConnectionEvents events)
    : loop_{loop},
      channel_{std::move(channel)},
      name_{std::move(name)},
      label_{name_},
      events_{std::move(events)},
      ping_timer_{loop.context()} {}

RemoteConnection::~RemoteConnection() {
    close();
}

void RemoteConnection::set_line(LineTraits traits, std::string label,
                                std::unique_ptr<transport::LineSettings> settings) {
    line_ = traits;
    label_ = std::move(label);
    settings_ = std::move(settings);
    channel_->set_room(transport::kLineRoomBytes);
    counts_at_begin_ = channel_->decoder().counts();
}

Failure RemoteConnection::request(std::uint32_t request, std::span<std::byte> argument,
                                  std::chrono::milliseconds timeout) {
    // The agent checks the same; asking here gives the answer without the way there.
    if (const int error_number = transport::check_request(request, argument))
        return {.kind = Failure::Kind::kRefused, .error_number = error_number};
    const auto self = shared_from_this();
    rs_packet_request header{};
    header.id = next_id_++;
    header.service = RS_SERVICE_IOCTL;
    header.request = request;
    header.size = static_cast<std::uint32_t>(argument.size());
    Pending& pending = pending_[header.id];
    pending.argument = argument;
    channel_->send(RS_PACKET_REQUEST,
                   {bytes_of(header), argument.first(transport::length_without_zeroes(argument))});
    const Wait how =
        loop_.wait_until([&] { return pending.failure.has_value() || !is_open(); }, timeout);
    Failure failure = pending.failure.value_or(failure_of(how));
    if (!pending.failure && request == RS_IOC_REGISTER_EVENT && is_open())
        remember_registration(header.id, argument);
    pending_.erase(header.id);
    return failure;
}

Failure RemoteConnection::drain(std::chrono::milliseconds timeout) {
    const auto self = shared_from_this();
    const std::uint32_t ping = next_id_++;
    channel_->send(RS_PACKET_PING, {bytes_of(ping)});
    const Wait how = loop_.wait_until([&] { return last_pong_ == ping || !is_open(); }, timeout);
    return last_pong_ == ping ? Failure{} : failure_of(how);
}

void RemoteConnection::start() {
    asio::co_spawn(loop_.context(), receive(shared_from_this()), asio::detached);
    if (line_)
        asio::co_spawn(loop_.context(), keep_alive(shared_from_this()), asio::detached);
}

void RemoteConnection::close() {
    if (!is_open())
        return;
    channel_->send(RS_PACKET_BYE);
    is_closed_ = true;
    if (line_) {
        // Closing a line tells the other side nothing, so the BYE must arrive.
        loop_.wait_until([this] { return is_left_ || !channel_->is_open(); }, kFarewell);
    }
    let_go();
}

/// Gives the link back to the system.
void RemoteConnection::let_go() {
    is_closed_ = true;
    ping_timer_.cancel();
    channel_->close();
    settings_.reset();
}

std::chrono::milliseconds RemoteConnection::usual_timeout() const {
    return line_ ? kLineTimeout : Connection::usual_timeout();
}

Failure RemoteConnection::failure_of(Wait how) const {
    if (!is_open())
        return {.kind = Failure::Kind::kLost};
    return {.kind =
                how == Wait::kTimedOut ? Failure::Kind::kTimedOut : Failure::Kind::kInterrupted};
}

asio::awaitable<void> RemoteConnection::receive(
    [[maybe_unused]] std::shared_ptr<RemoteConnection> self) {
    while (channel_->is_open()) {
        auto received = co_await channel_->receive();
        if (is_closed_) {
            is_left_ = !received.frame || received.frame->type == RS_PACKET_BYE;
            if (is_left_ || !line_)
                co_return;
            continue;
        }
        if (!received.frame) {
            lose("the connection was lost");
            co_return;
        }
        // An ERROR says why we are not served any more, and that is worth more than a gap.
        if (line_ && is_damaged() && received.frame->type != RS_PACKET_ERROR) {
            lose("the connection was lost: bytes were lost or changed on the line");
            co_return;
        }
        take(*received.frame);
    }
}

bool RemoteConnection::is_damaged() const {
    const auto& counts = channel_->decoder().counts();
    return counts.damaged_frames != counts_at_begin_.damaged_frames ||
           counts.missing_frames != counts_at_begin_.missing_frames;
}

/// Says to the agent that we are there, and sees whether it is. A request has a time limit of its
/// own, and while the agent carries one out it answers nothing. Silence is counted in PINGs, so
/// that a debugger that was stopped for an hour (Ctrl+Z) does not call its debuggee dead.
asio::awaitable<void> RemoteConnection::keep_alive(
    [[maybe_unused]] std::shared_ptr<RemoteConnection> self) {
    std::uint64_t heard = 0;
    int unanswered = 0;
    while (is_open()) {
        ping_timer_.expires_after(line_->ping_interval);
        std::error_code error;
        co_await ping_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (!is_open())
            co_return;
        const bool is_silent = channel_->received_bytes() == heard && pending_.empty();
        heard = channel_->received_bytes();
        unanswered = is_silent ? unanswered + 1 : 0;
        if (unanswered > line_->unanswered_pings) {
            lose("the connection was lost: the debuggee does not answer any more");
            co_return;
        }
        channel_->send(RS_PACKET_PING);
    }
}

void RemoteConnection::take(const Frame& frame) {
    switch (frame.type) {
        case RS_PACKET_REPLY:
            take_reply(frame);
            break;
        case RS_PACKET_MESSAGES:
            take_messages(frame);
            break;
        case RS_PACKET_PONG:
            if (frame.payload.size() == sizeof(last_pong_))
                std::memcpy(&last_pong_, frame.payload.data(), sizeof(last_pong_));
            break;
        case RS_PACKET_ERROR: {
            Handshake said{.outcome = Handshake::Outcome::kRefused};
            std::memcpy(&said.error, frame.payload.data(), sizeof(said.error));
            lose(transport::describe(said));
            break;
        }
        default:
            lose("the agent sent an unexpected frame");
            break;
    }
}

void RemoteConnection::take_messages(const Frame& frame) {
    const auto left = for_each_message(frame.payload, [this](const Message& message) {
        if (!is_closed_ && events_.on_message)
            events_.on_message(message);
    });
    if (left != 0)
        lose("the agent sent a malformed message");
}

void RemoteConnection::take_reply(const Frame& frame) {
    rs_packet_reply reply;
    std::memcpy(&reply, frame.payload.data(), sizeof(reply));
    const auto changed = std::span{frame.payload}.subspan(sizeof(reply));
    if (const auto found = pending_.find(reply.id); found != pending_.end()) {
        Pending& pending = found->second;
        if (!apply(reply, changed, pending.argument))
            pending.failure = Failure{.kind = Failure::Kind::kMalformed};
        else if (reply.error_number != 0)
            pending.failure = Failure{.kind = Failure::Kind::kRefused,
                                      .error_number = static_cast<int>(reply.error_number)};
        else
            pending.failure = Failure{};
    } else if (const auto late = late_registrations_.find(reply.id);
               late != late_registrations_.end()) {
        rs_event_detail detail = late->second;
        late_registrations_.erase(late);
        if (reply.error_number == 0 &&
            apply(reply, changed, std::as_writable_bytes(std::span{&detail, 1})))
            clear(detail.tag);
    }
}

/// Nobody waits for this event any more, so nobody would know its tag: when the answer comes
/// after all, the event is cleared again.
void RemoteConnection::remember_registration(std::uint32_t id,
                                             std::span<const std::byte> argument) {
    rs_event_detail detail;
    std::memcpy(&detail, argument.data(), sizeof(detail));
    late_registrations_[id] = detail;
}

void RemoteConnection::clear(std::uint64_t tag) {
    rs_modify_event modify{};
    modify.size = sizeof(modify);
    modify.action = RS_MODIFY_CLEAR;
    modify.tag = tag;
    rs_packet_request header{};
    header.id = next_id_++;
    header.service = RS_SERVICE_IOCTL;
    header.request = RS_IOC_MODIFY_EVENT;
    header.size = sizeof(modify);
    channel_->send(RS_PACKET_REQUEST, {bytes_of(header), bytes_of(modify)});
}

void RemoteConnection::lose(const std::string& reason) {
    if (is_closed_)
        return;
    let_go();
    if (events_.on_lost)
        events_.on_lost(reason);
}

}  // namespace ringside::debuggee
