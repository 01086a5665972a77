// SPDX-License-Identifier: GPL-2.0-or-later
// Comparing names as users write them.
#pragma once

#include "base/types.hpp"

namespace ringside::symbols {

/// Whether all of `text` is matched by `pattern`: '*' is any number of characters, '?' exactly one,
/// everything else itself, capitals included. Takes at most their lengths' product of steps.
/// @param pattern, text  end at the pointer behind them or at a zero, whichever comes first
/// Context: any.
bool matches(const char* pattern, const char* pattern_end, const char* text);

/// Whether [text, end) is exactly the zero-terminated `word`. Context: any.
bool is_word(const char* text, const char* end, const char* word);

/// Number of characters before the zero. Context: any.
usize length_of(const char* text);

/// The first of `wanted` (zero-terminated, one or more characters) in `text`; null: there is none.
/// Context: any.
const char* first_of(const char* text, const char* wanted);

}  // namespace ringside::symbols
