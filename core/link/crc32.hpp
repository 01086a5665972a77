// SPDX-License-Identifier: GPL-2.0-or-later
// The checksum of frames (uapi packet.h), without zlib.
#pragma once

#include <span>

#include "base/types.hpp"

namespace ringside::link {

/// CRC-32 as zlib's crc32() computes it: polynomial 0x04c11db7, reflected, begun and ended with all
/// bits inverted. Without bytes it is `start`.
///
/// @param start  the checksum of what stands before these bytes, 0 for none
///
/// Context: any. Takes about a cycle for each byte.
/// Source:  RFC 1952 "GZIP file format specification" §8 "Appendix: Sample CRC Code".
u32 crc32(std::span<const u8> bytes, u32 start = 0);

}  // namespace ringside::link
