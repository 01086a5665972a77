// SPDX-License-Identifier: GPL-3.0-or-later
// On its own because the kernel's <asm/termbits.h> and the library's <termios.h> exclude each
// other. Source: ioctl_tty(2), TCGETS2 and TCSETS2; termios2 and BOTHER in Linux
// <asm-generic/termbits.h>.
#include "transport/line_speed.hpp"

#include <asm/termbits.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace ringside::transport {

std::optional<LineSpeed> line_speed(int descriptor) {
    termios2 settings{};
    if (::ioctl(descriptor, TCGETS2, &settings) != 0)
        return std::nullopt;
    return LineSpeed{.input = settings.c_ispeed, .output = settings.c_ospeed};
}

int set_line_speed(int descriptor, LineSpeed speed) {
    termios2 settings{};
    if (::ioctl(descriptor, TCGETS2, &settings) != 0)
        return errno;
    settings.c_cflag &= ~static_cast<tcflag_t>(CBAUD | (CBAUD << IBSHIFT));
    settings.c_cflag |= BOTHER | (BOTHER << IBSHIFT);
    settings.c_ispeed = speed.input;
    settings.c_ospeed = speed.output;
    return ::ioctl(descriptor, TCSETS2, &settings) == 0 ? 0 : errno;
}

}  // namespace ringside::transport
