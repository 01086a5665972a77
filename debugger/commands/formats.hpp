// SPDX-License-Identifier: GPL-3.0-or-later
// One value in every notation ('.formats').
#pragma once

#include <string>

#include "base/types.hpp"

namespace ringside::commands {

/// Lines with the value in hex, decimal, octal and binary, as characters, as a time (seconds since
/// 1970, UTC), as two floats and as a double.
std::string formats_of(u64 value);

}  // namespace ringside::commands
