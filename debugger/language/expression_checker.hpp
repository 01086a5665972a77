// SPDX-License-Identifier: GPL-3.0-or-later
// The expression half of the checker.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "language/checker.hpp"
#include "language/flow.hpp"

namespace ringside::language {

class ExpressionChecker {
public:
    ExpressionChecker(TypeTable& types, const CheckOptions& options, DiagnosticList& diagnostics)
        : types_{types}, options_{options}, diagnostics_{diagnostics} {}

protected:
    ~ExpressionChecker() = default;

    /// What a name without a sigil stands for.
    struct Variable {
        Storage storage = Storage::kLocal;
        u32 number = 0;  ///< of a local; byte in the data of others
        Type type;
    };

    /// Names, types and constants below `expression`; its value, a scalar's, is wanted.
    void check_value(Expression& expression);
    /// The same, where a struct may stand as a whole.
    void check_any_value(Expression& expression);
    /// A call whose value is dropped.
    void check_call_statement(Expression& call);
    /// Whether `value` can be stored into `to`, with the conversions of section 4.2. An untyped
    /// variable takes addresses, too. Floating literals take the type they are stored as.
    void check_conversion(Type to, bool is_untyped, Expression& value);
    /// `left op right` of these types; reports, and gives void, if there is no such operation.
    Type check_operation(TokenKind op, u32 offset, Expression& left, Expression& right);
    void warn_shift_count(TokenKind op, const Expression& count, Type type);
    u32 global_index(std::string_view name);
    Type global_type(std::string_view name) const;
    /// To the session, before this script.
    bool is_known(std::string_view global) const;
    void warn_bare_register(const Expression& expression);
    void report(Code code, u32 offset, std::string message) {
        diagnostics_.report(code, offset, std::move(message));
    }
    LocalVariable& local(u32 number) { return function_->locals[number]; }
    /// What the value of `expression` points to, if that is known.
    static std::optional<Type> pointee_of(const Expression& expression);
    /// "; did you mean 'x'?" or nothing.
    std::string suggestion(std::string_view name) const;
    static bool is_true(Type type, u64 constant);

    TypeTable& types_;
    const CheckOptions& options_;
    DiagnosticList& diagnostics_;
    CheckResult result_;
    CheckedFunction* function_ = nullptr;  ///< the one that is checked
    std::unordered_map<std::string_view, Variable> variables_;
    std::unordered_map<std::string_view, u32> user_functions_;  ///< number, from 1
    const std::vector<UserFunction>* signatures_ = nullptr;
    std::unordered_set<std::string_view> globals_assigned_;
    std::unordered_map<std::string_view, Type> global_types_;
    std::unordered_map<std::string_view, std::optional<Type>> global_pointees_;
    Flow flow_;

private:
    void check_expression(Expression& expression);
    void check_real(Expression& expression, Type type);
    void check_variable(Expression& expression);
    void check_global(Expression& expression);
    void check_symbol(Expression& expression);
    void check_unary(Expression& expression);
    void check_dereference(Expression& expression);
    void check_index(Expression& expression);
    void check_constant_index(const Expression& expression);
    void check_member(Expression& expression);
    void check_cast(Expression& expression);
    void check_address(Expression& expression);
    void check_binary(Expression& expression);
    void check_logical(Expression& expression);
    void check_call(Expression& call);
    void check_user_call(Expression& call);
    void check_arguments(Expression& call);
    void check_argument(Expression& argument, char kind);
    void check_printf(Expression& call);
    void fold(Expression& expression, Type type);
    void warn_comparison(const Expression& expression, Type type);
    /// The expression stands for an object of that type, whose value has the type it decays to.
    void set_object(Expression& expression, Type object);
    void take_address(const Expression& object);
    /// Reports an object that has no size: 'void', a struct that is not complete.
    bool check_size(Type type, u32 offset);
    void adopt(Expression& expression, Type type);

    std::unordered_map<std::string, u32> global_numbers_;
};

}  // namespace ringside::language
