// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/failure.hpp"

#include <cstdio>
#include <cstring>

#include "ringside/error.h"

namespace ringside::debuggee {

const char* error_sentence(std::uint32_t code) {
    switch (code) {
#define RS_SENTENCE(name, number, errno_name, text) \
    case number:                                    \
        return text;
        RS_ERROR_TABLE(RS_SENTENCE)
#undef RS_SENTENCE
        default:
            return nullptr;
    }
}

std::string Failure::text() const {
    switch (kind) {
        case Kind::kNone:
            return "no error";
        case Kind::kNotConnected:
            return "not connected to a debuggee; use '.connect'";
        case Kind::kTimedOut:
            return "no answer from the debuggee in time";
        case Kind::kInterrupted:
            return "interrupted";
        case Kind::kLost:
            return "the connection to the debuggee was lost";
        case Kind::kMalformed:
            return "the debuggee's answer makes no sense";
        case Kind::kRefused:
            break;
    }
    if (code == 0)
        return std::strerror(error_number);
    const char* sentence = error_sentence(code);
    char number[16];
    std::snprintf(number, sizeof(number), " (%08x)", code);
    return std::string{sentence ? sentence : std::strerror(error_number)} + number;
}

}  // namespace ringside::debuggee
