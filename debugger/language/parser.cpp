// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/parser.hpp"

#include <algorithm>

#include "base/bits.hpp"
#include "language/expression_parser.hpp"

namespace ringside::language {

namespace {

using enum TokenKind;

class Parser : ExpressionParser {
public:
    Parser(std::vector<Token> tokens, DiagnosticList& diagnostics, const Includer& includer)
        : ExpressionParser{std::move(tokens), diagnostics}, includer_{includer} {}

    Script run() {
        Script script;
        functions_ = &script.functions;
        while (current().kind != kEnd) {
            if (current().kind == kRightBrace) {
                error(Code::kSyntax, current(), "unexpected '}'");
                advance();
                continue;
            }
            parse_into(script.statements);
        }
        script.types = std::move(types_);
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
        const Token token = current();
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
            case kInclude:
                return parse_include();
            case kTypedef:
                return parse_typedef();
            default:
                break;
        }
        StatementPtr statement = begins_declaration() ? parse_declaration() : parse_simple();
        if (was_function_) {
            was_function_ = false;
            return statement;
        }
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

    /// A block that may run or not.
    bool parse_body(std::vector<StatementPtr>& list) {
        ++inside_;
        const bool is_whole = parse_block(list);
        --inside_;
        return is_whole;
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
            if (!parse_body(arm.body))
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
        if (!(statement->value = parse_condition()) || !parse_body(statement->body))
            return nullptr;
        return statement;
    }

    StatementPtr parse_do() {
        StatementPtr statement = make(StatementKind::kDoWhile);
        advance();
        if (!parse_body(statement->body) || !expect(kWhile) ||
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
            statement->init = begins_declaration() ? parse_declaration() : parse_simple();
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
            !parse_body(statement->body))
            return nullptr;
        return statement;
    }

    StatementPtr parse_jump(StatementKind kind) {
        StatementPtr statement = make(kind);
        advance();
        if (kind == StatementKind::kReturn && current().kind != kSemicolon &&
            current().kind != kEnd && current().kind != kRightBrace) {
            if (function_depth_ == 0)
                return fail(Code::kMisplaced, current(),
                            "'return' with a value outside of a function");
            if (!(statement->value = parse_expression()))
                return nullptr;
        }
        return expect(kSemicolon) ? std::move(statement) : nullptr;
    }

    /// A type in front of what can be declared; a typedef's name alone may also be a call or a
    /// variable's.
    bool begins_declaration() const {
        const Token& token = current();
        if (token.kind == kStatic || token.kind == kPercore)
            return true;
        if (token.kind == kWord && (next().kind == kLeftParen || next().kind == kAssign))
            return false;
        return is_type(token);
    }

    StatementPtr parse_declaration() {
        StatementPtr statement = make(StatementKind::kDeclaration);
        if (current().kind == kStatic || current().kind == kPercore) {
            statement->storage = current().kind;
            advance();
            if (!is_type(current())) {
                error(Code::kSyntax, current(),
                      "expected a type behind " + describe(statement->storage));
                return nullptr;
            }
        }
        const bool is_struct = current().kind == kStruct;
        Type type;
        if (!parse_type(type))
            return nullptr;
        if (is_struct && current().kind == kLeftBrace) {
            if (!parse_members(type))
                return nullptr;
            if (current().kind == kSemicolon)
                return statement;
        } else if (is_struct && current().kind == kSemicolon) {
            return statement;  // only declares the tag
        }
        do {
            Declarator declarator;
            declarator.type = parse_stars(type);
            if (!parse_declarator(*statement, declarator))
                return nullptr;
            if (was_function_)
                return statement;
            statement->declarators.push_back(std::move(declarator));
        } while (accept(kComma));
        return statement;
    }

    /// A name with its dimensions and first value, or a function.
    bool parse_declarator(const Statement& statement, Declarator& declarator) {
        const Token name = current();
        declarator.offset = name.offset;
        if (name.kind == kGlobal) {
            declarator.is_global = true;
            declarator.name = name.text;
            advance();
        } else if (!parse_name(declarator.name, "a variable")) {
            return false;
        }
        if (current().kind == kLeftParen && statement.declarators.empty() &&
            !declarator.is_global && statement.storage == kEnd) {
            was_function_ = parse_function(declarator);
            return was_function_;
        }
        if (!parse_dimensions(declarator.type))
            return false;
        if (size_of(declarator.type) == 0) {
            error(Code::kType, name,
                  "a variable cannot be '" + type_name(declarator.type) + "'" +
                      (declarator.type.kind == TypeKind::kVoid ? "" : ", which is incomplete"));
            return false;
        }
        if (!accept(kAssign))
            return true;
        declarator.initializer.emplace();
        return parse_initializer(*declarator.initializer);
    }

    /// A value or a list of them in braces.
    bool parse_initializer(Initializer& initializer) {
        initializer.offset = current().offset;
        if (current().kind != kLeftBrace) {
            initializer.value = parse_expression();
            return initializer.value != nullptr;
        }
        if (nesting_ >= kMaxNesting) {
            error(Code::kTooLarge, current(), "nested too deeply");
            return false;
        }
        ++nesting_;
        advance();
        while (current().kind != kRightBrace) {
            if (!parse_initializer(initializer.list.emplace_back()))
                return false;
            if (!accept(kComma))
                break;
        }
        --nesting_;
        return expect(kRightBrace);
    }

    /// `{ members }` of a struct.
    bool parse_members(const Type& type) {
        const Token open = current();
        StructType& tag = *types().structure(type.tag->name);
        if (tag.is_complete)
            report(Code::kDuplicate, open.offset,
                   "'struct " + std::string{tag.name} + "' is defined already");
        StructType made;
        made.name = tag.name;
        advance();
        while (current().kind != kRightBrace && current().kind != kEnd) {
            if (!is_type(current())) {
                error(Code::kSyntax, current(), "expected a type, not " + describe(current()));
                return false;
            }
            Type basic;
            if (!parse_type(basic))
                return false;
            do {
                if (!parse_member(basic, made))
                    return false;
            } while (accept(kComma));
            if (!expect(kSemicolon))
                return false;
        }
        made.bytes = std::max(static_cast<u32>(align_up(made.bytes, made.alignment)), u32{1});
        made.is_complete = true;
        if (!tag.is_complete)
            tag = std::move(made);
        return expect(kRightBrace);
    }

    bool parse_member(Type basic, StructType& made) {
        Type type = parse_stars(basic);
        const Token name = current();
        StructType::Member member{};
        if (!parse_name(member.name, "a member") || !parse_dimensions(type))
            return false;
        if (size_of(type) == 0) {
            error(Code::kType, name, "a member cannot be '" + type_name(type) + "'");
            return false;
        }
        if (made.find(member.name) != nullptr)
            report(Code::kDuplicate, name.offset, describe(name) + " is a member already");
        const u32 alignment = alignment_of(type);
        member.type = type;
        member.offset = static_cast<u32>(align_up(made.bytes, alignment));
        made.alignment = std::max(made.alignment, alignment);
        if (member.offset + size_of(type) > RS_SCRIPT_MAX_OBJECT_BYTES) {
            error(Code::kTooLarge, name, "an object has at most 16 KiB");
            return false;
        }
        made.bytes = member.offset + static_cast<u32>(size_of(type));
        made.members.push_back(member);
        return true;
    }

    StatementPtr parse_typedef() {
        StatementPtr statement = make(StatementKind::kEmpty);
        advance();
        Type type;
        if (!is_type(current()))
            return fail(Code::kSyntax, current(), "expected a type behind 'typedef'");
        const bool is_struct = current().kind == kStruct;
        if (!parse_type(type) ||
            (is_struct && current().kind == kLeftBrace && !parse_members(type)))
            return nullptr;
        type = parse_stars(type);
        const Token name = current();
        std::string_view text;
        if (!parse_name(text, "a type") || !parse_dimensions(type))
            return nullptr;
        const auto [found, is_new] = types().typedefs.try_emplace(text, type);
        if (!is_new && found->second != type)
            report(Code::kDuplicate, name.offset, describe(name) + " is another type already");
        return expect(kSemicolon) ? std::move(statement) : nullptr;
    }

    /// Parameters and body behind the name.
    bool parse_function(const Declarator& declarator) {
        const Token open = current();
        if (inside_ > 0) {
            error(Code::kMisplaced, open, "a function can only be defined outside of the others");
            return false;
        }
        UserFunction function;
        function.name = declarator.name;
        function.offset = declarator.offset;
        function.type = carried(declarator.type);
        if (declarator.type.is_aggregate()) {
            error(Code::kType, open, "a function gives no struct; return a pointer to one");
            return false;
        }
        if (function.name.size() > RS_SCRIPT_MAX_NAME_BYTES) {
            error(Code::kTooLarge, open, "a name has at most 128 characters");
            return false;
        }
        advance();
        if (current().kind == kVoid && next().kind == kRightParen)
            advance();
        if (current().kind != kRightParen) {
            do {
                if (!parse_parameter(function))
                    return false;
            } while (accept(kComma));
        }
        if (!expect(kRightParen))
            return false;
        ++inside_;
        ++function_depth_;
        const bool is_whole = parse_block(function.body);
        --function_depth_;
        --inside_;
        if (is_whole)
            functions_->push_back(std::move(function));
        return is_whole;
    }

    bool parse_parameter(UserFunction& function) {
        UserFunction::Parameter parameter{};
        if (!is_type(current())) {
            error(Code::kSyntax, current(), "expected a type, not " + describe(current()));
            return false;
        }
        Type type;
        if (!parse_type(type))
            return false;
        type = parse_stars(type);
        const Token name = current();
        parameter.offset = name.offset;
        if (!parse_name(parameter.name, "a parameter"))
            return false;
        if (current().kind == kLeftBracket) {  // an array is passed by its address
            if (!parse_dimensions(type))
                return false;
            type = types().pointer_to(element_of(type));
        }
        if (type.kind == TypeKind::kVoid || type.is_aggregate()) {
            error(Code::kType, name, "a parameter cannot be '" + type_name(type) + "'");
            return false;
        }
        if (function.parameters.size() == RS_SCRIPT_MAX_PARAMETERS) {
            error(Code::kTooLarge, name, "a function has at most 32 parameters");
            return false;
        }
        for (const UserFunction::Parameter& other : function.parameters)
            if (other.name == parameter.name)
                report(Code::kDuplicate, name.offset, describe(name) + " is a parameter already");
        parameter.type = carried(type);
        function.parameters.push_back(parameter);
        return true;
    }

    /// Integers travel in 64 bits whatever their declared width (section 8).
    static Type carried(Type type) {
        if (type.kind != TypeKind::kInteger)
            return type;
        return type.is_signed ? kLongType : kUnsignedLongType;
    }

    /// Puts the file's statements in the place of this one.
    StatementPtr parse_include() {
        StatementPtr statement = make(StatementKind::kEmpty);
        const Token word = current();
        advance();
        const Token path = current();
        if (path.kind != kString)
            return fail(Code::kSyntax, path, "expected a path in quotes behind '#include'");
        if (inside_ > 0)
            return fail(Code::kMisplaced, word,
                        "'#include' stands outside of functions and blocks");
        advance();
        accept(kSemicolon);
        if (!includer_)
            return fail(Code::kInclude, path, "files cannot be included here");
        if (auto tokens = includer_(path))
            insert(std::move(*tokens));
        return statement;
    }

    static bool is_hex_name(const Token& token) {
        const char c = token.text.empty() ? '0' : token.text[0];
        return c > '9';
    }

    /// assign, incdec, call; with `is_step` also a variable alone. Without the ';'.
    StatementPtr parse_simple(bool is_step = false) {
        const Token first = current();
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
        if (is_object(target) && !target.is_parenthesized)
            return true;
        switch (target.kind) {
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
                return fail(Code::kSyntax, first,
                            "a list in braces only initialises a declaration");
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

    const Includer& includer_;
    std::vector<UserFunction>* functions_ = nullptr;
    u32 inside_ = 0;  ///< functions, loops and conditions around
    u32 function_depth_ = 0;
    bool was_function_ = false;
    bool lacks_semicolon_ = false;
};

}  // namespace

Script parse(std::vector<Token> tokens, DiagnosticList& diagnostics, const Includer& includer) {
    return Parser{std::move(tokens), diagnostics, includer}.run();
}

}  // namespace ringside::language
