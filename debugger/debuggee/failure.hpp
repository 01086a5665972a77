// SPDX-License-Identifier: GPL-3.0-or-later
// Why a request or a connection failed, in numbers and as a sentence; and the value-or-failure pair
// that requests return.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "ringside/event.h"

namespace ringside::debuggee {

/// Why a request failed.
struct Failure {
    enum class Kind {
        kNone,
        kNotConnected,  ///< there is no debuggee
        kRefused,       ///< the module said no: error_number, and code where it has one
        kTimedOut,      ///< no answer in time; the request may still take effect
        kInterrupted,   ///< Ctrl+C while waiting; the request may still take effect
        kLost,          ///< the connection broke
        kMalformed,     ///< the answer makes no sense
    };
    Kind kind = Kind::kNone;
    int error_number = 0;         ///< errno, 0 if none
    std::uint32_t code = 0;       ///< RS_ERR_*, 0 if none
    std::uint32_t core = RS_ANY;  ///< load: the core that failed

    /// What went wrong, without the leading "err, ": the sentence of error.h with its code, or
    /// strerror, or what happened to the link.
    std::string text() const;
};

/// The sentence of an RS_ERR_* code (error.h), nullptr for an unknown one.
const char* error_sentence(std::uint32_t code);

/// A request's value, or why there is none.
template <class T>
class [[nodiscard]] Reply {
public:
    Reply(T value) : value_{std::move(value)} {}
    Reply(Failure failure) : failure_{failure} {}
    bool ok() const { return failure_.kind == Failure::Kind::kNone; }
    explicit operator bool() const { return ok(); }
    T& operator*() { return value_; }
    const T& operator*() const { return value_; }
    T* operator->() { return &value_; }
    const T* operator->() const { return &value_; }
    const Failure& failure() const { return failure_; }

private:
    T value_{};
    Failure failure_;
};

template <>
class [[nodiscard]] Reply<void> {
public:
    Reply() = default;
    Reply(Failure failure) : failure_{failure} {}
    bool ok() const { return failure_.kind == Failure::Kind::kNone; }
    explicit operator bool() const { return ok(); }
    const Failure& failure() const { return failure_; }

private:
    Failure failure_;
};

/// Why no connection came about.
struct ConnectFailure {
    enum class Kind {
        kNone,
        kDevice,          ///< the device cannot be opened, here or by the agent: error_number
        kBadAddress,      ///< not a numeric address
        kRefused,         ///< nobody listens there
        kUnreachable,     ///< another error of the network: error_number
        kTimedOut,        ///< no answer in time
        kInterrupted,     ///< Ctrl+C while waiting
        kClosed,          ///< the other side hung up before it had introduced itself
        kAuthentication,  ///< the keys differ
        kKeyNeeded,       ///< the agent wants a key, we were told to use none
        kKeyUnexpected,   ///< the agent runs without a key, we have one
        kVersion,         ///< versions differ; text names both
        kBusy,            ///< the agent serves another debugger
        kProtocol,        ///< it does not speak our language
    };
    Kind kind = Kind::kNone;
    int error_number = 0;
    std::string text;  ///< sentence without the leading "err, "

    bool ok() const { return kind == Kind::kNone; }
    explicit operator bool() const { return ok(); }  ///< true: connected
};

}  // namespace ringside::debuggee
