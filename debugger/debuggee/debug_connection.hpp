// SPDX-License-Identifier: GPL-3.0-or-later
// The debug link (uapi packet.h): root mode of the debuggee at the other end, halted or not.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "debuggee/connection.hpp"
#include "ringside/packet.h"
#include "transport/channel.hpp"

namespace ringside::debuggee {

/// Whatever a channel's descriptor needs to be kept: a serial port's settings, a bridge to shared
/// memory.
using KeepAlive = std::shared_ptr<void>;

class DebugConnection final : public Connection,
                              public std::enable_shared_from_this<DebugConnection> {
public:
    /// Times of the debugger's clock.
    struct Times {
        std::chrono::milliseconds ping{1'000};   ///< between two PINGs
        std::chrono::milliseconds retry{1'000};  ///< until a request is sent again, or asked for
        std::chrono::milliseconds resend{250};   ///< until missing frames are asked for again
        int unanswered_pings = 60;               ///< after which the debuggee is taken for dead
    };

    DebugConnection(transport::Loop& loop, std::shared_ptr<transport::Channel> channel,
                    KeepAlive keep, std::string name, ConnectionEvents events, Times times);
    ~DebugConnection() override;

    /// Introduces us, which may take until somebody prepares the debuggee.
    /// @param pause  the machine is to halt at once
    ConnectFailure introduce(bool pause, std::chrono::milliseconds timeout);

    Failure request(std::uint32_t request, std::span<std::byte> argument,
                    std::chrono::milliseconds timeout) override;
    Failure drain(std::chrono::milliseconds timeout) override;
    void start() override;
    void close() override;
    bool is_open() const override { return !is_closed_ && channel_->is_open(); }
    bool is_remote() const override { return true; }
    bool is_debug_link() const override { return true; }
    std::string name() const override { return name_; }

private:
    struct Pending {
        std::uint32_t id = 0;
        std::span<std::byte> argument;
        std::optional<Failure> failure;  ///< set when the answer is there
        std::uint32_t probe = 0;         ///< of a PING sent behind it; 0: none was
        bool is_lost = false;            ///< the PING was answered, and it was not
    };
    enum class State { kIntroducing, kRunning };

    asio::awaitable<void> receive(std::shared_ptr<DebugConnection> self);
    asio::awaitable<void> keep_alive(std::shared_ptr<DebugConnection> self);
    void take(const transport::Frame& frame);
    bool is_next(const transport::Frame& frame);
    void take_debuggee(const transport::Frame& frame);
    void take_reply(const transport::Frame& frame);
    void take_halt(const transport::Frame& frame);
    void take_pong(const transport::Frame& frame);
    bool is_missed(const transport::Frame& frame) const;
    void take_error(const transport::Frame& frame);
    void ask_for_missing();
    Failure failure_of(transport::Wait how) const;
    void lose(const std::string& reason);
    void let_go();

    transport::Loop& loop_;
    std::shared_ptr<transport::Channel> channel_;
    KeepAlive keep_;
    std::string name_;
    ConnectionEvents events_;
    const Times times_;
    asio::steady_timer ping_timer_;
    State state_ = State::kIntroducing;
    rs_packet_hello hello_{};
    std::optional<std::string> refusal_;  ///< why the debuggee does not want us
    Pending pending_;
    std::uint32_t next_id_ = 1;
    std::uint32_t expected_ = 0;  ///< number of the debuggee's next frame
    std::optional<std::chrono::steady_clock::time_point> asked_;  ///< for missing frames
    std::uint32_t last_pong_ = 0;
    bool is_closed_ = false;
    bool is_left_ = false;  ///< closed, and the debuggee knows
};

}  // namespace ringside::debuggee
