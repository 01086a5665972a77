// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/parser.hpp"

#include "language/expression_parser.hpp"

namespace ringside::language {

namespace {

using enum TokenKind;

class Parser : ExpressionParser {
public:
    using ExpressionParser::ExpressionParser;

    Script run() {
        Script script;
        while (current().kind != kEnd) {
            if (current().kind == kRightBrace) {
                error(Code::kSyntax, current(), "unexpected '}'");
                advance();
                continue;
            }
            parse_into(script.statements);
        }
        return script;
    }

private:
    /// One statement; after an error goes on behind it.
    void parse_into(std::vector<StatementPtr>& list) {
        const u32 start = position();
        failed_ = false;
        lacks_semicolon_ = false;
        StatementPtr statement = parse_statement();
        if (failed_ || !statement)
            recover(start);
        else
            list.push_back(std::move(statement));
        failed_ = false;
    }

    /// Skips to the end of the statement: behind its ';', or at the '}' of the surrounding block.
    /// Braces that open on the way, and the head of a 'for', are skipped with all they hold. Where
    /// only the ';' is missing at the end of a line, the next line is a statement again.
    void recover(u32 start) {
        if (lacks_semicolon_ && current().starts_line && position() > start)
            return;
        u32 braces = 0;
        u32 parens = open_parens(start);
        while (current().kind != kEnd) {
            const TokenKind kind = current().kind;
            if (kind == kLeftBrace) {
                ++braces;
                parens = 0;
            } else if (kind == kRightBrace) {
                if (braces == 0)
                    break;
                if (--braces == 0) {
                    advance();
                    return;
                }
            } else if (kind == kSemicolon && braces == 0 && parens == 0) {
                advance();
                return;
            } else if (kind == kLeftParen && parens > 0) {
                ++parens;
            } else if (kind == kRightParen && parens > 0) {
                --parens;
            }
            advance();
        }
        if (position() == start && current().kind == kRightBrace && nesting_ == 0)
            advance();
    }

    /// Parentheses of a 'for' that begins at `start` which are open here.
    u32 open_parens(u32 start) const {
        u32 open = 0;
        if (token_at(start).kind == kFor)
            for (u32 i = start; i < position(); ++i)
                open += token_at(i).kind == kLeftParen    ? 1u
                        : token_at(i).kind == kRightParen ? ~0u
                                                          : 0u;
        return open;
    }

    StatementPtr make(StatementKind kind) const {
        auto statement = std::make_unique<Statement>();
        statement->kind = kind;
        statement->offset = current().offset;
        return statement;
    }

    StatementPtr parse_statement() {
        const Token& token = current();
        switch (token.kind) {
            case kLeftBrace: {
                StatementPtr block = make(StatementKind::kBlock);
                return parse_block(block->body) ? std::move(block) : nullptr;
            }
            case kSemicolon: {
                StatementPtr empty = make(StatementKind::kEmpty);
                advance();
                return empty;
            }
            case kIf:
                return parse_if();
            case kWhile:
                return parse_while();
            case kDo:
                return parse_do();
            case kFor:
                return parse_for();
            case kBreak:
                return parse_jump(StatementKind::kBreak);
            case kContinue:
                return parse_jump(StatementKind::kContinue);
            case kReturn:
                return parse_jump(StatementKind::kReturn);
            case kElse:
            case kElsif:
                return fail(Code::kSyntax, token, describe(token.kind) + " without 'if'");
            case kStruct:
            case kTypedef:
            case kStatic:
            case kPercore:
            case kInclude:
                return fail(Code::kNotAvailable, token,
                            describe(token.kind) + " is not available yet");
            default:
                break;
        }
        StatementPtr statement = is_type_word(token.kind) ? parse_declaration() : parse_simple();
        if (statement && !expect(kSemicolon)) {
            lacks_semicolon_ = true;
            return nullptr;
        }
        return statement;
    }

    /// '{' statements '}'. False: an error that leaves nothing to go on with.
    bool parse_block(std::vector<StatementPtr>& list) {
        if (!expect(kLeftBrace))
            return false;
        if (nesting_ >= kMaxNesting) {
            error(Code::kTooLarge, previous(), "nested too deeply");
            return false;
        }
        ++nesting_;
        while (current().kind != kRightBrace && current().kind != kEnd)
            parse_into(list);
        --nesting_;
        return expect(kRightBrace);
    }

    ExpressionPtr parse_condition() {
        if (!expect(kLeftParen))
            return nullptr;
        if (current().kind == kRightParen) {
            error(Code::kSyntax, current(), "expected a condition");
            return nullptr;
        }
        ExpressionPtr condition = parse_expression();
        if (condition && current().kind == kAssign) {
            error(Code::kSyntax, current(), "'=' assigns and has no value; to compare write '=='");
            return nullptr;
        }
        return condition && expect(kRightParen) ? std::move(condition) : nullptr;
    }

    StatementPtr parse_if() {
        StatementPtr statement = make(StatementKind::kIf);
        bool has_condition = true;
        do {
            advance();  // if, elsif, or the if behind else
            Statement::Arm arm;
            if (has_condition && !(arm.condition = parse_condition()))
                return nullptr;
            if (!parse_block(arm.body))
                return nullptr;
            statement->arms.push_back(std::move(arm));
            if (!has_condition)
                break;
            if (current().kind == kElse) {
                if (next().kind == kIf)
                    advance();
                else
                    has_condition = false;
            } else if (current().kind != kElsif) {
                break;
            }
        } while (true);
        return statement;
    }

    StatementPtr parse_while() {
        StatementPtr statement = make(StatementKind::kWhile);
        advance();
        if (!(statement->value = parse_condition()) || !parse_block(statement->body))
            return nullptr;
        return statement;
    }

    StatementPtr parse_do() {
        StatementPtr statement = make(StatementKind::kDoWhile);
        advance();
        if (!parse_block(statement->body) || !expect(kWhile) ||
            !(statement->value = parse_condition()) || !expect(kSemicolon))
            return nullptr;
        return statement;
    }

    StatementPtr parse_for() {
        StatementPtr statement = make(StatementKind::kFor);
        advance();
        if (!expect(kLeftParen))
            return nullptr;
        if (current().kind != kSemicolon) {
            statement->init = is_type_word(current().kind) ? parse_declaration() : parse_simple();
            if (!statement->init)
                return nullptr;
        }
        if (!expect(kSemicolon))
            return nullptr;
        if (current().kind == kSemicolon)
            return fail(Code::kSyntax, current(), "expected a condition; for none write '1'");
        if (!(statement->value = parse_expression()) || !expect(kSemicolon))
            return nullptr;
        if (current().kind == kRightParen)
            return fail(Code::kSyntax, current(), "expected a step; for none repeat a variable");
        if (!(statement->step = parse_simple(true)) || !expect(kRightParen) ||
            !parse_block(statement->body))
            return nullptr;
        return statement;
    }

    StatementPtr parse_jump(StatementKind kind) {
        StatementPtr statement = make(kind);
        advance();
        if (kind == StatementKind::kReturn && current().kind != kSemicolon &&
            current().kind != kEnd && current().kind != kRightBrace) {
            return fail(Code::kMisplaced, current(), "'return' with a value outside of a function");
        }
        return expect(kSemicolon) ? std::move(statement) : nullptr;
    }

    StatementPtr parse_declaration() {
        StatementPtr statement = make(StatementKind::kDeclaration);
        if (!parse_type(statement->declared_type))
            return nullptr;
        do {
            Declarator declarator;
            declarator.offset = current().offset;
            if (!parse_declarator_name(declarator))
                return nullptr;
            if (current().kind == kAssign) {
                advance();
                if (current().kind == kLeftBrace)
                    return fail(Code::kNotAvailable, current(),
                                "initialiser lists are not available yet");
                if (!(declarator.initializer = parse_expression()))
                    return nullptr;
            }
            statement->declarators.push_back(std::move(declarator));
        } while (accept(kComma));
        return statement;
    }

    bool parse_declarator_name(Declarator& declarator) {
        const Token& token = current();
        switch (token.kind) {
            case kStar:
                error(Code::kNotAvailable, token, "pointer variables are not available yet");
                return false;
            case kGlobal:
                error(Code::kNotAvailable, token, "typed global variables are not available yet");
                return false;
            case kWord:
                if (find_function(token.text) == nullptr)
                    break;
                [[fallthrough]];
            default:
                error_no_name(token);
                return false;
        }
        declarator.name = token.text;
        advance();
        if (current().kind == kLeftBracket) {
            error(Code::kNotAvailable, current(), "arrays are not available yet");
            return false;
        }
        if (current().kind == kLeftParen) {
            error(Code::kNotAvailable, token, "functions of your own are not available yet");
            return false;
        }
        return true;
    }

    void error_no_name(const Token& token) {
        if (token.kind == kNumber && is_hex_name(token))
            error(Code::kHexName, token,
                  describe(token) + " is a hexadecimal number and cannot be a name");
        else if (token.kind == kRegister && token.is_bare_register)
            error(Code::kSyntax, token, describe(token) + " is a register and cannot be a name");
        else if (token.kind == kWord)
            error(Code::kSyntax, token,
                  describe(token) + " is a function of the language and cannot be a name");
        else
            error(Code::kSyntax, token, "expected a name, not " + describe(token));
    }

    static bool is_hex_name(const Token& token) {
        const char c = token.text.empty() ? '0' : token.text[0];
        return c > '9';
    }

    /// assign, incdec, call; with `is_step` also a variable alone. Without the ';'.
    StatementPtr parse_simple(bool is_step = false) {
        const Token& first = current();
        if (first.kind == kIncrement || first.kind == kDecrement)
            return fail(Code::kSyntax, first,
                        describe(first.kind) + " stands behind a variable, not in front");
        if (first.kind == kWord && next().kind == kLeftParen) {
            StatementPtr statement = make(StatementKind::kCall);
            statement->value = parse_unary();
            if (!statement->value)
                return nullptr;
            if (is_step)
                return fail(Code::kSyntax, first, "the step must be an assignment");
            if (current().kind != kSemicolon && statement->value->kind != ExpressionKind::kCall)
                return fail(Code::kSyntax, first, "expected a statement");
            return statement;
        }
        ExpressionPtr target = parse_target();
        return target ? parse_behind_target(std::move(target), first, is_step) : nullptr;
    }

    /// An lvalue, or anything that looks like one, for a message that says why it is none.
    ExpressionPtr parse_target() {
        const Token& first = current();
        switch (first.kind) {
            case kStar:
            case kWord:
            case kGlobal:
            case kRegister:
            case kPseudo:
            case kNumber:
                return parse_unary();
            case kError:
                failed_ = true;
                return nullptr;
            default:
                error(Code::kSyntax, first, "expected a statement, not " + describe(first));
                return nullptr;
        }
    }

    bool check_target(const Expression& target, const Token& token) {
        switch (target.kind) {
            case ExpressionKind::kVariable:
            case ExpressionKind::kGlobal:
            case ExpressionKind::kRegister:
            case ExpressionKind::kDereference:
                if (!target.is_parenthesized)
                    return true;
                break;
            case ExpressionKind::kPseudo:
                error(Code::kNotAssignable, token,
                      describe(token) + " cannot be assigned: pseudo-registers are read only");
                return false;
            case ExpressionKind::kNumber:
                if (token.kind == kNumber && is_hex_name(token)) {
                    error(Code::kHexName, token,
                          describe(token) + " is a hexadecimal number and cannot be a name");
                    return false;
                }
                break;
            default:
                break;
        }
        error(Code::kNotAssignable, token, describe(token) + " cannot be assigned");
        return false;
    }

    StatementPtr parse_behind_target(ExpressionPtr target, const Token& first, bool is_step) {
        const TokenKind op = current().kind;
        if (op == kAssign) {
            StatementPtr statement = make(StatementKind::kAssign);
            statement->offset = first.offset;
            if (!check_target(*target, first))
                return nullptr;
            statement->targets.push_back(std::move(target));
            return parse_assigned(std::move(statement));
        }
        if (op == kIncrement || op == kDecrement) {
            StatementPtr statement = make(StatementKind::kStep);
            if (!check_target(*target, first))
                return nullptr;
            statement->op = op;
            statement->targets.push_back(std::move(target));
            advance();
            return statement;
        }
        if (const TokenKind operation = compound_operation(op); operation != kEnd) {
            StatementPtr statement = make(StatementKind::kCompound);
            if (!check_target(*target, first))
                return nullptr;
            statement->op = operation;
            statement->targets.push_back(std::move(target));
            advance();
            if (!(statement->value = parse_expression()))
                return nullptr;
            return statement;
        }
        if (is_step && op == kRightParen && check_target(*target, first)) {
            StatementPtr statement = make(StatementKind::kExpression);
            statement->offset = first.offset;
            statement->value = std::move(target);
            return statement;
        }
        if (failed_)
            return nullptr;
        if (op == kSemicolon)
            return fail(Code::kSyntax, first,
                        describe(first) + " alone is no statement; to see a value use print()");
        return fail(Code::kSyntax, current(), "unexpected " + describe(current()));
    }

    /// Behind `a`: `= b = c = value`.
    StatementPtr parse_assigned(StatementPtr statement) {
        while (accept(kAssign)) {
            const Token& first = current();
            if (first.kind == kLeftBrace)
                return fail(Code::kNotAvailable, first, "initialiser lists are not available yet");
            ExpressionPtr part = parse_expression();
            if (!part)
                return nullptr;
            if (current().kind != kAssign) {
                statement->value = std::move(part);
                break;
            }
            if (!check_target(*part, first))
                return nullptr;
            statement->targets.push_back(std::move(part));
        }
        return statement;
    }

    static TokenKind compound_operation(TokenKind op) {
        switch (op) {
            case kPlusAssign:
                return kPlus;
            case kMinusAssign:
                return kMinus;
            case kStarAssign:
                return kStar;
            case kSlashAssign:
                return kSlash;
            case kPercentAssign:
                return kPercent;
            case kAmpersandAssign:
                return kAmpersand;
            case kPipeAssign:
                return kPipe;
            case kCaretAssign:
                return kCaret;
            case kShiftLeftAssign:
                return kShiftLeft;
            case kShiftRightAssign:
                return kShiftRight;
            default:
                return kEnd;
        }
    }

    bool lacks_semicolon_ = false;
};

}  // namespace

Script parse(const std::vector<Token>& tokens, DiagnosticList& diagnostics) {
    return Parser{tokens, diagnostics}.run();
}

}  // namespace ringside::language
