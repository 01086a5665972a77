// SPDX-License-Identifier: GPL-3.0-or-later
// Blocks of assembly (INT-12, INT-14): Intel syntax to machine code. Statements are separated by
// ';' or line ends; '#', '//' and '/* */' are comments; numbers are decimal unless 0x stands in
// front. Names the block does not define are the debuggee's symbols; <symbol+expression> is an
// address, its numbers hexadecimal as everywhere else at the prompt. Directives are refused but for
// those that write data or name a value.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.hpp"

namespace ringside::assembler {

/// Longest text that is looked at.
inline constexpr std::size_t kMaxSourceBytes = 1u << 20;

struct Error {
    std::string text;  ///< "assembler: unknown symbol 'foo' at statement 1"
    std::size_t at;    ///< byte of the source it is about
    std::string hint;  ///< empty for none
};

/// The address of a symbol of the debuggee; nothing if it has none of that name.
using SymbolLookup = std::function<std::optional<u64>(const std::string& name)>;

/// The code; it has no fixed address and refers to none of its own by address.
std::variant<std::vector<u8>, Error> assemble(std::string_view source, const SymbolLookup& symbols);

}  // namespace ringside::assembler
