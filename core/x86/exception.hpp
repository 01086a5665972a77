// SPDX-License-Identifier: GPL-2.0-or-later
// Facts about exceptions.
#pragma once

#include "base/types.hpp"

namespace ringside::x86 {

/// Whether the exception pushes an error code.
/// Source: Intel SDM vol. 3A table 6-1 "Protected-Mode Exceptions and Interrupts".
constexpr bool has_error_code(u8 vector) {
    constexpr u32 kWithCode = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 |
                              1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;
    return vector < 32 && (kWithCode >> vector & 1) != 0;
}

}  // namespace ringside::x86
