// SPDX-License-Identifier: GPL-3.0-or-later
// Links over TCP: connecting, listening, and the options every such link has.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "transport/channel.hpp"
#include "transport/unique_fd.hpp"

namespace ringside::transport {

struct Socket {
    UniqueFd descriptor;   ///< none on failure
    int error_number = 0;  ///< EINVAL: not a numeric address; ETIMEDOUT; ECONNREFUSED ...
};

/// Connects to a numeric address or "localhost".
asio::awaitable<Socket> connect_tcp(asio::io_context& context, std::string host, std::uint16_t port,
                                    Deadline deadline);

/// A listening port.
class TcpListener {
public:
    explicit TcpListener(asio::io_context& context) : acceptor_{context} {}

    /// @param address  numeric
    /// @param port     0: any free one
    /// @return 0 or an errno
    int listen(const std::string& address, std::uint16_t port);
    /// 0 while not listening.
    std::uint16_t port() const;
    /// The next connection. EBADF after close().
    asio::awaitable<Socket> accept();
    void close();

private:
    asio::ip::tcp::acceptor acceptor_;
};

}  // namespace ringside::transport
