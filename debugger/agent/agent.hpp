// SPDX-License-Identifier: GPL-3.0-or-later
// The listening side in the debuggee ('.listen', 'ringside agent'): carries requests from a link to
// the device and messages back. It parses no command and decides nothing (events spec MOD-2).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "transport/device.hpp"
#include "transport/key.hpp"
#include "transport/loop.hpp"
#include "transport/serial.hpp"

namespace ringside::agent {

inline constexpr std::uint16_t kDefaultPort = 50000;

struct Options {
    std::string address = "0.0.0.0";    ///< numeric address to listen on; not for a line
    std::uint16_t port = kDefaultPort;  ///< 0: any free one; not for a line
    transport::Key key;  ///< empty: without a key, which the debugger must also ask for
    transport::DeviceOpener open_device = [] { return transport::open_device(); };
    std::chrono::milliseconds handshake_timeout{5'000};
    /// On a line: after so long without a byte the debugger is taken for gone. The debugger sends
    /// some every two seconds of its own clock, and an emulated debuggee's may run much faster, so
    /// this is long; the next debugger is served at once all the same.
    std::chrono::milliseconds silence{300'000};
    /// Receives a line of diagnostics without a newline; null: none.
    std::function<void(const std::string&)> log;
};

/// Serves one debugger at a time until it is destroyed. Every client has a device file of its own,
/// closed the moment its link ends, so that the module clears what it left (EVT-12).
class Agent {
public:
    Agent(transport::Loop& loop, Options options);
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    /// Opens the port.
    /// @return 0 or an errno (EADDRINUSE, EACCES, EINVAL for an address that is none)
    int listen();
    /// The port listened on, 0 before listen().
    std::uint16_t port() const;
    /// Whether an authenticated debugger is being served.
    bool has_client() const;
    /// Stops listening, closes the client's device file at once, and tells it; the loop has nothing
    /// of ours left to do when it has heard (a second at most).
    void stop();

private:
    class Implementation;
    std::shared_ptr<Implementation> implementation_;
};

/// The agent on a line: serves one debugger after the other over the same stream. It closes a
/// debugger's device file when it says so, when the next one says hello, or after a long silence.
class LineAgent {
public:
    /// @param on_end  called from the loop, once, when the line itself is gone (unplugged, the
    ///                socket's other side closed); not after stop()
    LineAgent(transport::Loop& loop, transport::SerialLine line, Options options,
              std::function<void()> on_end = {});
    ~LineAgent();
    LineAgent(const LineAgent&) = delete;
    LineAgent& operator=(const LineAgent&) = delete;

    /// Whether an authenticated debugger is being served.
    bool has_client() const;
    /// Closes the client's device file at once, tells it, and gives the line back.
    void stop();

private:
    class Implementation;
    std::shared_ptr<Implementation> implementation_;
};

/// 'ringside agent': listens until SIGTERM or SIGINT, diagnostics on stderr.
/// @return the program's exit status: 0 after a signal, 1 if the port cannot be opened
int run(Options options);

/// 'ringside agent --serial': the same on a line.
/// @param path  of transport::serial_path()
/// @return 1 also when the line is gone
int run_on_line(const std::string& path, Options options);

}  // namespace ringside::agent
