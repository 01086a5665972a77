// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/expression_generator.hpp"

#include <algorithm>
#include <utility>

#include "base/bits.hpp"
#include "language/fold.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

constexpr u64 kCopyAlignment = 64;  ///< cores that write their copies share no cache line

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

rs_script_opcode float_opcode_of(TokenKind op) {
    switch (op) {
        case kPlus:
            return RS_OP_FADD;
        case kMinus:
            return RS_OP_FSUB;
        case kStar:
            return RS_OP_FMUL;
        default:
            return RS_OP_FDIV;
    }
}

/// By bytes of the value.
rs_script_opcode load_of(u32 bytes) {
    return bytes == 1   ? RS_OP_LOAD8
           : bytes == 2 ? RS_OP_LOAD16
           : bytes == 4 ? RS_OP_LOAD32
                        : RS_OP_LOAD64;
}
rs_script_opcode store_of(u32 bytes) {
    return bytes == 1   ? RS_OP_STORE8
           : bytes == 2 ? RS_OP_STORE16
           : bytes == 4 ? RS_OP_STORE32
                        : RS_OP_STORE64;
}

bool is_commutative(TokenKind op) {
    return op == kPlus || op == kStar || op == kAmpersand || op == kPipe || op == kCaret;
}

}  // namespace

ExpressionGenerator::ExpressionGenerator(const Script& script, const CheckResult& checked,
                                         const Source& source, ImageBuilder& builder)
    : script_{script},
      checked_{checked},
      source_{source},
      builder_{builder},
      percore_begin_{static_cast<u32>(align_up(checked.data.size(), kCopyAlignment))},
      percore_stride_{static_cast<u32>(align_up(checked.percore.size(), kCopyAlignment))} {
    std::vector<u8> data = checked.data;
    if (percore_stride_ > 0) {
        data.resize(percore_begin_ + RS_SCRIPT_PERCORE_COPIES * percore_stride_);
        for (u32 copy = 0; copy < RS_SCRIPT_PERCORE_COPIES; ++copy)
            std::ranges::copy(checked.percore,
                              data.begin() + percore_begin_ + copy * percore_stride_);
    }
    builder_.set_data(std::move(data));
}

void ExpressionGenerator::begin_function(const CheckedFunction& function, u32 parameters) {
    function_ = &function;
    top_ = highest_ = function.slots;
    builder_.begin_function(parameters);
}

void ExpressionGenerator::mark(u32 offset, const char* function) {
    builder_.set_place({source_.line_of(offset), source_.column_of(offset),
                        static_cast<u32>(source_.file_at(offset)), function});
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
    const Temporaries scope{*this};
    if (from_type.is_float()) {
        if (!from_type.is_wide()) {
            const u32 wide = to_type == kDoubleType ? to : temporary();
            builder_.emit(RS_OP_WIDEN, wide, from);
            from = wide;
        }
        if (to_type.kind == TypeKind::kBool) {
            builder_.emit(RS_OP_FEQ, to, from, load_constant(0, {}));
            builder_.emit(RS_OP_EQ_I, to, to, 0);
        } else if (!to_type.is_float()) {
            builder_.emit(to_type.is_signed ? RS_OP_TRUNC_S : RS_OP_TRUNC_U, to, from,
                          to_type.bytes * 8);
        } else if (!to_type.is_wide()) {
            builder_.emit(RS_OP_ROUND, to, from);
        }
    } else if (to_type.is_float()) {
        builder_.emit(to_type.is_wide() ? (from_type.is_signed ? RS_OP_DOUBLE_S : RS_OP_DOUBLE_U)
                                        : (from_type.is_signed ? RS_OP_FLOAT_S : RS_OP_FLOAT_U),
                      to, from);
    } else {
        builder_.emit(to_type.kind == TypeKind::kBool ? RS_OP_BOOL : extension_to(to_type), to,
                      from);
    }
    return to;
}

u32 ExpressionGenerator::value_as(const Expression& expression, Type type, Want want) {
    if (expression.constant)
        if (const auto constant = convert_constant(*expression.constant, expression.type, type))
            return load_constant(*constant, want);
    if (holds_all_of(type, expression.type))
        return value(expression, want);
    const u32 to = destination(want);
    const Temporaries scope{*this};
    const u32 from = value(expression);
    mark(expression.offset);
    return convert(from, expression.type, type, to);
}

u32 ExpressionGenerator::value(const Expression& expression, Want want) {
    if (expression.constant)
        return load_constant(*expression.constant, want);
    if (is_object(expression)) {
        if (expression.kind == ExpressionKind::kVariable && !want) {
            const Place found = variable_place(expression);
            if (found.kind == Place::Kind::kSlot && !found.is_aliased)
                return found.index;
        }
        const u32 to = destination(want);
        const Temporaries scope{*this};
        const Place found = place(expression);
        return found.type.is_aggregate() ? address_of(found, to) : load(found, to);
    }
    switch (expression.kind) {
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
        case ExpressionKind::kAddressOf: {
            const u32 to = destination(want);
            const Temporaries scope{*this};
            return address_of(place(*expression.operands[0]), to);
        }
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

ExpressionGenerator::Place ExpressionGenerator::variable_place(const Expression& expression) const {
    Place found{Place::Kind::kData, 0,     expression.variable,
                expression.object,  false, expression.offset};
    if (expression.storage == Storage::kPercore)
        found.kind = Place::Kind::kPercore;
    if (expression.storage != Storage::kLocal)
        return found;
    const LocalVariable& local = function_->locals[expression.variable];
    found.kind = expression.object.is_aggregate() ? Place::Kind::kObject : Place::Kind::kSlot;
    found.index = local.slot;
    found.offset = 0;
    found.is_aliased = local.address_taken;
    return found;
}

ExpressionGenerator::Place ExpressionGenerator::place_of(const Declarator& declarator) const {
    if (declarator.is_global)
        return {Place::Kind::kGlobal, declarator.variable, 0, declarator.type, false,
                declarator.offset};
    const LocalVariable& local = function_->locals[declarator.variable];
    return {declarator.type.is_aggregate() ? Place::Kind::kObject : Place::Kind::kSlot,
            local.slot,
            0,
            declarator.type,
            local.address_taken,
            declarator.offset};
}

ExpressionGenerator::Place ExpressionGenerator::place(const Expression& expression) {
    const u32 at = expression.offset;
    switch (expression.kind) {
        case ExpressionKind::kVariable:
            return variable_place(expression);
        case ExpressionKind::kGlobal:
            return {Place::Kind::kGlobal, expression.variable, 0, expression.object, false, at};
        case ExpressionKind::kRegister:
            return {
                Place::Kind::kMachine, static_cast<u32>(expression.value), 0, kLongType, false, at};
        case ExpressionKind::kDereference:
            return {Place::Kind::kAddress,
                    value(*expression.operands[0]),
                    0,
                    expression.object,
                    false,
                    at};
        case ExpressionKind::kIndex:
            return expression.operands[0]->object.kind == TypeKind::kArray
                       ? index_place(expression)
                       : pointer_place(expression);
        default: {  // kMember
            const Expression& base = *expression.operands[0];
            Place found = expression.op == kArrow
                              ? Place{Place::Kind::kAddress, value(base), 0, {}, false, at}
                              : place(base);
            found.offset += expression.offset_of_member;
            found.type = expression.object;
            found.at = at;
            return found;
        }
    }
}

/// An element of an array, which lies within the whole of it.
ExpressionGenerator::Place ExpressionGenerator::index_place(const Expression& expression) {
    const u64 bytes = size_of(expression.object);
    u64 constant = 0;
    std::vector<const Expression*> rows;  // those whose index is not constant, inner ones first
    const Expression* at = &expression;
    for (; at->kind == ExpressionKind::kIndex && at->operands[0]->object.kind == TypeKind::kArray;
         at = at->operands[0].get()) {
        if (at->operands[1]->constant)
            constant += *at->operands[1]->constant * size_of(at->object);
        else
            rows.push_back(at);
    }
    Place found = place(*at);
    const u64 whole = size_of(found.type);
    if (rows.empty()) {
        found.offset += constant;
    } else {
        // Counted in elements of this size, of which rows have whole numbers.
        const u32 index = temporary();
        bool is_first = true;
        for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
            const Temporaries scope{*this};
            const u32 one =
                scaled(value_as(*(*row)->operands[1], kLongType), size_of((*row)->object) / bytes);
            if (is_first)
                builder_.emit(RS_OP_MOVE, index, one);
            else
                builder_.emit(RS_OP_ADD, index, index, one);
            is_first = false;
        }
        add_offset(index, index, constant / bytes);
        mark(expression.offset);
        builder_.emit(RS_OP_CHECK_INDEX, index, static_cast<u32>(whole / bytes));
        const u32 address = address_of(found, temporary());
        builder_.emit(RS_OP_ADD, address, address, scaled(index, bytes));
        found = {Place::Kind::kAddress, address, 0, {}, false, 0};
    }
    found.type = expression.object;
    found.at = expression.offset;
    return found;
}

/// `pointer[index]`
ExpressionGenerator::Place ExpressionGenerator::pointer_place(const Expression& expression) {
    const Expression& index = *expression.operands[1];
    const u64 bytes = size_of(expression.object);
    Place found{Place::Kind::kAddress, value(*expression.operands[0]), 0, expression.object, false,
                expression.offset};
    if (index.constant) {
        found.offset = *index.constant * bytes;
        return found;
    }
    const u32 address = temporary();
    const Temporaries scope{*this};
    builder_.emit(RS_OP_ADD, address, found.index, scaled(value_as(index, kLongType), bytes));
    found.index = address;
    return found;
}

u32 ExpressionGenerator::scaled(u32 from, u64 factor) {
    if (factor == 1)
        return from;
    const u32 to = temporary();
    if (factor < 0x8000)
        builder_.emit(RS_OP_MUL_I, to, from, static_cast<u32>(factor));
    else
        builder_.emit(RS_OP_MUL, to, from, load_constant(factor, {}));
    return to;
}

void ExpressionGenerator::add_offset(u32 to, u32 from, u64 offset) {
    if (offset == 0) {
        move(from, to);
    } else if (fits16(offset)) {
        builder_.emit(RS_OP_ADD_I, to, from, static_cast<u32>(offset & 0xffff));
    } else {
        const Temporaries scope{*this};
        builder_.emit(RS_OP_ADD, to, from, load_constant(offset, {}));
    }
}

u32 ExpressionGenerator::percore_address(u64 offset, u32 to) {
    const Temporaries scope{*this};
    const u32 core = temporary();
    const u64 begin = percore_begin_ + offset;
    builder_.emit(RS_OP_READ_PSEUDO, core, RS_PSEUDO_CORE);
    builder_.emit(RS_OP_ADDRESS_DATA, to, begin & 0xffff, begin >> 16 & 0xffff);
    builder_.emit(RS_OP_ADD, to, to, scaled(core, percore_stride_));
    return to;
}

u32 ExpressionGenerator::address_of(const Place& place, Want want) {
    if (place.kind == Place::Kind::kAddress && place.offset == 0)
        return move(place.index, want);
    const u32 to = destination(want);
    switch (place.kind) {
        case Place::Kind::kSlot:
        case Place::Kind::kObject:
            builder_.emit(RS_OP_ADDRESS_LOCAL, to, place.index);
            add_offset(to, to, place.offset);
            return to;
        case Place::Kind::kGlobal:
            builder_.emit(RS_OP_ADDRESS_GLOBAL, to, place.index);
            return to;
        case Place::Kind::kData:
            builder_.emit(RS_OP_ADDRESS_DATA, to, place.offset & 0xffff,
                          place.offset >> 16 & 0xffff);
            return to;
        case Place::Kind::kPercore:
            return percore_address(place.offset, to);
        default:
            add_offset(to, place.index, place.offset);
            return to;
    }
}

u32 ExpressionGenerator::load(const Place& place, Want want) {
    const u32 to = destination(want);
    const Temporaries scope{*this};
    const bool is_narrow_integer = place.type.is_integer() && !place.type.is_wide();
    switch (place.kind) {
        case Place::Kind::kSlot:
            // Memory functions write the bytes of the type only.
            if (place.is_aliased && !place.type.is_wide())
                builder_.emit(extension_to(place.type), to, place.index);
            else
                move(place.index, to);
            return to;
        case Place::Kind::kGlobal:
            builder_.emit(RS_OP_LOAD_GLOBAL, to, place.index);
            return to;
        case Place::Kind::kMachine:
            builder_.emit(RS_OP_READ_REGISTER, to, place.index);
            return to;
        case Place::Kind::kObject:
            if (place.type.is_wide() && place.offset % 8 == 0) {
                builder_.emit(RS_OP_MOVE, to, place.index + static_cast<u32>(place.offset / 8));
                return to;
            }
            break;
        default:
            break;
    }
    const u32 address = address_of(place);
    mark(place.at);
    builder_.emit(load_of(place.type.bytes), to, address);
    if (is_narrow_integer && place.type.is_signed)
        builder_.emit(extension_to(place.type), to, to);
    return to;
}

void ExpressionGenerator::store(const Place& place, u32 from, Type from_type) {
    const Temporaries scope{*this};
    if (place.type.kind == TypeKind::kStruct) {
        const u32 start = temporary();
        const u32 source = temporary();
        address_of(place, start);
        move(from, source);
        load_constant(size_of(place.type), temporary());
        mark(place.at);
        builder_.emit(RS_OP_CALL_BUILTIN, start, start, RS_BUILTIN_MEMCPY);
        return;
    }
    switch (place.kind) {
        case Place::Kind::kSlot:
            mark(place.at);
            convert(from, from_type, place.type, place.index);
            return;
        case Place::Kind::kObject:
            if (place.type.is_wide() && place.offset % 8 == 0) {
                mark(place.at);
                convert(from, from_type, place.type,
                        place.index + static_cast<u32>(place.offset / 8));
                return;
            }
            break;
        default:
            break;
    }
    mark(place.at);
    const u32 stored = convert(from, from_type, place.type);
    if (place.kind == Place::Kind::kGlobal)
        return builder_.emit(RS_OP_STORE_GLOBAL, place.index, stored);
    if (place.kind == Place::Kind::kMachine)
        return builder_.emit(RS_OP_WRITE_REGISTER, place.index, stored);
    const u32 address = address_of(place);
    mark(place.at);
    builder_.emit(store_of(place.type.bytes), address, stored);
}

u32 ExpressionGenerator::unary(const Expression& expression, Want want) {
    const Expression& operand = *expression.operands[0];
    const u32 to = destination(want);
    const Temporaries scope{*this};
    if (expression.op == kBang) {
        if (operand.type.is_float())
            builder_.emit(RS_OP_FEQ, to, value_as(operand, kDoubleType), load_constant(0, {}));
        else
            builder_.emit(RS_OP_EQ_I, to, value(operand), 0);
        return to;
    }
    const u32 from = value_as(operand, expression.type);
    if (expression.op == kPlus)
        return move(from, to);
    if (expression.type.is_float()) {
        const u64 sign = u64{1} << (expression.type.bytes * 8 - 1);
        builder_.emit(RS_OP_XOR, to, from, load_constant(sign, {}));
        return to;
    }
    builder_.emit(expression.op == kMinus ? RS_OP_NEG : RS_OP_NOT, to, from);
    // ~ of a sign-extended value is sign-extended; - may overflow, unsigned ones lose zeroes.
    if (!expression.type.is_wide() && (expression.op == kMinus || !expression.type.is_signed))
        builder_.emit(extension_to(expression.type), to, to);
    return to;
}

bool ExpressionGenerator::arithmetic_immediate(TokenKind op, Type type, u32 left, u64 right,
                                               u32 to) {
    if (type.is_float())
        return false;
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
    if (!type.is_float()) {
        builder_.emit(opcode_of(op, type), to, left, right);
        return to;
    }
    const Temporaries scope{*this};
    const CodePlace marked = builder_.place();
    left = convert(left, type, kDoubleType);
    right = convert(right, type, kDoubleType);
    builder_.set_place(marked);
    builder_.emit(float_opcode_of(op), to, left, right);
    if (!type.is_wide())
        builder_.emit(RS_OP_ROUND, to, to);
    return to;
}

u32 ExpressionGenerator::step_pointer(TokenKind op, Type pointer, u32 from, const Expression& index,
                                      Want want) {
    const u32 to = destination(want);
    const u64 bytes = size_of(element_of(pointer));
    if (index.constant) {
        const u64 offset = convert_constant(*index.constant, kLongType) * bytes;
        add_offset(to, from, op == kMinus ? 0 - offset : offset);
        return to;
    }
    const Temporaries scope{*this};
    const u32 distance = scaled(value_as(index, kLongType), bytes);
    builder_.emit(op == kMinus ? RS_OP_SUB : RS_OP_ADD, to, from, distance);
    return to;
}

u32 ExpressionGenerator::pointer_arithmetic(const Expression& expression, Want want) {
    const Expression* left = expression.operands[0].get();
    const Expression* right = expression.operands[1].get();
    const u32 to = destination(want);
    const Temporaries scope{*this};
    if (left->type.is_pointer() && right->type.is_pointer()) {
        const u32 from = value(*left);
        builder_.emit(RS_OP_SUB, to, from, value(*right));
        mark(expression.offset);
        const u64 bytes = size_of(element_of(left->type));
        if (bytes > 1)
            builder_.emit(RS_OP_ELEMENTS, to, to, static_cast<u32>(bytes));
        return to;
    }
    if (!left->type.is_pointer())
        std::swap(left, right);
    const u32 from = value(*left);
    return step_pointer(expression.op, left->type, from, *right, to);
}

u32 ExpressionGenerator::binary(const Expression& expression, Want want) {
    const Expression* left = expression.operands[0].get();
    const Expression* right = expression.operands[1].get();
    const Type type = expression.type;
    if (left->type.is_pointer() || right->type.is_pointer())
        return pointer_arithmetic(expression, want);
    const u32 to = destination(want);
    const Temporaries scope{*this};
    if (left->constant && is_commutative(expression.op))
        std::swap(left, right);
    const u32 left_register = value_as(*left, type);
    if (right->constant && !type.is_float()) {
        const u64 constant = convert_constant(*right->constant, type);
        mark(expression.offset);
        if (arithmetic_immediate(expression.op, type, left_register, constant, to))
            return to;
    }
    const u32 right_register = value_as(*right, type);
    mark(expression.offset);
    return arithmetic(expression.op, type, left_register, right_register, to);
}

u32 ExpressionGenerator::float_comparison(const Expression& expression, Type type, Want want) {
    const u32 to = destination(want);
    const Temporaries scope{*this};
    u32 a = convert(value_as(*expression.operands[0], type), type, kDoubleType);
    u32 b = convert(value_as(*expression.operands[1], type), type, kDoubleType);
    const TokenKind op = expression.op;
    if (op == kGreater || op == kGreaterEqual)
        std::swap(a, b);
    builder_.emit(op == kEqual || op == kNotEqual ? RS_OP_FEQ
                  : op == kLess || op == kGreater ? RS_OP_FLT
                                                  : RS_OP_FLE,
                  to, a, b);
    if (op == kNotEqual)
        builder_.emit(RS_OP_EQ_I, to, to, 0);
    return to;
}

u32 ExpressionGenerator::comparison(const Expression& expression, Want want) {
    const Expression& left = *expression.operands[0];
    const Expression& right = *expression.operands[1];
    const Type type = common_type(left.type, right.type);
    if (type.is_float())
        return float_comparison(expression, type, want);
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
    if (expression.constant && !expression.type.is_float()) {
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
    const Temporaries scope{*this};
    if (expression.kind == ExpressionKind::kBinary && is_comparison(expression.op) &&
        !common_type(expression.operands[0]->type, expression.operands[1]->type).is_float())
        return jump_comparison(expression, sense, target);
    const u32 condition =
        expression.type.is_float() ? value_as(expression, kBoolType) : value(expression);
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
    if (expression.called != 0)
        return call_user(expression, want);
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
        case FunctionForm::kZero:
            for (const ExpressionPtr& operand : expression.operands)
                value(*operand);
            return load_constant(0, to);
        default:
            return call_builtin(expression, to);
    }
}

u32 ExpressionGenerator::call_user(const Expression& expression, Want want) {
    const UserFunction& function = script_.functions[expression.called - 1];
    const u32 to = destination(want);
    const Temporaries scope{*this};
    // The registers from here on become the function's.
    const u32 start = temporary();
    for (usize i = 1; i < expression.operands.size(); ++i)
        temporary();
    for (usize i = 0; i < expression.operands.size(); ++i) {
        const Temporaries inner{*this};
        value_as(*expression.operands[i], function.parameters[i].type, start + static_cast<u32>(i));
    }
    mark(expression.offset);
    builder_.emit(RS_OP_CALL, to, start, expression.called);
    return to;
}

u32 ExpressionGenerator::arguments(const Expression& expression, usize first) {
    const usize count = expression.operands.size() - first;
    const u32 start = count > 0 ? temporary() : 0;
    for (usize i = 1; i < count; ++i)
        temporary();
    for (usize i = 0; i < count; ++i) {
        const Temporaries scope{*this};
        const Expression& argument = *expression.operands[first + i];
        const u32 to = start + static_cast<u32>(i);
        if (argument.type.is_float())
            value_as(argument, kDoubleType, to);
        else
            value(argument, to);
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
