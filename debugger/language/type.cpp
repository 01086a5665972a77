// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/type.hpp"

#include <algorithm>

#include "script/floating.hpp"

namespace ringside::language {

const StructType::Member* StructType::find(std::string_view member) const {
    const auto found = std::ranges::find(members, member, &Member::name);
    return found == members.end() ? nullptr : &*found;
}

Type TypeTable::with_node(TypeKind kind, u32 bytes, Type type, u32 count) {
    const Key key{type.kind, type.bytes, type.is_signed, type.node, type.tag, count};
    const TypeNode*& node = known_[key];
    if (node == nullptr)
        node = &nodes_.emplace_back(type, count);
    return {kind, bytes, false, node};
}

Type TypeTable::pointer_to(Type type) {
    if (type == kUnsignedLongType)
        return kPointerType;
    return with_node(TypeKind::kPointer, 8, type, 0);
}

Type TypeTable::array_of(Type type, u32 count) {
    return with_node(TypeKind::kArray, 0, type, count);
}

StructType* TypeTable::structure(std::string_view tag) {
    StructType*& found = tags_[tag];
    if (found == nullptr) {
        found = &structs_.emplace_back();
        found->name = tag;
    }
    return found;
}

Type element_of(Type type) {
    return type.node != nullptr ? type.node->type : kUnsignedLongType;
}

u64 size_of(Type type) {
    if (type.kind == TypeKind::kArray)
        return size_of(element_of(type)) * type.node->count;
    return type.kind == TypeKind::kStruct ? type.tag->bytes : type.bytes;
}

u32 alignment_of(Type type) {
    if (type.kind == TypeKind::kArray)
        return alignment_of(element_of(type));
    if (type.kind == TypeKind::kStruct)
        return type.tag->alignment;
    return std::max(type.bytes, u32{1});
}

Type promote(Type type) {
    if (type.kind == TypeKind::kPointer)
        return kUnsignedLongType;
    return type.bytes < 4 ? kIntType : type;
}

Type common_type(Type left, Type right) {
    if (left.is_float() || right.is_float()) {
        const bool is_double =
            (left.is_float() && left.is_wide()) || (right.is_float() && right.is_wide());
        return is_double ? kDoubleType : kFloatType;
    }
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

std::optional<u64> convert_constant(u64 value, Type from, Type to) {
    u64 result = 0;
    if (from.is_float()) {
        const u64 wide = from.is_wide() ? value : script::widen(value);
        if (to.kind == TypeKind::kBool)
            return !script::is_equal(wide, 0);
        if (to.is_float() && to.is_wide())
            return wide;
        const bool fits = to.is_float()
                              ? script::round(wide, result)
                              : script::truncate(wide, to.is_signed, to.bytes * 8, result);
        return fits ? std::optional{result} : std::nullopt;
    }
    if (!to.is_float())
        return convert_constant(value, to);
    return to.is_wide() ? script::double_from(value, from.is_signed)
                        : script::single_from(value, from.is_signed);
}

bool holds_all_of(Type to, Type from) {
    if (to == from)
        return true;
    if (to.is_float() || from.is_float())
        return false;
    if (to.bytes == 8)
        return true;
    if (to.kind == TypeKind::kBool)
        return false;
    if (from.is_signed)
        return to.is_signed && to.bytes >= from.bytes;
    return to.bytes > from.bytes || (!to.is_signed && to.bytes == from.bytes);
}

std::string type_name(Type type) {
    switch (type.kind) {
        case TypeKind::kVoid:
            return "void";
        case TypeKind::kBool:
            return "bool";
        case TypeKind::kFloat:
            return type.is_wide() ? "double" : "float";
        case TypeKind::kPointer:
            return type_name(element_of(type)) + " *";
        case TypeKind::kArray: {
            std::string dimensions;
            for (; type.kind == TypeKind::kArray; type = element_of(type))
                dimensions += "[" + std::to_string(type.node->count) + "]";
            return type_name(type) + dimensions;
        }
        case TypeKind::kStruct:
            return "struct " + std::string{type.tag->name};
        case TypeKind::kInteger:
            break;
    }
    const char* base = type.bytes == 1   ? "char"
                       : type.bytes == 2 ? "short"
                       : type.bytes == 4 ? "int"
                                         : "long";
    return (type.is_signed ? "" : "unsigned ") + std::string{base};
}

}  // namespace ringside::language
