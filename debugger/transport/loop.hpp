// SPDX-License-Identifier: GPL-3.0-or-later
// The program's one event loop (Asio underneath): link, prompt, signals and timers share it, and a
// command may wait inside it for an answer while everything else goes on.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace asio {
class io_context;
}

namespace ringside::transport {

/// How a wait ended.
enum class Wait {
    kDone,         ///< the condition holds
    kTimedOut,     ///< the time was up first
    kInterrupted,  ///< interrupt() was called (Ctrl+C)
};

/// The event loop. Used by one thread; every callback of the program runs inside it.
class Loop {
public:
    /// Also ignores SIGPIPE for the process: a vanished peer is an error code, not a signal.
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// For owners of sockets, timers and signal sets of their own.
    asio::io_context& context();

    /// Runs handlers until stop(), or until nothing is left to wait for.
    void run();
    /// Ends run(); waits in progress inside it end with kInterrupted.
    void stop();

    /// Runs handlers until `done` holds, `timeout` has passed or interrupt() is called. `done` is
    /// asked before the first handler and after each one, so it may only look at state that
    /// handlers change. May be called from inside a handler, and waits may nest; an interrupt ends
    /// the innermost.
    Wait wait_until(const std::function<bool()>& done, std::chrono::milliseconds timeout);
    /// Without a time limit.
    Wait wait_until(const std::function<bool()>& done);

    /// Lets the loop run for the given time (command 'sleep'); kTimedOut is the normal end.
    Wait wait_for(std::chrono::milliseconds time);

    /// Ends the innermost wait with kInterrupted. From a handler of this loop (a signal set's, for
    /// example), not from a signal handler.
    /// @return false if nobody waits; the interrupt is then forgotten.
    bool interrupt();
    bool is_waiting() const;

    /// Runs `handler` soon, from the loop and never from inside this call.
    void post(std::function<void()> handler);

private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace ringside::transport
