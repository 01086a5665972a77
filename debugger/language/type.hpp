// SPDX-License-Identifier: GPL-3.0-or-later
// Types of expressions and variables: script language section 4 "Types".
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/types.hpp"

namespace ringside::language {

enum class TypeKind : u8 {
    kVoid,
    kBool,
    kInteger,  ///< `bytes` wide, signed or not
    kFloat,    ///< 4 or 8 bytes
    kPointer,  ///< to what `node` says; without one to an untyped variable
    kArray,    ///< of `node`
    kStruct,
};

struct TypeNode;
struct StructType;

/// A type by value. `long` and `long long` are the same type here: both have 8 bytes, and rank
/// matters only between types of different width. What it points to lives in a TypeTable, once
/// each, so that equal types compare equal.
struct Type {
    TypeKind kind = TypeKind::kInteger;
    u32 bytes = 8;  ///< of scalars; objects: size_of()
    bool is_signed = false;
    const TypeNode* node = nullptr;
    const StructType* tag = nullptr;

    constexpr bool operator==(const Type&) const = default;
    constexpr bool is_integer() const {
        return kind == TypeKind::kInteger || kind == TypeKind::kBool;
    }
    constexpr bool is_float() const { return kind == TypeKind::kFloat; }
    constexpr bool is_pointer() const { return kind == TypeKind::kPointer; }
    /// Lives in memory, not in one virtual register.
    constexpr bool is_aggregate() const {
        return kind == TypeKind::kArray || kind == TypeKind::kStruct;
    }
    constexpr bool is_wide() const { return bytes == 8; }
};

/// What a pointer points to, or the elements of an array.
struct TypeNode {
    Type type;
    u32 count = 0;
};

struct StructType {
    struct Member {
        std::string_view name;
        Type type;
        u32 offset;
    };
    std::string_view name;
    bool is_complete = false;
    u32 bytes = 0;
    u32 alignment = 1;
    std::vector<Member> members;

    const Member* find(std::string_view member) const;
};

inline constexpr Type kVoidType{TypeKind::kVoid, 0};
inline constexpr Type kBoolType{TypeKind::kBool, 1};
inline constexpr Type kIntType{TypeKind::kInteger, 4, true};
inline constexpr Type kUnsignedIntType{TypeKind::kInteger, 4, false};
inline constexpr Type kLongType{TypeKind::kInteger, 8, true};
inline constexpr Type kUnsignedLongType{TypeKind::kInteger, 8, false};  ///< untyped variables
inline constexpr Type kDoubleType{TypeKind::kFloat, 8, true};
inline constexpr Type kFloatType{TypeKind::kFloat, 4, true};
inline constexpr Type kPointerType{TypeKind::kPointer, 8};

/// The types one compilation makes.
class TypeTable {
public:
    Type pointer_to(Type type);
    Type array_of(Type type, u32 count);
    /// The struct of that tag, made incomplete if it is new.
    StructType* structure(std::string_view tag);

    std::map<std::string_view, Type> typedefs;

private:
    Type with_node(TypeKind kind, u32 bytes, Type type, u32 count);

    using Key = std::tuple<TypeKind, u32, bool, const TypeNode*, const StructType*, u32>;

    std::deque<TypeNode> nodes_;
    std::map<Key, const TypeNode*> known_;
    std::deque<StructType> structs_;
    std::map<std::string_view, StructType*> tags_;
};

/// Of a pointer or an array.
Type element_of(Type type);
/// Bytes of an object; 0 for 'void' and structs that are not complete.
u64 size_of(Type type);
u32 alignment_of(Type type);

/// Types narrower than int become int.
Type promote(Type type);
/// The usual common type of two operands (section 4.2).
Type common_type(Type left, Type right);
/// The bits of an integer brought into an integer `type` and extended by it: what a virtual
/// register of that type holds.
u64 convert_constant(u64 value, Type type);
/// From any scalar type to any other. Nothing: out of range.
std::optional<u64> convert_constant(u64 value, Type from, Type to);
/// Every value of `from` is one of `to`, in the same representation.
bool holds_all_of(Type to, Type from);
std::string type_name(Type type);

}  // namespace ringside::language
