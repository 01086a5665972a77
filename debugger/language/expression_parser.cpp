// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/expression_parser.hpp"

#include <algorithm>

#include "language/fold.hpp"
#include "language/names.hpp"
#include "language/parser.hpp"

namespace ringside::language {

using enum TokenKind;

namespace {

/// Binding strength of a binary operator, 0 for none. All six comparisons share one level.
u32 precedence(TokenKind kind) {
    switch (kind) {
        case kOrOr:
            return 1;
        case kAndAnd:
            return 2;
        case kPipe:
            return 3;
        case kCaret:
            return 4;
        case kAmpersand:
            return 5;
        case kEqual:
        case kNotEqual:
        case kLess:
        case kGreater:
        case kLessEqual:
        case kGreaterEqual:
            return 6;
        case kShiftLeft:
        case kShiftRight:
            return 7;
        case kPlus:
        case kMinus:
            return 8;
        case kStar:
        case kSlash:
        case kPercent:
            return 9;
        default:
            return 0;
    }
}

bool is_reserved(TokenKind kind) {
    return kind >= kUnion && kind <= kConst;
}

constexpr usize kMaxDimensions = 8;

/// Counts words of a basic type and says what they mean together.
struct TypeWords {
    u32 is_void = 0, is_bool = 0, is_char = 0, is_short = 0, is_int = 0, is_long = 0;
    u32 is_unsigned = 0, is_signed = 0, is_float = 0, is_double = 0;

    void add(TokenKind kind) {
        is_void += kind == kVoid;
        is_bool += kind == kBool;
        is_char += kind == kChar;
        is_short += kind == kShort;
        is_int += kind == kInt;
        is_long += kind == kLong;
        is_unsigned += kind == kUnsigned;
        is_signed += kind == kSigned;
        is_float += kind == kFloat;
        is_double += kind == kDouble;
    }
    bool make(Type& type) const {
        const u32 sizes = is_void + is_bool + is_char + is_short + (is_long > 0);
        if (is_float + is_double > 0) {
            if (is_float + is_double + sizes + is_int + is_unsigned + is_signed > 1)
                return false;
            type = is_double > 0 ? kDoubleType : kFloatType;
            return true;
        }
        if (sizes > 1 || is_int > 1 || is_long > 2 || is_unsigned + is_signed > 1 || is_short > 1)
            return false;
        if ((is_void + is_bool > 0) && is_int + is_unsigned + is_signed > 0)
            return false;
        if (is_char > 0 && is_int > 0)
            return false;
        if (is_void > 0) {
            type = kVoidType;
            return true;
        }
        if (is_bool > 0) {
            type = kBoolType;
            return true;
        }
        type = {};
        type.bytes = is_char > 0 ? 1 : is_short > 0 ? 2 : is_long > 0 ? 8 : 4;
        type.is_signed = is_unsigned == 0;
        return true;
    }
};

}  // namespace

bool ExpressionParser::accept(TokenKind kind) {
    if (current().kind != kind)
        return false;
    advance();
    return true;
}

bool ExpressionParser::expect(TokenKind kind) {
    if (accept(kind))
        return true;
    if (current().kind == kError) {
        failed_ = true;
        return false;
    }
    Token place = current();
    if (at_ > 0)
        place.offset = previous().offset + previous().length;
    error(Code::kSyntax, place, "expected " + describe(kind));
    return false;
}

void ExpressionParser::error(Code code, const Token& token, std::string message) {
    if (!failed_ && token.kind != kError)
        diagnostics_.report(code, token.offset, std::move(message));
    failed_ = true;
}

ExpressionPtr ExpressionParser::leaf(ExpressionKind kind) {
    auto expression = std::make_unique<Expression>();
    const Token& token = current();
    expression->kind = kind;
    expression->offset = token.offset;
    expression->value = token.value;
    expression->name = token.text;
    expression->is_bare_register = token.is_bare_register;
    advance();
    return expression;
}

ExpressionPtr ExpressionParser::node(ExpressionKind kind, const Token& token, ExpressionPtr left,
                                     ExpressionPtr right) {
    if (!left)
        return nullptr;
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->op = token.kind;
    expression->offset = token.offset;
    expression->depth = left->depth + 1;
    expression->operands.push_back(std::move(left));
    if (right) {
        expression->depth = std::max(expression->depth, right->depth + 1);
        expression->operands.push_back(std::move(right));
    }
    if (expression->depth > kMaxExpressionDepth)
        return fail(Code::kTooLarge, token, "expression is too long");
    return expression;
}

ExpressionPtr ExpressionParser::parse_expression() {
    if (nesting_ >= kMaxNesting)
        return fail(Code::kTooLarge, current(), "nested too deeply");
    ++nesting_;
    ExpressionPtr expression = parse_binary(1);
    --nesting_;
    return expression;
}

ExpressionPtr ExpressionParser::parse_binary(u32 lowest) {
    ExpressionPtr left = parse_unary();
    while (left) {
        const Token& token = current();
        const u32 strength = precedence(token.kind);
        if (strength < lowest || strength == 0)
            break;
        advance();
        ExpressionPtr right = parse_binary(strength + 1);
        if (!right)
            return nullptr;
        const bool is_logical = token.kind == kAndAnd || token.kind == kOrOr;
        left = node(is_logical ? ExpressionKind::kLogical : ExpressionKind::kBinary, token,
                    std::move(left), std::move(right));
    }
    return left;
}

ExpressionPtr ExpressionParser::parse_unary() {
    const Token& token = current();
    ExpressionKind kind;
    switch (token.kind) {
        case kMinus:
        case kPlus:
        case kTilde:
        case kBang:
            kind = ExpressionKind::kUnary;
            break;
        case kStar:
            kind = ExpressionKind::kDereference;
            break;
        case kAmpersand:
            kind = ExpressionKind::kAddressOf;
            break;
        case kIncrement:
        case kDecrement:
            return fail(Code::kSyntax, token,
                        describe(token.kind) + " is a statement, not part of an expression");
        case kSizeof:
            return parse_sizeof();
        case kLeftParen:
            if (is_type(next()))
                return parse_cast();
            return parse_postfix();
        default:
            return parse_postfix();
    }
    if (nesting_ >= kMaxNesting)
        return fail(Code::kTooLarge, token, "nested too deeply");
    advance();
    ++nesting_;
    ExpressionPtr operand = parse_unary();
    --nesting_;
    return node(kind, token, std::move(operand));
}

bool ExpressionParser::is_type(const Token& token) const {
    return is_type_word(token.kind) || token.kind == kStruct ||
           (token.kind == kWord && types_->typedefs.contains(token.text));
}

bool ExpressionParser::parse_type(Type& type) {
    const Token first = current();
    if (first.kind == kStruct)
        return parse_struct(type);
    if (first.kind == kWord) {
        type = types_->typedefs.at(first.text);
        advance();
        return true;
    }
    TypeWords words;
    for (; is_type_word(current().kind); advance())
        words.add(current().kind);
    if (!words.make(type)) {
        error(Code::kType, first, "these words make no type");
        return false;
    }
    return true;
}

bool ExpressionParser::parse_struct(Type& type) {
    advance();
    std::string_view tag;
    if (!parse_name(tag, "a struct"))
        return false;
    type = {TypeKind::kStruct, 0, false, nullptr, types_->structure(tag)};
    return true;
}

Type ExpressionParser::parse_stars(Type type) {
    for (u32 stars = 0; current().kind == kStar; ++stars) {
        if (stars == kMaxNesting) {
            error(Code::kTooLarge, current(), "nested too deeply");
            break;
        }
        advance();
        type = types_->pointer_to(type);
    }
    return type;
}

bool ExpressionParser::parse_name(std::string_view& name, const char* what) {
    const Token& token = current();
    if (token.kind == kWord && find_function(token.text) == nullptr) {
        name = token.text;
        advance();
        return true;
    }
    if (token.kind == kNumber && !token.text.empty() && token.text[0] > '9')
        error(Code::kHexName, token,
              describe(token) + " is a hexadecimal number and cannot be a name");
    else if (token.kind == kRegister && token.is_bare_register)
        error(Code::kSyntax, token, describe(token) + " is a register and cannot be a name");
    else if (token.kind == kWord)
        error(Code::kSyntax, token,
              describe(token) + " is a function of the language and cannot be a name");
    else
        error(Code::kSyntax, token,
              std::string{"expected the name of "} + what + ", not " + describe(token));
    return false;
}

namespace {

/// Value of an expression of numbers, as dimensions are.
std::optional<u64> number_of(const Expression& expression) {
    switch (expression.kind) {
        case ExpressionKind::kNumber:
            return expression.value;
        case ExpressionKind::kSizeofType:
            return size_of(expression.cast_type);
        case ExpressionKind::kUnary: {
            const auto value = number_of(*expression.operands[0]);
            return value ? std::optional{fold_unary(expression.op, *value, kLongType)}
                         : std::nullopt;
        }
        case ExpressionKind::kBinary: {
            const auto left = number_of(*expression.operands[0]);
            const auto right = number_of(*expression.operands[1]);
            if (!left || !right)
                return std::nullopt;
            const Folded folded = fold_binary(expression.op, *left, *right, kLongType);
            return folded.error == FoldError::kNone ? std::optional{folded.value} : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace

bool ExpressionParser::parse_dimensions(Type& type) {
    std::vector<u32> counts;
    u64 total = size_of(type);
    while (current().kind == kLeftBracket) {
        const Token open = current();
        advance();
        const ExpressionPtr count = parse_expression();
        if (!count || !expect(kRightBracket))
            return false;
        const auto number = number_of(*count);
        if (!number || *number == 0) {
            error(Code::kType, open, "a dimension must be a constant above 0");
            return false;
        }
        if (counts.size() == kMaxDimensions) {
            error(Code::kTooLarge, open, "more than 8 dimensions");
            return false;
        }
        total = *number > RS_SCRIPT_MAX_OBJECT_BYTES ? u64{RS_SCRIPT_MAX_OBJECT_BYTES} + 1
                                                     : total * *number;
        if (total > RS_SCRIPT_MAX_OBJECT_BYTES) {
            error(Code::kTooLarge, open, "an object has at most 16 KiB");
            return false;
        }
        counts.push_back(static_cast<u32>(*number));
    }
    if (!counts.empty() && total == 0) {
        error(Code::kType, previous(), "the elements have no size");
        return false;
    }
    for (usize i = counts.size(); i-- > 0;)
        type = types_->array_of(type, counts[i]);
    return true;
}

ExpressionPtr ExpressionParser::parse_cast() {
    const Token open = current();
    advance();
    Type type;
    if (!parse_type(type))
        return nullptr;
    type = parse_stars(type);
    if (!expect(kRightParen))
        return nullptr;
    if (type.kind == TypeKind::kVoid || type.kind == TypeKind::kStruct)
        return fail(Code::kType, open, "a value cannot become '" + type_name(type) + "'");
    if (nesting_ >= kMaxNesting)
        return fail(Code::kTooLarge, open, "nested too deeply");
    ++nesting_;
    ExpressionPtr cast = node(ExpressionKind::kCast, open, parse_unary());
    --nesting_;
    if (cast)
        cast->cast_type = type;
    return cast;
}

ExpressionPtr ExpressionParser::parse_sizeof() {
    const Token word = current();
    advance();
    if (current().kind == kLeftParen && is_type(next())) {
        advance();
        auto expression = std::make_unique<Expression>();
        expression->kind = ExpressionKind::kSizeofType;
        expression->offset = word.offset;
        if (!parse_type(expression->cast_type))
            return nullptr;
        expression->cast_type = parse_stars(expression->cast_type);
        if (size_of(expression->cast_type) == 0)
            return fail(Code::kType, word,
                        "'" + type_name(expression->cast_type) + "' has no size");
        return expect(kRightParen) ? std::move(expression) : nullptr;
    }
    if (nesting_ >= kMaxNesting)
        return fail(Code::kTooLarge, word, "nested too deeply");
    ++nesting_;
    ExpressionPtr expression = node(ExpressionKind::kSizeof, word, parse_unary());
    --nesting_;
    return expression;
}

ExpressionPtr ExpressionParser::parse_postfix() {
    ExpressionPtr expression = parse_primary();
    while (expression &&
           (current().kind == kLeftBracket || current().kind == kPoint || current().kind == kArrow))
        expression = parse_suffix(std::move(expression));
    if (expression && current().kind == kLeftParen)
        return fail(Code::kSyntax, current(), "unexpected '('");
    return expression;
}

/// One `[index]`, `.member` or `->member`.
ExpressionPtr ExpressionParser::parse_suffix(ExpressionPtr object) {
    const Token token = current();
    advance();
    if (token.kind == kLeftBracket) {
        ExpressionPtr index = parse_expression();
        if (!index || !expect(kRightBracket))
            return nullptr;
        return node(ExpressionKind::kIndex, token, std::move(object), std::move(index));
    }
    std::string_view name;
    if (!parse_name(name, "a member"))
        return nullptr;
    ExpressionPtr member = node(ExpressionKind::kMember, token, std::move(object));
    if (member)
        member->name = name;
    return member;
}

ExpressionPtr ExpressionParser::parse_primary() {
    const Token& token = current();
    switch (token.kind) {
        case kNumber:
            return leaf(ExpressionKind::kNumber);
        case kGlobal:
            return leaf(ExpressionKind::kGlobal);
        case kRegister:
            return leaf(ExpressionKind::kRegister);
        case kPseudo:
            return leaf(ExpressionKind::kPseudo);
        case kSymbol:
            return leaf(ExpressionKind::kSymbol);
        case kWord:
            if (next().kind == kLeftParen)
                return parse_call();
            if (find_function(token.text) != nullptr)
                return fail(Code::kSyntax, token, describe(token) + " needs '('");
            return leaf(ExpressionKind::kVariable);
        case kLeftParen: {
            advance();
            ExpressionPtr inner = parse_expression();
            if (!inner || !expect(kRightParen))
                return nullptr;
            inner->is_parenthesized = true;
            return inner;
        }
        case kReal:
            return leaf(ExpressionKind::kReal);
        case kString:
        case kWideString:
            return fail(Code::kType, token,
                        "a string may only be an argument of printf and the string functions");
        case kError:
            failed_ = true;
            return nullptr;
        default:
            if (is_reserved(token.kind))
                return fail(Code::kNotSupported, token, describe(token) + " is not supported");
            return fail(Code::kSyntax, token, "expected a value, not " + describe(token));
    }
}

ExpressionPtr ExpressionParser::parse_call() {
    const Token name = current();
    ExpressionPtr call = leaf(ExpressionKind::kCall);
    call->function = find_function(name.text);
    expect(kLeftParen);
    if (accept(kRightParen))
        return call;
    do {
        ExpressionPtr argument;
        if (current().kind == kString || current().kind == kWideString) {
            const Token& token = current();
            argument = leaf(ExpressionKind::kString);  // leaves the token where it is
            argument->bytes = token.bytes;
            argument->is_wide = token.kind == kWideString;
        } else {
            argument = parse_expression();
        }
        if (!argument)
            return nullptr;
        call->depth = std::max(call->depth, argument->depth + 1);
        call->operands.push_back(std::move(argument));
    } while (accept(kComma));
    if (call->depth > kMaxExpressionDepth)
        return fail(Code::kTooLarge, name, "expression is too long");
    return expect(kRightParen) ? std::move(call) : nullptr;
}

}  // namespace ringside::language
