// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/stream_sink.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

namespace ringside::output {
namespace {

/// So much waiting text is written without waiting for the loop to come round.
constexpr std::size_t kWriteNow = 64 * 1024;

/// The kernel tells nobody that a FIFO got a reader; opening it again is the only question.
constexpr std::chrono::milliseconds kRetry{50};

}  // namespace

StreamSink::StreamSink(asio::io_context& context)
    : context_{context}, stream_{context}, retry_{context}, resolver_{context} {
    // A reader that has gone is an error code, not a signal.
    std::signal(SIGPIPE, SIG_IGN);
}

void StreamSink::attach(int descriptor, bool is_socket) {
    is_socket_ = is_socket;
    std::error_code error;
    stream_.assign(descriptor, error);
    if (error) {
        ::close(descriptor);
        return give_up(error.value());
    }
    if (queued() > 0)
        schedule_flush();
}

void StreamSink::connect(const std::string& host, const std::string& port) {
    is_connecting_ = true;
    const std::weak_ptr<StreamSink> weak = weak_from_this();
    const auto socket = std::make_shared<asio::ip::tcp::socket>(context_);
    connecting_ = socket;
    const auto connected = [weak, socket](const std::error_code& error) {
        const auto self = weak.lock();
        if (!self || self->is_closed_)
            return;
        self->is_connecting_ = false;
        self->connecting_.reset();
        if (error)
            return self->fail(error.message());
        std::error_code ignored;
        socket->set_option(asio::socket_base::keep_alive{true}, ignored);
        socket->set_option(asio::ip::tcp::no_delay{true}, ignored);
        const int descriptor = socket->release();
        (void)::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        (void)::fcntl(descriptor, F_SETFL, O_RDWR | O_NONBLOCK);
        self->attach(descriptor, true);
    };
    resolver_.async_resolve(
        host, port,
        [weak, socket, connected](const std::error_code& error,
                                  const asio::ip::tcp::resolver::results_type& results) {
            if (error || weak.expired())
                return connected(error);
            asio::async_connect(
                *socket, results,
                [connected](const std::error_code& failure, const asio::ip::tcp::endpoint&) {
                    connected(failure);
                });
        });
}

void StreamSink::wait_for_reader(std::string path) {
    fifo_path_ = std::move(path);
    try_open();
}

void StreamSink::try_open() {
    const int descriptor = ::open(fifo_path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor >= 0)
        return attach(descriptor, false);
    if (errno != ENXIO)
        return give_up(errno);
    retry_.expires_after(kRetry);
    retry_.async_wait([weak = weak_from_this()](const std::error_code& error) {
        const auto self = weak.lock();
        if (!error && self && !self->is_closed_)
            self->try_open();
    });
}

bool StreamSink::write(std::string_view bytes) {
    if (is_closed_ || !failure().empty())
        return false;
    if (queued() + bytes.size() > kQueueBytes)
        return false;
    queue_.append(bytes);
    if (stream_.is_open() && !is_waiting_) {
        if (queued() >= kWriteNow)
            flush();
        else
            schedule_flush();
    }
    return true;
}

void StreamSink::schedule_flush() {
    if (std::exchange(is_scheduled_, true))
        return;
    asio::post(context_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->is_scheduled_ = false;
            self->flush();
        }
    });
}

void StreamSink::flush() {
    while (stream_.is_open() && !is_waiting_ && queued() > 0) {
        const int descriptor = stream_.native_handle();
        const char* data = queue_.data() + sent_;
        const ssize_t count = is_socket_ ? ::send(descriptor, data, queued(), MSG_NOSIGNAL)
                                         : ::write(descriptor, data, queued());
        if (count >= 0) {
            sent_ += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            wait_writable();
            break;
        } else if (errno != EINTR) {
            return give_up(errno);
        }
    }
    // Moving the rest to the front is paid for by at least as many bytes that are gone.
    if (sent_ >= queue_.size() - sent_) {
        queue_.erase(0, sent_);
        sent_ = 0;
    }
}

void StreamSink::wait_writable() {
    is_waiting_ = true;
    stream_.async_wait(asio::posix::descriptor_base::wait_write,
                       [weak = weak_from_this()](const std::error_code& error) {
                           const auto self = weak.lock();
                           if (!self || error)
                               return;
                           self->is_waiting_ = false;
                           self->flush();
                       });
}

void StreamSink::give_up(int error_number) {
    const std::size_t lost = queued();
    release();
    fail(lost == 0 ? std::string{std::strerror(error_number)}
                   : fmt::format("{}; bytes not taken: {}", std::strerror(error_number), lost));
}

void StreamSink::release() {
    std::error_code ignored;
    stream_.close(ignored);
    retry_.cancel();
    resolver_.cancel();
    if (connecting_)
        connecting_->close(ignored);
    connecting_.reset();
    queue_ = {};
    sent_ = 0;
    is_connecting_ = false;
}

std::size_t StreamSink::close() {
    if (is_closed_)
        return 0;
    is_waiting_ = false;
    flush();
    is_closed_ = true;
    const std::size_t lost = queued();
    release();
    return lost;
}

}  // namespace ringside::output
