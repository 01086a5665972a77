// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/checker.hpp"

#include "language/expression_checker.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

constexpr u32 kMaxLocals = 2048;

class Checker : ExpressionChecker {
public:
    using ExpressionChecker::ExpressionChecker;

    CheckResult run(Script& script) {
        collect_globals(script.statements);
        check_all(script.statements);
        for (const std::string_view name : globals_assigned_)
            result_.globals_assigned.emplace_back(name);
        if (result_.globals.size() > RS_SCRIPT_MAX_GLOBALS)
            report(Code::kTooLarge, 0, "too many global variables");
        return std::move(result_);
    }

private:
    /// A global may be read before the statement that assigns it.
    void collect_globals(const std::vector<StatementPtr>& statements) {
        for (const StatementPtr& statement : statements)
            collect_globals(*statement);
    }
    void collect_globals(const Statement& statement) {
        for (const ExpressionPtr& target : statement.targets)
            if (target->kind == ExpressionKind::kGlobal)
                globals_assigned_.insert(target->name);
        collect_globals(statement.body);
        for (const Statement::Arm& arm : statement.arms)
            collect_globals(arm.body);
        if (statement.init)
            collect_globals(*statement.init);
        if (statement.step)
            collect_globals(*statement.step);
    }

    void check_all(std::vector<StatementPtr>& statements) {
        for (const StatementPtr& statement : statements) {
            if (!flow_.is_reachable && statement->kind != StatementKind::kEmpty) {
                report(Code::kUnreachable, statement->offset, "this is never reached");
                flow_.is_reachable = true;  // one warning a place
                check_statement(*statement);
                continue;
            }
            check_statement(*statement);
        }
    }

    void check_statement(Statement& statement) {
        switch (statement.kind) {
            case StatementKind::kBlock:
                return check_all(statement.body);
            case StatementKind::kEmpty:
                return;
            case StatementKind::kIf:
                return check_if(statement);
            case StatementKind::kWhile:
                return check_loop(statement, true);
            case StatementKind::kDoWhile:
                return check_loop(statement, false);
            case StatementKind::kFor:
                if (statement.init)
                    check_statement(*statement.init);
                return check_loop(statement, true);
            case StatementKind::kBreak:
            case StatementKind::kContinue:
                return check_jump(statement);
            case StatementKind::kReturn:
                flow_ = Flow::unreachable();
                return;
            case StatementKind::kAssign:
                return check_assign(statement);
            case StatementKind::kCompound:
            case StatementKind::kStep:
                return check_update(statement);
            case StatementKind::kCall:
                return check_call_statement(*statement.value);
            case StatementKind::kDeclaration:
                return check_declaration(statement);
            case StatementKind::kExpression:
                return check_value(*statement.value);
        }
    }

    void check_if(Statement& statement) {
        Flow after = Flow::unreachable();
        bool has_else = false;
        for (Statement::Arm& arm : statement.arms) {
            if (arm.condition)
                check_value(*arm.condition);
            else
                has_else = true;
            const Flow before = flow_;
            check_all(arm.body);
            after.join(flow_);
            flow_ = before;
        }
        if (!has_else)
            after.join(flow_);
        flow_ = after;
    }

    /// All three loops. `test_first`: the body may run not at all.
    void check_loop(Statement& statement, bool test_first) {
        loops_.emplace_back();
        Flow at_exit = Flow::unreachable();
        if (test_first) {
            check_value(*statement.value);
            if (!is_true(*statement.value))
                at_exit = flow_;
        }
        check_all(statement.body);
        flow_.join(loops_.back().at_continue);
        if (statement.step)
            check_statement(*statement.step);
        if (!test_first) {
            flow_.is_reachable = true;
            check_value(*statement.value);
            if (!is_true(*statement.value))
                at_exit = flow_;
        }
        const LoopFlow loop = std::move(loops_.back());
        loops_.pop_back();
        if (is_true(*statement.value) && !loop.has_break && !returns_inside(statement.body))
            report(Code::kEndlessLoop, statement.offset,
                   "this loop has no 'break'; only the instruction budget ends it");
        at_exit.join(loop.at_break);
        flow_ = at_exit;
    }

    static bool is_true(const Expression& condition) {
        return condition.constant && *condition.constant != 0;
    }

    static bool returns_inside(const std::vector<StatementPtr>& statements) {
        for (const StatementPtr& statement : statements) {
            if (statement->kind == StatementKind::kReturn || returns_inside(statement->body))
                return true;
            for (const Statement::Arm& arm : statement->arms)
                if (returns_inside(arm.body))
                    return true;
        }
        return false;
    }

    void check_jump(const Statement& statement) {
        const bool is_break = statement.kind == StatementKind::kBreak;
        if (loops_.empty())
            return report(Code::kMisplaced, statement.offset,
                          is_break ? "'break' outside of a loop" : "'continue' outside of a loop");
        LoopFlow& loop = loops_.back();
        (is_break ? loop.at_break : loop.at_continue).join(flow_);
        loop.has_break = loop.has_break || is_break;
        flow_ = Flow::unreachable();
    }

    void check_assign(Statement& statement) {
        for (const ExpressionPtr& target : statement.targets)
            if (target->kind == ExpressionKind::kDereference)
                check_value(*target);
        check_value(*statement.value);
        const bool is_compare = statement.value->kind == ExpressionKind::kCall &&
                                statement.value->function != nullptr &&
                                statement.value->function->value == FunctionValue::kSigned;
        for (auto target = statement.targets.rbegin(); target != statement.targets.rend(); ++target)
            check_target(**target, statement.value.get(), is_compare);
    }

    /// A variable that gets a value here; new ones are made. `value` may be null.
    void check_target(Expression& target, const Expression* value, bool is_compare) {
        switch (target.kind) {
            case ExpressionKind::kVariable: {
                const auto found = local_numbers_.find(target.name);
                target.variable =
                    found != local_numbers_.end()
                        ? found->second
                        : add_local(target.name, target.offset,
                                    is_compare ? kLongType : kUnsignedLongType, false);
                target.type = result_.locals[target.variable].type;
                if (value && value->type.kind == TypeKind::kPointer &&
                    result_.locals[target.variable].is_typed)
                    report(Code::kType, target.offset,
                           "an address needs a cast to become an integer of a type");
                flow_.assign(target.variable);
                return;
            }
            case ExpressionKind::kGlobal:
                target.variable = global_index(target.name);
                target.type = kUnsignedLongType;
                return;
            case ExpressionKind::kRegister:
                check_register_target(target);
                return;
            default:
                return;  // dereference: checked before the value
        }
    }

    void check_register_target(Expression& target) {
        warn_bare_register(target);
        target.type = kLongType;
        const std::string name{target.name};
        if (name == "efer" || name == "xcr0" || name == "cpl")
            report(Code::kNotAssignable, target.offset, "'@" + name + "' is read only");
    }

    u32 add_local(std::string_view name, u32 offset, Type type, bool is_typed) {
        const auto number = static_cast<u32>(result_.locals.size());
        if (number == kMaxLocals)
            report(Code::kTooLarge, offset, "too many variables");
        result_.locals.push_back({name, type, is_typed, false});
        local_numbers_[name] = number;
        return number;
    }

    /// op= ++ --
    void check_update(Statement& statement) {
        Expression& target = *statement.targets[0];
        if (target.kind == ExpressionKind::kRegister)
            check_register_target(target);
        else
            check_value(target);
        if (!statement.value)
            return;
        check_value(*statement.value);
        if (statement.value->type.kind == TypeKind::kPointer)
            report(Code::kNotAvailable, statement.offset,
                   "arithmetic with '&' is not available yet; put the address into a variable");
        warn_shift_count(statement.op, *statement.value,
                         common_type(target.type, statement.value->type));
        if (target.kind == ExpressionKind::kGlobal && options_.in_event && !is_atomic(statement.op))
            report(Code::kNotAtomic, statement.offset,
                   "this update of a global variable is not atomic; other cores may interfere");
    }

    static bool is_atomic(TokenKind op) {
        return op == kPlus || op == kMinus || op == kAmpersand || op == kPipe || op == kCaret;
    }

    void check_declaration(Statement& statement) {
        const Type type = statement.declared_type;
        if (type.kind == TypeKind::kVoid)
            return report(Code::kType, statement.offset, "a variable cannot be 'void'");
        for (Declarator& declarator : statement.declarators) {
            if (declarator.initializer)
                check_initializer(*declarator.initializer, type);
            const auto found = local_numbers_.find(declarator.name);
            if (found != local_numbers_.end() && result_.locals[found->second].type == type &&
                result_.locals[found->second].is_typed) {
                declarator.variable = found->second;
            } else {
                if (found != local_numbers_.end())
                    report(Code::kRedeclared, declarator.offset,
                           "'" + std::string{declarator.name} +
                               "' is a new variable from here on: it had another type");
                declarator.variable = add_local(declarator.name, declarator.offset, type, true);
            }
            flow_.assign(declarator.variable);
        }
    }

    void check_initializer(Expression& value, Type type) {
        check_value(value);
        if (value.type.kind == TypeKind::kPointer)
            report(Code::kType, value.offset,
                   "an address needs a cast to become an integer of a type");
        if (value.constant && type.kind != TypeKind::kBool) {
            const u64 stored = convert_constant(*value.constant, type);
            const u64 as_unsigned =
                type.bytes == 8 ? stored : stored & ((u64{1} << type.bytes * 8u) - 1);
            if (stored != *value.constant && as_unsigned != *value.constant)
                report(Code::kNarrowed, value.offset,
                       "this value does not fit in '" + type_name(type) + "'");
        }
    }

    std::vector<LoopFlow> loops_;
};

}  // namespace

CheckResult check(Script& script, const CheckOptions& options, DiagnosticList& diagnostics) {
    return Checker{options, diagnostics}.run(script);
}

}  // namespace ringside::language
