// SPDX-License-Identifier: GPL-3.0-or-later
// Making links: over TCP, and over a line.
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "debuggee/connection.hpp"
#include "debuggee/remote_connection.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"
#include "transport/serial.hpp"
#include "transport/tcp.hpp"

namespace ringside::debuggee {
namespace {

using transport::Channel;
using transport::Deadline;
using transport::Handshake;
using transport::Wait;

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

asio::awaitable<void> introduce(transport::Key key, Deadline deadline,
                                std::shared_ptr<Attempt> attempt) {
    attempt->handshake =
        co_await transport::introduce_debugger_on_line(*attempt->channel, key, deadline);
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

/// Waits for an attempt, which ends by itself at its deadline.
ConnectFailure wait_for(transport::Loop& loop, Attempt& attempt) {
    const Wait how = loop.wait_until([&] { return attempt.is_over; });
    ConnectFailure failure;
    if (how != Wait::kDone) {
        attempt.is_abandoned = true;
        failure = {.kind = ConnectFailure::Kind::kInterrupted, .text = "interrupted"};
    } else if (attempt.error_number != 0) {
        failure = socket_failure(attempt.error_number);
    } else if (attempt.handshake.outcome != Handshake::Outcome::kDone) {
        failure = handshake_failure(attempt.handshake);
    }
    if (!failure && attempt.channel)
        attempt.channel->close();
    return failure;
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
    if (auto failure = wait_for(loop, *attempt); !failure)
        return {.connection = nullptr, .failure = std::move(failure)};
    return {.connection = std::make_shared<RemoteConnection>(
                loop, attempt->channel, name_of(host, port), std::move(events)),
            .failure = {}};
}

ConnectionResult open_on_line(transport::Loop& loop, transport::SerialLine line,
                              const LineOptions& options, ConnectionEvents events) {
    const auto attempt = std::make_shared<Attempt>();
    attempt->channel = Channel::create(loop.context(), std::move(line.descriptor));
    asio::co_spawn(
        loop.context(),
        introduce(options.key, std::chrono::steady_clock::now() + options.timeout, attempt),
        asio::detached);
    if (auto failure = wait_for(loop, *attempt); !failure)
        return {.connection = nullptr, .failure = std::move(failure)};
    auto connection = std::make_shared<RemoteConnection>(loop, attempt->channel,
                                                         "serial " + line.path, std::move(events));
    const std::string file = line.path.substr(line.path.rfind('/') + 1);
    connection->set_line(options.traits, "serial " + file, std::move(line.settings));
    return {.connection = std::move(connection), .failure = {}};
}

}  // namespace ringside::debuggee
