// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/shell_client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "lab/files.hpp"

namespace ringside::lab {
namespace {

Failure lost() {
    return Failure{"the debuggee's shell closed the link", "see: ringside lab console",
                   ExitCode::kUnreachable};
}

bool read_exactly(int socket, char* data, std::size_t length) {
    while (length > 0) {
        const ssize_t got = ::read(socket, data, length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        data += got;
        length -= static_cast<std::size_t>(got);
    }
    return true;
}

Outcome<Descriptor> connect(std::uint16_t port, std::chrono::milliseconds limit) {
    Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const timeval time{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return Failure{fmt::format("cannot reach the debuggee's shell: {}", errno_text(errno)),
                       {},
                       ExitCode::kUnreachable};
    return socket;
}

std::uint32_t little_endian(const char* bytes) {
    std::uint32_t value = 0;
    for (int i = 3; i >= 0; --i)
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

/// One frame of the reply; false: the link has ended, is silent, or talks nonsense.
bool read_frame(int socket, char& kind, std::string& data) {
    constexpr std::uint32_t kLongestFrame = 1 << 20;
    std::array<char, 5> head{};
    if (!read_exactly(socket, head.data(), head.size()))
        return false;
    const std::uint32_t length = little_endian(head.data() + 1);
    if (length > kLongestFrame)
        return false;
    kind = head[0];
    data.resize(length);
    return read_exactly(socket, data.data(), length);
}

}  // namespace

Outcome<int> run_in_debuggee(std::uint16_t port, std::string_view key, std::string_view command,
                             const ShellOutput& output, std::chrono::milliseconds limit,
                             std::chrono::seconds silence) {
    const auto socket = connect(port, limit);
    if (!socket)
        return socket.failure();
    const std::string request = fmt::format("{}\n{}\n{}", key, command.size(), command);
    for (std::string_view rest = request; !rest.empty();) {
        const ssize_t sent = ::send(socket->get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return lost();
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    char kind = 0;
    std::string data;
    if (!read_frame(socket->get(), kind, data) || kind != 'h')
        return Failure{
            fmt::format("the debuggee's shell did not answer within {} ms", limit.count()),
            "see: ringside lab console", ExitCode::kTimeOut};
    const timeval patience{.tv_sec = silence.count(), .tv_usec = 0};  // 0: no limit
    ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    errno = 0;
    while (read_frame(socket->get(), kind, data)) {
        if (kind == 'x' && data.size() == 4)
            return static_cast<int>(little_endian(data.data()));
        if (kind == 'o' || kind == 'e')
            output(data, kind == 'e');
        errno = 0;
    }
    if (errno == EAGAIN)
        return Failure{fmt::format("the command inside said nothing for {} s", silence.count()),
                       "see: ringside lab console", ExitCode::kTimeOut};
    return lost();
}

}  // namespace ringside::lab
