// SPDX-License-Identifier: GPL-3.0-or-later
// Types of expressions and variables: script language section 4 "Types".
#pragma once

#include <string>

#include "base/types.hpp"

namespace ringside::language {

enum class TypeKind : u8 {
    kVoid,
    kBool,
    kInteger,  ///< `bytes` wide, signed or not
    kPointer,  ///< to a 64-bit unsigned variable: what '&' gives
};

/// A type by value. `long` and `long long` are the same type here: both have 8 bytes, and rank
/// matters only between types of different width.
struct Type {
    TypeKind kind = TypeKind::kInteger;
    u8 bytes = 8;
    bool is_signed = false;

    constexpr bool operator==(const Type&) const = default;
    constexpr bool is_integer() const {
        return kind == TypeKind::kInteger || kind == TypeKind::kBool;
    }
    constexpr bool is_wide() const { return bytes == 8; }
};

inline constexpr Type kVoidType{TypeKind::kVoid, 0, false};
inline constexpr Type kBoolType{TypeKind::kBool, 1, false};
inline constexpr Type kIntType{TypeKind::kInteger, 4, true};
inline constexpr Type kUnsignedIntType{TypeKind::kInteger, 4, false};
inline constexpr Type kLongType{TypeKind::kInteger, 8, true};
inline constexpr Type kUnsignedLongType{TypeKind::kInteger, 8, false};  ///< untyped variables
inline constexpr Type kPointerType{TypeKind::kPointer, 8, false};

/// Types narrower than int become int.
Type promote(Type type);
/// The usual common type of two operands (section 4.2).
Type common_type(Type left, Type right);
/// The bits of a value of any type brought into `type` and extended by it: what a virtual register
/// of that type holds.
u64 convert_constant(u64 value, Type type);
/// Every value of `from` is one of `to`, in the same representation.
bool holds_all_of(Type to, Type from);
std::string type_name(Type type);

}  // namespace ringside::language
