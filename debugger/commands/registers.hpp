// SPDX-License-Identifier: GPL-3.0-or-later
// How 'r' prints registers. Pure; the block is HyperDbg's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "ringside/debug.h"

namespace ringside::commands {

/// RAX= to R15=, the flags, the segments, RFLAGS=; with a line end.
std::string register_block(const rs_registers& registers);

/// "rax=0000000000000010" of a register or a part of one (enum rs_script_register); without a line
/// end.
std::string register_text(const rs_registers& registers, u32 which);

/// enum rs_script_register by what the user typed: "rax", "@RAX".
std::optional<u32> register_called(std::string_view word);
/// The register that may have been meant; empty if none is near.
std::string_view nearest_register(std::string_view word);

}  // namespace ringside::commands
