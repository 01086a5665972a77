// SPDX-License-Identifier: GPL-3.0-or-later
// The tree of a script. The parser makes it, the checker fills in types, constants and variable
// numbers, the code generator reads it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "language/names.hpp"
#include "language/token.hpp"
#include "language/type.hpp"

namespace ringside::language {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;

enum class ExpressionKind : u8 {
    kNumber,
    kReal,      ///< floating-point number; name: its digits
    kString,    ///< bytes; only as an argument
    kVariable,  ///< by name
    kGlobal,
    kRegister,
    kPseudo,
    kSymbol,
    kUnary,        ///< op: kMinus kPlus kTilde kBang
    kDereference,  ///< '*' operand
    kAddressOf,    ///< '&' operand
    kIndex,        ///< operand [ operand ]
    kMember,       ///< operand . name, operand -> name (op: kPoint kArrow)
    kCast,         ///< (type) operand
    kSizeofType,
    kSizeof,   ///< of operand
    kBinary,   ///< op: arithmetic and comparison
    kLogical,  ///< op: kAndAnd kOrOr
    kCall,
};

/// Where a variable lives.
enum class Storage : u8 {
    kLocal,    ///< virtual registers of the run
    kData,     ///< 'static': data of the script
    kPercore,  ///< the like, a copy for each core
};

struct Expression {
    ExpressionKind kind = ExpressionKind::kNumber;
    TokenKind op = TokenKind::kEnd;
    u32 offset = 0;  ///< of the token messages point at (operator, name, number)
    u32 depth = 1;   ///< height of the tree below, this node included
    u64 value = 0;   ///< kNumber; kRegister, kPseudo: the id
    std::string_view name;
    std::string bytes;  ///< kString
    bool is_wide = false;
    bool is_bare_register = false;
    bool is_parenthesized = false;
    const Function* function = nullptr;
    Type cast_type;
    std::vector<ExpressionPtr> operands;  ///< left and right, or arguments

    // By the checker:
    Type type;                    ///< of the value; arrays become pointers to their elements
    Type object;                  ///< of what can be assigned or measured, before that
    std::optional<Type> pointee;  ///< an untyped variable holds an address of such
    std::optional<u64> constant;  ///< as a virtual register of `type` holds it
    Storage storage = Storage::kLocal;
    u32 variable = 0;  ///< local: its number; global: index among the script's; data: offset
    u32 called = 0;    ///< kCall: number of the user's function, 0: `function`
    u64 offset_of_member = 0;
};

/// Something with a place that can be assigned.
inline bool is_object(const Expression& expression) {
    switch (expression.kind) {
        case ExpressionKind::kVariable:
        case ExpressionKind::kGlobal:
        case ExpressionKind::kRegister:
        case ExpressionKind::kDereference:
        case ExpressionKind::kIndex:
        case ExpressionKind::kMember:
            return true;
        default:
            return false;
    }
}

enum class StatementKind : u8 {
    kBlock,
    kEmpty,
    kIf,
    kWhile,
    kDoWhile,
    kFor,
    kBreak,
    kContinue,
    kReturn,
    kAssign,    ///< targets = value, all of them
    kCompound,  ///< targets[0] op= value
    kStep,      ///< targets[0] ++ or --
    kCall,      ///< value
    kDeclaration,
    kExpression,  ///< the step of a 'for' that is only a variable
};

/// A value or, in braces, several.
struct Initializer {
    u32 offset = 0;
    ExpressionPtr value;  ///< null: `list`
    std::vector<Initializer> list;
};

/// One scalar that an initialiser fills, by the checker.
struct InitialValue {
    Type type;
    u64 at;  ///< byte of the object
    Expression* value;
};

struct Declarator {
    std::string_view name;
    u32 offset = 0;
    Type type;
    bool is_global = false;
    std::optional<Initializer> initializer;

    // By the checker:
    Storage storage = Storage::kLocal;
    u32 variable = 0;
    std::vector<InitialValue> values;  ///< of an object in memory
};

struct Statement {
    StatementKind kind = StatementKind::kEmpty;
    u32 offset = 0;
    TokenKind op = TokenKind::kEnd;  ///< kCompound: the operator without '='; kStep
    std::vector<ExpressionPtr> targets;
    ExpressionPtr value;                  ///< value, condition, or call
    TokenKind storage = TokenKind::kEnd;  ///< kDeclaration: kStatic, kPercore or neither
    std::vector<Declarator> declarators;
    std::vector<StatementPtr> body;  ///< block, loop body
    /// kIf: the conditions of if and elsif with their blocks; the last may have no condition.
    struct Arm {
        ExpressionPtr condition;
        std::vector<StatementPtr> body;
    };
    std::vector<Arm> arms;
    StatementPtr init;  ///< kFor, may be null
    StatementPtr step;
};

struct UserFunction {
    std::string_view name;
    u32 offset = 0;
    Type type;  ///< of its value, as carried (section 8)
    struct Parameter {
        std::string_view name;
        u32 offset;
        Type type;
    };
    std::vector<Parameter> parameters;
    std::vector<StatementPtr> body;
};

struct Script {
    std::vector<StatementPtr> statements;
    std::vector<UserFunction> functions;
    std::unique_ptr<TypeTable> types = std::make_unique<TypeTable>();
};

}  // namespace ringside::language
