// SPDX-License-Identifier: GPL-3.0-or-later
#include "agent/session.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
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

// A PING is answered when the messages that were there before it are on their way. While scripts
// print faster than the link carries there is no such moment, so the answer waits for this much.
constexpr std::size_t kBatchesBeforePong = 1024;

}  // namespace

using transport::bytes_of;
using transport::Channel;
using transport::Frame;

Session::Session(asio::io_context& context, std::shared_ptr<Channel> channel,
                 std::unique_ptr<transport::DeviceFile> device)
    : channel_{std::move(channel)},
      device_{std::move(device)},
      readiness_{context, device_->poll_descriptor()},
      batch_(kBatchBytes) {}

Session::~Session() {
    close_device();
}

asio::awaitable<std::string> Session::serve() {
    const auto self = shared_from_this();
    asio::co_spawn(readiness_.get_executor(), forward_messages(self), asio::detached);
    while (true) {
        // A debugger that asks and asks without reading the answers waits here.
        co_await channel_->wait_for_room();
        auto received = co_await channel_->receive();
        if (!received.frame || received.frame->type == RS_PACKET_BYE || !device_)
            break;
        const Frame& frame = *received.frame;
        if (frame.type == RS_PACKET_REQUEST) {
            answer_request(frame);
        } else if (frame.type == RS_PACKET_PING) {
            co_await answer_ping(frame);
        } else {
            reason_ = "the debugger sent an unexpected frame";
            channel_->send(RS_PACKET_ERROR,
                           {bytes_of(transport::make_link_error(RS_LINK_ERR_PROTOCOL))});
            break;
        }
    }
    close_device();
    co_return reason_;
}

void Session::stop() {
    close_device();
    channel_->send(RS_PACKET_ERROR, {bytes_of(transport::make_link_error(RS_LINK_ERR_SHUTDOWN))});
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

asio::awaitable<void> Session::answer_ping(const Frame& ping) {
    for (std::size_t batch = 0; batch < kBatchesBeforePong && forward_batch(); ++batch)
        co_await channel_->wait_for_room();
    channel_->send(RS_PACKET_PONG, {ping.payload});
}

/// Reads the device for as long as the link takes what it gives: when it does not, the rings in the
/// module fill up and count what they drop (MSG-5).
asio::awaitable<void> Session::forward_messages([[maybe_unused]] std::shared_ptr<Session> self) {
    while (device_) {
        std::error_code error;
        co_await readiness_.async_wait(asio::posix::stream_descriptor::wait_read,
                                       asio::redirect_error(asio::use_awaitable, error));
        if (error || !device_)
            break;
        while (forward_batch())
            co_await channel_->wait_for_room();
    }
}

/// @return whether there may be more
bool Session::forward_batch() {
    if (!device_ || !channel_->is_open())
        return false;
    const auto result = device_->read(batch_);
    if (result.error_number != 0) {
        if (result.error_number != EAGAIN)
            fail_device(result.error_number);
        return false;
    }
    if (result.bytes == 0) {
        fail_device(EIO);  // the device never says "end of file"
        return false;
    }
    channel_->send(RS_PACKET_MESSAGES, {std::span{batch_}.first(result.bytes)});
    return true;
}

void Session::fail_device(int error_number) {
    reason_ = std::string{"reading the device failed: "} + std::strerror(error_number);
    channel_->send(RS_PACKET_ERROR,
                   {bytes_of(transport::make_link_error(RS_LINK_ERR_DEVICE, error_number))});
    close_device();
    channel_->stop_receiving();
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
