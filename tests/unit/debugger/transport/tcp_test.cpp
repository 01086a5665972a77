// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/tcp.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cerrno>
#include <optional>
#include <vector>

#include "transport/loop.hpp"

namespace ringside::transport {
namespace {

using namespace std::chrono_literals;

class Tcp : public testing::Test {
protected:
    Socket result_of(asio::awaitable<Socket> operation) {
        std::optional<Socket> result;
        asio::co_spawn(loop.context(), std::move(operation),
                       [&](std::exception_ptr, Socket socket) { result = std::move(socket); });
        EXPECT_EQ(loop.wait_until([&] { return result.has_value(); }, 20s), Wait::kDone);
        return result ? std::move(*result) : Socket{};
    }

    Socket connect(const std::string& host, std::uint16_t port) {
        return result_of(
            connect_tcp(loop.context(), host, port, std::chrono::steady_clock::now() + 20s));
    }

    Loop loop;
};

TEST_F(Tcp, ConnectsAndAccepts) {
    TcpListener listener{loop.context()};
    EXPECT_EQ(listener.port(), 0u);
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);
    ASSERT_NE(listener.port(), 0u);
    const Socket one = connect("localhost", listener.port());
    const Socket other = result_of(listener.accept());
    for (const Socket* socket : {&one, &other}) {
        ASSERT_TRUE(socket->descriptor);
        EXPECT_NE(::fcntl(socket->descriptor.get(), F_GETFD) & FD_CLOEXEC, 0);
        int value = 0;
        socklen_t size = sizeof(value);
        ::getsockopt(socket->descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &value, &size);
        EXPECT_NE(value, 0);
        ::getsockopt(socket->descriptor.get(), SOL_SOCKET, SO_KEEPALIVE, &value, &size);
        EXPECT_NE(value, 0);
    }
}

TEST_F(Tcp, RefusedAndBadAddressesAreErrors) {
    TcpListener listener{loop.context()};
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);
    const auto port = listener.port();
    listener.close();
    EXPECT_EQ(connect("127.0.0.1", port).error_number, ECONNREFUSED);
    EXPECT_EQ(connect("256.0.0.1", port).error_number, EINVAL);
    EXPECT_EQ(connect("", port).error_number, EINVAL);
}

TEST_F(Tcp, APortIsListenedOnOnce) {
    TcpListener one{loop.context()};
    ASSERT_EQ(one.listen("127.0.0.1", 0), 0);
    TcpListener other{loop.context()};
    EXPECT_EQ(other.listen("127.0.0.1", one.port()), EADDRINUSE);
    EXPECT_EQ(other.listen("nowhere", 1), EINVAL);
    EXPECT_EQ(other.listen("192.0.2.1", 0), EADDRNOTAVAIL);
}

TEST_F(Tcp, ClosingEndsAnAccept) {
    TcpListener listener{loop.context()};
    ASSERT_EQ(listener.listen("127.0.0.1", 0), 0);
    loop.post([&] { listener.close(); });
    EXPECT_EQ(result_of(listener.accept()).error_number, EBADF);
}

TEST_F(Tcp, AnExpiredDeadlineIsATimeOut) {
    // A listener that never accepts, with its queue full, leaves the next one without an answer.
    const UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), plain, size), 0);
    ASSERT_EQ(::listen(listener.get(), 0), 0);
    ASSERT_EQ(::getsockname(listener.get(), plain, &size), 0);
    std::vector<UniqueFd> fillers;
    for (int count = 0; count < 4; ++count) {
        fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        (void)::connect(fillers.back().get(), plain, size);
    }
    const Socket socket =
        result_of(connect_tcp(loop.context(), "127.0.0.1", ntohs(address.sin_port),
                              std::chrono::steady_clock::now() + 20ms));
    EXPECT_FALSE(socket.descriptor);
    EXPECT_EQ(socket.error_number, ETIMEDOUT);
}

}  // namespace
}  // namespace ringside::transport
