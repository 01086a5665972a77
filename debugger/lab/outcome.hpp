// SPDX-License-Identifier: GPL-3.0-or-later
// A value, or a sentence for the user. The lab's failures come from outside (apt, QEMU, the
// debuggee's boot), so the text and the hint are made where the failure is seen.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace ringside::lab {

/// Exit codes of the program (specification, LEX-11).
enum class ExitCode : int {
    kOk = 0,
    kFailed = 1,
    kWrongOptions = 2,
    kUnreachable = 3,
    kTimeOut = 5,
    kInterrupted = 130,
};

/// `message`: lower case, no full stop, what failed and on which value. `hint`: empty, or what the
/// user can do about it.
struct Failure {
    std::string message;
    std::string hint = {};
    ExitCode code = ExitCode::kFailed;
};

/// Nothing to return but success.
struct Done {};

/// A `T` or a `Failure`; look before use.
template <class T>
class [[nodiscard]] Outcome {
public:
    Outcome(T value) : value_{std::move(value)} {}
    Outcome(Failure failure) : failure_{std::move(failure)} {}
    explicit operator bool() const { return value_.has_value(); }
    T& operator*() { return *value_; }
    const T& operator*() const { return *value_; }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }
    const Failure& failure() const { return failure_; }

private:
    std::optional<T> value_;
    Failure failure_;
};

}  // namespace ringside::lab
