// SPDX-License-Identifier: GPL-3.0-or-later
// Text to tokens.
#pragma once

#include <string_view>
#include <vector>

#include "language/diagnostic.hpp"
#include "language/token.hpp"

namespace ringside::language {

/// All tokens of a file of the source, the last one kEnd. Wrong ones are reported and left as
/// kError.
std::vector<Token> tokenize(const Source& source, DiagnosticList& diagnostics, usize file = 0);

}  // namespace ringside::language
