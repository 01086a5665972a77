// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/channel.hpp"

#include <sys/socket.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

namespace ringside::transport {

std::shared_ptr<Channel> Channel::create(asio::io_context& context, UniqueFd stream) {
    return std::shared_ptr<Channel>{new Channel{context, std::move(stream)}};
}

Channel::Channel(asio::io_context& context, UniqueFd stream)
    : stream_{context}, room_{context, Deadline::max()}, read_buffer_(64 * 1024) {
    stream_.assign(stream.get());
    stream.release();
}

asio::awaitable<Channel::Received> Channel::receive(Deadline deadline) {
    const auto self = shared_from_this();
    while (true) {
        if (!is_open() || !is_receiving_)
            co_return Received{.end = End::kClosed};
        if (auto frame = decoder_.next())
            co_return Received{.frame = std::move(frame)};
        bool is_late = false;
        const std::size_t count = co_await read_some(deadline, is_late);
        if (is_late)
            co_return Received{.end = End::kTimedOut};
        if (count == 0)
            co_return Received{.end = End::kClosed};
        decoder_.feed(std::span{read_buffer_}.first(count));
    }
}

/// @return bytes read; 0 at the end of the stream, on an error, and when the deadline passed
asio::awaitable<std::size_t> Channel::read_some(Deadline deadline, bool& is_late) {
    // The timer's handler may run after we have gone on: it then finds its state left alone.
    const auto is_expired = std::make_shared<bool>(false);
    const auto is_over = std::make_shared<bool>(false);
    asio::steady_timer timer{stream_.get_executor()};
    if (deadline != Deadline::max()) {
        timer.expires_at(deadline);
        timer.async_wait(
            [self = shared_from_this(), is_expired, is_over](const std::error_code& error) {
                if (error || *is_over)
                    return;
                *is_expired = true;
                self->cancel_read_.emit(asio::cancellation_type::terminal);
            });
    }
    std::error_code error;
    const std::size_t count = co_await stream_.async_read_some(
        asio::buffer(read_buffer_),
        asio::bind_cancellation_slot(cancel_read_.slot(),
                                     asio::redirect_error(asio::use_awaitable, error)));
    *is_over = true;
    if (!error) {
        received_bytes_ += count;
        co_return count;
    }
    is_late = *is_expired;
    co_return 0;
}

void Channel::send(rs_packet_type type, std::initializer_list<std::span<const std::byte>> parts) {
    if (!is_open())
        return;
    queue_.push_back(encode_frame(type, sequence_++, parts));
    queued_bytes_ += queue_.back().size();
    if (!is_writing_)
        write_next();
}

void Channel::write_next() {
    is_writing_ = true;
    stream_.async_write_some(
        asio::buffer(queue_.front()) + written_,
        [self = shared_from_this()](const std::error_code& error, std::size_t count) {
            self->is_writing_ = false;
            if (error || !self->is_open()) {
                self->close();
                return;
            }
            self->written_ += count;
            self->queued_bytes_ -= count;
            if (self->written_ == self->queue_.front().size()) {
                self->queue_.pop_front();
                self->written_ = 0;
            }
            self->room_.cancel();
            if (!self->queue_.empty() && self->is_open())
                self->write_next();
        });
}

asio::awaitable<void> Channel::wait_for_room(std::size_t beyond) {
    const auto self = shared_from_this();
    while (is_open() && is_receiving_ && queued_bytes_ > room_bytes_ + beyond) {
        std::error_code error;
        co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
}

asio::awaitable<void> Channel::finish(Deadline deadline) {
    const auto self = shared_from_this();
    asio::steady_timer timer{stream_.get_executor(), deadline};
    timer.async_wait([self](const std::error_code& error) {
        if (!error)
            self->close();
    });
    while (is_open() && queued_bytes_ > 0) {
        std::error_code error;
        co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    if (is_open()) {
        // Streams without half-close (a serial line) refuse: their readers see the last frame.
        if (::shutdown(stream_.native_handle(), SHUT_WR) == 0) {
            bool is_late = false;
            while (is_open() && co_await read_some(deadline, is_late) > 0) {
            }
        }
    }
    close();
}

void Channel::stop_receiving() {
    is_receiving_ = false;
    room_.cancel();
    cancel_read_.emit(asio::cancellation_type::terminal);
}

void Channel::discard_queued() {
    // The first frame may be on its way, whole or in part: cutting it would upset the other side.
    while (queue_.size() > (is_writing_ ? 1u : 0u)) {
        queued_bytes_ -= queue_.back().size();
        queue_.pop_back();
    }
    room_.cancel();
}

void Channel::close() {
    if (!is_open())
        return;
    std::error_code ignored;
    stream_.close(ignored);
    queue_.clear();
    queued_bytes_ = 0;
    written_ = 0;
    room_.cancel();
}

}  // namespace ringside::transport
