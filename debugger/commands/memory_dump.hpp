// SPDX-License-Identifier: GPL-3.0-or-later
// How 'db', 'dc', 'dd' and 'dq' print memory. Pure; the lines are HyperDbg's.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/types.hpp"

namespace ringside::commands {

enum class DumpStyle {
    kBytes,              ///< db: with characters
    kDoublesCharacters,  ///< dc
    kDoubles,            ///< dd
    kQuads,              ///< dq
};

/// Lines of 16 bytes each from `address` on, with line ends. What was asked for and is not in
/// `bytes`, which could not be read, shows as '?'; lines without anything read are left out.
/// @param length  bytes asked for
std::string memory_dump(DumpStyle style, u64 address, std::span<const std::byte> bytes, u64 length,
                        bool is_physical);

}  // namespace ringside::commands
