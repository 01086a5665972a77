// SPDX-License-Identifier: GPL-3.0-or-later
#include "agent/session.hpp"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transport/handshake.hpp"
#include "transport/requests.hpp"

namespace ringside::agent {
namespace {

// One read of the device; holds any record (RS_MAX_MESSAGE_BYTES) many times.
constexpr std::size_t kBatchBytes = 64 * 1024;
// On a line an answer waits behind a batch: a fifth of a second at 115200 baud. A longer record
// makes it grow.
constexpr std::size_t kLineBatchBytes = 2 * 1024;

// A PING is answered when the messages that were there before it are on their way. While scripts
// print faster than the link carries there is no such moment, so the answer waits for this much.
constexpr std::size_t kBytesBeforePong = 64 * 1024 * 1024;
constexpr std::size_t kLineBytesBeforePong = 64 * 1024;

// Silence is looked for this many times: one late look, after the machine stood still, is not it.
constexpr int kLooks = 10;

}  // namespace

using transport::bytes_of;
using transport::Channel;
using transport::Frame;

Session::Session(asio::io_context& context, std::shared_ptr<Channel> channel,
                 std::unique_ptr<transport::DeviceFile> device, std::optional<LineTraits> line)
    : channel_{std::move(channel)},
      device_{std::move(device)},
      line_{line},
      readiness_{context, device_->poll_descriptor()},
      silence_{context},
      batch_(line ? kLineBatchBytes : kBatchBytes),
      counts_at_begin_{channel_->decoder().counts()} {}

Session::~Session() {
    close_device();
}

asio::awaitable<std::string> Session::serve() {
    const auto self = shared_from_this();
    asio::co_spawn(readiness_.get_executor(), forward_messages(self), asio::detached);
    if (line_)
        asio::co_spawn(readiness_.get_executor(), watch_silence(self), asio::detached);
    while (true) {
        // A debugger that asks and asks without reading the answers waits here, but not for the
        // messages, which take whatever room there is.
        co_await channel_->wait_for_room(2 * batch_.size());
        auto received = co_await channel_->receive();
        if (!received.frame || !device_ || !take(*received.frame))
            break;
    }
    close_device();
    silence_.cancel();
    if (reason_.empty()) {
        reason_ = hello_ ? "another debugger came" : "the debugger left";
        if (line_)
            channel_->discard_queued();  // nobody reads it, and the next one waits behind it
        if (line_ && !hello_)
            channel_->send(RS_PACKET_BYE);
    }
    co_return reason_;
}

/// @return whether the session goes on
bool Session::take(const Frame& frame) {
    if (line_ && frame.type == RS_PACKET_HELLO) {
        // Before anything else: what was lost is the old debugger's trouble.
        hello_ = frame;
        return false;
    }
    if (line_ && is_damaged()) {
        end("bytes were lost or changed on the line", RS_LINK_ERR_DAMAGED);
        return false;
    }
    switch (frame.type) {
        case RS_PACKET_REQUEST:
            answer_request(frame);
            return true;
        case RS_PACKET_PING:
            take_ping(frame);
            return true;
        case RS_PACKET_BYE:
            return false;
        default:
            end("the debugger sent an unexpected frame", RS_LINK_ERR_PROTOCOL);
            return false;
    }
}

bool Session::is_damaged() const {
    const auto& counts = channel_->decoder().counts();
    return counts.damaged_frames != counts_at_begin_.damaged_frames ||
           counts.missing_frames != counts_at_begin_.missing_frames;
}

/// A debugger that died at the end of a line says nothing, and that is how we know.
asio::awaitable<void> Session::watch_silence([[maybe_unused]] std::shared_ptr<Session> self) {
    std::uint64_t heard = channel_->received_bytes();
    int looks = 0;
    while (device_ && looks < kLooks) {
        silence_.expires_after(line_->silence / kLooks);
        std::error_code error;
        co_await silence_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (error)
            co_return;
        looks = channel_->received_bytes() == heard ? looks + 1 : 0;
        heard = channel_->received_bytes();
    }
    if (!device_)
        co_return;
    end("nothing was heard from the debugger", RS_LINK_ERR_NO_SESSION);
    channel_->stop_receiving();
}

/// Ends the session from this side: the device first, then the debugger is told.
void Session::end(const std::string& reason, rs_link_error code, int error_number) {
    reason_ = reason;
    close_device();
    if (line_)
        channel_->discard_queued();
    channel_->send(RS_PACKET_ERROR, {bytes_of(transport::make_link_error(code, error_number))});
}

void Session::stop() {
    end("the agent was stopped", RS_LINK_ERR_SHUTDOWN);
    channel_->stop_receiving();
}

void Session::answer_request(const Frame& frame) {
    rs_packet_request request;
    std::memcpy(&request, frame.payload.data(), sizeof(request));
    const auto sent = std::span{frame.payload}.subspan(sizeof(request));
    rs_packet_reply reply{};
    reply.id = request.id;
    if (request.service != RS_SERVICE_IOCTL) {
        reply.error_number = EOPNOTSUPP;
    } else if (request.size > RS_MAX_REQUEST_BYTES) {
        reply.error_number = E2BIG;
    } else if (sent.size() > request.size) {
        reply.error_number = EINVAL;
    } else {
        std::vector<std::byte> argument{sent.begin(), sent.end()};
        argument.resize(request.size);
        int error_number = transport::check_request(request.request, argument);
        if (error_number == 0) {
            const auto before = argument;
            error_number = device_->request(request.request, argument);
            const auto changed = transport::changed_range(before, argument);
            reply.error_number = static_cast<std::uint32_t>(error_number);
            reply.offset = static_cast<std::uint32_t>(changed.offset);
            channel_->send(RS_PACKET_REPLY, {bytes_of(reply), std::span{argument}.subspan(
                                                                  changed.offset, changed.length)});
            return;
        }
        reply.error_number = static_cast<std::uint32_t>(error_number);
    }
    channel_->send(RS_PACKET_REPLY, {bytes_of(reply)});
}

void Session::take_ping(const Frame& ping) {
    if (ping.payload.empty()) {
        channel_->send(RS_PACKET_PONG);
        return;
    }
    pings_.push_back({ping.payload, line_ ? kLineBytesBeforePong : kBytesBeforePong});
    if (readiness_.is_open())
        readiness_.cancel();  // forward_messages() looks after it
}

/// Answers the PINGs whose messages are on their way.
void Session::answer_pings(bool all) {
    while (!pings_.empty() && (all || pings_.front().bytes_left == 0)) {
        channel_->send(RS_PACKET_PONG, {pings_.front().payload});
        pings_.pop_front();
    }
}

/// Reads the device for as long as the link takes what it gives: when it does not, the rings in the
/// module fill up and count what they drop (MSG-5).
asio::awaitable<void> Session::forward_messages([[maybe_unused]] std::shared_ptr<Session> self) {
    while (device_) {
        std::error_code error;
        if (pings_.empty()) {
            co_await readiness_.async_wait(asio::posix::stream_descriptor::wait_read,
                                           asio::redirect_error(asio::use_awaitable, error));
        }
        if ((error && error != asio::error::operation_aborted) || !device_)
            break;
        while (const std::size_t bytes = forward_batch()) {
            for (WaitingPing& ping : pings_)
                ping.bytes_left -= std::min(ping.bytes_left, bytes);
            answer_pings(false);
            co_await channel_->wait_for_room();
        }
        if (device_)
            answer_pings(true);
    }
}

/// @return bytes taken from the device; 0 if there were none, and if that failed
std::size_t Session::forward_batch() {
    if (!device_ || !channel_->is_open())
        return 0;
    auto result = device_->read(batch_);
    while (result.error_number == EMSGSIZE && batch_.size() < kBatchBytes) {
        batch_.resize(batch_.size() * 2);
        result = device_->read(batch_);
    }
    if (result.error_number == EAGAIN)
        return 0;
    if (result.error_number != 0 || result.bytes == 0) {
        // The device never says "end of file".
        const int error_number = result.error_number != 0 ? result.error_number : EIO;
        end(std::string{"reading the device failed: "} + std::strerror(error_number),
            RS_LINK_ERR_DEVICE, error_number);
        channel_->stop_receiving();
        return 0;
    }
    channel_->send(RS_PACKET_MESSAGES, {std::span{batch_}.first(result.bytes)});
    return result.bytes;
}

void Session::close_device() {
    if (!device_)
        return;
    // The descriptor is the device's: give it back before the device closes it.
    if (readiness_.is_open())
        readiness_.release();
    device_.reset();
}

}  // namespace ringside::agent
