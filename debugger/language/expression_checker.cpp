// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/expression_checker.hpp"

#include <algorithm>
#include <bit>
#include <charconv>

#include "language/fold.hpp"
#include "script/floating.hpp"
#include "script/format.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

/// Registers that hold addresses, which in the kernel are negative as signed numbers (D3).
bool is_address_register(const Expression& expression) {
    if (expression.kind == ExpressionKind::kPseudo)
        return expression.value == RS_PSEUDO_IP || expression.value == RS_PSEUDO_PROC ||
               expression.value == RS_PSEUDO_THREAD || expression.value == RS_PSEUDO_MM ||
               expression.value == RS_PSEUDO_PNAME;
    return expression.kind == ExpressionKind::kRegister &&
           (expression.value == RS_REG_RIP || expression.value == RS_REG_RSP ||
            expression.value == RS_REG_CR2);
}

const char* fold_message(FoldError error) {
    switch (error) {
        case FoldError::kDivisionByZero:
            return "division by zero";
        case FoldError::kDivisionOverflow:
            return "quotient out of range";
        case FoldError::kFloat:
            return "the result is out of range";
        default:
            return "";
    }
}

/// The four names of registers that read like hexadecimal numbers (section 2.2).
bool reads_like_number(std::string_view name) {
    return name == "ac" || name == "af" || name == "cf" || name == "df";
}

}  // namespace

std::string ExpressionChecker::suggestion(std::string_view name) const {
    if (diagnostics_.is_full())
        return {};
    std::vector<std::string> candidates;
    for (const auto& [known, variable] : variables_)
        candidates.emplace_back(known);
    for (const auto& [known, number] : user_functions_)
        candidates.emplace_back(known);
    std::ranges::sort(candidates);
    for (const Function& function : functions())
        candidates.emplace_back(function.name);
    const auto near = nearest(name, candidates);
    return near ? "; did you mean '" + *near + "'?" : "";
}

u32 ExpressionChecker::global_index(std::string_view name) {
    const auto [found, is_new] =
        global_numbers_.try_emplace(std::string{name}, static_cast<u32>(result_.globals.size()));
    if (is_new)
        result_.globals.emplace_back(name);
    return found->second;
}

bool ExpressionChecker::is_known(std::string_view global) const {
    return std::ranges::find(options_.known_globals, global, &KnownGlobal::name) !=
           options_.known_globals.end();
}

Type ExpressionChecker::global_type(std::string_view name) const {
    const auto found = global_types_.find(name);
    return found == global_types_.end() ? kUnsignedLongType : found->second;
}

void ExpressionChecker::warn_bare_register(const Expression& expression) {
    if (!expression.is_bare_register)
        return;
    const std::string name{expression.name};
    std::string message = "'" + name + "' is the register '@" + name + "'";
    if (reads_like_number(name))
        message += "; for the number write '0" + name + "'";
    report(Code::kBareRegister, expression.offset, std::move(message));
}

bool ExpressionChecker::is_true(Type type, u64 constant) {
    if (!type.is_float())
        return constant != 0;
    return !script::is_equal(type.is_wide() ? constant : script::widen(constant), 0);
}

std::optional<Type> ExpressionChecker::pointee_of(const Expression& expression) {
    if (expression.type.is_pointer())
        return element_of(expression.type);
    return expression.pointee;
}

void ExpressionChecker::check_any_value(Expression& expression) {
    check_expression(expression);
    if (expression.type.kind == TypeKind::kVoid && expression.kind == ExpressionKind::kCall) {
        report(Code::kType, expression.offset,
               "'" + std::string{expression.name} + "' has no value");
        expression.type = kUnsignedLongType;
    }
}

void ExpressionChecker::check_value(Expression& expression) {
    check_any_value(expression);
    if (expression.type.kind == TypeKind::kStruct) {
        report(Code::kType, expression.offset, "a struct as a whole cannot be used here");
        expression.type = kUnsignedLongType;
    }
}

void ExpressionChecker::check_call_statement(Expression& call) {
    check_expression(call);
}

void ExpressionChecker::set_object(Expression& expression, Type object) {
    expression.object = object;
    expression.type =
        object.kind == TypeKind::kArray ? types_.pointer_to(element_of(object)) : object;
}

bool ExpressionChecker::check_size(Type type, u32 offset) {
    if (size_of(type) != 0)
        return true;
    report(Code::kType, offset, "'" + type_name(type) + "' has no size");
    return false;
}

void ExpressionChecker::check_expression(Expression& expression) {
    switch (expression.kind) {
        case ExpressionKind::kNumber:
            expression.type = expression.value >> 63 != 0 ? kUnsignedLongType : kLongType;
            expression.constant = expression.value;
            return;
        case ExpressionKind::kReal:
            return check_real(expression, kDoubleType);
        case ExpressionKind::kString:
            report(Code::kType, expression.offset, "a string cannot be used here");
            return;
        case ExpressionKind::kVariable:
            return check_variable(expression);
        case ExpressionKind::kGlobal:
            return check_global(expression);
        case ExpressionKind::kRegister:
            warn_bare_register(expression);
            set_object(expression, kLongType);
            return;
        case ExpressionKind::kPseudo:
            if (expression.value == RS_PSEUDO_PEB)
                report(Code::kAlwaysZero, expression.offset,
                       "'$peb' is always 0: Linux has no such block");
            set_object(expression, kLongType);
            return;
        case ExpressionKind::kSymbol:
            return check_symbol(expression);
        case ExpressionKind::kUnary:
            return check_unary(expression);
        case ExpressionKind::kDereference:
            return check_dereference(expression);
        case ExpressionKind::kAddressOf:
            return check_address(expression);
        case ExpressionKind::kIndex:
            return check_index(expression);
        case ExpressionKind::kMember:
            return check_member(expression);
        case ExpressionKind::kCast:
            return check_cast(expression);
        case ExpressionKind::kSizeofType:
            expression.type = kUnsignedLongType;
            expression.constant = size_of(expression.cast_type);
            return;
        case ExpressionKind::kSizeof: {
            Expression& operand = *expression.operands[0];
            check_any_value(operand);
            const bool is_array = operand.object.kind == TypeKind::kArray;
            expression.type = kUnsignedLongType;
            expression.constant = size_of(is_array ? operand.object : operand.type);
            return;
        }
        case ExpressionKind::kBinary:
            return check_binary(expression);
        case ExpressionKind::kLogical:
            return check_logical(expression);
        case ExpressionKind::kCall:
            return check_call(expression);
    }
}

void ExpressionChecker::check_real(Expression& expression, Type type) {
    std::string digits{expression.name};
    std::erase(digits, '`');
    const auto parse = [&](auto value) {
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} ||
            (value == 0 && digits.find_first_of("123456789") != std::string::npos))
            report(Code::kBadNumber, expression.offset,
                   "this number is out of the range of '" + type_name(type) + "'");
        return value;
    };
    expression.type = type;
    expression.constant = type.is_wide() ? std::bit_cast<u64>(parse(double{}))
                                         : u64{std::bit_cast<u32>(parse(float{}))};
}

/// A floating literal, with signs before it, takes the type it meets.
void ExpressionChecker::adopt(Expression& expression, Type type) {
    if (!type.is_float() || expression.type == type)
        return;
    if (expression.kind == ExpressionKind::kReal) {
        check_real(expression, type);
    } else if (expression.kind == ExpressionKind::kUnary && expression.type.is_float()) {
        Expression& operand = *expression.operands[0];
        adopt(operand, type);
        if (operand.type != type)
            return;
        expression.type = type;
        expression.constant = fold_unary(expression.op, *operand.constant, type);
    }
}

void ExpressionChecker::check_variable(Expression& expression) {
    const auto found = variables_.find(expression.name);
    if (found == variables_.end()) {
        report(Code::kUnresolved, expression.offset,
               "unresolved variable '" + std::string{expression.name} + "'" +
                   suggestion(expression.name));
        return;
    }
    const Variable& variable = found->second;
    expression.variable = variable.number;
    expression.storage = variable.storage;
    set_object(expression, variable.type);
    if (variable.storage != Storage::kLocal)
        return;
    if (!local(variable.number).is_typed)
        expression.pointee = local(variable.number).pointee;
    if (!flow_.is_assigned(variable.number)) {
        report(Code::kMaybeUnassigned, expression.offset,
               "'" + std::string{expression.name} + "' may not be assigned here; it is 0 then");
        flow_.assign(variable.number);  // once is enough
    }
}

void ExpressionChecker::check_global(Expression& expression) {
    if (!globals_assigned_.contains(expression.name) && !is_known(expression.name)) {
        std::vector<std::string> candidates;
        for (const KnownGlobal& global : options_.known_globals)
            candidates.push_back(global.name);
        for (const std::string_view name : globals_assigned_)
            candidates.emplace_back(name);
        const auto near = nearest(expression.name, candidates);
        report(Code::kUnresolved, expression.offset,
               "unresolved global variable '." + std::string{expression.name} + "'" +
                   (near ? "; did you mean '." + *near + "'?" : ""));
        return;
    }
    expression.variable = global_index(expression.name);
    set_object(expression, global_type(expression.name));
    if (const auto found = global_pointees_.find(expression.name); found != global_pointees_.end())
        expression.pointee = found->second;
}

void ExpressionChecker::check_symbol(Expression& expression) {
    const auto address =
        options_.symbols ? options_.symbols->find_symbol(expression.name) : std::nullopt;
    if (!address) {
        report(Code::kUnresolved, expression.offset,
               "unresolved symbol '" + std::string{expression.name} + "'");
        return;
    }
    expression.type = kUnsignedLongType;
    expression.constant = *address;
}

void ExpressionChecker::check_unary(Expression& expression) {
    Expression& operand = *expression.operands[0];
    check_value(operand);
    if (expression.op == kBang) {
        expression.type = kIntType;
        if (operand.constant)
            expression.constant = !is_true(operand.type, *operand.constant);
        return;
    }
    if (operand.type.is_pointer() || (operand.type.is_float() && expression.op == kTilde))
        report(Code::kType, expression.offset,
               "this operator does not work on '" + type_name(operand.type) + "'");
    expression.type = promote(operand.type);
    if (operand.constant)
        expression.constant = fold_unary(expression.op, *operand.constant, expression.type);
}

void ExpressionChecker::check_dereference(Expression& expression) {
    Expression& operand = *expression.operands[0];
    check_value(operand);
    if (operand.type.is_float())
        report(Code::kType, expression.offset, "a floating-point number is no address");
    const Type object = pointee_of(operand).value_or(kUnsignedLongType);
    set_object(expression, check_size(object, expression.offset) ? object : kUnsignedLongType);
}

void ExpressionChecker::check_index(Expression& expression) {
    Expression& base = *expression.operands[0];
    Expression& index = *expression.operands[1];
    check_any_value(base);
    check_value(index);
    if (index.type.is_float() || index.type.is_pointer())
        report(Code::kType, index.offset, "an index must be an integer");
    const auto element = pointee_of(base);
    if (!element) {
        report(Code::kType, expression.offset, "'[]' needs an array or a pointer before it");
        return;
    }
    if (!check_size(*element, expression.offset))
        return;
    set_object(expression, *element);
    if (base.object.kind == TypeKind::kArray && index.constant)
        check_constant_index(expression);
}

/// An element must lie in the whole array, whatever its row (section 6).
void ExpressionChecker::check_constant_index(const Expression& expression) {
    u64 begin = 0;
    const Expression* at = &expression;
    for (; at->kind == ExpressionKind::kIndex && at->operands[0]->object.kind == TypeKind::kArray;
         at = at->operands[0].get()) {
        if (!at->operands[1]->constant)
            return;
        begin += *at->operands[1]->constant * size_of(at->object);
    }
    const u64 whole = size_of(at->object);
    if (begin >= whole || size_of(expression.object) > whole - begin)
        report(Code::kConstantOperation, expression.operands[1]->offset, "index out of range");
}

void ExpressionChecker::check_member(Expression& expression) {
    Expression& base = *expression.operands[0];
    const bool is_arrow = expression.op == kArrow;
    if (is_arrow)
        check_value(base);
    else
        check_any_value(base);
    const auto object = is_arrow ? pointee_of(base) : std::optional{base.type};
    const std::string name{expression.name};
    if (!object || object->kind != TypeKind::kStruct) {
        report(Code::kType, expression.offset,
               is_arrow ? "'->' needs a pointer to a struct before it"
                        : "'.' needs a struct before it");
        return;
    }
    if (!check_size(*object, expression.offset))
        return;
    const StructType::Member* member = object->tag->find(expression.name);
    if (member == nullptr) {
        std::vector<std::string> candidates;
        for (const StructType::Member& each : object->tag->members)
            candidates.emplace_back(each.name);
        const auto near = nearest(name, candidates);
        report(Code::kUnresolved, expression.offset,
               "'" + type_name(*object) + "' has no member '" + name + "'" +
                   (near ? "; did you mean '" + *near + "'?" : ""));
        return;
    }
    expression.offset_of_member = member->offset;
    set_object(expression, member->type);
}

void ExpressionChecker::check_cast(Expression& expression) {
    Expression& operand = *expression.operands[0];
    check_value(operand);
    const Type to = expression.cast_type;
    expression.type = to;
    if ((to.is_pointer() && operand.type.is_float()) ||
        (to.is_float() && operand.type.is_pointer()))
        return report(
            Code::kType, expression.offset,
            "no cast between '" + type_name(operand.type) + "' and '" + type_name(to) + "'");
    if (!operand.constant)
        return;
    expression.constant = convert_constant(*operand.constant, operand.type, to);
    if (!expression.constant)
        report(Code::kConstantOperation, expression.offset,
               "the value does not fit in '" + type_name(to) + "'");
}

void ExpressionChecker::check_address(Expression& expression) {
    Expression& operand = *expression.operands[0];
    expression.type = kPointerType;
    switch (operand.kind) {
        case ExpressionKind::kVariable:
            if (const auto found = variables_.find(operand.name);
                found != variables_.end() && found->second.storage == Storage::kLocal)
                flow_.assign(found->second.number);  // memory functions may do it
            check_variable(operand);
            break;
        case ExpressionKind::kGlobal:
            check_global(operand);
            break;
        case ExpressionKind::kIndex:
        case ExpressionKind::kMember:
        case ExpressionKind::kDereference:
            check_any_value(operand);
            break;
        case ExpressionKind::kRegister:
        case ExpressionKind::kPseudo:
            return report(Code::kNotAssignable, expression.offset, "a register has no address");
        default:
            return report(Code::kNotAssignable, expression.offset,
                          "'&' needs a variable behind it");
    }
    take_address(operand);
    expression.type = types_.pointer_to(
        operand.object.kind == TypeKind::kArray ? element_of(operand.object) : operand.object);
}

/// The variable that holds the object may change behind the compiler's back from here on.
void ExpressionChecker::take_address(const Expression& object) {
    const Expression* at = &object;
    while (at->kind == ExpressionKind::kIndex ||
           (at->kind == ExpressionKind::kMember && at->op == kPoint))
        at = at->operands[0].get();
    if (at->kind == ExpressionKind::kVariable && at->storage == Storage::kLocal &&
        variables_.contains(at->name))
        local(at->variable).address_taken = true;
}

Type ExpressionChecker::check_operation(TokenKind op, u32 offset, Expression& left,
                                        Expression& right) {
    const bool left_points = left.type.is_pointer(), right_points = right.type.is_pointer();
    const bool is_float = left.type.is_float() || right.type.is_float();
    if (is_float) {
        if (left_points || right_points ||
            !(is_comparison(op) || op == kPlus || op == kMinus || op == kStar || op == kSlash)) {
            report(Code::kType, offset,
                   "this operator does not work on '" + type_name(left.type) + "' and '" +
                       type_name(right.type) + "'");
            return kVoidType;
        }
        if (left.type.is_float() && right.type.is_float()) {
            if (left.type == kFloatType)
                adopt(right, kFloatType);
            if (right.type == kFloatType)
                adopt(left, kFloatType);
        }
        return common_type(left.type, right.type);
    }
    if (is_comparison(op) || (!left_points && !right_points))
        return common_type(left.type, right.type);
    if (left_points && right_points && op == kMinus && left.type == right.type)
        return check_size(element_of(left.type), offset) ? kLongType : kVoidType;
    if (left_points != right_points && (op == kPlus || (op == kMinus && left_points))) {
        const Type pointer = left_points ? left.type : right.type;
        return check_size(element_of(pointer), offset) ? pointer : kVoidType;
    }
    report(Code::kType, offset,
           "this operator does not work on '" + type_name(left.type) + "' and '" +
               type_name(right.type) + "'");
    return kVoidType;
}

void ExpressionChecker::check_binary(Expression& expression) {
    Expression& left = *expression.operands[0];
    Expression& right = *expression.operands[1];
    check_value(left);
    check_value(right);
    const Type type = check_operation(expression.op, expression.offset, left, right);
    expression.type = is_comparison(expression.op) ? kIntType : type;
    if (type.kind == TypeKind::kVoid) {
        expression.type = kUnsignedLongType;
        return;
    }
    if (is_comparison(expression.op))
        warn_comparison(expression, type);
    if (!type.is_pointer() && !left.type.is_pointer())
        fold(expression, type);
}

void ExpressionChecker::fold(Expression& expression, Type type) {
    const Expression& left = *expression.operands[0];
    const Expression& right = *expression.operands[1];
    if (!right.constant)
        return;
    warn_shift_count(expression.op, right, type);
    if (!left.constant)
        return;
    const auto a = convert_constant(*left.constant, left.type, type);
    const auto b = convert_constant(*right.constant, right.type, type);
    if (!a || !b)
        return;
    const Folded folded = fold_binary(expression.op, *a, *b, type);
    if (folded.error == FoldError::kNone)
        expression.constant = folded.value;
    else if (folded.error != FoldError::kShiftCount)
        report(Code::kConstantOperation, expression.offset, fold_message(folded.error));
}

void ExpressionChecker::warn_shift_count(TokenKind op, const Expression& count, Type type) {
    // Only a warning: generated scripts hold such shifts on paths that are never taken, and the
    // run stops with an error if one is reached.
    if ((op == kShiftLeft || op == kShiftRight) && count.constant && !type.is_float() &&
        convert_constant(*count.constant, type) >= type.bytes * 8u)
        report(Code::kShiftCount, count.offset,
               "shift count out of range; the script stops when it comes here");
}

void ExpressionChecker::warn_comparison(const Expression& expression, Type type) {
    const Expression& left = *expression.operands[0];
    const Expression& right = *expression.operands[1];
    const TokenKind op = expression.op;
    if (!type.is_signed && right.constant == 0u && (op == kLess || op == kGreaterEqual) &&
        !left.constant)
        report(Code::kUnsignedCompare, expression.offset,
               std::string{"an unsigned value is "} + (op == kLess ? "never" : "always") +
                   (op == kLess ? " below 0" : " at least 0"));
    if ((op == kGreater || op == kGreaterEqual) && is_address_register(left) && right.constant &&
        *right.constant >> 63 == 0 && *right.constant >> 39 != 0)
        report(Code::kAddressCompare, expression.offset,
               "registers are signed, kernel addresses are below 0; compare with "
               "'>= ffff800000000000' to find kernel addresses");
}

void ExpressionChecker::check_logical(Expression& expression) {
    Expression& left = *expression.operands[0];
    Expression& right = *expression.operands[1];
    check_value(left);
    check_value(right);
    expression.type = kIntType;
    if (!left.constant)
        return;
    const bool is_and = expression.op == kAndAnd;
    if (is_true(left.type, *left.constant) != is_and)
        expression.constant = is_and ? 0 : 1;
    else if (right.constant)
        expression.constant = is_true(right.type, *right.constant);
}

void ExpressionChecker::check_conversion(Type to, bool is_untyped, Expression& value) {
    const Type from = value.type;
    const auto refuse = [&](const char* hint) {
        report(Code::kType, value.offset,
               "'" + type_name(from) + "' does not become '" +
                   (is_untyped ? "a variable without a type" : type_name(to)) + "'" + hint);
    };
    if (to.kind == TypeKind::kStruct || from.kind == TypeKind::kStruct)
        return to == from ? void() : refuse("");
    if (to.is_pointer()) {
        if (from.is_float())
            return refuse("");
        if (!from.is_pointer())
            return value.constant == 0u || value.pointee ? void() : refuse(" without a cast");
        const bool fits = to == from || to == kPointerType || from == kPointerType ||
                          element_of(to).kind == TypeKind::kVoid ||
                          element_of(from).kind == TypeKind::kVoid;
        return fits ? void() : refuse(" without a cast");
    }
    if (from.is_pointer()) {
        if (is_untyped || to.kind == TypeKind::kBool)
            return;
        if (to.is_float())
            return refuse("");
        return report(Code::kType, value.offset,
                      "an address needs a cast to become an integer of a type");
    }
    if (to.is_float())
        return adopt(value, to);
    if (!from.is_float())
        return;
    if (is_untyped)
        report(Code::kFloatCut, value.offset,
               "a variable without a type takes the integer part; declare it 'double'");
    if (value.constant && !convert_constant(*value.constant, from, to))
        report(Code::kConstantOperation, value.offset,
               "the value does not fit in '" + type_name(to) + "'");
}

void ExpressionChecker::check_call(Expression& call) {
    const std::string name{call.name};
    if (call.function == nullptr) {
        if (user_functions_.contains(call.name))
            return check_user_call(call);
        report(Code::kUnresolved, call.offset,
               "unknown function '" + name + "'" + suggestion(call.name));
        return;
    }
    const Function& function = *call.function;
    switch (function.value) {
        case FunctionValue::kNone:
            call.type = kVoidType;
            break;
        case FunctionValue::kUnsigned:
            call.type = kUnsignedLongType;
            break;
        case FunctionValue::kSigned:
            call.type = kLongType;
            break;
    }
    if (function.form == FunctionForm::kNotYet)
        return report(Code::kNotAvailable, call.offset, "'" + name + "' is not available yet");
    if (function.event_only && !options_.in_event)
        return report(Code::kMisplaced, call.offset, "'" + name + "' only works in an event");
    if (function.form == FunctionForm::kPrintf)
        return check_printf(call);
    check_arguments(call);
}

void ExpressionChecker::check_user_call(Expression& call) {
    call.called = user_functions_.at(call.name);
    const UserFunction& function = (*signatures_)[call.called - 1];
    call.type = function.type;
    const usize wanted = function.parameters.size();
    if (call.operands.size() != wanted)
        return report(Code::kArguments, call.offset,
                      "'" + std::string{call.name} + "' takes " + std::to_string(wanted) +
                          (wanted == 1 ? " argument" : " arguments") + ", not " +
                          std::to_string(call.operands.size()));
    for (usize i = 0; i < wanted; ++i) {
        Expression& argument = *call.operands[i];
        if (argument.kind == ExpressionKind::kString) {
            report(Code::kArguments, argument.offset, "a string cannot be used here");
            continue;
        }
        check_value(argument);
        // Scripts in use declare 'int' for addresses: integer parameters take all of them.
        const Type type = function.parameters[i].type;
        if (!(argument.type.is_pointer() && type.kind == TypeKind::kInteger))
            check_conversion(type, false, argument);
    }
}

void ExpressionChecker::check_arguments(Expression& call) {
    const Function& function = *call.function;
    const usize wanted = std::string_view{function.arguments}.size();
    if (call.operands.size() != wanted) {
        report(Code::kArguments, call.offset,
               "'" + std::string{call.name} + "' takes " + std::to_string(wanted) +
                   (wanted == 1 ? " argument" : " arguments") + ", not " +
                   std::to_string(call.operands.size()));
        return;
    }
    if (function.form == FunctionForm::kReference) {
        call.kind = ExpressionKind::kAddressOf;
        return check_address(call);
    }
    for (usize i = 0; i < wanted; ++i) {
        ExpressionPtr& argument = call.operands[i];
        if (function.arguments[i] == 'v' && argument->kind == ExpressionKind::kGlobal &&
            global_type(argument->name).is_integer()) {
            report(Code::kNote, argument->offset,
                   "the address of '." + std::string{argument->name} + "' is taken; '&." +
                       std::string{argument->name} + "' says so");
            auto address = std::make_unique<Expression>();
            address->kind = ExpressionKind::kAddressOf;
            address->offset = argument->offset;
            address->depth = argument->depth + 1;
            address->operands.push_back(std::move(argument));
            argument = std::move(address);
        }
        check_argument(*argument, function.arguments[i]);
    }
}

void ExpressionChecker::check_argument(Expression& argument, char kind) {
    if (argument.kind != ExpressionKind::kString) {
        check_value(argument);
        if (argument.type.is_float() != (kind == 'f'))
            report(Code::kArguments, argument.offset,
                   kind == 'f' ? "a floating-point number is needed here"
                               : "an integer is needed here");
        return;
    }
    if (kind == 's' && argument.is_wide)
        report(Code::kArguments, argument.offset, "a string without 'L' is needed here");
    else if (kind == 'w' && !argument.is_wide)
        report(Code::kArguments, argument.offset, "a wide string, L\"...\", is needed here");
    else if (kind != 's' && kind != 'w')
        report(Code::kArguments, argument.offset, "a string cannot be used here");
    argument.type = kUnsignedLongType;
}

void ExpressionChecker::check_printf(Expression& call) {
    if (call.operands.empty() || call.operands[0]->kind != ExpressionKind::kString ||
        call.operands[0]->is_wide)
        return report(Code::kFormat, call.offset, "the format of 'printf' must be a string");
    const std::string& format = call.operands[0]->bytes;
    script::FormatParser parser{format.data(), static_cast<u32>(format.size())};
    script::Conversion piece;
    usize wanted = 0;
    while (parser.next(piece)) {
        if (piece.kind == script::ConversionKind::kText)
            continue;
        if (++wanted < call.operands.size()) {
            const char kind = piece.kind == script::ConversionKind::kString       ? 's'
                              : piece.kind == script::ConversionKind::kWideString ? 'w'
                              : piece.kind == script::ConversionKind::kFloat      ? 'f'
                                                                                  : 'n';
            check_argument(*call.operands[wanted], kind);
        }
    }
    const usize given = call.operands.size() - 1;
    if (given != wanted)
        report(Code::kFormat, call.offset,
               "the format takes " + std::to_string(wanted) +
                   (wanted == 1 ? " argument" : " arguments") + ", not " + std::to_string(given));
    else if (wanted > RS_SCRIPT_MAX_ARGUMENTS)
        report(Code::kTooLarge, call.offset, "too many arguments");
}

}  // namespace ringside::language
