// SPDX-License-Identifier: GPL-3.0-or-later
// How to reach an agent over a line (serial port).
#pragma once

#include <chrono>

#include "transport/key.hpp"

namespace ringside::debuggee {

/// How the ends of a line know that the other one is there: by PINGs, which the agent answers.
/// Times of the debugger's clock; an emulated debuggee may stall for seconds.
struct LineTraits {
    std::chrono::milliseconds ping_interval{2'000};
    int unanswered_pings = 30;  ///< after which the debuggee is taken for dead
};

struct LineOptions {
    /// The shared key; an empty one means "run without a key" and needs the same at the agent.
    transport::Key key = {};
    std::chrono::milliseconds timeout{30'000};  ///< for introducing ourselves
    LineTraits traits = {};
};

}  // namespace ringside::debuggee
