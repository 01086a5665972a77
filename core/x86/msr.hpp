// SPDX-License-Identifier: GPL-2.0-or-later
// Model-specific registers by the manuals' names.
// Source: AMD APM vol. 2 appendix A "MSR Cross-Reference"; Intel SDM vol. 4 chapter 2.
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::x86 {

inline constexpr u32 IA32_APIC_BASE = 0x1b;
inline constexpr u32 IA32_FEATURE_CONTROL = 0x3a;
inline constexpr u32 IA32_MTRRCAP = 0xfe;
inline constexpr u32 IA32_SYSENTER_CS = 0x174;
inline constexpr u32 IA32_SYSENTER_ESP = 0x175;
inline constexpr u32 IA32_SYSENTER_EIP = 0x176;
inline constexpr u32 IA32_DEBUGCTL = 0x1d9;
inline constexpr u32 IA32_MTRR_PHYSBASE0 = 0x200;  ///< PHYSMASK0 behind it; then the next pair
inline constexpr u32 IA32_MTRR_FIX64K_00000 = 0x250;
inline constexpr u32 IA32_MTRR_FIX16K_80000 = 0x258;
inline constexpr u32 IA32_MTRR_FIX4K_C0000 = 0x268;
inline constexpr u32 IA32_PAT = 0x277;
inline constexpr u32 IA32_MTRR_DEF_TYPE = 0x2ff;
inline constexpr u32 IA32_VMX_BASIC = 0x480;
inline constexpr u32 IA32_VMX_CR0_FIXED0 = 0x486;
inline constexpr u32 IA32_VMX_CR0_FIXED1 = 0x487;
inline constexpr u32 IA32_VMX_CR4_FIXED0 = 0x488;
inline constexpr u32 IA32_VMX_CR4_FIXED1 = 0x489;
inline constexpr u32 IA32_VMX_PROCBASED_CTLS2 = 0x48b;
inline constexpr u32 IA32_VMX_EPT_VPID_CAP = 0x48c;
inline constexpr u32 IA32_VMX_TRUE_PINBASED_CTLS = 0x48d;
inline constexpr u32 IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e;
inline constexpr u32 IA32_VMX_TRUE_EXIT_CTLS = 0x48f;
inline constexpr u32 IA32_VMX_TRUE_ENTRY_CTLS = 0x490;
inline constexpr u32 IA32_DS_AREA = 0x600;
inline constexpr u32 IA32_S_CET = 0x6a2;
inline constexpr u32 IA32_PL0_SSP = 0x6a4;
inline constexpr u32 IA32_PL1_SSP = 0x6a5;
inline constexpr u32 IA32_PL2_SSP = 0x6a6;
inline constexpr u32 IA32_PL3_SSP = 0x6a7;
inline constexpr u32 IA32_INTERRUPT_SSP_TABLE = 0x6a8;
inline constexpr u32 IA32_TSC_DEADLINE = 0x6e0;
inline constexpr u32 IA32_X2APIC_FIRST = 0x800;  ///< plus a sixteenth of the mapped offset
inline constexpr u32 IA32_X2APIC_EOI = 0x80b;
inline constexpr u32 IA32_X2APIC_ICR = 0x830;
inline constexpr u32 IA32_EFER = 0xc0000080;
inline constexpr u32 IA32_STAR = 0xc0000081;
inline constexpr u32 IA32_LSTAR = 0xc0000082;
inline constexpr u32 IA32_CSTAR = 0xc0000083;
inline constexpr u32 IA32_FMASK = 0xc0000084;
inline constexpr u32 IA32_FS_BASE = 0xc0000100;
inline constexpr u32 IA32_GS_BASE = 0xc0000101;
inline constexpr u32 IA32_KERNEL_GS_BASE = 0xc0000102;
inline constexpr u32 VM_CR = 0xc0010114;
inline constexpr u32 VM_HSAVE_PA = 0xc0010117;

/// Whether every field of a PAT is a memory type. Source: Intel SDM vol. 3A §11.12.2 "IA32_PAT
/// MSR".
constexpr bool is_allowed_pat(u64 value) {
    for (u32 i = 0; i < 8; ++i, value >>= 8)
        if ((value & 0xff) > 7 || (value & 0xff) == 2 || (value & 0xff) == 3)
            return false;
    return true;
}

namespace apic_base {
using X2apicEnable = Bits<10>;
using GlobalEnable = Bits<11>;
using Base = Bits<12, 51>;
}  // namespace apic_base

namespace efer {
using SystemCallEnable = Bits<0>;
using LongModeEnable = Bits<8>;
using LongModeActive = Bits<10>;
using NoExecuteEnable = Bits<11>;
using SVME = Bits<12>;
}  // namespace efer

/// VM_CR. Source: AMD APM vol. 2 §15.30.1 "VM_CR MSR".
namespace vm_cr {
using LOCK = Bits<3>;
using SVMDIS = Bits<4>;
}  // namespace vm_cr

/// IA32_FEATURE_CONTROL. Source: Intel SDM vol. 3C §23.7 "Enabling and Entering VMX Operation".
namespace feature_control {
inline constexpr u64 kLock = 1 << 0;
inline constexpr u64 kVmxOutsideSmx = 1 << 2;
}  // namespace feature_control

}  // namespace ringside::x86
