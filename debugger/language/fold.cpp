// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/fold.hpp"

#include "script/floating.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

Folded divide(TokenKind op, u64 left, u64 right, Type type) {
    if (right == 0)
        return {0, FoldError::kDivisionByZero};
    if (!type.is_signed)
        return {op == kSlash ? left / right : left % right, FoldError::kNone};
    const auto dividend = static_cast<s64>(left);
    const auto divisor = static_cast<s64>(right);
    const u64 smallest = convert_constant(u64{1} << (type.bytes * 8u - 1), type);
    if (divisor == -1)
        return left == smallest ? Folded{0, FoldError::kDivisionOverflow}
                                : Folded{op == kSlash ? 0 - left : 0, FoldError::kNone};
    return {static_cast<u64>(op == kSlash ? dividend / divisor : dividend % divisor),
            FoldError::kNone};
}

Folded shift(TokenKind op, u64 left, u64 count, Type type) {
    if (count >= type.bytes * 8u)
        return {0, FoldError::kShiftCount};
    if (op == kShiftLeft)
        return {convert_constant(left << count, type), FoldError::kNone};
    if (type.is_signed)
        return {static_cast<u64>(static_cast<s64>(left) >> count), FoldError::kNone};
    return {left >> count, FoldError::kNone};
}

bool compare(TokenKind op, u64 left, u64 right, Type type) {
    const bool less =
        type.is_signed ? static_cast<s64>(left) < static_cast<s64>(right) : left < right;
    switch (op) {
        case kEqual:
            return left == right;
        case kNotEqual:
            return left != right;
        case kLess:
            return less;
        case kGreaterEqual:
            return !less;
        case kLessEqual:
            return less || left == right;
        default:
            return !less && left != right;
    }
}

/// Both of `type`, which is float or double. float is computed in double and rounded: for these
/// four operations that gives what computing in float would.
Folded fold_floating(TokenKind op, u64 left, u64 right, Type type) {
    if (!type.is_wide()) {
        left = script::widen(left);
        right = script::widen(right);
    }
    if (is_comparison(op)) {
        const bool less = script::is_less(left, right);
        const bool equal = script::is_equal(left, right);
        return {op == kEqual          ? equal
                : op == kNotEqual     ? !equal
                : op == kLess         ? less
                : op == kLessEqual    ? less || equal
                : op == kGreaterEqual ? !less
                                      : !less && !equal,
                FoldError::kNone};
    }
    u64 result = 0;
    const bool is_fine = op == kPlus    ? script::add(left, right, result)
                         : op == kMinus ? script::subtract(left, right, result)
                         : op == kStar  ? script::multiply(left, right, result)
                                        : script::divide(left, right, result);
    if (!is_fine || (!type.is_wide() && !script::round(result, result)))
        return {0, op == kSlash && script::is_equal(right, 0) ? FoldError::kDivisionByZero
                                                              : FoldError::kFloat};
    return {result, FoldError::kNone};
}

}  // namespace

bool is_comparison(TokenKind op) {
    return op >= kEqual && op <= kGreaterEqual;
}

Folded fold_binary(TokenKind op, u64 left, u64 right, Type type) {
    if (type.is_float())
        return fold_floating(op, left, right, type);
    if (is_comparison(op))
        return {compare(op, left, right, type), FoldError::kNone};
    switch (op) {
        case kPlus:
            return {convert_constant(left + right, type), FoldError::kNone};
        case kMinus:
            return {convert_constant(left - right, type), FoldError::kNone};
        case kStar:
            return {convert_constant(left * right, type), FoldError::kNone};
        case kAmpersand:
            return {left & right, FoldError::kNone};
        case kPipe:
            return {left | right, FoldError::kNone};
        case kCaret:
            return {left ^ right, FoldError::kNone};
        case kSlash:
        case kPercent:
            return divide(op, left, right, type);
        default:
            return shift(op, left, right, type);
    }
}

u64 fold_unary(TokenKind op, u64 value, Type type) {
    if (type.is_float())
        return op == kMinus ? value ^ u64 { 1 } << (type.bytes * 8 - 1) : value;
    switch (op) {
        case kMinus:
            return convert_constant(0 - value, type);
        case kTilde:
            return convert_constant(~value, type);
        case kBang:
            return value == 0;
        default:
            return value;
    }
}

}  // namespace ringside::language
