// SPDX-License-Identifier: GPL-3.0-or-later
// A module behind an agent, at the other end of a link that has been introduced.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "debuggee/connection.hpp"
#include "ringside/ioctl.h"
#include "transport/channel.hpp"
#include "transport/serial.hpp"

namespace ringside::debuggee {

class RemoteConnection final : public Connection,
                               public std::enable_shared_from_this<RemoteConnection> {
public:
    RemoteConnection(transport::Loop& loop, std::shared_ptr<transport::Channel> channel,
                     std::string name, ConnectionEvents events);
    ~RemoteConnection() override;

    /// Before start(): the link is a line.
    void set_line(LineTraits traits, std::string label,
                  std::unique_ptr<transport::LineSettings> settings);

    Failure request(std::uint32_t request, std::span<std::byte> argument,
                    std::chrono::milliseconds timeout) override;
    Failure drain(std::chrono::milliseconds timeout) override;
    void start() override;
    void close() override;
    bool is_open() const override { return !is_closed_ && channel_->is_open(); }
    bool is_remote() const override { return true; }
    std::string name() const override { return name_; }
    std::string label() const override { return label_; }
    std::chrono::milliseconds usual_timeout() const override;

private:
    struct Pending {
        std::span<std::byte> argument;
        std::optional<Failure> failure;  ///< set when the answer is there
    };

    Failure failure_of(transport::Wait how) const;
    // `self` keeps the object alive from the moment the coroutine is made, before it first runs.
    asio::awaitable<void> receive(std::shared_ptr<RemoteConnection> self);
    asio::awaitable<void> keep_alive(std::shared_ptr<RemoteConnection> self);
    bool is_damaged() const;
    void take(const transport::Frame& frame);
    void take_messages(const transport::Frame& frame);
    void take_reply(const transport::Frame& frame);
    void remember_registration(std::uint32_t id, std::span<const std::byte> argument);
    void clear(std::uint64_t tag);
    void lose(const std::string& reason);
    void let_go();

    transport::Loop& loop_;
    std::shared_ptr<transport::Channel> channel_;
    std::string name_;
    std::string label_;
    ConnectionEvents events_;
    std::optional<LineTraits> line_;
    std::unique_ptr<transport::LineSettings> settings_;
    transport::FrameDecoder::Counts counts_at_begin_;
    asio::steady_timer ping_timer_;
    std::map<std::uint32_t, Pending> pending_;
    std::map<std::uint32_t, rs_event_detail> late_registrations_;
    std::uint32_t next_id_ = 1;
    std::uint32_t last_pong_ = 0;
    bool is_closed_ = false;
    bool is_left_ = false;  ///< closed, and the agent knows
};

}  // namespace ringside::debuggee
