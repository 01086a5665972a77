// SPDX-License-Identifier: GPL-3.0-or-later
// A pseudo terminal as a serial cable: what is written to one end is read from the other, and bytes
// that nobody has read yet stay on it.
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <termios.h>

#include <cstdlib>
#include <string>

#include "transport/serial.hpp"
#include "transport/unique_fd.hpp"

namespace ringside::test {

class Pty {
public:
    Pty() {
        int ends[2] = {};
        char name[64] = {};
        if (::openpty(&ends[0], &ends[1], name, nullptr, nullptr) != 0)
            std::abort();
        master_.reset(ends[0]);
        slave_.reset(ends[1]);
        path_ = name;
        termios raw{};
        ::tcgetattr(slave_.get(), &raw);
        ::cfmakeraw(&raw);
        ::tcsetattr(slave_.get(), TCSANOW, &raw);
    }

    /// The end to open by its name. The cable keeps it alive while nobody has it open.
    const std::string& path() const { return path_; }
    int slave() const { return slave_.get(); }

    /// The other end as an open line. The cable keeps it alive as well.
    transport::SerialLine open_master() const {
        transport::SerialLine line;
        line.path = "cable";
        line.descriptor.reset(::fcntl(master_.get(), F_DUPFD_CLOEXEC, 3));
        return line;
    }
    int master() const { return master_.get(); }

    /// Lets go of both ends: whoever holds the last of one loses the line.
    void unplug() {
        slave_.reset();
        master_.reset();
    }

private:
    transport::UniqueFd master_;
    transport::UniqueFd slave_;
    std::string path_;
};

}  // namespace ringside::test
