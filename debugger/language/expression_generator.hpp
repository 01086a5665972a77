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
    ExpressionGenerator(const Script& script, const CheckResult& checked, const Source& source,
                        ImageBuilder& builder);

protected:
    ~ExpressionGenerator() = default;

    /// A virtual register; `want` asks for a certain one.
    using Want = std::optional<u32>;

    /// Where something that can be assigned is.
    struct Place {
        enum class Kind : u8 {
            kSlot,     ///< virtual register `index`, a local variable's
            kObject,   ///< `offset` bytes into the registers from `index` on
            kGlobal,   ///< number `index`
            kMachine,  ///< register of the guest `index`
            kData,     ///< byte `offset` of the script's data
            kPercore,  ///< byte `offset` of this core's copy
            kAddress,  ///< `offset` behind what virtual register `index` says
        };
        Kind kind;
        u32 index;
        u64 offset;
        Type type;
        bool is_aliased = false;  ///< kSlot: memory functions may change it
        u32 at = 0;               ///< place in the source that errors name
    };

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

    void begin_function(const CheckedFunction& function, u32 parameters);
    void end_function() { builder_.end_function(highest_); }
    u32 temporary() {
        highest_ = std::max(highest_, top_ + 1);
        return top_++;
    }
    u32 destination(Want want) { return want ? *want : temporary(); }

    /// Code that computes the expression; where its value is, extended by its own type. Of a
    /// struct: its address.
    u32 value(const Expression& expression, Want want = {});
    /// The same, brought into `type`.
    u32 value_as(const Expression& expression, Type type, Want want = {});
    u32 convert(u32 from, Type from_type, Type to_type, Want want = {});
    u32 load_constant(u64 constant, Want want);
    /// `to = left op right`, all of `type`, for + - * / % & | ^ << >>.
    u32 arithmetic(TokenKind op, Type type, u32 left, u32 right, Want want);
    /// The same with a constant on the right, if there is an instruction for it.
    bool arithmetic_immediate(TokenKind op, Type type, u32 left, u64 right, u32 to);
    /// `to = pointer + index * bytes of what it points to`, or -.
    u32 step_pointer(TokenKind op, Type pointer, u32 from, const Expression& index, Want want);
    /// Jumps if the truth of the expression is `sense`, else goes on.
    void jump_if(const Expression& expression, bool sense, Label& target);
    void mark(u32 offset, const char* function = "");

    /// Code that finds out where the expression's object is.
    Place place(const Expression& expression);
    Place place_of(const Declarator& declarator) const;
    u32 load(const Place& place, Want want = {});
    /// Stores a value of `from_type`, or a struct at the address `from`.
    void store(const Place& place, u32 from, Type from_type);
    u32 address_of(const Place& place, Want want = {});

    const Script& script_;
    const CheckResult& checked_;
    const Source& source_;
    ImageBuilder& builder_;

private:
    u32 move(u32 from, Want want);
    u32 unary(const Expression& expression, Want want);
    u32 binary(const Expression& expression, Want want);
    u32 pointer_arithmetic(const Expression& expression, Want want);
    u32 comparison(const Expression& expression, Want want);
    u32 float_comparison(const Expression& expression, Type type, Want want);
    u32 truth(const Expression& expression, Want want);
    u32 call(const Expression& expression, Want want);
    u32 call_user(const Expression& expression, Want want);
    u32 call_builtin(const Expression& expression, Want want);
    void printf(const Expression& expression);
    /// Arguments from `first` on into consecutive registers; the first of them.
    u32 arguments(const Expression& expression, usize first);
    void jump_comparison(const Expression& expression, bool sense, Label& target);
    bool jump_immediate(TokenKind op, Type type, u32 left, u64 right, Label& target);
    Place index_place(const Expression& expression);
    Place pointer_place(const Expression& expression);
    Place variable_place(const Expression& expression) const;
    void add_offset(u32 to, u32 from, u64 offset);
    /// `to = from * factor`.
    u32 scaled(u32 from, u64 factor);
    u32 percore_address(u64 offset, u32 to);

    const CheckedFunction* function_ = nullptr;
    u32 percore_begin_;
    u32 percore_stride_;
    u32 top_ = 0;
    u32 highest_ = 0;
};

}  // namespace ringside::language
