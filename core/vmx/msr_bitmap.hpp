// SPDX-License-Identifier: GPL-2.0-or-later
// Which MSR accesses exit. Source: Intel SDM vol. 3C §24.6.9 "MSR-Bitmap Address".
#pragma once

#include "base/types.hpp"

namespace ringside::vmx {

/// One bit an MSR: reads of low, reads of high, writes of low, writes of high MSRs; 1 KiB each.
/// MSRs in neither range always exit.
struct MsrBitmap {
    u8 read_low[0x400];   ///< 0 to 1fff
    u8 read_high[0x400];  ///< c0000000 to c0001fff
    u8 write_low[0x400];
    u8 write_high[0x400];

    /// False if the map does not cover `msr`.
    constexpr bool intercept_write(u32 msr) {
        u8* map = msr <= 0x1fff ? write_low : write_high;
        const u32 bit = msr & 0x1fff;
        if (msr != bit && msr != (0xc0000000 | bit))
            return false;
        map[bit / 8] = u8(map[bit / 8] | 1u << (bit % 8));
        return true;
    }
};
static_assert(sizeof(MsrBitmap) == 0x1000);

}  // namespace ringside::vmx
