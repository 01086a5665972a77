// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's monitor (QMP over a unix socket), as far as the lab needs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "lab/files.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// The host ports that QEMU forwards to the ports inside.
struct ForwardedPorts {
    std::uint16_t agent = 0;
    std::uint16_t shell = 0;
};

class Monitor {
public:
    /// Connects to the lab in `folder` and does the handshake.
    static Outcome<Monitor> connect(const std::filesystem::path& folder);

    Outcome<ForwardedPorts> forwarded_ports();

    /// Asks QEMU to end; it does so after answering, if it answers.
    void quit();

private:
    explicit Monitor(Descriptor socket) : socket_{std::move(socket)} {}

    /// Sends one request and returns the text of its answer (one line of JSON).
    Outcome<std::string> ask(const std::string& request);
    Outcome<std::string> read_line();

    Descriptor socket_;
    std::string received_;
};

/// Reads the table of HMP's "info usernet".
ForwardedPorts parse_forwarded_ports(const std::string& table);

}  // namespace ringside::lab
