// SPDX-License-Identifier: GPL-2.0-or-later
// Where user code finds things: addresses of the lower half, the same on every core. All of them
// lie in one page table, with absent pages around each.
#pragma once

#include "base/types.hpp"

namespace ringside::sandbox {

inline constexpr u64 kUserBase = 0x0000'2000'0000'0000;
inline constexpr u64 kUserBytes = 0x20'0000;

/// Code, readable and executable.
inline constexpr u64 kCodeBase = kUserBase + 0x1'0000;
inline constexpr u64 kMaxCodeBytes = 0x2'0000;
/// `int 0x81`: where a RET of the code leads. Executable.
inline constexpr u64 kExitPage = kUserBase + 0x4'0000;
/// The 16 quadwords of CTX-6. Readable and writable.
inline constexpr u64 kRegisterPage = kUserBase + 0x5'0000;
/// Readable and writable.
inline constexpr u64 kStackBase = kUserBase + 0x6'0000;
inline constexpr u64 kStackBytes = 0x4000;

/// RSP as the code finds it: the return address, 32 bytes of shadow space and some room for
/// arguments that are not there above it (CTX-4).
inline constexpr u64 kEntryStack = kStackBase + kStackBytes - 0x78;
static_assert(kEntryStack % 16 == 8);

/// The instruction at the begin of the exit page, and its vector.
inline constexpr u8 kExitVector = 0x81;
inline constexpr u8 kExitInstruction[] = {0xcd, kExitVector};
/// A jump to the code in the same page: stepped code starts there, so that a trap comes before its
/// first instruction.
inline constexpr u64 kSteppedEntry = kExitPage + 0x10;
inline constexpr u32 kEntryDistance = u32(kCodeBase - (kSteppedEntry + 5));
inline constexpr u8 kEntryInstruction[] = {0xe9, u8(kEntryDistance), u8(kEntryDistance >> 8),
                                           u8(kEntryDistance >> 16), u8(kEntryDistance >> 24)};

}  // namespace ringside::sandbox
