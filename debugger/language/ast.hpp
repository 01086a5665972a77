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
    kString,    ///< bytes; only as an argument
    kVariable,  ///< local variable
    kGlobal,
    kRegister,
    kPseudo,
    kSymbol,
    kUnary,        ///< op: kMinus kPlus kTilde kBang
    kDereference,  ///< '*' operand
    kAddressOf,    ///< '&' operand
    kCast,         ///< (type) operand
    kSizeofType,
    kSizeof,   ///< of operand
    kBinary,   ///< op: arithmetic and comparison
    kLogical,  ///< op: kAndAnd kOrOr
    kCall,
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
    Type type;
    std::optional<u64> constant;
    u32 variable = 0;  ///< kVariable: its number; kGlobal: index among the script's globals
};

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

struct Declarator {
    std::string_view name;
    u32 offset = 0;
    ExpressionPtr initializer;  ///< may be null
    u32 variable = 0;           ///< by the checker
};

struct Statement {
    StatementKind kind = StatementKind::kEmpty;
    u32 offset = 0;
    TokenKind op = TokenKind::kEnd;  ///< kCompound: the operator without '='; kStep
    std::vector<ExpressionPtr> targets;
    ExpressionPtr value;  ///< value, condition, or call
    Type declared_type;
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

struct Script {
    std::vector<StatementPtr> statements;
};

}  // namespace ringside::language
