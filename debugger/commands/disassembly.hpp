// SPDX-License-Identifier: GPL-3.0-or-later
// One machine instruction as a line of text (specification section 5.1, BRK-2). Zydis decodes and
// formats; nothing here needs a debuggee.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace ringside::commands {

/// 'settings syntax'.
enum class Syntax { kIntel, kAtt, kMasm };

/// The syntax of that name; Intel's for every other word.
Syntax syntax_called(std::string_view word);

/// What stands at an address, "vmlinux!jiffies" or "vmlinux!schedule+0x10"; empty if nothing known
/// does. May be empty itself: no address has a name.
using SymbolNamer = std::function<std::string(u64 address)>;

/// The longest instruction there is.
inline constexpr std::size_t kMaxInstructionBytes = 15;

/// Bytes of the instruction at the front of `bytes`; 0 if they are none, or only its beginning.
std::size_t instruction_length(std::span<const std::byte> bytes, bool is_long_mode);

/// Whether 'p' runs it to what stands behind it: a call of any kind, a repeated string instruction.
bool runs_to_next(std::span<const std::byte> bytes, bool is_long_mode);

/// Where a direct call or branch at `address` leads; nothing for any other instruction.
std::optional<u64> direct_target(u64 address, std::span<const std::byte> bytes, bool is_long_mode);

/// Bytes of the call instruction that ends at the end of `bytes`; 0 if none does. More than one may
/// fit: the likeliest is taken.
std::size_t call_length_before(std::span<const std::byte> bytes, bool is_long_mode);

/// The instruction alone: "mov rax, [rbx+0x10]"; "(bad)" where there is none. Branches and
/// addresses show their names.
std::string instruction_text(u64 address, std::span<const std::byte> bytes, bool is_long_mode,
                             Syntax syntax, const SymbolNamer& name_of);

/// "ffffffff`81c3a2cb    FA                                  cli", without a line end. Where there
/// is no instruction, one byte and "(bad)".
std::string instruction_line(u64 address, std::span<const std::byte> bytes, bool is_long_mode,
                             Syntax syntax, const SymbolNamer& name_of);

/// "vmlinux!default_idle+0xb:" for the line above an instruction; empty without a name.
std::string symbol_line(u64 address, const SymbolNamer& name_of);

/// ffffffff`81c3a2cb
std::string address_text(u64 address);

}  // namespace ringside::commands
