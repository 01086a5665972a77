// SPDX-License-Identifier: GPL-3.0-or-later
// A sink behind a file descriptor. Messages gather in a bounded queue and go out when the event
// loop comes round, many in one write(); a slow reader costs messages, never time.
#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "output/sink.hpp"

namespace ringside::output {

/// Bytes that may wait for a slow reader (OUT-8).
inline constexpr std::size_t kQueueBytes = 1u << 20;

class StreamSink final : public Sink, public std::enable_shared_from_this<StreamSink> {
public:
    explicit StreamSink(asio::io_context& context);
    ~StreamSink() override { release(); }
    StreamSink(const StreamSink&) = delete;
    StreamSink& operator=(const StreamSink&) = delete;

    /// Takes over an open, non-blocking descriptor.
    void attach(int descriptor, bool is_socket);
    /// Connects to a TCP peer; it is_connecting() until that has succeeded or failed.
    void connect(const std::string& host, const std::string& port);
    /// Opens the FIFO `path` as soon as somebody reads it. What is written before is kept.
    void wait_for_reader(std::string path);

    bool write(std::string_view bytes) override;
    bool is_connecting() const override { return is_connecting_; }
    bool is_idle() const override { return queued() == 0 || !stream_.is_open(); }
    std::size_t close() override;

private:
    std::size_t queued() const { return queue_.size() - sent_; }
    void try_open();
    void schedule_flush();
    void flush();
    void wait_writable();
    void give_up(int error_number);
    void release();

    asio::io_context& context_;
    asio::posix::stream_descriptor stream_;
    asio::steady_timer retry_;
    asio::ip::tcp::resolver resolver_;
    std::shared_ptr<asio::ip::tcp::socket> connecting_;  ///< null but while is_connecting_
    std::string fifo_path_;
    std::string queue_;
    std::size_t sent_ = 0;  ///< bytes at the front of queue_ that are gone already
    bool is_socket_ = false;
    bool is_connecting_ = false;
    bool is_scheduled_ = false;  ///< the loop will call flush() soon
    bool is_waiting_ = false;    ///< flush() is called when the reader has taken something
    bool is_closed_ = false;
};

}  // namespace ringside::output
