// SPDX-License-Identifier: GPL-3.0-or-later
// The two ways to a module: its device on this machine, or an agent at the end of a link.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "debuggee/debug_options.hpp"
#include "debuggee/failure.hpp"
#include "debuggee/line_options.hpp"
#include "debuggee/message.hpp"
#include "ringside/debug.h"
#include "transport/device.hpp"
#include "transport/key.hpp"
#include "transport/loop.hpp"
#include "transport/serial.hpp"

namespace ringside::debuggee {

/// What a connection tells its owner, from the loop.
struct ConnectionEvents {
    MessageHandler on_message;
    std::function<void(const std::string& reason)> on_lost;
    std::function<void(const rs_halt& halt)> on_halt;            ///< of a debug link
    std::function<void(const std::string& sentence)> on_notice;  ///< the same
};

class Connection {
public:
    virtual ~Connection() = default;

    /// Carries out a request on `argument` in place.
    virtual Failure request(std::uint32_t request, std::span<std::byte> argument,
                            std::chrono::milliseconds timeout) = 0;
    /// Delivers every message that was there when it was called.
    virtual Failure drain(std::chrono::milliseconds timeout) = 0;
    /// Lets messages flow to the events given when the connection was made.
    virtual void start() = 0;
    /// Ends the connection; no event is told from here on.
    virtual void close() = 0;
    virtual bool is_open() const = 0;
    virtual bool is_remote() const = 0;
    /// Whether root mode of a debuggee is at the other end (Debugger Mode).
    virtual bool is_debug_link() const { return false; }
    /// Of the open device, which stays the connection's; -1 where it is not on this machine.
    virtual int descriptor() const { return -1; }
    virtual std::string name() const = 0;
    /// What the prompt shows of the name.
    virtual std::string label() const { return name(); }
    /// How long an answer may take where nobody said otherwise.
    virtual std::chrono::milliseconds usual_timeout() const { return std::chrono::seconds{60}; }
};

struct ConnectionResult {
    std::shared_ptr<Connection> connection;  ///< null on failure
    ConnectFailure failure;
};

ConnectionResult open_local(transport::Loop& loop, const transport::DeviceOpener& opener,
                            ConnectionEvents events);

ConnectionResult open_remote(transport::Loop& loop, const std::string& host, std::uint16_t port,
                             const transport::Key& key, std::chrono::milliseconds timeout,
                             ConnectionEvents events);

/// @param line  an open one; kept and given back by the connection
ConnectionResult open_on_line(transport::Loop& loop, transport::SerialLine line,
                              const LineOptions& options, ConnectionEvents events);

/// Becomes the debugger of a machine that was prepared for Debugger Mode, or will be.
ConnectionResult open_debug(transport::Loop& loop, const DebugOptions& options,
                            ConnectionEvents events);

}  // namespace ringside::debuggee
