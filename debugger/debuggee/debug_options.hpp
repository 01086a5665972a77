// SPDX-License-Identifier: GPL-3.0-or-later
// How to become the debugger of a machine (specification MOD-3).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ringside::debuggee {

struct DebugOptions {
    std::string line;             ///< serial port or unix socket; empty: shared memory
    std::uint32_t baud = 115200;  ///< of a serial port
    std::string memory;           ///< file behind the virtual machine's ivshmem device
    std::string bell;             ///< with it: serial port or socket that rings; may be empty
    bool pause = false;           ///< the machine halts at once
    std::chrono::milliseconds timeout{
        std::chrono::hours{24 * 365}};  ///< for the debuggee to answer
};

}  // namespace ringside::debuggee
