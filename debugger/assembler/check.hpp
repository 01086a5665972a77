// SPDX-License-Identifier: GPL-3.0-or-later
// A second opinion on what was assembled. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "assembler/operand.hpp"
#include "base/types.hpp"

namespace ringside::assembler {

struct Misfit {
    std::string text;       ///< "value 300 does not fit in 8 bits"
    std::string_view what;  ///< the operand, within the instruction
    std::string hint;       ///< may be empty
};

/// Looks whether each number of an instruction is still the one that was written: the assembler
/// cuts those that are too large without a word. `code` begins with the instruction's bytes.
std::optional<Misfit> find_misfit(std::string_view instruction, std::span<const u8> code,
                                  const Values& values);

}  // namespace ringside::assembler
