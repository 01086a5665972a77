// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/expression_checker.hpp"

#include <algorithm>

#include "language/fold.hpp"
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
    for (const LocalVariable& local : result_.locals)
        candidates.emplace_back(local.name);
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

void ExpressionChecker::warn_bare_register(const Expression& expression) {
    if (!expression.is_bare_register)
        return;
    const std::string name{expression.name};
    std::string message = "'" + name + "' is the register '@" + name + "'";
    if (reads_like_number(name))
        message += "; for the number write '0" + name + "'";
    report(Code::kBareRegister, expression.offset, std::move(message));
}

void ExpressionChecker::check_value(Expression& expression) {
    check_expression(expression);
    if (expression.type.kind == TypeKind::kVoid && expression.kind == ExpressionKind::kCall) {
        report(Code::kType, expression.offset,
               "'" + std::string{expression.name} + "' has no value");
        expression.type = kUnsignedLongType;
    }
}

void ExpressionChecker::check_call_statement(Expression& call) {
    check_expression(call);
}

void ExpressionChecker::check_expression(Expression& expression) {
    switch (expression.kind) {
        case ExpressionKind::kNumber:
            expression.type = expression.value >> 63 != 0 ? kUnsignedLongType : kLongType;
            expression.constant = expression.value;
            return;
        case ExpressionKind::kString:
            report(Code::kType, expression.offset, "a string cannot be used here");
            return;
        case ExpressionKind::kVariable:
            return check_variable(expression);
        case ExpressionKind::kGlobal:
            return check_global(expression);
        case ExpressionKind::kRegister:
            warn_bare_register(expression);
            expression.type = kLongType;
            return;
        case ExpressionKind::kPseudo:
            if (expression.value == RS_PSEUDO_DATE || expression.value == RS_PSEUDO_TIME)
                report(Code::kNotAvailable, expression.offset,
                       "'$" + std::string{expression.name} + "' is not available yet");
            if (expression.value == RS_PSEUDO_PEB)
                report(Code::kAlwaysZero, expression.offset,
                       "'$peb' is always 0: Linux has no such block");
            expression.type = kLongType;
            return;
        case ExpressionKind::kSymbol:
            return check_symbol(expression);
        case ExpressionKind::kUnary:
            return check_unary(expression);
        case ExpressionKind::kDereference:
            return check_dereference(expression);
        case ExpressionKind::kAddressOf:
            return check_address(expression);
        case ExpressionKind::kCast:
            check_value(*expression.operands[0]);
            expression.type = expression.cast_type;
            if (expression.operands[0]->constant)
                expression.constant =
                    convert_constant(*expression.operands[0]->constant, expression.type);
            return;
        case ExpressionKind::kSizeofType:
            expression.type = kUnsignedLongType;
            expression.constant = expression.cast_type.bytes;
            return;
        case ExpressionKind::kSizeof:
            check_value(*expression.operands[0]);
            expression.type = kUnsignedLongType;
            expression.constant = expression.operands[0]->type.bytes;
            return;
        case ExpressionKind::kBinary:
            return check_binary(expression);
        case ExpressionKind::kLogical:
            return check_logical(expression);
        case ExpressionKind::kCall:
            return check_call(expression);
    }
}

void ExpressionChecker::check_variable(Expression& expression) {
    const auto found = local_numbers_.find(expression.name);
    if (found == local_numbers_.end()) {
        report(Code::kUnresolved, expression.offset,
               "unresolved variable '" + std::string{expression.name} + "'" +
                   suggestion(expression.name));
        return;
    }
    expression.variable = found->second;
    expression.type = result_.locals[found->second].type;
    if (!flow_.is_assigned(found->second)) {
        report(Code::kMaybeUnassigned, expression.offset,
               "'" + std::string{expression.name} + "' may not be assigned here; it is 0 then");
        flow_.assign(found->second);  // once is enough
    }
}

void ExpressionChecker::check_global(Expression& expression) {
    const auto& known = options_.known_globals;
    if (!globals_assigned_.contains(expression.name) &&
        std::find(known.begin(), known.end(), expression.name) == known.end()) {
        std::vector<std::string> candidates{known.begin(), known.end()};
        for (const std::string_view name : globals_assigned_)
            candidates.emplace_back(name);
        const auto near = nearest(expression.name, candidates);
        report(Code::kUnresolved, expression.offset,
               "unresolved global variable '." + std::string{expression.name} + "'" +
                   (near ? "; did you mean '." + *near + "'?" : ""));
        return;
    }
    expression.variable = global_index(expression.name);
    expression.type = kUnsignedLongType;
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
    } else {
        if (operand.type.kind == TypeKind::kPointer)
            report(Code::kType, expression.offset, "this operator does not work on an address");
        expression.type = promote(operand.type);
    }
    if (operand.constant)
        expression.constant = fold_unary(expression.op, *operand.constant, expression.type);
}

void ExpressionChecker::check_dereference(Expression& expression) {
    check_value(*expression.operands[0]);
    expression.type = kUnsignedLongType;
}

void ExpressionChecker::check_address(Expression& expression) {
    Expression& operand = *expression.operands[0];
    expression.type = kPointerType;
    switch (operand.kind) {
        case ExpressionKind::kVariable: {
            check_variable(operand);
            if (!local_numbers_.contains(operand.name))
                return;
            LocalVariable& local = result_.locals[operand.variable];
            local.address_taken = true;
            if (local.type != kUnsignedLongType)
                report(Code::kNotAvailable, expression.offset,
                       "the address of a variable with a type is not available yet");
            return;
        }
        case ExpressionKind::kGlobal:
            return check_global(operand);
        case ExpressionKind::kRegister:
        case ExpressionKind::kPseudo:
            return report(Code::kNotAssignable, expression.offset, "a register has no address");
        default:
            return report(Code::kNotAssignable, expression.offset,
                          "'&' needs a variable behind it");
    }
}

void ExpressionChecker::check_binary(Expression& expression) {
    Expression& left = *expression.operands[0];
    Expression& right = *expression.operands[1];
    check_value(left);
    check_value(right);
    const bool has_pointer =
        left.type.kind == TypeKind::kPointer || right.type.kind == TypeKind::kPointer;
    const Type type = common_type(left.type, right.type);
    if (is_comparison(expression.op)) {
        expression.type = kIntType;
        warn_comparison(expression, type);
    } else {
        if (has_pointer)
            report(Code::kNotAvailable, expression.offset,
                   "arithmetic with '&' is not available yet; put the address into a variable");
        expression.type = type;
    }
    fold(expression, type);
}

void ExpressionChecker::fold(Expression& expression, Type type) {
    const auto& left = expression.operands[0]->constant;
    const auto& right = expression.operands[1]->constant;
    if (!right)
        return;
    warn_shift_count(expression.op, *expression.operands[1], type);
    if (!left)
        return;
    const Folded folded = fold_binary(expression.op, convert_constant(*left, type),
                                      convert_constant(*right, type), type);
    if (folded.error == FoldError::kNone)
        expression.constant = folded.value;
    else if (folded.error != FoldError::kShiftCount)
        report(Code::kConstantOperation, expression.offset, fold_message(folded.error));
}

void ExpressionChecker::warn_shift_count(TokenKind op, const Expression& count, Type type) {
    // Only a warning: generated scripts hold such shifts on paths that are never taken, and the
    // run stops with an error if one is reached.
    if ((op == kShiftLeft || op == kShiftRight) && count.constant &&
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
    if ((*left.constant != 0) != is_and)
        expression.constant = is_and ? 0 : 1;
    else if (right.constant)
        expression.constant = *right.constant != 0;
}

void ExpressionChecker::check_call(Expression& call) {
    const std::string name{call.name};
    if (call.function == nullptr) {
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
        if (function.arguments[i] == 'v' && argument->kind == ExpressionKind::kGlobal) {
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
    if (argument.kind != ExpressionKind::kString)
        return check_value(argument);
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
        if (piece.kind == script::ConversionKind::kFloat)
            return report(Code::kNotAvailable, call.operands[0]->offset,
                          "'%f' is not available yet");
        if (++wanted < call.operands.size()) {
            const bool narrow = piece.kind == script::ConversionKind::kString;
            const bool wide = piece.kind == script::ConversionKind::kWideString;
            check_argument(*call.operands[wanted], narrow ? 's' : wide ? 'w' : 'n');
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
