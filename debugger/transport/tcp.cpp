// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/tcp.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <optional>

namespace ringside::transport {
namespace {

// A peer that vanished without a word (cable, frozen machine) is noticed after about half a minute
// when idle, and after two minutes when it leaves data unacknowledged. A debugger that was merely
// stopped (Ctrl+Z) still has a kernel that answers.
constexpr int kIdleSeconds = 15;
constexpr int kProbeSeconds = 5;
constexpr int kProbeCount = 3;
constexpr int kUnacknowledgedMilliseconds = 120'000;

void set_option(int descriptor, int level, int option, int value) {
    // None of them is vital: a kernel without one still carries the link.
    (void)::setsockopt(descriptor, level, option, &value, sizeof(value));
}

UniqueFd take(asio::ip::tcp::socket& socket) {
    UniqueFd descriptor{socket.release()};
    (void)::fcntl(descriptor.get(), F_SETFD, FD_CLOEXEC);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_KEEPINTVL, kProbeSeconds);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_KEEPCNT, kProbeCount);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMilliseconds);
    return descriptor;
}

std::optional<asio::ip::tcp::endpoint> endpoint_of(const std::string& host, std::uint16_t port) {
    std::error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error)
        return std::nullopt;
    return asio::ip::tcp::endpoint{address, port};
}

}  // namespace

asio::awaitable<Socket> connect_tcp(asio::io_context& context, std::string host, std::uint16_t port,
                                    Deadline deadline) {
    const auto endpoint = endpoint_of(host, port);
    if (!endpoint)
        co_return Socket{.error_number = EINVAL};
    const auto socket = std::make_shared<asio::ip::tcp::socket>(context);
    asio::steady_timer timer{context, deadline};
    const auto is_expired = std::make_shared<bool>(false);
    timer.async_wait([socket, is_expired](const std::error_code& error) {
        if (error || !socket->is_open())
            return;
        *is_expired = true;
        std::error_code ignored;
        socket->close(ignored);
    });
    std::error_code error;
    co_await socket->async_connect(*endpoint, asio::redirect_error(asio::use_awaitable, error));
    if (*is_expired)
        co_return Socket{.error_number = ETIMEDOUT};
    if (error)
        co_return Socket{.error_number = error.value()};
    co_return Socket{.descriptor = take(*socket)};
}

int TcpListener::listen(const std::string& address, std::uint16_t port) {
    const auto endpoint = endpoint_of(address, port);
    if (!endpoint)
        return EINVAL;
    std::error_code error;
    acceptor_.open(endpoint->protocol(), error);
    if (error)
        return error.value();
    (void)::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
    acceptor_.set_option(asio::socket_base::reuse_address{true}, error);
    if (!error)
        acceptor_.bind(*endpoint, error);
    if (!error)
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error)
        close();
    return error.value();
}

std::uint16_t TcpListener::port() const {
    std::error_code error;
    const auto endpoint = acceptor_.local_endpoint(error);
    return error ? std::uint16_t{0} : endpoint.port();
}

asio::awaitable<Socket> TcpListener::accept() {
    asio::ip::tcp::socket socket{acceptor_.get_executor()};
    std::error_code error;
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open())
        co_return Socket{.error_number = EBADF};
    if (error)
        co_return Socket{.error_number = error.value()};
    co_return Socket{.descriptor = take(socket)};
}

void TcpListener::close() {
    std::error_code ignored;
    acceptor_.close(ignored);
}

}  // namespace ringside::transport
