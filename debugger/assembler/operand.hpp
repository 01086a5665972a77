// SPDX-License-Identifier: GPL-3.0-or-later
// The number an operand says, worked out apart from the assembler, which cuts what does not fit.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace ringside::assembler {

/// Wide enough for sums and differences of 64-bit numbers of either sign.
__extension__ using i128 = __int128;

/// Values of the names a block may use: the debuggee's symbols, '.set'.
using Values = std::map<std::string, u64, std::less<>>;

/// Value of numbers and names under + - * ~ and parentheses; registers count as 0. Nothing: there
/// is something else in it, or more than 128 bits could be needed.
std::optional<i128> evaluate(std::string_view expression, const Values& values);

struct Operand {
    enum class Kind { kRegister, kNumber, kMemory };
    Kind kind;
    std::optional<i128> value;  ///< of a number, or the displacement; nothing: not known
};

/// Reads "rax", "offset name + 1", "dword ptr gs:[rbx + rcx*4 + 8]".
Operand read_operand(std::string_view text, const Values& values);

}  // namespace ringside::assembler
