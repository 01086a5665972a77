// SPDX-License-Identifier: GPL-3.0-or-later
// RS_ASSERT in tests: abort, so that death tests work.
#include <cstdio>
#include <cstdlib>

#include "base/assert.hpp"

namespace ringside {

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    std::abort();
}

}  // namespace ringside
