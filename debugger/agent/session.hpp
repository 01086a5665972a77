// SPDX-License-Identifier: GPL-3.0-or-later
// One debugger being served: its requests to a device file of its own, the messages back.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "transport/channel.hpp"
#include "transport/device.hpp"

namespace ringside::agent {

/// Lives from the end of the introduction to the end of the link. Whatever ends it first closes the
/// device file at once, so that the module clears this client's events (EVT-12).
class Session : public std::enable_shared_from_this<Session> {
public:
    Session(asio::io_context& context, std::shared_ptr<transport::Channel> channel,
            std::unique_ptr<transport::DeviceFile> device);
    ~Session();

    /// Serves until the debugger leaves, the link or the device fails, or stop().
    /// @return why it ended, as a line for the log
    asio::awaitable<std::string> serve();

    /// Closes the device file, tells the debugger and ends serve(); the link is the caller's to
    /// finish.
    void stop();

    const std::shared_ptr<transport::Channel>& channel() const { return channel_; }

private:
    // `self` keeps the object alive from the moment the coroutine is made, before it first runs.
    asio::awaitable<void> forward_messages(std::shared_ptr<Session> self);
    asio::awaitable<void> answer_ping(const transport::Frame& ping);
    void answer_request(const transport::Frame& frame);
    bool forward_batch();
    void fail_device(int error_number);
    void close_device();

    std::shared_ptr<transport::Channel> channel_;
    std::unique_ptr<transport::DeviceFile> device_;
    asio::posix::stream_descriptor readiness_;  ///< borrows the device's descriptor
    std::vector<std::byte> batch_;
    std::string reason_ = "the debugger left";
};

}  // namespace ringside::agent
