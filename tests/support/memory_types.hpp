// SPDX-License-Identifier: GPL-3.0-or-later
// Memory-type range registers as firmware leaves them, for a processor with 39 physical address
// bits. Layouts: Intel SDM vol. 3A §11.11.2 "Setting Memory Ranges with MTRRs".
#pragma once

#include "memory/mtrr.hpp"

namespace ringside::test {

/// IA32_MTRR_DEF_TYPE: MTRRs on, fixed ones too or not, the type elsewhere.
constexpr u64 default_type(u8 type, bool fixed) {
    return 0x800 | (fixed ? 0x400 : 0) | type;
}

/// Adds a pair of registers for a naturally aligned range.
inline void add_range(memory::Mtrrs& types, u64 address, u64 bytes, u8 type) {
    types.base[types.variable_count] = address | type;
    types.mask[types.variable_count] = (0x7f'ffff'ffff & ~(bytes - 1)) | 0x800;
    ++types.variable_count;
}

/// 4 GiB of RAM, of which 1 GiB lies behind the devices: write-back but for [3 GiB, 4 GiB), which
/// another pair makes uncacheable; uncacheable elsewhere. VGA memory and ROMs in the first MiB.
inline memory::Mtrrs pc_types() {
    constexpr u64 kGiB = u64{1} << 30;
    memory::Mtrrs types;
    types.default_type = default_type(0, true);
    add_range(types, 0, 4 * kGiB, 6);
    add_range(types, 3 * kGiB, kGiB, 0);
    add_range(types, 4 * kGiB, kGiB, 6);
    types.fixed[0] = 0x0606'0606'0606'0606;  // 0 to 7ffff
    types.fixed[1] = 0x0606'0606'0606'0606;  // 80000 to 9ffff
    types.fixed[2] = 0;                      // a0000 to bffff
    types.fixed[3] = 0x0505'0505'0505'0505;  // c0000 to c7fff
    for (u32 i = 4; i < 11; ++i)
        types.fixed[i] = 0x0606'0606'0606'0606;
    return types;
}

}  // namespace ringside::test
