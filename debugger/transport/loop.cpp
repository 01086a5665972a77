// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/loop.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <csignal>
#include <utility>

namespace ringside::transport {
namespace {

/// One wait_until() in progress, linked into the list whose head is the innermost.
class Waiting {
public:
    explicit Waiting(Waiting*& innermost) : innermost_{innermost}, outer_{innermost} {
        innermost_ = this;
    }
    ~Waiting() { innermost_ = outer_; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    bool is_interrupted = false;

private:
    Waiting*& innermost_;
    Waiting* outer_;
};

}  // namespace

struct Loop::Implementation {
    // Without the concurrency hint 1 that one thread would suggest: with it, what a handler posts
    // is run only when that handler returns, and a wait inside it would never see it.
    asio::io_context context;
    Waiting* innermost = nullptr;
    bool is_stopping = false;

    Wait wait(const std::function<bool()>& done, asio::steady_timer::time_point deadline) {
        Waiting waiting{innermost};
        // Wakes run_one() at the deadline, and keeps it from running out of work before.
        asio::steady_timer timer{context, deadline};
        timer.async_wait([](const std::error_code&) {});
        if (context.stopped() && !is_stopping)
            context.restart();
        while (true) {
            if (done())
                return Wait::kDone;
            if (waiting.is_interrupted || is_stopping)
                return Wait::kInterrupted;
            if (asio::steady_timer::clock_type::now() >= deadline)
                return Wait::kTimedOut;
            context.run_one();
        }
    }
};

Loop::Loop() : implementation_{std::make_unique<Implementation>()} {
    std::signal(SIGPIPE, SIG_IGN);
}

Loop::~Loop() = default;

asio::io_context& Loop::context() {
    return implementation_->context;
}

void Loop::run() {
    implementation_->is_stopping = false;
    implementation_->context.restart();
    implementation_->context.run();
    implementation_->is_stopping = false;  // waits that follow are not inside it
}

void Loop::stop() {
    implementation_->is_stopping = true;
    implementation_->context.stop();
}

Wait Loop::wait_until(const std::function<bool()>& done, std::chrono::milliseconds timeout) {
    return implementation_->wait(done, asio::steady_timer::clock_type::now() + timeout);
}

Wait Loop::wait_until(const std::function<bool()>& done) {
    return implementation_->wait(done, asio::steady_timer::time_point::max());
}

Wait Loop::wait_for(std::chrono::milliseconds time) {
    return wait_until([] { return false; }, time);
}

bool Loop::interrupt() {
    if (!implementation_->innermost)
        return false;
    implementation_->innermost->is_interrupted = true;
    return true;
}

bool Loop::is_waiting() const {
    return implementation_->innermost != nullptr;
}

void Loop::post(std::function<void()> handler) {
    asio::post(implementation_->context, std::move(handler));
}

}  // namespace ringside::transport
