// SPDX-License-Identifier: GPL-3.0-or-later
// A module behind an agent.
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "debuggee/connection.hpp"
#include "ringside/ioctl.h"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"
#include "transport/requests.hpp"
#include "transport/tcp.hpp"

namespace ringside::debuggee {
namespace {

using transport::bytes_of;
using transport::Channel;
using transport::Deadline;
using transport::Frame;
using transport::Handshake;
using transport::Wait;

class RemoteConnection final : public Connection,
                               public std::enable_shared_from_this<RemoteConnection> {
public:
    RemoteConnection(transport::Loop& loop, std::shared_ptr<Channel> channel, std::string name,
                     ConnectionEvents events)
        : loop_{loop},
          channel_{std::move(channel)},
          name_{std::move(name)},
          events_{std::move(events)} {}

    ~RemoteConnection() override { close(); }

    Failure request(std::uint32_t request, std::span<std::byte> argument,
                    std::chrono::milliseconds timeout) override {
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
        channel_->send(
            RS_PACKET_REQUEST,
            {bytes_of(header), argument.first(transport::length_without_zeroes(argument))});
        const Wait how =
            loop_.wait_until([&] { return pending.failure.has_value() || !is_open(); }, timeout);
        Failure failure = pending.failure.value_or(failure_of(how));
        if (!pending.failure && request == RS_IOC_REGISTER_EVENT && is_open())
            remember_registration(header.id, argument);
        pending_.erase(header.id);
        return failure;
    }

    Failure drain(std::chrono::milliseconds timeout) override {
        const auto self = shared_from_this();
        const std::uint32_t ping = next_id_++;
        channel_->send(RS_PACKET_PING, {bytes_of(ping)});
        const Wait how =
            loop_.wait_until([&] { return last_pong_ == ping || !is_open(); }, timeout);
        return last_pong_ == ping ? Failure{} : failure_of(how);
    }

    void start() override {
        asio::co_spawn(loop_.context(), receive(shared_from_this()), asio::detached);
    }

    void close() override {
        if (!is_open())
            return;
        channel_->send(RS_PACKET_BYE);
        is_closed_ = true;
        channel_->close();
    }

    bool is_open() const override { return !is_closed_ && channel_->is_open(); }
    bool is_remote() const override { return true; }
    std::string name() const override { return name_; }

private:
    struct Pending {
        std::span<std::byte> argument;
        std::optional<Failure> failure;  ///< set when the answer is there
    };

    Failure failure_of(Wait how) const {
        if (!is_open())
            return {.kind = Failure::Kind::kLost};
        return {.kind = how == Wait::kTimedOut ? Failure::Kind::kTimedOut
                                               : Failure::Kind::kInterrupted};
    }

    // `self` keeps the object alive from the moment the coroutine is made, before it first runs.
    asio::awaitable<void> receive([[maybe_unused]] std::shared_ptr<RemoteConnection> self) {
        while (is_open()) {
            auto received = co_await channel_->receive();
            if (is_closed_)
                co_return;
            if (!received.frame) {
                lose("the connection was lost");
                co_return;
            }
            take(*received.frame);
        }
    }

    void take(const Frame& frame) {
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

    void take_messages(const Frame& frame) {
        const auto left = for_each_message(frame.payload, [this](const Message& message) {
            if (!is_closed_ && events_.on_message)
                events_.on_message(message);
        });
        if (left != 0)
            lose("the agent sent a malformed message");
    }

    void take_reply(const Frame& frame) {
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

    static bool apply(const rs_packet_reply& reply, std::span<const std::byte> changed,
                      std::span<std::byte> argument) {
        if (reply.offset > argument.size() || changed.size() > argument.size() - reply.offset)
            return false;
        if (!changed.empty())
            std::memcpy(argument.data() + reply.offset, changed.data(), changed.size());
        return true;
    }

    /// Nobody waits for this event any more, so nobody would know its tag: when the answer comes
    /// after all, the event is cleared again.
    void remember_registration(std::uint32_t id, std::span<const std::byte> argument) {
        rs_event_detail detail;
        std::memcpy(&detail, argument.data(), sizeof(detail));
        late_registrations_[id] = detail;
    }

    void clear(std::uint64_t tag) {
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

    void lose(const std::string& reason) {
        if (is_closed_)
            return;
        is_closed_ = true;
        channel_->close();
        if (events_.on_lost)
            events_.on_lost(reason);
    }

    transport::Loop& loop_;
    std::shared_ptr<Channel> channel_;
    std::string name_;
    ConnectionEvents events_;
    std::map<std::uint32_t, Pending> pending_;
    std::map<std::uint32_t, rs_event_detail> late_registrations_;
    std::uint32_t next_id_ = 1;
    std::uint32_t last_pong_ = 0;
    bool is_closed_ = false;
};

/// What a coroutine that makes a connection and the caller that waits for it share.
struct Attempt {
    bool is_over = false;
    bool is_abandoned = false;
    int error_number = 0;
    std::shared_ptr<Channel> channel;
    Handshake handshake;
};

asio::awaitable<void> connect(asio::io_context& context, std::string host, std::uint16_t port,
                              transport::Key key, Deadline deadline,
                              std::shared_ptr<Attempt> attempt) {
    transport::Socket socket = co_await transport::connect_tcp(context, host, port, deadline);
    attempt->error_number = socket.error_number;
    if (socket.error_number == 0 && !attempt->is_abandoned) {
        attempt->channel = Channel::create(context, std::move(socket.descriptor));
        attempt->handshake =
            co_await transport::introduce_debugger(*attempt->channel, key, deadline);
    }
    attempt->is_over = true;
}

ConnectFailure socket_failure(int error_number) {
    using Kind = ConnectFailure::Kind;
    Kind kind = Kind::kUnreachable;
    if (error_number == EINVAL)
        kind = Kind::kBadAddress;
    else if (error_number == ECONNREFUSED)
        kind = Kind::kRefused;
    else if (error_number == ETIMEDOUT)
        kind = Kind::kTimedOut;
    return {.kind = kind,
            .error_number = error_number,
            .text = kind == Kind::kBadAddress ? "bad ip address" : std::strerror(error_number)};
}

ConnectFailure handshake_failure(const Handshake& handshake) {
    using Kind = ConnectFailure::Kind;
    if (handshake.outcome == Handshake::Outcome::kClosed)
        return {.kind = Kind::kClosed,
                .text = "the other side hung up; is an agent listening there?"};
    if (handshake.outcome == Handshake::Outcome::kTimedOut)
        return {.kind = Kind::kTimedOut, .text = "no answer from an agent"};
    Kind kind = Kind::kProtocol;
    switch (handshake.error.code) {
        case RS_LINK_ERR_VERSION:
            kind = Kind::kVersion;
            break;
        case RS_LINK_ERR_KEY_NEEDED:
            kind = Kind::kKeyNeeded;
            break;
        case RS_LINK_ERR_KEY_UNEXPECTED:
            kind = Kind::kKeyUnexpected;
            break;
        case RS_LINK_ERR_AUTHENTICATION:
            kind = Kind::kAuthentication;
            break;
        case RS_LINK_ERR_BUSY:
            kind = Kind::kBusy;
            break;
        case RS_LINK_ERR_DEVICE:
            kind = Kind::kDevice;
            break;
        default:
            break;
    }
    return {.kind = kind,
            .error_number = static_cast<int>(handshake.error.error_number),
            .text = transport::describe(handshake)};
}

std::string name_of(const std::string& host, std::uint16_t port) {
    const bool is_v6 = host.find(':') != std::string::npos;
    return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

ConnectionResult open_remote(transport::Loop& loop, const std::string& host, std::uint16_t port,
                             const transport::Key& key, std::chrono::milliseconds timeout,
                             ConnectionEvents events) {
    const auto attempt = std::make_shared<Attempt>();
    asio::co_spawn(loop.context(),
                   connect(loop.context(), host, port, key,
                           std::chrono::steady_clock::now() + timeout, attempt),
                   asio::detached);
    // The attempt ends by itself at its deadline.
    const Wait how = loop.wait_until([&] { return attempt->is_over; });
    ConnectFailure failure;
    if (how != Wait::kDone) {
        attempt->is_abandoned = true;
        failure = {.kind = ConnectFailure::Kind::kInterrupted, .text = "interrupted"};
    } else if (attempt->error_number != 0) {
        failure = socket_failure(attempt->error_number);
    } else if (attempt->handshake.outcome != Handshake::Outcome::kDone) {
        failure = handshake_failure(attempt->handshake);
    }
    if (!failure) {
        if (attempt->channel)
            attempt->channel->close();
        return {.connection = nullptr, .failure = std::move(failure)};
    }
    return {.connection = std::make_shared<RemoteConnection>(
                loop, attempt->channel, name_of(host, port), std::move(events)),
            .failure = {}};
}

}  // namespace ringside::debuggee
