// SPDX-License-Identifier: GPL-3.0-or-later
// Codes and sentences of failures.
#include <cerrno>
#include <cstring>

#include "handle.hpp"

namespace ringside::api {
namespace {

thread_local std::string last_text;

/// The errno that belongs to a code.
int errno_of(int code) {
    switch (static_cast<std::uint32_t>(code)) {
#define RS_ERRNO_CASE(name, number, errno_name, text) \
    case RS_ERR_##name:                               \
        return errno_name;
        RS_ERROR_TABLE(RS_ERRNO_CASE)
#undef RS_ERRNO_CASE
        default:
            return code;
    }
}

int code_of(const debuggee::Failure& failure) {
    using Kind = debuggee::Failure::Kind;
    switch (failure.kind) {
        case Kind::kNone:
            return 0;
        case Kind::kNotConnected:
            return ENOTCONN;
        case Kind::kRefused:
            return failure.code != 0 ? static_cast<int>(failure.code) : failure.error_number;
        case Kind::kTimedOut:
            return ETIMEDOUT;
        case Kind::kInterrupted:
            return EINTR;
        case Kind::kLost:
            return ECONNRESET;
        case Kind::kMalformed:
            break;
    }
    return EBADMSG;
}

}  // namespace

int fail(int code, std::string_view text) {
    last_text = text.empty() ? rs_strerror(code) : std::string{text};
    errno = errno_of(code);
    return code;
}

int fail(const debuggee::Failure& failure) {
    return fail(code_of(failure), failure.text());
}

int fail(const debuggee::ConnectFailure& failure) {
    if (failure.kind == debuggee::ConnectFailure::Kind::kVersion)
        return fail(static_cast<int>(RS_ERR_ABI_MISMATCH), failure.text);
    return fail(failure.error_number != 0 ? failure.error_number : ECONNREFUSED, failure.text);
}

}  // namespace ringside::api

const char* rs_strerror(int code) {
    if (const char* sentence = ringside::debuggee::error_sentence(static_cast<std::uint32_t>(code)))
        return sentence;
    const char* text = code == 0 ? "success" : ::strerrordesc_np(code);
    return text != nullptr ? text : "unknown error";
}

const char* rs_error_text(void) {
    return ringside::api::last_text.c_str();
}
