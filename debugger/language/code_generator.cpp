// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/code_generator.hpp"

#include "language/expression_generator.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

class Generator : ExpressionGenerator {
public:
    using ExpressionGenerator::ExpressionGenerator;

    void run() {
        function(script_.statements, checked_.functions[0], 0);
        for (usize i = 0; i < script_.functions.size(); ++i) {
            result_type_ = script_.functions[i].type;
            function(script_.functions[i].body, checked_.functions[i + 1],
                     static_cast<u32>(script_.functions[i].parameters.size()));
        }
    }

private:
    struct Loop {
        Label* at_break;
        Label* at_continue;
    };

    void function(const std::vector<StatementPtr>& body, const CheckedFunction& checked,
                  u32 parameters) {
        begin_function(checked, parameters);
        all(body);
        builder_.set_place({});
        builder_.emit(RS_OP_RETURN);
        end_function();
    }

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
                if (statement.value)
                    return builder_.emit(RS_OP_RETURN_VALUE,
                                         value_as(*statement.value, result_type_));
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
        const Expression& last = *statement.targets.back();
        if (statement.targets.size() == 1 && last.kind == ExpressionKind::kVariable) {
            const Place target = place(last);
            if (target.kind == Place::Kind::kSlot) {
                value_as(*statement.value, target.type, target.index);
                return;
            }
        }
        // Addresses first, left to right; then the value; then the stores, right to left.
        std::vector<Place> places;
        for (const ExpressionPtr& target : statement.targets) {
            places.push_back(place(*target));
            // The variable that holds the address may be one of the targets.
            Place& found = places.back();
            if (found.kind == Place::Kind::kAddress) {
                found.index = address_of(found, temporary());
                found.offset = 0;
            }
        }
        // One conversion only: a constant is converted when it is loaded.
        if (places.size() == 1 && !places[0].type.is_aggregate())
            return store(places[0], value_as(*statement.value, places[0].type), places[0].type);
        const u32 from = value(*statement.value);
        for (usize i = places.size(); i-- > 0;)
            store(places[i], from, statement.value->type);
    }

    void update(const Statement& statement) {
        const Expression& target = *statement.targets[0];
        const bool is_step = statement.kind == StatementKind::kStep;
        const Type value_type = is_step ? kLongType : statement.value->type;
        if (target.object.is_integer() && value_type.is_integer() &&
            update_atomically(statement, target))
            return;
        const Place found = place(target);
        const TokenKind op = !is_step ? statement.op : statement.op == kIncrement ? kPlus : kMinus;
        const u32 old =
            found.kind == Place::Kind::kSlot && !found.is_aliased ? found.index : load(found);
        if (target.type.is_pointer()) {
            const u32 to = temporary();
            mark(statement.offset);
            if (is_step)
                step(target.type, op, old, to);
            else
                step_pointer(op, target.type, old, *statement.value, to);
            return store(found, to, target.type);
        }
        const Type type = is_step ? promote(target.type) : common_type(target.type, value_type);
        // A wide variable is computed in place; a narrow one is converted back by store().
        const bool in_place = found.kind == Place::Kind::kSlot && target.type == type;
        const u32 to = in_place ? found.index : temporary();
        compute(statement, op, type, convert(old, target.type, type), to);
        if (!in_place)
            store(found, to, type);
    }

    /// A pointer to the next or the former element.
    void step(Type pointer, TokenKind op, u32 from, u32 to) {
        Expression one;
        one.type = kLongType;
        one.constant = 1;
        step_pointer(op, pointer, from, one, to);
    }

    void compute(const Statement& statement, TokenKind op, Type type, u32 old, u32 to) {
        std::optional<u64> constant;
        if (statement.kind == StatementKind::kStep)
            constant = convert_constant(1, kLongType, type);
        else if (statement.value->constant)
            constant = convert_constant(*statement.value->constant, statement.value->type, type);
        mark(statement.offset);
        if (constant && arithmetic_immediate(op, type, old, *constant, to))
            return;
        const u32 right =
            constant ? load_constant(*constant, {}) : value_as(*statement.value, type);
        mark(statement.offset);
        arithmetic(op, type, old, right, to);
    }

    /// The updates of shared variables that are one atomic instruction. False: this one is not.
    bool update_atomically(const Statement& statement, const Expression& target) {
        const bool is_step = statement.kind == StatementKind::kStep;
        const TokenKind op = !is_step ? statement.op : statement.op == kIncrement ? kPlus : kMinus;
        if (op != kPlus && op != kMinus && op != kAmpersand && op != kPipe && op != kCaret)
            return false;
        if (target.kind == ExpressionKind::kGlobal && target.object.is_wide()) {
            update_global(statement, target.variable, op);
            return true;
        }
        if (target.kind == ExpressionKind::kVariable && target.storage == Storage::kData &&
            target.object.bytes >= 4) {
            const u32 address = address_of(place(target), temporary());
            const u32 right = right_side(statement, op);
            mark(statement.offset);
            builder_.emit(op == kAmpersand ? RS_OP_ATOMIC_AND
                          : op == kPipe    ? RS_OP_ATOMIC_OR
                          : op == kCaret   ? RS_OP_ATOMIC_XOR
                                           : RS_OP_ATOMIC_ADD,
                          address, right, target.object.bytes);
            return true;
        }
        return false;
    }

    /// What is added, or combined; negated for a subtraction.
    u32 right_side(const Statement& statement, TokenKind op) {
        if (statement.kind == StatementKind::kStep)
            return load_constant(op == kPlus ? 1 : ~u64{0}, {});
        const u32 right = value(*statement.value);
        if (op != kMinus)
            return right;
        const u32 negated = temporary();
        builder_.emit(RS_OP_NEG, negated, right);
        return negated;
    }

    void update_global(const Statement& statement, u32 slot, TokenKind op) {
        if (statement.kind == StatementKind::kStep)
            return builder_.emit(RS_OP_GLOBAL_ADD_I, slot, op == kPlus ? 1 : 0xffff);
        const u32 right = right_side(statement, op);
        mark(statement.offset);
        builder_.emit(op == kAmpersand ? RS_OP_GLOBAL_AND
                      : op == kPipe    ? RS_OP_GLOBAL_OR
                      : op == kCaret   ? RS_OP_GLOBAL_XOR
                                       : RS_OP_GLOBAL_ADD,
                      slot, right);
    }

    void declare(const Statement& statement) {
        for (const Declarator& declarator : statement.declarators) {
            const Temporaries scope{*this};
            mark(declarator.offset);
            if (declarator.storage == Storage::kLocal)
                declare(declarator);
        }
    }

    void declare(const Declarator& declarator) {
        const Place whole = place_of(declarator);
        if (declarator.type.is_aggregate()) {
            builder_.emit(RS_OP_ZERO, whole.index,
                          static_cast<u32>((size_of(declarator.type) + 7) / 8));
        } else if (declarator.values.empty() && !declarator.is_global) {
            load_constant(0, whole.index);
        }
        for (const InitialValue& initial : declarator.values) {
            const Temporaries scope{*this};
            Place part = whole;
            part.offset = initial.at;
            part.type = initial.type;
            part.at = initial.value->offset;
            if (whole.kind == Place::Kind::kSlot)
                value_as(*initial.value, initial.type, whole.index);
            else if (initial.type.kind == TypeKind::kStruct)
                store(part, value(*initial.value), initial.type);
            else
                store(part, value_as(*initial.value, initial.type), initial.type);
        }
    }

    Type result_type_ = kVoidType;
    std::vector<Loop> loops_;
};

}  // namespace

void generate(const Script& script, const CheckResult& checked, const Source& source,
              ImageBuilder& builder) {
    Generator{script, checked, source, builder}.run();
}

}  // namespace ringside::language
