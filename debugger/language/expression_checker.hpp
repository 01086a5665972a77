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
    ExpressionChecker(const CheckOptions& options, DiagnosticList& diagnostics)
        : options_{options}, diagnostics_{diagnostics} {}

protected:
    ~ExpressionChecker() = default;

    /// Names, types and constants below `expression`; its value is wanted.
    void check_value(Expression& expression);
    /// A call whose value is dropped.
    void check_call_statement(Expression& call);
    void warn_shift_count(TokenKind op, const Expression& count, Type type);
    u32 global_index(std::string_view name);
    void warn_bare_register(const Expression& expression);
    void report(Code code, u32 offset, std::string message) {
        diagnostics_.report(code, offset, std::move(message));
    }
    /// "; did you mean 'x'?" or nothing.
    std::string suggestion(std::string_view name) const;

    const CheckOptions& options_;
    DiagnosticList& diagnostics_;
    CheckResult result_;
    std::unordered_map<std::string_view, u32> local_numbers_;
    std::unordered_set<std::string_view> globals_assigned_;
    Flow flow_;

private:
    void check_expression(Expression& expression);
    void check_variable(Expression& expression);
    void check_global(Expression& expression);
    void check_symbol(Expression& expression);
    void check_unary(Expression& expression);
    void check_dereference(Expression& expression);
    void check_address(Expression& expression);
    void check_binary(Expression& expression);
    void check_logical(Expression& expression);
    void check_call(Expression& call);
    void check_arguments(Expression& call);
    void check_argument(Expression& argument, char kind);
    void check_printf(Expression& call);
    void fold(Expression& expression, Type type);
    void warn_comparison(const Expression& expression, Type type);

    std::unordered_map<std::string, u32> global_numbers_;
};

}  // namespace ringside::language
