// SPDX-License-Identifier: GPL-3.0-or-later
// The VMX capability MSRs of real processors, as read there.
#pragma once

#include "vmx/capabilities.hpp"

namespace ringside::vmx {

/// Core M-5Y70, which Bochs calls broadwell_ult.
inline Capabilities broadwell() {
    return {.feature_control = 0x5,
            .basic = 0x00da'0400'0000'0012,
            .pin = 0x0000'007f'0000'0016,
            .processor = 0xfff9'fffe'0400'6172,
            .secondary = 0x0005'7cff'0000'0000,
            .exit = 0x007f'ffff'0003'6dfb,
            .entry = 0x0000'ffff'0000'11fb,
            .ept_vpid = 0x0000'0f01'0633'4141,
            .cr0_fixed0 = 0x8000'0021,
            .cr0_fixed1 = 0xffff'ffff,
            .cr4_fixed0 = 0x2000,
            .cr4_fixed1 = 0x0037'67ff};
}

/// Core Ultra 5 245K (Arrow Lake).
inline Capabilities arrow_lake() {
    return {.feature_control = 0x5,
            .basic = 0x03da'0600'0000'0015,
            .pin = 0x0000'00ff'0000'0016,
            .processor = 0xfffb'fffe'0400'6172,
            .secondary = 0xc75f'7fff'0000'0000,
            .exit = 0xff7f'ffff'0003'6dfb,
            .entry = 0x007e'ffff'0000'11fb,
            .ept_vpid = 0x0000'0f01'06f3'4141,
            .cr0_fixed0 = 0x8000'0021,
            .cr0_fixed1 = 0xffff'ffff,
            .cr4_fixed0 = 0x2000,
            .cr4_fixed1 = 0x1bf7'6fff};
}

/// Core 2 Duo T9600 (Penryn) has no TRUE controls, which read_capabilities() stops at.
inline Capabilities penryn() {
    return {.feature_control = 0x5, .basic = 0x005a'0800'0000'000d};
}

}  // namespace ringside::vmx
