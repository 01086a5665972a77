// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/code_generator.hpp"

#include "language/expression_generator.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

class Generator : ExpressionGenerator {
public:
    using ExpressionGenerator::ExpressionGenerator;

    u32 run(const Script& script) {
        all(script.statements);
        builder_.set_place({});
        builder_.emit(RS_OP_RETURN);
        return highest_;
    }

private:
    struct Loop {
        Label* at_break;
        Label* at_continue;
    };

    void all(const std::vector<StatementPtr>& statements) {
        for (const StatementPtr& each : statements)
            statement(*each);
    }

    void statement(const Statement& statement) {
        const Temporaries scope{*this};
        mark(statement.offset);
        switch (statement.kind) {
            case StatementKind::kBlock:
                return all(statement.body);
            case StatementKind::kEmpty:
                return;
            case StatementKind::kIf:
                return if_statement(statement);
            case StatementKind::kWhile:
            case StatementKind::kFor:
            case StatementKind::kDoWhile:
                return loop(statement);
            case StatementKind::kBreak:
                return builder_.emit_jump(RS_OP_JUMP, *loops_.back().at_break);
            case StatementKind::kContinue:
                return builder_.emit_jump(RS_OP_JUMP, *loops_.back().at_continue);
            case StatementKind::kReturn:
                return builder_.emit(RS_OP_RETURN);
            case StatementKind::kAssign:
                return assign(statement);
            case StatementKind::kCompound:
            case StatementKind::kStep:
                return update(statement);
            case StatementKind::kDeclaration:
                return declare(statement);
            case StatementKind::kCall:
            case StatementKind::kExpression:
                value(*statement.value);
                return;
        }
    }

    void if_statement(const Statement& statement) {
        Label end;
        for (usize i = 0; i < statement.arms.size(); ++i) {
            const Statement::Arm& arm = statement.arms[i];
            Label next;
            if (arm.condition) {
                mark(arm.condition->offset);
                jump_if(*arm.condition, false, next);
            }
            all(arm.body);
            if (i + 1 < statement.arms.size())
                builder_.emit_jump(RS_OP_JUMP, end);
            builder_.bind(next);
        }
        builder_.bind(end);
    }

    /// The condition stands at the end, so that an iteration takes one jump; a loop that may run
    /// not at all tests it once more in front.
    void loop(const Statement& statement) {
        Label body;
        Label at_continue;
        Label end;
        if (statement.init)
            this->statement(*statement.init);
        if (statement.kind != StatementKind::kDoWhile) {
            mark(statement.value->offset);
            jump_if(*statement.value, false, end);
        }
        builder_.bind(body);
        loops_.push_back({&end, &at_continue});
        all(statement.body);
        loops_.pop_back();
        builder_.bind(at_continue);
        if (statement.step)
            this->statement(*statement.step);
        mark(statement.value->offset);
        jump_if(*statement.value, true, body);
        builder_.bind(end);
    }

    void assign(const Statement& statement) {
        const ExpressionPtr& last = statement.targets.back();
        if (statement.targets.size() == 1 && last->kind == ExpressionKind::kVariable) {
            value_as(*statement.value, last->type, last->variable);
            return;
        }
        // Addresses first, left to right; then the value; then the stores, right to left.
        std::vector<u32> addresses;
        for (const ExpressionPtr& target : statement.targets)
            addresses.push_back(target->kind == ExpressionKind::kDereference
                                    ? value(*target->operands[0], temporary())
                                    : 0);
        const u32 from = value(*statement.value);
        for (usize i = statement.targets.size(); i-- > 0;)
            store(*statement.targets[i], addresses[i], from, statement.value->type);
    }

    /// Puts the value in `from` into the variable, with the variable's own conversion.
    void store(const Expression& target, u32 address, u32 from, Type from_type) {
        mark(target.offset);
        switch (target.kind) {
            case ExpressionKind::kVariable:
                convert(from, from_type, target.type, target.variable);
                return;
            case ExpressionKind::kGlobal:
                return builder_.emit(RS_OP_STORE_GLOBAL, target.variable, from);
            case ExpressionKind::kRegister:
                return builder_.emit(RS_OP_WRITE_REGISTER, static_cast<u32>(target.value), from);
            default:
                return builder_.emit(RS_OP_STORE64, address, from);
        }
    }

    void update(const Statement& statement) {
        const Expression& target = *statement.targets[0];
        if (target.kind == ExpressionKind::kGlobal && update_global(statement, target))
            return;
        u32 address = 0;
        u32 old = 0;
        if (target.kind == ExpressionKind::kDereference) {
            address = value(*target.operands[0], temporary());
            old = temporary();
            mark(target.offset);
            builder_.emit(RS_OP_LOAD64, old, address);
        } else {
            old = value(target);
        }
        const bool is_step = statement.kind == StatementKind::kStep;
        const Type type =
            is_step ? promote(target.type) : common_type(target.type, statement.value->type);
        const TokenKind op = !is_step ? statement.op : statement.op == kIncrement ? kPlus : kMinus;
        // A wide variable is computed in place; a narrow one is converted back by store().
        const bool in_place = target.kind == ExpressionKind::kVariable && target.type == type;
        const u32 to = in_place ? target.variable : temporary();
        compute(statement, op, type, convert(old, target.type, type), to);
        if (!in_place)
            store(target, address, to, type);
    }

    void compute(const Statement& statement, TokenKind op, Type type, u32 old, u32 to) {
        const bool is_step = statement.kind == StatementKind::kStep;
        std::optional<u64> constant;
        if (is_step)
            constant = 1;
        else if (statement.value->constant)
            constant = convert_constant(*statement.value->constant, type);
        mark(statement.offset);
        if (constant && arithmetic_immediate(op, type, old, *constant, to))
            return;
        const u32 right =
            constant ? load_constant(*constant, {}) : value_as(*statement.value, type);
        mark(statement.offset);
        arithmetic(op, type, old, right, to);
    }

    /// The updates that are one atomic instruction. False: this one is not.
    bool update_global(const Statement& statement, const Expression& target) {
        const u32 slot = target.variable;
        if (statement.kind == StatementKind::kStep) {
            builder_.emit(RS_OP_GLOBAL_ADD_I, slot, statement.op == kIncrement ? 1 : 0xffff);
            return true;
        }
        rs_script_opcode opcode;
        switch (statement.op) {
            case kPlus:
            case kMinus:
                opcode = RS_OP_GLOBAL_ADD;
                break;
            case kAmpersand:
                opcode = RS_OP_GLOBAL_AND;
                break;
            case kPipe:
                opcode = RS_OP_GLOBAL_OR;
                break;
            case kCaret:
                opcode = RS_OP_GLOBAL_XOR;
                break;
            default:
                return false;
        }
        u32 right = value(*statement.value);
        if (statement.op == kMinus) {
            const u32 negated = temporary();
            builder_.emit(RS_OP_NEG, negated, right);
            right = negated;
        }
        mark(statement.offset);
        builder_.emit(opcode, slot, right);
        return true;
    }

    void declare(const Statement& statement) {
        for (const Declarator& declarator : statement.declarators) {
            const Temporaries scope{*this};
            mark(declarator.offset);
            if (declarator.initializer)
                value_as(*declarator.initializer, statement.declared_type, declarator.variable);
            else
                load_constant(0, declarator.variable);
        }
    }

    std::vector<Loop> loops_;
};

}  // namespace

u32 generate(const Script& script, const CheckResult& checked, const Source& source,
             ImageBuilder& builder) {
    return Generator{checked, source, builder}.run(script);
}

}  // namespace ringside::language
