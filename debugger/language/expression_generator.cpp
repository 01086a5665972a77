// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/expression_generator.hpp"

#include <utility>

#include "language/fold.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

bool fits16(u64 value) {
    return static_cast<u64>(s64{static_cast<s16>(value)}) == value;
}
bool fits32(u64 value) {
    return static_cast<u64>(s64{static_cast<s32>(value)}) == value;
}

/// Opcode of an operation in 64 bits signed and unsigned, 32 signed and unsigned.
struct Opcodes {
    rs_script_opcode s64, u64, s32, u32;
};

Opcodes opcodes_of(TokenKind op) {
    switch (op) {
        case kPlus:
            return {RS_OP_ADD, RS_OP_ADD, RS_OP_ADD_S32, RS_OP_ADD_U32};
        case kMinus:
            return {RS_OP_SUB, RS_OP_SUB, RS_OP_SUB_S32, RS_OP_SUB_U32};
        case kStar:
            return {RS_OP_MUL, RS_OP_MUL, RS_OP_MUL_S32, RS_OP_MUL_U32};
        case kSlash:
            return {RS_OP_DIV_S, RS_OP_DIV_U, RS_OP_DIV_S32, RS_OP_DIV_U};
        case kPercent:
            return {RS_OP_MOD_S, RS_OP_MOD_U, RS_OP_MOD_S32, RS_OP_MOD_U};
        case kAmpersand:  // extended values stay extended under & | ^
            return {RS_OP_AND, RS_OP_AND, RS_OP_AND, RS_OP_AND};
        case kPipe:
            return {RS_OP_OR, RS_OP_OR, RS_OP_OR, RS_OP_OR};
        case kCaret:
            return {RS_OP_XOR, RS_OP_XOR, RS_OP_XOR, RS_OP_XOR};
        case kShiftLeft:
            return {RS_OP_SHL, RS_OP_SHL, RS_OP_SHL_S32, RS_OP_SHL_U32};
        default:
            return {RS_OP_SAR, RS_OP_SHR, RS_OP_SAR_S32, RS_OP_SHR_U32};
    }
}

rs_script_opcode opcode_of(TokenKind op, Type type) {
    const Opcodes opcodes = opcodes_of(op);
    if (type.is_wide())
        return type.is_signed ? opcodes.s64 : opcodes.u64;
    return type.is_signed ? opcodes.s32 : opcodes.u32;
}

rs_script_opcode extension_to(Type type) {
    switch (type.bytes) {
        case 1:
            return type.is_signed ? RS_OP_SEXT8 : RS_OP_ZEXT8;
        case 2:
            return type.is_signed ? RS_OP_SEXT16 : RS_OP_ZEXT16;
        default:
            return type.is_signed ? RS_OP_SEXT32 : RS_OP_ZEXT32;
    }
}

TokenKind inverse(TokenKind op) {
    switch (op) {
        case kEqual:
            return kNotEqual;
        case kNotEqual:
            return kEqual;
        case kLess:
            return kGreaterEqual;
        case kGreaterEqual:
            return kLess;
        case kGreater:
            return kLessEqual;
        default:
            return kGreater;
    }
}

/// The comparison with its sides exchanged.
TokenKind mirrored(TokenKind op) {
    switch (op) {
        case kLess:
            return kGreater;
        case kGreater:
            return kLess;
        case kLessEqual:
            return kGreaterEqual;
        case kGreaterEqual:
            return kLessEqual;
        default:
            return op;
    }
}

bool is_commutative(TokenKind op) {
    return op == kPlus || op == kStar || op == kAmpersand || op == kPipe || op == kCaret;
}

}  // namespace

void ExpressionGenerator::mark(u32 offset, const char* function) {
    builder_.set_place({source_.line_of(offset), source_.column_of(offset), function});
}

u32 ExpressionGenerator::move(u32 from, Want want) {
    if (!want || *want == from)
        return from;
    builder_.emit(RS_OP_MOVE, *want, from);
    return *want;
}

u32 ExpressionGenerator::load_constant(u64 constant, Want want) {
    const u32 to = destination(want);
    if (fits32(constant))
        builder_.emit(RS_OP_IMMEDIATE, to, constant & 0xffff, constant >> 16 & 0xffff);
    else
        builder_.emit(RS_OP_CONSTANT, to, builder_.constant(constant));
    return to;
}

u32 ExpressionGenerator::convert(u32 from, Type from_type, Type to_type, Want want) {
    if (holds_all_of(to_type, from_type))
        return move(from, want);
    const u32 to = destination(want);
    builder_.emit(to_type.kind == TypeKind::kBool ? RS_OP_BOOL : extension_to(to_type), to, from);
    return to;
}

u32 ExpressionGenerator::value_as(const Expression& expression, Type type, Want want) {
    if (expression.constant)
        return load_constant(convert_constant(*expression.constant, type), want);
    if (holds_all_of(type, expression.type))
        return value(expression, want);
    return convert(value(expression), expression.type, type, want);
}

u32 ExpressionGenerator::value(const Expression& expression, Want want) {
    if (expression.constant)
        return load_constant(*expression.constant, want);
    switch (expression.kind) {
        case ExpressionKind::kVariable:
            return variable(expression, want);
        case ExpressionKind::kGlobal: {
            const u32 to = destination(want);
            builder_.emit(RS_OP_LOAD_GLOBAL, to, expression.variable);
            return to;
        }
        case ExpressionKind::kRegister: {
            const u32 to = destination(want);
            builder_.emit(RS_OP_READ_REGISTER, to, static_cast<u32>(expression.value));
            return to;
        }
        case ExpressionKind::kPseudo: {
            const u32 to = destination(want);
            builder_.emit(RS_OP_READ_PSEUDO, to, static_cast<u32>(expression.value));
            return to;
        }
        case ExpressionKind::kString: {
            const u32 to = destination(want);
            builder_.emit(RS_OP_ADDRESS_STRING, to, builder_.string(expression.bytes));
            return to;
        }
        case ExpressionKind::kUnary:
            return unary(expression, want);
        case ExpressionKind::kDereference: {
            const u32 to = destination(want);
            const Temporaries scope{*this};
            const u32 from = value(*expression.operands[0]);
            mark(expression.offset);
            builder_.emit(RS_OP_LOAD64, to, from);
            return to;
        }
        case ExpressionKind::kAddressOf:
            return address(expression, want);
        case ExpressionKind::kCast:
            return value_as(*expression.operands[0], expression.type, want);
        case ExpressionKind::kBinary:
            return is_comparison(expression.op) ? comparison(expression, want)
                                                : binary(expression, want);
        case ExpressionKind::kLogical:
            return truth(expression, want);
        case ExpressionKind::kCall:
            return call(expression, want);
        default:
            return destination(want);  // numbers, sizes and symbols are constants
    }
}

u32 ExpressionGenerator::variable(const Expression& expression, Want want) {
    // A variable whose address is known may change while the rest of the expression is computed.
    if (!want && checked_.locals[expression.variable].address_taken)
        want = temporary();
    return move(expression.variable, want);
}

u32 ExpressionGenerator::unary(const Expression& expression, Want want) {
    const Expression& operand = *expression.operands[0];
    const u32 to = destination(want);
    const Temporaries scope{*this};
    if (expression.op == kBang) {
        builder_.emit(RS_OP_EQ_I, to, value(operand), 0);
        return to;
    }
    const u32 from = value_as(operand, expression.type);
    if (expression.op == kPlus)
        return move(from, to);
    builder_.emit(expression.op == kMinus ? RS_OP_NEG : RS_OP_NOT, to, from);
    // ~ of a sign-extended value is sign-extended; - may overflow, unsigned ones lose zeroes.
    if (!expression.type.is_wide() && (expression.op == kMinus || !expression.type.is_signed))
        builder_.emit(extension_to(expression.type), to, to);
    return to;
}

u32 ExpressionGenerator::address(const Expression& expression, Want want) {
    const Expression& operand = *expression.operands[0];
    const u32 to = destination(want);
    builder_.emit(
        operand.kind == ExpressionKind::kGlobal ? RS_OP_ADDRESS_GLOBAL : RS_OP_ADDRESS_LOCAL, to,
        operand.variable);
    return to;
}

bool ExpressionGenerator::arithmetic_immediate(TokenKind op, Type type, u32 left, u64 right,
                                               u32 to) {
    const bool is_shift = op == kShiftLeft || op == kShiftRight;
    if (op == kMinus) {
        op = kPlus;
        right = 0 - right;
    }
    const bool keeps_extension =
        op == kAmpersand || ((op == kPipe || op == kCaret) && (type.is_signed || right < 0x8000));
    if ((!type.is_wide() && !keeps_extension) || (is_shift ? right > 63 : !fits16(right)) ||
        (!type.is_wide() && op == kAmpersand && !type.is_signed && right > 0x7fff))
        return false;
    rs_script_opcode opcode;
    switch (op) {
        case kPlus:
            opcode = RS_OP_ADD_I;
            break;
        case kStar:
            opcode = RS_OP_MUL_I;
            break;
        case kAmpersand:
            opcode = RS_OP_AND_I;
            break;
        case kPipe:
            opcode = RS_OP_OR_I;
            break;
        case kCaret:
            opcode = RS_OP_XOR_I;
            break;
        case kShiftLeft:
            opcode = RS_OP_SHL_I;
            break;
        case kShiftRight:
            opcode = type.is_signed ? RS_OP_SAR_I : RS_OP_SHR_I;
            break;
        default:
            return false;
    }
    builder_.emit(opcode, to, left, static_cast<u32>(right & 0xffff));
    return true;
}

u32 ExpressionGenerator::arithmetic(TokenKind op, Type type, u32 left, u32 right, Want want) {
    const u32 to = destination(want);
    builder_.emit(opcode_of(op, type), to, left, right);
    return to;
}

u32 ExpressionGenerator::binary(const Expression& expression, Want want) {
    const Expression* left = expression.operands[0].get();
    const Expression* right = expression.operands[1].get();
    const Type type = expression.type;
    const u32 to = destination(want);
    const Temporaries scope{*this};
    if (left->constant && is_commutative(expression.op))
        std::swap(left, right);
    const u32 left_register = value_as(*left, type);
    if (right->constant) {
        const u64 constant = convert_constant(*right->constant, type);
        mark(expression.offset);
        if (arithmetic_immediate(expression.op, type, left_register, constant, to))
            return to;
    }
    const u32 right_register = value_as(*right, type);
    mark(expression.offset);
    return arithmetic(expression.op, type, left_register, right_register, to);
}

u32 ExpressionGenerator::comparison(const Expression& expression, Want want) {
    const Expression& left = *expression.operands[0];
    const Expression& right = *expression.operands[1];
    const Type type = common_type(left.type, right.type);
    const u32 to = destination(want);
    const Temporaries scope{*this};
    u32 a = value_as(left, type);
    const bool is_equality = expression.op == kEqual || expression.op == kNotEqual;
    if (is_equality && right.constant && fits16(convert_constant(*right.constant, type))) {
        builder_.emit(expression.op == kEqual ? RS_OP_EQ_I : RS_OP_NE_I, to, a,
                      static_cast<u32>(*right.constant & 0xffff));
        return to;
    }
    u32 b = value_as(right, type);
    rs_script_opcode opcode;
    switch (expression.op) {
        case kEqual:
            opcode = RS_OP_EQ;
            break;
        case kNotEqual:
            opcode = RS_OP_NE;
            break;
        case kGreater:
            std::swap(a, b);
            [[fallthrough]];
        case kLess:
            opcode = type.is_signed ? RS_OP_LT_S : RS_OP_LT_U;
            break;
        case kGreaterEqual:
            std::swap(a, b);
            [[fallthrough]];
        default:
            opcode = type.is_signed ? RS_OP_LE_S : RS_OP_LE_U;
            break;
    }
    builder_.emit(opcode, to, a, b);
    return to;
}

u32 ExpressionGenerator::truth(const Expression& expression, Want want) {
    const u32 to = destination(want);
    Label is_false;
    Label end;
    jump_if(expression, false, is_false);
    load_constant(1, to);
    builder_.emit_jump(RS_OP_JUMP, end);
    builder_.bind(is_false);
    load_constant(0, to);
    builder_.bind(end);
    return to;
}

void ExpressionGenerator::jump_if(const Expression& expression, bool sense, Label& target) {
    if (expression.constant) {
        if ((*expression.constant != 0) == sense)
            builder_.emit_jump(RS_OP_JUMP, target);
        return;
    }
    if (expression.kind == ExpressionKind::kUnary && expression.op == kBang)
        return jump_if(*expression.operands[0], !sense, target);
    if (expression.kind == ExpressionKind::kLogical) {
        const bool is_and = expression.op == kAndAnd;
        if (is_and != sense) {  // either side decides
            jump_if(*expression.operands[0], sense, target);
            jump_if(*expression.operands[1], sense, target);
            return;
        }
        Label skip;
        jump_if(*expression.operands[0], !sense, skip);
        jump_if(*expression.operands[1], sense, target);
        builder_.bind(skip);
        return;
    }
    if (expression.kind == ExpressionKind::kBinary && is_comparison(expression.op))
        return jump_comparison(expression, sense, target);
    const Temporaries scope{*this};
    const u32 condition = value(expression);
    builder_.emit_jump(sense ? RS_OP_JNZ : RS_OP_JZ, target, condition);
}

void ExpressionGenerator::jump_comparison(const Expression& expression, bool sense, Label& target) {
    const Expression* left = expression.operands[0].get();
    const Expression* right = expression.operands[1].get();
    const Type type = common_type(left->type, right->type);
    TokenKind op = sense ? expression.op : inverse(expression.op);
    if (left->constant) {
        std::swap(left, right);
        op = mirrored(op);
    }
    const Temporaries scope{*this};
    u32 a = value_as(*left, type);
    if (right->constant &&
        jump_immediate(op, type, a, convert_constant(*right->constant, type), target))
        return;
    u32 b = value_as(*right, type);
    switch (op) {
        case kEqual:
            return builder_.emit_jump(RS_OP_JEQ, target, a, b);
        case kNotEqual:
            return builder_.emit_jump(RS_OP_JNE, target, a, b);
        case kGreater:
            std::swap(a, b);
            [[fallthrough]];
        case kLess:
            return builder_.emit_jump(type.is_signed ? RS_OP_JLT_S : RS_OP_JLT_U, target, a, b);
        case kGreaterEqual:
            std::swap(a, b);
            [[fallthrough]];
        default:
            return builder_.emit_jump(type.is_signed ? RS_OP_JLE_S : RS_OP_JLE_U, target, a, b);
    }
}

bool ExpressionGenerator::jump_immediate(TokenKind op, Type type, u32 left, u64 right,
                                         Label& target) {
    // There are instructions for < and >= only: x <= c is x < c + 1, x > c is x >= c + 1.
    if (op == kLessEqual || op == kGreater) {
        const u64 largest = type.is_signed ? ~u64{0} >> 1 : ~u64{0};
        if (right == largest)
            return false;
        ++right;
        op = op == kLessEqual ? kLess : kGreaterEqual;
    }
    if (!fits16(right))
        return false;
    rs_script_opcode opcode;
    switch (op) {
        case kEqual:
            opcode = RS_OP_JEQ_I;
            break;
        case kNotEqual:
            opcode = RS_OP_JNE_I;
            break;
        case kLess:
            opcode = type.is_signed ? RS_OP_JLT_SI : RS_OP_JLT_UI;
            break;
        default:
            opcode = type.is_signed ? RS_OP_JGE_SI : RS_OP_JGE_UI;
            break;
    }
    builder_.emit_jump(opcode, target, left, static_cast<u32>(right & 0xffff));
    return true;
}

u32 ExpressionGenerator::call(const Expression& expression, Want want) {
    const Function& function = *expression.function;
    const u32 to = destination(want);
    const Temporaries scope{*this};
    const auto opcode = static_cast<rs_script_opcode>(function.code);
    switch (function.form) {
        case FunctionForm::kLoad:
        case FunctionForm::kLow:
        case FunctionForm::kHigh: {
            const u32 from = value(*expression.operands[0]);
            mark(expression.offset, function.name);
            builder_.emit(opcode, to, from);
            if (function.form == FunctionForm::kHigh)
                builder_.emit(RS_OP_SHR_I, to, to, 16);
            if (function.form != FunctionForm::kLoad)
                builder_.emit(RS_OP_ZEXT16, to, to);
            return to;
        }
        case FunctionForm::kEdit: {
            const u32 at = value(*expression.operands[0]);
            const u32 stored = value(*expression.operands[1]);
            mark(expression.offset, function.name);
            builder_.emit(opcode, to, at, stored);
            return to;
        }
        case FunctionForm::kNot:
        case FunctionForm::kNeg:
            builder_.emit(function.form == FunctionForm::kNot ? RS_OP_NOT : RS_OP_NEG, to,
                          value(*expression.operands[0]));
            return to;
        case FunctionForm::kPrintf:
            printf(expression);
            return to;
        default:
            return call_builtin(expression, to);
    }
}

u32 ExpressionGenerator::arguments(const Expression& expression, usize first) {
    const usize count = expression.operands.size() - first;
    const u32 start = count > 0 ? temporary() : 0;
    for (usize i = 1; i < count; ++i)
        temporary();
    for (usize i = 0; i < count; ++i) {
        const Temporaries scope{*this};
        value(*expression.operands[first + i], start + static_cast<u32>(i));
    }
    return start;
}

u32 ExpressionGenerator::call_builtin(const Expression& expression, Want want) {
    const u32 to = destination(want);
    const u32 start = arguments(expression, 0);
    mark(expression.offset, expression.function->name);
    builder_.emit(RS_OP_CALL_BUILTIN, to, start, expression.function->code);
    return to;
}

void ExpressionGenerator::printf(const Expression& expression) {
    const u32 start = arguments(expression, 1);
    mark(expression.offset, "printf");
    builder_.emit(RS_OP_PRINTF, start, static_cast<u32>(expression.operands.size() - 1),
                  builder_.string(expression.operands[0]->bytes));
}

}  // namespace ringside::language
