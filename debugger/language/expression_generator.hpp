// SPDX-License-Identifier: GPL-3.0-or-later
// The expression half of the code generator.
#pragma once

#include <algorithm>
#include <optional>

#include "language/ast.hpp"
#include "language/checker.hpp"
#include "language/image_builder.hpp"

namespace ringside::language {

class ExpressionGenerator {
public:
    ExpressionGenerator(const CheckResult& checked, const Source& source, ImageBuilder& builder)
        : checked_{checked},
          source_{source},
          builder_{builder},
          top_{static_cast<u32>(checked.locals.size())},
          highest_{top_} {}

protected:
    ~ExpressionGenerator() = default;

    /// A virtual register; `want` asks for a certain one.
    using Want = std::optional<u32>;

    /// Gives back the temporaries taken since it was made.
    class Temporaries {
    public:
        explicit Temporaries(ExpressionGenerator& generator)
            : generator_{generator}, top_{generator.top_} {}
        ~Temporaries() { generator_.top_ = top_; }
        Temporaries(const Temporaries&) = delete;
        Temporaries& operator=(const Temporaries&) = delete;

    private:
        ExpressionGenerator& generator_;
        u32 top_;
    };

    u32 temporary() {
        highest_ = std::max(highest_, top_ + 1);
        return top_++;
    }
    u32 destination(Want want) { return want ? *want : temporary(); }

    /// Code that computes the expression; where its value is, extended by its own type.
    u32 value(const Expression& expression, Want want = {});
    /// The same, brought into `type`.
    u32 value_as(const Expression& expression, Type type, Want want = {});
    u32 convert(u32 from, Type from_type, Type to_type, Want want = {});
    u32 load_constant(u64 constant, Want want);
    /// `to = left op right`, all of `type`, for + - * / % & | ^ << >>.
    u32 arithmetic(TokenKind op, Type type, u32 left, u32 right, Want want);
    /// The same with a constant on the right, if there is an instruction for it.
    bool arithmetic_immediate(TokenKind op, Type type, u32 left, u64 right, u32 to);
    /// Jumps if the truth of the expression is `sense`, else goes on.
    void jump_if(const Expression& expression, bool sense, Label& target);
    void mark(u32 offset, const char* function = "");

    const CheckResult& checked_;
    const Source& source_;
    ImageBuilder& builder_;

private:
    u32 move(u32 from, Want want);
    u32 variable(const Expression& expression, Want want);
    u32 unary(const Expression& expression, Want want);
    u32 address(const Expression& expression, Want want);
    u32 binary(const Expression& expression, Want want);
    u32 comparison(const Expression& expression, Want want);
    u32 truth(const Expression& expression, Want want);
    u32 call(const Expression& expression, Want want);
    u32 call_builtin(const Expression& expression, Want want);
    void printf(const Expression& expression);
    /// Arguments from `first` on into consecutive registers; the first of them.
    u32 arguments(const Expression& expression, usize first);
    void jump_comparison(const Expression& expression, bool sense, Label& target);
    bool jump_immediate(TokenKind op, Type type, u32 left, u64 right, Label& target);

    u32 top_;

protected:
    u32 highest_;
};

}  // namespace ringside::language
