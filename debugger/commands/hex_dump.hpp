// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes as people read them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ringside::commands {

/// Lines of 16 bytes: the offset from the first byte, the bytes in hex, and those that are
/// printable ASCII; each ends with a newline.
std::string hex_dump(std::span<const std::byte> bytes, std::size_t first_offset = 0);

}  // namespace ringside::commands
