// SPDX-License-Identifier: GPL-3.0-or-later
// One destination of event text: a file, a pipe, a TCP peer or a module (specification section 11,
// OUT-6 to OUT-9). A sink never makes the program wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace asio {
class io_context;
}

namespace ringside::output {

enum class SinkType { kFile, kNamedPipe, kTcp, kModule };

/// "file", "namedpipe", "tcp", "module".
std::string_view sink_type_name(SinkType type);
std::optional<SinkType> find_sink_type(std::string_view name);

class Sink {
public:
    virtual ~Sink() = default;

    /// Takes one message whole, or none of it. Returns at once.
    /// @return false if there is no room for it (or the sink has failed)
    virtual bool write(std::string_view bytes) = 0;

    /// True while it is not known yet whether the address can be reached (tcp).
    virtual bool is_connecting() const { return false; }

    /// True when nothing is on its way to a reader (without one, nothing is).
    virtual bool is_idle() const { return true; }

    /// Hands on what can be handed on without waiting, then lets the destination go.
    /// @return bytes that were taken and had to be thrown away
    virtual std::size_t close() = 0;

    /// Why it works no more, a sentence without "err, "; empty while it works.
    const std::string& failure() const { return failure_; }

    /// Called once when it fails, from inside write() or from the event loop.
    void on_failure(std::function<void()> handler) { on_failure_ = std::move(handler); }

protected:
    void fail(std::string why);

private:
    std::string failure_;
    std::function<void()> on_failure_;
};

struct OpenedSink {
    std::shared_ptr<Sink> sink;  ///< null on failure
    std::string error;           ///< strerror or dlerror
};

/// Opens `address`. A file is created with mode 0600 or appended to; a pipe that does not exist
/// is created as a FIFO of mode 0600; a TCP connection comes about later, see is_connecting().
OpenedSink open_sink(asio::io_context& context, SinkType type, const std::string& address);

/// The path a user means: "~/" is the home directory and \\.\pipe\N is $XDG_RUNTIME_DIR/N, else
/// ~/.ringside/N (LEX-8; the last is for pipes only).
std::string expand_address(SinkType type, const std::string& address);

/// Splits "HOST:PORT" or "[V6]:PORT".
/// @return false if it is neither
bool split_host_and_port(std::string_view address, std::string& host, std::string& port);

}  // namespace ringside::output
