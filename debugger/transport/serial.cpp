// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/serial.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace ringside::transport {
namespace {

/// Settings of a terminal line, put back by the destructor.
class Terminal final : public LineSettings {
public:
    /// @param descriptor  of its own
    Terminal(UniqueFd descriptor, const termios& found)
        : descriptor_{std::move(descriptor)}, found_{found} {}
    ~Terminal() override {
        // Behind what is still on its way: another speed would garble our last words.
        (void)::tcsetattr(descriptor_.get(), TCSADRAIN, &found_);
        (void)::ioctl(descriptor_.get(), TIOCNXCL);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

private:
    UniqueFd descriptor_;
    termios found_;
};

SerialLine failed(const std::string& path, int error_number, const std::string& reason = {}) {
    SerialLine line;
    line.path = path;
    line.error_number = error_number;
    line.error = "cannot open serial line " + path + ": " +
                 (reason.empty() ? std::strerror(error_number) : reason);
    return line;
}

SerialLine open_terminal(const std::string& path) {
    // Non-blocking: opening must not wait for a modem's carrier.
    UniqueFd descriptor{::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};
    if (!descriptor)
        return failed(path, errno, errno == EBUSY ? "another program uses it" : std::string{});
    if (::isatty(descriptor.get()) != 1)
        return failed(path, ENOTTY, "it is neither a terminal line nor a unix socket");
    // TIOCEXCL keeps others out, but not root; the lock is what programs on serial ports ask for.
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0)
        return failed(path, EBUSY, "another program uses it");
    termios found{};
    if (::tcgetattr(descriptor.get(), &found) != 0)
        return failed(path, errno);
    termios wanted = found;
    ::cfmakeraw(&wanted);
    wanted.c_cflag &= ~static_cast<tcflag_t>(CSIZE | CSTOPB | PARENB | CRTSCTS);
    wanted.c_cflag |= CS8 | CLOCAL | CREAD;
    wanted.c_iflag &= ~static_cast<tcflag_t>(IXOFF | IXANY);
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
    (void)::cfsetspeed(&wanted, B115200);
    UniqueFd own{::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3)};
    if (!own || ::tcsetattr(descriptor.get(), TCSANOW, &wanted) != 0)
        return failed(path, errno);
    (void)::ioctl(descriptor.get(), TIOCEXCL);
    (void)::tcflush(descriptor.get(), TCIFLUSH);
    SerialLine line;
    line.path = path;
    line.descriptor = std::move(descriptor);
    line.settings = std::make_unique<Terminal>(std::move(own), found);
    return line;
}

SerialLine connect_socket(const std::string& path) {
    UniqueFd descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!descriptor)
        return failed(path, errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    UniqueFd file;
    std::string name = path;
    if (name.size() >= sizeof(address.sun_path)) {
        // An address holds 107 bytes; a path may be longer.
        file.reset(::open(path.c_str(), O_PATH | O_CLOEXEC));
        name = "/proc/self/fd/" + std::to_string(file.get());
    }
    std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
        0) {
        // EAGAIN: its queue of those who want to connect is full.
        return failed(path, errno,
                      errno == EAGAIN         ? "another program uses it"
                      : errno == ECONNREFUSED ? "nobody listens there"
                                              : std::string{});
    }
    SerialLine line;
    line.path = path;
    line.descriptor = std::move(descriptor);
    return line;
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.size() <= 3 &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::optional<std::string> serial_path(std::string_view word) {
    std::string lower{word};
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower.size() == 4 && lower.starts_with("com") && lower[3] >= '1' && lower[3] <= '4')
        return "/dev/ttyS" + std::to_string(lower[3] - '1');
    if (word.find('/') != std::string_view::npos)
        return std::string{word};
    if (lower.starts_with("ttys") && is_digits(lower.substr(4)))
        return "/dev/ttyS" + lower.substr(4);
    return std::nullopt;
}

SerialLine open_serial(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return failed(path, errno);
    if (S_ISSOCK(status.st_mode))
        return connect_socket(path);
    if (!S_ISCHR(status.st_mode))
        return failed(path, ENOTTY, "it is neither a terminal line nor a unix socket");
    return open_terminal(path);
}

}  // namespace ringside::transport
