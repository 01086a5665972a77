// SPDX-License-Identifier: GPL-2.0-or-later
// How long an instruction is, by its bytes alone.
// Source: Intel SDM vol. 2 chapter 2 "Instruction Format" and appendix A "Opcode Map"; AMD APM vol.
// 3 section 1.2 "Instruction Encoding" (XOP).
#pragma once

#include "base/types.hpp"

namespace ringside::x86 {

inline constexpr u32 kMaxInstructionBytes = 15;

/// Length of the instruction at `bytes`, of which `count` are there; 0: it is not complete, longer
/// than 15 bytes or no instruction in that mode. Whether the opcode means something on this
/// processor is not looked at.
u32 instruction_length(const u8* bytes, u32 count, bool is_64_bit);

/// Its length if it is a NOP, in one of the forms that compilers and kernels fill with: 90 or 0f 1f
/// /0 behind any number of 66. Else 0.
u32 nop_length(const u8* bytes, u32 count, bool is_64_bit);

}  // namespace ringside::x86
