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
#include <cstdlib>
#include <cstring>
#include <utility>

#include "link/uart.hpp"
#include "transport/line_speed.hpp"

namespace ringside::transport {
namespace {

/// Settings of a terminal line, put back by the destructor.
class Terminal final : public LineSettings {
public:
    /// @param descriptor  of its own
    Terminal(UniqueFd descriptor, const termios& found)
        : descriptor_{std::move(descriptor)},
          found_{found},
          found_speed_{line_speed(descriptor_.get())} {}
    ~Terminal() override {
        // Behind what is still on its way: another speed would garble our last words.
        (void)::tcsetattr(descriptor_.get(), TCSADRAIN, &found_);
        // A speed without a constant is not among these settings.
        if (found_speed_ && line_speed(descriptor_.get()) != found_speed_)
            (void)set_line_speed(descriptor_.get(), *found_speed_);
        (void)::ioctl(descriptor_.get(), TIOCNXCL);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

private:
    UniqueFd descriptor_;
    termios found_;
    std::optional<LineSpeed> found_speed_;
};

/// The baud rates that POSIX and Linux have a constant for.
constexpr std::pair<std::uint32_t, speed_t> kSpeedConstants[] = {
    {110, B110},     {300, B300},     {600, B600},      {1200, B1200},
    {2400, B2400},   {4800, B4800},   {9600, B9600},    {19200, B19200},
    {38400, B38400}, {57600, B57600}, {115200, B115200}};

std::optional<speed_t> speed_constant(std::uint32_t baud) {
    for (const auto& [rate, constant] : kSpeedConstants)
        if (rate == baud)
            return constant;
    return std::nullopt;
}

/// Whether two ends of a line with these speeds understand each other: a byte's last bit is sampled
/// 9.5 bits behind its beginning, and each end may be off a little by itself.
bool is_near(std::uint32_t actual, std::uint32_t wanted) {
    const auto difference = std::int64_t{actual} - std::int64_t{wanted};
    return std::abs(difference) * 100 <= std::int64_t{wanted} * 3;
}

SerialLine failed(const std::string& path, int error_number, const std::string& reason = {}) {
    SerialLine line;
    line.path = path;
    line.error_number = error_number;
    line.error = "cannot open serial line " + path + ": " +
                 (reason.empty() ? std::strerror(error_number) : reason);
    return line;
}

SerialLine open_terminal(const std::string& path, std::uint32_t baud) {
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
    wanted.c_cflag &= ~static_cast<tcflag_t>(CSIZE | CSTOPB | PARENB | CRTSCTS | CIBAUD);
    wanted.c_cflag |= CS8 | CLOCAL | CREAD;
    wanted.c_iflag &= ~static_cast<tcflag_t>(IXOFF | IXANY);
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
    // Without a speed of its own (CIBAUD) the input has that of the output.
    const auto constant = speed_constant(baud);
    (void)::cfsetspeed(&wanted, constant.value_or(B115200));
    UniqueFd own{::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3)};
    if (!own)
        return failed(path, errno);
    // From here on whoever leaves gives the line back as it was.
    auto settings = std::make_unique<Terminal>(std::move(own), found);
    if (::tcsetattr(descriptor.get(), TCSANOW, &wanted) != 0)
        return failed(path, errno);
    const int refused =
        constant ? 0 : set_line_speed(descriptor.get(), {.input = baud, .output = baud});
    const auto speed = line_speed(descriptor.get());
    if (refused != 0 || (speed && !(is_near(speed->input, baud) && is_near(speed->output, baud))))
        return failed(path, EINVAL, "its driver cannot do " + std::to_string(baud) + " baud");
    (void)::ioctl(descriptor.get(), TIOCEXCL);
    (void)::tcflush(descriptor.get(), TCIFLUSH);
    SerialLine line;
    line.path = path;
    line.descriptor = std::move(descriptor);
    line.settings = std::move(settings);
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

SerialLine open_serial(const std::string& path, std::uint32_t baud) {
    if (!link::is_baud_rate(baud))
        return failed(path, EINVAL, "bad baud rate " + std::to_string(baud));
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return failed(path, errno);
    if (S_ISSOCK(status.st_mode))
        return connect_socket(path);
    if (!S_ISCHR(status.st_mode))
        return failed(path, ENOTTY, "it is neither a terminal line nor a unix socket");
    return open_terminal(path, baud);
}

}  // namespace ringside::transport
