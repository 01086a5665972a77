// SPDX-License-Identifier: GPL-2.0-or-later
// Floating-point arithmetic on bit patterns, in integer instructions: root mode leaves the guest's
// FPU alone. IEEE 754-2019 binary64 and binary32, round to nearest even, subnormals kept. Values
// are finite: what would be infinite or not a number is refused. Script language section 4.2.
#pragma once

#include "base/types.hpp"

namespace ringside::script {

/// Bits of a binary64 value.
using Double = u64;
/// Bits of a binary32 value, the upper half zero.
using Single = u64;

/// False: the result is infinite or not a number (0 / 0 included); `to` is undefined then.
bool add(Double left, Double right, Double& to);
bool subtract(Double left, Double right, Double& to);
bool multiply(Double left, Double right, Double& to);
bool divide(Double left, Double right, Double& to);

/// -0 equals 0.
bool is_equal(Double left, Double right);
bool is_less(Double left, Double right);

Double double_from(u64 value, bool is_signed);
Single single_from(u64 value, bool is_signed);
Double widen(Single value);
/// False: out of range.
bool round(Double value, Single& to);
/// Truncates. `bits` 1 to 64; false: out of range of that many bits. The result is extended to 64.
bool truncate(Double value, bool is_signed, u32 bits, u64& to);
bool is_finite(Double value);

/// The value in decimal with `precision` (at most 64) digits behind the point, correctly rounded;
/// without a sign. At most 310 + 1 + precision characters, no zero byte. Returns their number.
u32 format_fixed(Double value, u32 precision, char* to);
inline constexpr u32 kMaxFixedBytes = 310 + 1 + 64;

}  // namespace ringside::script
