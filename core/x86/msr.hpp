// SPDX-License-Identifier: GPL-2.0-or-later
// Model-specific registers by the manuals' names.
// Source: AMD APM vol. 2 appendix A "MSR Cross-Reference"; Intel SDM vol. 4 chapter 2.
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::x86 {

inline constexpr u32 IA32_APIC_BASE = 0x1b;
inline constexpr u32 IA32_PAT = 0x277;
inline constexpr u32 IA32_X2APIC_EOI = 0x80b;
inline constexpr u32 IA32_X2APIC_ICR = 0x830;
inline constexpr u32 IA32_EFER = 0xc0000080;
inline constexpr u32 IA32_FS_BASE = 0xc0000100;
inline constexpr u32 IA32_GS_BASE = 0xc0000101;
inline constexpr u32 IA32_KERNEL_GS_BASE = 0xc0000102;
inline constexpr u32 VM_CR = 0xc0010114;
inline constexpr u32 VM_HSAVE_PA = 0xc0010117;

namespace apic_base {
using X2apicEnable = Bits<10>;
using GlobalEnable = Bits<11>;
using Base = Bits<12, 51>;
}  // namespace apic_base

namespace efer {
using SystemCallEnable = Bits<0>;
using LongModeActive = Bits<10>;
using NoExecuteEnable = Bits<11>;
using SVME = Bits<12>;
}  // namespace efer

/// VM_CR. Source: AMD APM vol. 2 §15.30.1 "VM_CR MSR".
namespace vm_cr {
using LOCK = Bits<3>;
using SVMDIS = Bits<4>;
}  // namespace vm_cr

}  // namespace ringside::x86
