// SPDX-License-Identifier: GPL-3.0-or-later
// The near end of the debuggee's shell server; the protocol is described in guest/shell_server.c.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "lab/lab.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// Runs `command` through the server at 127.0.0.1:`port` and returns its exit status. `limit`
/// bounds the time until the server takes the key; the command may then take as long as it takes.
Outcome<int> run_in_debuggee(std::uint16_t port, std::string_view key, std::string_view command,
                             const ShellOutput& output, std::chrono::milliseconds limit,
                             std::chrono::seconds silence = std::chrono::seconds{0});

}  // namespace ringside::lab
