// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic on constants, with the rules of script language section 4.2.
#pragma once

#include "base/types.hpp"
#include "language/token.hpp"
#include "language/type.hpp"

namespace ringside::language {

enum class FoldError : u8 { kNone, kDivisionByZero, kDivisionOverflow, kShiftCount, kFloat };

struct Folded {
    u64 value = 0;
    FoldError error = FoldError::kNone;
};

/// `left op right`, both already converted to `type`, which is the common type of the operation
/// (the result of a comparison is int).
Folded fold_binary(TokenKind op, u64 left, u64 right, Type type);
/// '-', '+' and '~' in the promoted `type`; '!' of any type.
u64 fold_unary(TokenKind op, u64 value, Type type);
bool is_comparison(TokenKind op);

}  // namespace ringside::language
