// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers of the command language (LEX-5): hexadecimal unless a prefix says otherwise.
#pragma once

#include <string_view>

#include "base/types.hpp"

namespace ringside::commands {

enum class NumberStatus {
    kOk,
    kNotANumber,  ///< empty, a sign, a prefix alone, or a character that is no digit of the base
    kTooLarge,    ///< does not fit 64 bits
};

struct Number {
    NumberStatus status = NumberStatus::kNotANumber;
    u64 value = 0;
};

/// Reads the whole of `text`: hexadecimal; 0x x \x hexadecimal, 0n n decimal, 0t octal, 0y binary,
/// in both cases; a backquote between digits is skipped.
Number parse_number(std::string_view text);

/// Reads a decimal number of plain digits, for ports and the like.
Number parse_decimal(std::string_view text);

}  // namespace ringside::commands
