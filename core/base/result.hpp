// SPDX-License-Identifier: GPL-2.0-or-later
// A value or an error; the place is recorded where the error is born. Freestanding: no
// exceptions, no heap. The debugger uses the same type.
#pragma once

#include <utility>

#include "base/types.hpp"
#include "ringside/error.h"

namespace ringside {

/// What went wrong: a code that means something to a user (uapi error.h), the offending value
/// (address, MSR, vector, offset ...), and where it was noticed.
struct Error {
    rs_error code = RS_OK;
    u64 detail = 0;
    const char* file = "";
    int line = 0;

    constexpr Error() = default;
    constexpr explicit Error(rs_error error_code, u64 error_detail = 0,
                             const char* where = __builtin_FILE(), int at = __builtin_LINE())
        : code{error_code}, detail{error_detail}, file{where}, line{at} {}
};

/// Holds a `T` or an `Error`. `T` must be trivially destructible, so that the type stays usable
/// without a run-time library.
template <class T>
class [[nodiscard]] Result {
public:
    constexpr Result(T value) : value_{std::move(value)}, ok_{true} {}
    constexpr Result(Error error) : error_{error}, ok_{false} {}
    constexpr explicit operator bool() const { return ok_; }
    constexpr bool ok() const { return ok_; }
    constexpr T& value() { return value_; }
    constexpr const T& value() const { return value_; }
    constexpr T& operator*() { return value_; }
    constexpr const T& operator*() const { return value_; }
    constexpr T* operator->() { return &value_; }
    constexpr const T* operator->() const { return &value_; }
    constexpr const Error& error() const { return error_; }

private:
    T value_{};
    Error error_{};
    bool ok_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    constexpr Result() = default;
    constexpr Result(Error error) : error_{error}, ok_{false} {}
    constexpr explicit operator bool() const { return ok_; }
    constexpr bool ok() const { return ok_; }
    constexpr const Error& error() const { return error_; }

private:
    Error error_{};
    bool ok_ = true;
};

}  // namespace ringside

/// Passes an error up; for expressions whose value is not needed.
#define RS_TRY(expression)                                     \
    do {                                                       \
        if (auto rs_try_result = (expression); !rs_try_result) \
            return rs_try_result.error();                      \
    } while (false)
