// SPDX-License-Identifier: GPL-3.0-or-later
// One debugger being served: its requests to a device file of its own, the messages back.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "transport/channel.hpp"
#include "transport/device.hpp"

namespace ringside::agent {

/// What is different about a debugger at the end of a line (uapi packet.h).
struct LineTraits {
    std::chrono::milliseconds silence;  ///< after which the debugger is taken for gone
};

/// Lives from the end of the introduction to the end of the link. Whatever ends it first closes the
/// device file at once, so that the module clears this client's events (EVT-12).
class Session : public std::enable_shared_from_this<Session> {
public:
    /// @param line  nothing for a connection, which ends when the debugger is gone
    Session(asio::io_context& context, std::shared_ptr<transport::Channel> channel,
            std::unique_ptr<transport::DeviceFile> device, std::optional<LineTraits> line = {});
    ~Session();

    /// Serves until the debugger leaves, the link or the device fails, or stop().
    /// @return why it ended, as a line for the log
    asio::awaitable<std::string> serve();

    /// On a line: the HELLO of the debugger that ended serve() by coming.
    std::optional<transport::Frame> take_hello() { return std::move(hello_); }

    /// Closes the device file, tells the debugger and ends serve(); the link is the caller's to
    /// finish.
    void stop();

    const std::shared_ptr<transport::Channel>& channel() const { return channel_; }

private:
    // `self` keeps the object alive from the moment the coroutine is made, before it first runs.
    asio::awaitable<void> forward_messages(std::shared_ptr<Session> self);
    asio::awaitable<void> watch_silence(std::shared_ptr<Session> self);
    bool take(const transport::Frame& frame);
    void take_ping(const transport::Frame& ping);
    void answer_pings(bool all);
    void answer_request(const transport::Frame& frame);
    std::size_t forward_batch();
    bool is_damaged() const;
    void end(const std::string& reason, rs_link_error code, int error_number = 0);
    void close_device();

    struct WaitingPing {
        std::vector<std::byte> payload;
        std::size_t bytes_left;
    };

    std::shared_ptr<transport::Channel> channel_;
    std::unique_ptr<transport::DeviceFile> device_;
    std::optional<LineTraits> line_;
    asio::posix::stream_descriptor readiness_;  ///< borrows the device's descriptor
    asio::steady_timer silence_;
    std::vector<std::byte> batch_;
    std::deque<WaitingPing> pings_;
    std::optional<transport::Frame> hello_;
    transport::FrameDecoder::Counts counts_at_begin_;
    std::string reason_;  ///< why we ended it; empty: the debugger did
};

}  // namespace ringside::agent
