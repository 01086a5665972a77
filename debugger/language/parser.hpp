// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens to a tree: recursive descent for statements, precedence climbing for expressions; script
// language section 3 "Grammar".
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "language/ast.hpp"
#include "language/diagnostic.hpp"
#include "language/token.hpp"

namespace ringside::language {

/// Nesting of blocks and parentheses that is accepted.
inline constexpr u32 kMaxNesting = 200;
/// Height of one expression: bounds the recursion over it.
inline constexpr u32 kMaxExpressionDepth = 2000;

/// The tokens of an included file, without the end; nothing: an error, which is reported. Called
/// with the token of its path.
using Includer = std::function<std::optional<std::vector<Token>>(const Token& path)>;

/// Parses everything it can; after an error it goes on at the next statement. The tree is only
/// worth looking at if no error was reported. It refers to the source's text.
Script parse(std::vector<Token> tokens, DiagnosticList& diagnostics, const Includer& includer = {});

}  // namespace ringside::language
