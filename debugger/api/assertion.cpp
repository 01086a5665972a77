// SPDX-License-Identifier: GPL-3.0-or-later
// RS_ASSERT in programs that use the library: say where, and stop. The debuggee's module clears our
// events when the process ends (EVT-12).
#include <cstdio>
#include <cstdlib>

#include "base/assert.hpp"

namespace ringside {

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "err, internal error at %s:%d: %s\n", file, line, condition);
    std::abort();
}

}  // namespace ringside
