// SPDX-License-Identifier: GPL-2.0-or-later
// Invariants of ours. Never used on anything that came from a guest, a packet or a user.
#pragma once

namespace ringside {

/// Ends the program (unit tests, debugger) or stops the machine with a report (core).
/// Each side links its own definition.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace ringside

/// On in every build.
#define RS_ASSERT(condition)                                              \
    do {                                                                  \
        if (!(condition)) [[unlikely]]                                    \
            ::ringside::assertion_failed(#condition, __FILE__, __LINE__); \
    } while (false)
