// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/checker.hpp"

#include "base/bits.hpp"
#include "language/expression_checker.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

constexpr u32 kMaxSlots = 2048;

class Checker : ExpressionChecker {
public:
    using ExpressionChecker::ExpressionChecker;

    CheckResult run(Script& script) {
        collect_functions(script.functions);
        for (const KnownGlobal& global : options_.known_globals)
            if (global.type)
                global_types_.try_emplace(global.name, *global.type);
        collect_globals(script.statements);
        for (const UserFunction& function : script.functions)
            collect_globals(function.body);
        result_.functions.resize(script.functions.size() + 1);
        function_ = &result_.functions[0];
        check_all(script.statements);
        // Functions see the script's variables that outlive a run, not its locals.
        std::erase_if(variables_,
                      [](const auto& row) { return row.second.storage == Storage::kLocal; });
        const auto shared = variables_;
        for (usize i = 0; i < script.functions.size(); ++i) {
            variables_ = shared;
            check_function(script.functions[i], result_.functions[i + 1]);
        }
        for (const std::string_view name : globals_assigned_)
            result_.globals_assigned.push_back({std::string{name}, number_type(name)});
        if (result_.globals.size() > RS_SCRIPT_MAX_GLOBALS)
            report(Code::kTooLarge, 0, "too many global variables");
        return std::move(result_);
    }

private:
    void collect_functions(const std::vector<UserFunction>& functions) {
        signatures_ = &functions;
        for (u32 i = 0; i < functions.size(); ++i)
            if (!user_functions_.try_emplace(functions[i].name, i + 1).second)
                report(Code::kDuplicate, functions[i].offset,
                       "'" + std::string{functions[i].name} + "' is defined already");
        if (functions.size() >= RS_SCRIPT_MAX_FUNCTIONS)
            report(Code::kTooLarge, functions.back().offset, "too many functions");
    }

    void check_function(UserFunction& function, CheckedFunction& checked) {
        function_ = &checked;
        user_function_ = &function;
        flow_ = Flow{};
        for (const UserFunction::Parameter& parameter : function.parameters)
            flow_.assign(add_local(parameter.name, parameter.offset, parameter.type, true));
        check_all(function.body);
        if (flow_.is_reachable && function.type.kind != TypeKind::kVoid)
            report(
                Code::kFallsOff, function.offset,
                "'" + std::string{function.name} + "' may end without 'return'; it gives 0 then");
        user_function_ = nullptr;
    }

    /// A global may be read before the statement that assigns it.
    void collect_globals(const std::vector<StatementPtr>& statements) {
        for (const StatementPtr& statement : statements)
            collect_globals(*statement);
    }
    void collect_globals(const Statement& statement) {
        for (const ExpressionPtr& target : statement.targets)
            if (target->kind == ExpressionKind::kGlobal)
                globals_assigned_.insert(target->name);
        for (const Declarator& declarator : statement.declarators)
            if (declarator.is_global)
                declare_global(declarator);
        collect_globals(statement.body);
        for (const Statement::Arm& arm : statement.arms)
            collect_globals(arm.body);
        if (statement.init)
            collect_globals(*statement.init);
        if (statement.step)
            collect_globals(*statement.step);
    }

    void declare_global(const Declarator& declarator) {
        globals_assigned_.insert(declarator.name);
        if (declarator.type.is_aggregate())
            return report(Code::kType, declarator.offset, "a global variable has at most 8 bytes");
        const auto [found, is_new] = global_types_.try_emplace(declarator.name, declarator.type);
        if (!is_new && found->second != declarator.type)
            report(Code::kType, declarator.offset,
                   "'." + std::string{declarator.name} + "' is of type '" +
                       type_name(found->second) + "' already" +
                       (is_known(declarator.name) ? "; '.globals clear' forgets it" : ""));
    }

    /// What later scripts know of the type; what a pointer points to ends with this one.
    std::optional<Type> number_type(std::string_view name) const {
        const auto found = global_types_.find(name);
        return found == global_types_.end() || found->second.is_pointer()
                   ? std::nullopt
                   : std::optional{found->second};
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
                return check_return(statement);
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

    void check_return(Statement& statement) {
        if (user_function_ != nullptr) {
            const Type type = user_function_->type;
            if (type.kind == TypeKind::kVoid && statement.value) {
                report(Code::kMisplaced, statement.offset, "a 'void' function returns no value");
            } else if (type.kind != TypeKind::kVoid && !statement.value) {
                report(Code::kMisplaced, statement.offset, "'return' needs a value here");
            } else if (statement.value) {
                check_value(*statement.value);
                // Addresses travel as integers, too (section 8).
                if (!(statement.value->type.is_pointer() && type.is_integer()))
                    check_conversion(type, false, *statement.value);
            }
        }
        flow_ = Flow::unreachable();
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
        return condition.constant &&
               ExpressionChecker::is_true(condition.type, *condition.constant);
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
            if (is_place(*target))
                check_any_value(*target);
        check_any_value(*statement.value);
        const bool is_compare = statement.value->kind == ExpressionKind::kCall &&
                                statement.value->function != nullptr &&
                                statement.value->function->value == FunctionValue::kSigned;
        for (auto target = statement.targets.rbegin(); target != statement.targets.rend(); ++target)
            check_target(**target, *statement.value, is_compare);
        if (cuts_float_)
            cast_to_integer(statement.value);
        cuts_float_ = false;
    }

    /// D34: the integer part, of either sign.
    static void cast_to_integer(ExpressionPtr& value) {
        auto cast = std::make_unique<Expression>();
        cast->kind = ExpressionKind::kCast;
        cast->offset = value->offset;
        cast->depth = value->depth + 1;
        cast->type = cast->cast_type = kLongType;
        if (value->constant)
            cast->constant = convert_constant(*value->constant, value->type, kLongType);
        cast->operands.push_back(std::move(value));
        value = std::move(cast);
    }

    /// Reached through others: its address is computed before the value is.
    static bool is_place(const Expression& target) {
        return target.kind == ExpressionKind::kDereference ||
               target.kind == ExpressionKind::kIndex || target.kind == ExpressionKind::kMember;
    }

    /// A variable that gets a value here; new ones are made.
    void check_target(Expression& target, Expression& value, bool is_compare) {
        if (target.kind == ExpressionKind::kRegister) {
            check_register_target(target);
            return check_conversion(kLongType, true, value);
        }
        const std::optional<Type> pointee = pointee_of(value);
        bool is_untyped = false;
        if (target.kind == ExpressionKind::kVariable) {
            if (!variables_.contains(target.name))
                add_local(target.name, target.offset, is_compare ? kLongType : kUnsignedLongType,
                          false);
            const Variable variable = variables_.at(target.name);
            target.variable = variable.number;
            target.storage = variable.storage;
            target.object = target.type = variable.type;
            if (variable.storage == Storage::kLocal) {
                is_untyped = !local(variable.number).is_typed;
                if (is_untyped)
                    local(variable.number).pointee = pointee;
                flow_.assign(variable.number);
            }
        } else if (target.kind == ExpressionKind::kGlobal) {
            target.variable = global_index(target.name);
            target.object = target.type = global_type(target.name);
            is_untyped = !global_types_.contains(target.name);
            if (is_untyped)
                global_pointees_[target.name] = pointee;
        }
        if (target.object.kind == TypeKind::kArray)
            return report(Code::kNotAssignable, target.offset,
                          "an array as a whole cannot be assigned");
        // What an untyped pointer points to takes addresses, too.
        is_untyped |=
            target.kind == ExpressionKind::kDereference && target.object == kUnsignedLongType;
        if (is_untyped && value.type.is_float()) {
            cuts_float_ = true;
            return check_conversion(kLongType, true, value);
        }
        check_conversion(target.object, is_untyped, value);
    }

    void check_register_target(Expression& target) {
        warn_bare_register(target);
        target.type = kLongType;
        const std::string name{target.name};
        if (name == "efer" || name == "xcr0" || name == "cpl")
            report(Code::kNotAssignable, target.offset, "'@" + name + "' is read only");
    }

    u32 add_local(std::string_view name, u32 offset, Type type, bool is_typed) {
        const auto number = static_cast<u32>(function_->locals.size());
        const u32 slot = function_->slots;
        function_->slots += static_cast<u32>((size_of(type) + 7) / 8);
        if (function_->slots > kMaxSlots) {
            report(Code::kTooLarge, offset, "too many variables");
            function_->slots = slot;
        }
        function_->locals.push_back({name, type, is_typed, false, {}, slot});
        variables_[name] = {Storage::kLocal, number, type};
        return number;
    }

    /// op= ++ --
    void check_update(Statement& statement) {
        Expression& target = *statement.targets[0];
        if (target.kind == ExpressionKind::kRegister)
            check_register_target(target);
        else
            check_value(target);
        if (target.object.kind == TypeKind::kArray)
            return report(Code::kNotAssignable, target.offset,
                          "an array as a whole cannot be assigned");
        if (!statement.value) {
            if (target.type.is_pointer() && size_of(element_of(target.type)) == 0)
                report(Code::kType, statement.offset,
                       "'" + type_name(element_of(target.type)) + "' has no size");
            return;
        }
        Expression& value = *statement.value;
        check_value(value);
        const Type type = check_operation(statement.op, statement.offset, target, value);
        if (type.is_pointer() != target.type.is_pointer() && type.kind != TypeKind::kVoid)
            report(Code::kType, statement.offset,
                   "an address needs a cast to become an integer of a type");
        warn_shift_count(statement.op, value, type);
        const bool is_shared =
            target.kind == ExpressionKind::kGlobal ||
            (target.kind == ExpressionKind::kVariable && target.storage == Storage::kData);
        if (is_shared && options_.in_event && !(is_atomic(statement.op) && type.is_integer()))
            report(Code::kNotAtomic, statement.offset,
                   "this update of a shared variable is not atomic; other cores may interfere");
    }

    static bool is_atomic(TokenKind op) {
        return op == kPlus || op == kMinus || op == kAmpersand || op == kPipe || op == kCaret;
    }

    void check_declaration(Statement& statement) {
        for (Declarator& declarator : statement.declarators)
            check_declarator(statement, declarator);
    }

    void check_declarator(const Statement& statement, Declarator& declarator) {
        const Type type = declarator.type;
        if (declarator.is_global) {
            if (statement.storage != kEnd)
                return report(Code::kType, declarator.offset,
                              "'" +
                                  std::string{statement.storage == kStatic ? "static" : "percore"} +
                                  "' is for variables without a point");
            check_initializer(declarator);
            declarator.variable = global_index(declarator.name);
            return;
        }
        check_initializer(declarator);
        if (statement.storage != kEnd)
            return add_data(statement, declarator);
        const auto found = variables_.find(declarator.name);
        const bool is_there = found != variables_.end();
        if (is_there && found->second.storage == Storage::kLocal && found->second.type == type &&
            local(found->second.number).is_typed) {
            declarator.variable = found->second.number;
        } else {
            if (is_there)
                report(Code::kRedeclared, declarator.offset,
                       "'" + std::string{declarator.name} +
                           "' is a new variable from here on: it had another type");
            declarator.variable = add_local(declarator.name, declarator.offset, type, true);
        }
        flow_.assign(declarator.variable);
    }

    /// A variable that outlives the run, with its first value in the image.
    void add_data(const Statement& statement, Declarator& declarator) {
        const bool is_percore = statement.storage == kPercore;
        std::vector<u8>& data = is_percore ? result_.percore : result_.data;
        const usize begin = align_up(data.size(), 8);
        const u64 bytes = align_up(size_of(declarator.type), 8);
        const u64 all = begin + bytes;
        if (all * (is_percore ? RS_SCRIPT_PERCORE_COPIES : 1) > RS_SCRIPT_MAX_DATA_BYTES)
            return report(Code::kTooLarge, declarator.offset,
                          is_percore ? "too many 'percore' variables: 256 bytes in all"
                                     : "too many 'static' variables: 64 KiB in all");
        data.resize(all);
        declarator.storage = is_percore ? Storage::kPercore : Storage::kData;
        declarator.variable = static_cast<u32>(begin);
        variables_[declarator.name] = {declarator.storage, declarator.variable, declarator.type};
        for (const InitialValue& initial : declarator.values) {
            const auto constant =
                initial.value->constant
                    ? convert_constant(*initial.value->constant, initial.value->type, initial.type)
                    : std::nullopt;
            if (!constant) {
                report(Code::kType, initial.value->offset,
                       "the first value of such a variable must be a constant");
                continue;
            }
            for (u32 i = 0; i < initial.type.bytes; ++i)
                data[begin + initial.at + i] = static_cast<u8>(*constant >> 8 * i);
        }
    }

    /// Finds out which scalar gets which value; missing ones stay zero.
    void check_initializer(Declarator& declarator) {
        if (!declarator.initializer)
            return;
        Initializer& initializer = *declarator.initializer;
        const Type type = declarator.type;
        if (!type.is_aggregate()) {
            if (!initializer.value) {
                if (initializer.list.size() > 1)
                    return report(Code::kType, initializer.offset, "one value is enough here");
                if (initializer.list.empty())
                    return;
            }
            Items items{initializer.value ? &initializer : initializer.list.data(), 1};
            return fill(type, 0, items, declarator.values);
        }
        if (initializer.value) {
            check_any_value(*initializer.value);
            if (type.kind != TypeKind::kStruct || initializer.value->type != type)
                report(Code::kType, initializer.offset,
                       "'" + type_name(type) + "' needs values in braces");
            else
                declarator.values.push_back({type, 0, initializer.value.get()});
            return;
        }
        Items items{initializer.list.data(), initializer.list.size()};
        fill(type, 0, items, declarator.values);
        if (items.count > 0)
            report(Code::kType, items.next->offset,
                   "more values than '" + type_name(type) + "' holds");
    }

    /// What is left of a list.
    struct Items {
        Initializer* next;
        usize count;
        Initializer* take() {
            --count;
            return next++;
        }
    };

    /// Braces inside of an array of scalars only group; those of a struct or of a row of structs
    /// hold what belongs to it.
    void fill(Type type, u64 at, Items& items, std::vector<InitialValue>& values) {
        if (type.kind == TypeKind::kArray) {
            Type element = element_of(type);
            u64 count = type.node->count;
            for (; element.kind == TypeKind::kArray; element = element_of(element))
                count *= element.node->count;
            u64 index = 0;
            fill_elements(element, at, count, index, items, values);
        } else if (type.kind == TypeKind::kStruct) {
            for (const StructType::Member& member : type.tag->members) {
                if (items.count == 0)
                    return;
                if (member.type.is_aggregate() && !items.next->value) {
                    Initializer& own = *items.take();
                    Items inner{own.list.data(), own.list.size()};
                    fill(member.type, at + member.offset, inner, values);
                    if (inner.count > 0)
                        report(Code::kType, inner.next->offset,
                               "more values than '" + type_name(member.type) + "' holds");
                } else {
                    fill(member.type, at + member.offset, items, values);
                }
            }
        } else {
            fill_scalar(type, at, *items.take(), values);
        }
    }

    void fill_elements(Type element, u64 at, u64 count, u64& index, Items& items,
                       std::vector<InitialValue>& values) {
        while (items.count > 0 && index < count) {
            const u64 place = at + index * size_of(element);
            if (items.next->value) {
                fill(element, place, items, values);
                ++index;
                continue;
            }
            Initializer& group = *items.take();
            Items inner{group.list.data(), group.list.size()};
            if (element.kind == TypeKind::kStruct) {
                fill(element, place, inner, values);
                ++index;
            } else {
                fill_elements(element, at, count, index, inner, values);
            }
            if (inner.count > 0)
                report(Code::kType, inner.next->offset, "more values than the object holds");
        }
    }

    void fill_scalar(Type type, u64 at, Initializer& initializer,
                     std::vector<InitialValue>& values) {
        if (!initializer.value) {
            if (initializer.list.size() != 1)
                return report(Code::kType, initializer.offset, "one value is needed here");
            return fill_scalar(type, at, initializer.list[0], values);
        }
        Expression& value = *initializer.value;
        check_value(value);
        check_conversion(type, false, value);
        warn_narrowed(value, type);
        values.push_back({type, at, &value});
    }

    void warn_narrowed(const Expression& value, Type type) {
        if (!value.constant || !type.is_integer() || !value.type.is_integer() ||
            type.kind == TypeKind::kBool)
            return;
        const u64 stored = convert_constant(*value.constant, type);
        const u64 as_unsigned =
            type.bytes == 8 ? stored : stored & ((u64{1} << type.bytes * 8u) - 1);
        if (stored != *value.constant && as_unsigned != *value.constant)
            report(Code::kNarrowed, value.offset,
                   "this value does not fit in '" + type_name(type) + "'");
    }

    bool cuts_float_ = false;  ///< the statement stores a float into a variable without a type
    const UserFunction* user_function_ = nullptr;  ///< the one that is checked
    std::vector<LoopFlow> loops_;
};

}  // namespace

CheckResult check(Script& script, const CheckOptions& options, DiagnosticList& diagnostics) {
    return Checker{*script.types, options, diagnostics}.run(script);
}

}  // namespace ringside::language
