// SPDX-License-Identifier: GPL-3.0-or-later
// Names the language brings along: registers, pseudo-registers, functions, keywords. Lookup for
// the compiler, lists for completion, and the nearest name for "did you mean".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "language/token.hpp"
#include "ringside/bytecode.h"

namespace ringside::language {

/// enum rs_script_register by name without '@'.
std::optional<u32> find_register(std::string_view name);
/// enum rs_script_pseudo by name without '$'.
std::optional<u32> find_pseudo(std::string_view name);
std::optional<TokenKind> find_keyword(std::string_view name);

/// How a function of the language becomes code.
enum class FunctionForm : u8 {
    kBuiltin,    ///< CALL_BUILTIN `code`
    kLoad,       ///< opcode `code`: value at an address
    kEdit,       ///< opcode `code`: store, gives 1 or 0
    kLow,        ///< bits 0-15 of the quad word read by opcode `code`
    kHigh,       ///< bits 16-31
    kNot,        ///< ~
    kNeg,        ///< -
    kReference,  ///< &
    kPrintf,
    kZero,    ///< 0: this version has none of it
    kNotYet,  ///< part of the language, not available
};

/// What a function gives.
enum class FunctionValue : u8 { kNone, kUnsigned, kSigned };

struct Function {
    const char* name;
    FunctionForm form;
    u16 code;
    FunctionValue value;
    const char* arguments;  ///< a letter each: n number, s string, w wide string, v variable
    bool event_only = false;
};

std::span<const Function> functions();
const Function* find_function(std::string_view name);

/// Everything that can be typed at a word: keywords, types, functions; registers with '@',
/// pseudo-registers with '$'.
std::vector<std::string> all_names();

/// The candidate nearest to `word` by edit distance, if it is near enough to be a typing error.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace ringside::language
