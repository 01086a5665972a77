// SPDX-License-Identifier: GPL-3.0-or-later
// Who called the function that is halted in.
#pragma once

#include <optional>

#include "commands/session.hpp"

namespace ringside::commands {

/// Where the function goes on that called the one the machine is halted in; nothing if the stack
/// does not tell. Asks the debuggee.
std::optional<u64> caller_of(Session& session);

}  // namespace ringside::commands
