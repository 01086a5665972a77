// SPDX-License-Identifier: GPL-2.0-or-later
// What can be said of machine code without running it. Cautious: an instruction that is not known
// here may do anything.
// Source: Intel SDM vol. 2 appendix A "Opcode Map", chapter 2 "Instruction Format".
#pragma once

#include "base/types.hpp"

namespace ringside::x86 {

struct CodeTraits {
    /// Every instruction runs at most once and none touches RSP: branches lead forward to
    /// instructions, there is no call, no loop, no repetition. With a return address that cannot be
    /// overwritten such code ends.
    bool is_straight = false;
    /// It may change x87, SSE or AVX registers.
    bool may_use_vectors = false;
};

/// Code this long is not looked at further: not straight.
inline constexpr usize kMaxStraightBytes = 512;

/// `count` bytes of code, to be followed by RET.
CodeTraits examine_code(const u8* bytes, usize count);

}  // namespace ringside::x86
