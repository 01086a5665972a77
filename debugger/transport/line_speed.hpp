// SPDX-License-Identifier: GPL-3.0-or-later
// Speeds of terminal lines in plain numbers, for those that POSIX has no constant for.
#pragma once

#include <cstdint>
#include <optional>

namespace ringside::transport {

/// Bits a second.
struct LineSpeed {
    std::uint32_t input = 0;
    std::uint32_t output = 0;
    bool operator==(const LineSpeed&) const = default;
};

/// The speed a terminal line has, as its driver tells.
/// @return nothing if the driver does not
std::optional<LineSpeed> line_speed(int descriptor);

/// Sets it, and nothing else. A driver that cannot do it takes another one and says so by
/// line_speed().
/// @return 0, or an errno
int set_line_speed(int descriptor, LineSpeed speed);

}  // namespace ringside::transport
