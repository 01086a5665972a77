// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/type.hpp"

namespace ringside::language {

Type promote(Type type) {
    if (type.kind == TypeKind::kPointer)
        return kUnsignedLongType;
    return type.bytes < 4 ? kIntType : type;
}

Type common_type(Type left, Type right) {
    left = promote(left);
    right = promote(right);
    if (left.bytes != right.bytes)
        return left.bytes > right.bytes ? left : right;
    return left.is_signed ? right : left;
}

u64 convert_constant(u64 value, Type type) {
    if (type.kind == TypeKind::kBool)
        return value != 0;
    if (type.bytes == 8 || type.kind == TypeKind::kVoid)
        return value;
    const unsigned unused = 64 - 8u * type.bytes;
    if (type.is_signed)
        return static_cast<u64>(static_cast<s64>(value << unused) >> unused);
    return value << unused >> unused;
}

bool holds_all_of(Type to, Type from) {
    if (to == from || to.bytes == 8)
        return true;
    if (to.kind == TypeKind::kBool)
        return false;
    if (from.is_signed)
        return to.is_signed && to.bytes >= from.bytes;
    return to.bytes > from.bytes || (!to.is_signed && to.bytes == from.bytes);
}

std::string type_name(Type type) {
    if (type.kind == TypeKind::kVoid)
        return "void";
    if (type.kind == TypeKind::kBool)
        return "bool";
    if (type.kind == TypeKind::kPointer)
        return "pointer";
    const char* base = type.bytes == 1   ? "char"
                       : type.bytes == 2 ? "short"
                       : type.bytes == 4 ? "int"
                                         : "long";
    return (type.is_signed ? "" : "unsigned ") + std::string{base};
}

}  // namespace ringside::language
