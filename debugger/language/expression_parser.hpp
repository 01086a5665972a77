// SPDX-License-Identifier: GPL-3.0-or-later
// The expression half of the parser, and what both halves share: the place in the tokens and the
// first error of a statement.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "language/ast.hpp"
#include "language/diagnostic.hpp"
#include "language/token.hpp"

namespace ringside::language {

class ExpressionParser {
public:
    ExpressionParser(std::vector<Token> tokens, DiagnosticList& diagnostics)
        : tokens_{std::move(tokens)}, diagnostics_{diagnostics} {}

protected:
    ~ExpressionParser() = default;

    const Token& current() const { return tokens_[at_]; }
    const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
    const Token& previous() const { return tokens_[at_ > 0 ? at_ - 1 : 0]; }
    u32 position() const { return at_; }
    const Token& token_at(u32 index) const { return tokens_[index]; }
    void advance() {
        if (at_ + 1 < tokens_.size())
            ++at_;
    }
    bool accept(TokenKind kind);
    /// Takes the token or reports that it is missing, at the place where it should stand.
    bool expect(TokenKind kind);
    /// Reports the first error of a statement; later ones are its consequences.
    void error(Code code, const Token& token, std::string message);
    std::nullptr_t fail(Code code, const Token& token, std::string message) {
        error(code, token, std::move(message));
        return nullptr;
    }

    /// nullptr after an error.
    ExpressionPtr parse_expression();
    ExpressionPtr parse_unary();
    /// A type stands here: its words, 'struct', the name of a typedef.
    bool is_type(const Token& token) const;
    /// A basic type, a struct or a typedef's.
    bool parse_type(Type& type);
    /// `{ "*" }` behind a type.
    Type parse_stars(Type type);
    /// A name that can be given to something; reports why not.
    bool parse_name(std::string_view& name, const char* what);
    /// `{ "[" const "]" }` behind a name.
    bool parse_dimensions(Type& type);
    /// Puts tokens in front of the current one.
    void insert(std::vector<Token> tokens) {
        tokens_.insert(tokens_.begin() + at_, std::make_move_iterator(tokens.begin()),
                       std::make_move_iterator(tokens.end()));
    }
    void report(Code code, u32 offset, std::string message) {
        diagnostics_.report(code, offset, std::move(message));
    }
    TypeTable& types() { return *types_; }

    std::unique_ptr<TypeTable> types_ = std::make_unique<TypeTable>();

    u32 nesting_ = 0;
    bool failed_ = false;

private:
    ExpressionPtr parse_binary(u32 lowest);
    ExpressionPtr parse_postfix();
    ExpressionPtr parse_primary();
    ExpressionPtr parse_call();
    ExpressionPtr parse_sizeof();
    ExpressionPtr parse_cast();
    ExpressionPtr parse_suffix(ExpressionPtr object);
    bool parse_struct(Type& type);
    ExpressionPtr leaf(ExpressionKind kind);
    ExpressionPtr node(ExpressionKind kind, const Token& token, ExpressionPtr left,
                       ExpressionPtr right = nullptr);

    std::vector<Token> tokens_;
    DiagnosticList& diagnostics_;
    u32 at_ = 0;
};

}  // namespace ringside::language
