// SPDX-License-Identifier: GPL-2.0-or-later
// What a script may write to a register of the guest, and the registers that stay in the processor
// over an exit; the same for both vendors.
#pragma once

#include "memory/physical_window.hpp"
#include "vcpu/backend.hpp"
#include "x86/control_registers.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"
#include "x86/paging.hpp"

namespace ringside::vcpu {

/// No undefined flag, no virtual-8086 mode.
constexpr bool is_allowed_rflags(u64 value) {
    return !(value & (~x86::rflags::kDefined | x86::rflags::VM)) && (value & x86::rflags::Fixed1);
}

/// Paging and protection stay on; NW needs CD; CET needs WP; nothing undefined.
constexpr bool is_allowed_cr0(u64 value, u64 cr4) {
    constexpr u64 kNeeded = x86::cr0::PE | x86::cr0::PG;
    constexpr u64 kDefined = 0xe005003f;
    return !(value & ~kDefined) && (value & kNeeded) == kNeeded &&
           (!(value & x86::cr0::NW) || (value & x86::cr0::CD)) &&
           (!(cr4 & x86::cr4::CET) || (value & x86::cr0::WP));
}

/// Only bits this kernel uses already, or that are always there; the paging mode stays.
constexpr bool is_allowed_cr4(u64 value, u64 current) {
    constexpr u64 kSwitchable = x86::cr4::TSD | x86::cr4::DE | x86::cr4::PCE | x86::cr4::OSFXSR |
                                x86::cr4::OSXMMEXCPT | x86::cr4::MCE | x86::cr4::PGE;
    const u64 in_use = current & (x86::cr4::SMEP | x86::cr4::SMAP | x86::cr4::UMIP);
    return !((value ^ current) & ~(kSwitchable | in_use));
}

/// The table lies in RAM, and no undefined bit.
inline bool is_allowed_cr3(u64 value, const memory::RamMap& ram) {
    return !(value & ~(x86::page::kAddress | kPageMask)) &&
           ram.contains(Hpa{value & x86::page::kAddress});
}

/// Whether WRMSR takes the value, in what is the same for every processor; of the rest the
/// processor is asked. An emulator may take anything (QEMU TCG: LSTAR), a save area does, and the
/// guest dies of it later. AMD's ignore the upper half of SYSENTER's addresses; no value of use is
/// refused. Source: Intel SDM vol. 2D "WRMSR"; AMD APM vol. 3 "WRMSR".
constexpr bool is_allowed_msr_value(u32 msr, u64 value, u32 paging_levels) {
    switch (msr) {
        case x86::IA32_SYSENTER_ESP:
        case x86::IA32_SYSENTER_EIP:
        case x86::IA32_DS_AREA:
        case x86::IA32_PL0_SSP:
        case x86::IA32_PL1_SSP:
        case x86::IA32_PL2_SSP:
        case x86::IA32_PL3_SSP:
        case x86::IA32_INTERRUPT_SSP_TABLE:
        case x86::IA32_LSTAR:
        case x86::IA32_CSTAR:
        case x86::IA32_FS_BASE:
        case x86::IA32_GS_BASE:
        case x86::IA32_KERNEL_GS_BASE:
            return x86::is_canonical(value, paging_levels);
        case x86::IA32_PAT:
            return x86::is_allowed_pat(value);
        default:
            return true;
    }
}

/// DR6 and DR7 have 32 bits.
constexpr bool is_allowed_debug_register(u64 value) {
    return value >> 32 == 0;
}

/// Bit 10 of DR7 always reads as 1.
inline constexpr u64 kDr7Fixed = 0x400;

/// CR8, DR0 to DR3, XCR0; 0 for any other.
inline u64 read_live_register(Register which) {
    switch (which) {
        case RS_FULL_CR8:
            return x86::read_cr<8>();
        case RS_FULL_DR0:
            return x86::read_dr<0>();
        case RS_FULL_DR1:
            return x86::read_dr<1>();
        case RS_FULL_DR2:
            return x86::read_dr<2>();
        case RS_FULL_DR3:
            return x86::read_dr<3>();
        case RS_FULL_XCR0: {
            if (!(x86::read_cr<4>() & x86::cr4::OSXSAVE))
                return 0;
            u32 low, high;
            asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            return u64{high} << 32 | low;
        }
        default:
            return 0;
    }
}

/// CR8, DR0 to DR3; false for any other, and for a value CR8 cannot hold.
inline bool write_live_register(Register which, u64 value) {
    switch (which) {
        case RS_FULL_CR8:
            if (value > 15)
                return false;
            x86::write_cr<8>(value);
            return true;
        case RS_FULL_DR0:
            x86::write_dr<0>(value);
            return true;
        case RS_FULL_DR1:
            x86::write_dr<1>(value);
            return true;
        case RS_FULL_DR2:
            x86::write_dr<2>(value);
            return true;
        case RS_FULL_DR3:
            x86::write_dr<3>(value);
            return true;
        default:
            return false;
    }
}

}  // namespace ringside::vcpu
