// SPDX-License-Identifier: GPL-2.0-or-later
// CPUID as the guest reads it: what the processor says, which knows only root mode's CR4.
#pragma once

#include "vcpu/backend.hpp"
#include "x86/control_registers.hpp"
#include "x86/instructions.hpp"

namespace ringside::vcpu {

/// Source: Intel SDM vol. 2A "CPUID": OSXSAVE and OSPKE repeat CR4; the sizes in leaf 0xd follow
/// XCR0 and IA32_XSS, which stay the guest's in root mode.
inline x86::CpuidResult guest_cpuid(Backend& backend, u32 leaf, u32 subleaf) {
    constexpr u32 kOsxsave = 1u << 27, kOspke = 1u << 4;
    const auto with_bit = [](u32 value, u32 bit, bool on) {
        return on ? value | bit : value & ~bit;
    };
    x86::CpuidResult result = x86::cpuid(leaf, subleaf);
    if (leaf != 1 && (leaf != 7 || subleaf != 0))
        return result;
    const u64 cr4 = backend.read_register(RS_FULL_CR4);
    result.ecx = leaf == 1 ? with_bit(result.ecx, kOsxsave, (cr4 & x86::cr4::OSXSAVE) != 0)
                           : with_bit(result.ecx, kOspke, (cr4 & x86::cr4::PKE) != 0);
    return result;
}

}  // namespace ringside::vcpu
