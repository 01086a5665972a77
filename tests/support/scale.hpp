// SPDX-License-Identifier: GPL-3.0-or-later
// How much of a test that could go on for ever is done: RINGSIDE_FULL=1, which ./test.sh --full
// sets, asks for the long form.
#pragma once

#include <cstdlib>

#include "base/types.hpp"

namespace ringside::test {

/// The number in an environment variable.
inline u64 number_from(const char* variable, u64 otherwise) {
    const char* const text = std::getenv(variable);
    return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

inline bool is_full_run() {
    return number_from("RINGSIDE_FULL", 0) != 0;
}

}  // namespace ringside::test
