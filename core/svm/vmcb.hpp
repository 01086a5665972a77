// SPDX-License-Identifier: GPL-2.0-or-later
// The virtual machine control block and the permission maps.
// Source: AMD APM vol. 2 appendix B "VMCB Layout", §15.10 "I/O Intercepts", §15.11 "MSR
// Intercepts".
#pragma once

#include <cstddef>

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::svm {

struct Segment {
    u16 selector;    // +0x0
    u16 attributes;  // +0x2 packed, see x86::descriptor::packed_attributes()
    u32 limit;       // +0x4
    u64 base;        // +0x8
};
static_assert(sizeof(Segment) == 16);

struct Vmcb {
    // Control area.
    u16 intercept_cr_read;          // 0x000
    u16 intercept_cr_write;         // 0x002
    u16 intercept_dr_read;          // 0x004
    u16 intercept_dr_write;         // 0x006
    u32 intercept_exceptions;       // 0x008
    u32 intercept_misc1;            // 0x00c
    u32 intercept_misc2;            // 0x010
    u32 intercept_misc3;            // 0x014
    u8 reserved_018[0x3c - 0x18];   // 0x018
    u16 pause_filter_threshold;     // 0x03c
    u16 pause_filter_count;         // 0x03e
    u64 io_permission_map;          // 0x040
    u64 msr_permission_map;         // 0x048
    u64 tsc_offset;                 // 0x050
    u32 asid;                       // 0x058
    u8 tlb_control;                 // 0x05c
    u8 reserved_05d[3];             // 0x05d
    u64 interrupt_control;          // 0x060 V_TPR, V_IRQ, ...; vector in bits 32-39
    u64 interrupt_shadow;           // 0x068
    u64 exit_code;                  // 0x070
    u64 exit_info1;                 // 0x078
    u64 exit_info2;                 // 0x080
    u64 exit_interrupt_info;        // 0x088
    u64 nested_control;             // 0x090
    u8 reserved_098[0xa8 - 0x98];   // 0x098
    u64 event_injection;            // 0x0a8
    u64 nested_cr3;                 // 0x0b0
    u64 lbr_control;                // 0x0b8
    u32 clean_bits;                 // 0x0c0
    u32 reserved_0c4;               // 0x0c4
    u64 next_rip;                   // 0x0c8
    u8 fetched_count;               // 0x0d0
    u8 fetched_bytes[15];           // 0x0d1
    u8 reserved_0e0[0x400 - 0xe0];  // 0x0e0
    // State save area.
    Segment es, cs, ss, ds, fs, gs;               // 0x400
    Segment gdtr, ldtr, idtr, tr;                 // 0x460
    u8 reserved_4a0[0x4cb - 0x4a0];               // 0x4a0
    u8 cpl;                                       // 0x4cb
    u32 reserved_4cc;                             // 0x4cc
    u64 efer;                                     // 0x4d0
    u8 reserved_4d8[0x548 - 0x4d8];               // 0x4d8
    u64 cr4, cr3, cr0;                            // 0x548
    u64 dr7, dr6;                                 // 0x560
    u64 rflags, rip;                              // 0x570
    u8 reserved_580[0x5d8 - 0x580];               // 0x580
    u64 rsp;                                      // 0x5d8
    u8 reserved_5e0[0x5f8 - 0x5e0];               // 0x5e0
    u64 rax;                                      // 0x5f8
    u64 star, lstar, cstar, sfmask;               // 0x600
    u64 kernel_gs_base;                           // 0x620
    u64 sysenter_cs, sysenter_esp, sysenter_eip;  // 0x628
    u64 cr2;                                      // 0x640
    u8 reserved_648[0x668 - 0x648];               // 0x648
    u64 guest_pat;                                // 0x668
    u8 reserved_670[0x1000 - 0x670];              // 0x670
};
static_assert(sizeof(Vmcb) == 0x1000);
static_assert(offsetof(Vmcb, asid) == 0x58 && offsetof(Vmcb, exit_code) == 0x70);
static_assert(offsetof(Vmcb, event_injection) == 0xa8 && offsetof(Vmcb, next_rip) == 0xc8);
static_assert(offsetof(Vmcb, es) == 0x400 && offsetof(Vmcb, gdtr) == 0x460);
static_assert(offsetof(Vmcb, cpl) == 0x4cb && offsetof(Vmcb, cr4) == 0x548);
static_assert(offsetof(Vmcb, rsp) == 0x5d8 && offsetof(Vmcb, rax) == 0x5f8);
static_assert(offsetof(Vmcb, star) == 0x600 && offsetof(Vmcb, cr2) == 0x640);

/// Bits of intercept_misc1.
namespace misc1 {
inline constexpr u32 kIntr = 1u << 0, kNmi = 1u << 1, kVintr = 1u << 4, kIret = 1u << 20,
                     kSoftwareInterrupt = 1u << 21, kHlt = 1u << 24, kMsrProtection = 1u << 28,
                     kShutdown = 1u << 31;
}
/// Bits of intercept_misc2.
namespace misc2 {
inline constexpr u32 kVmrun = 1u << 0, kVmmcall = 1u << 1, kVmload = 1u << 2, kVmsave = 1u << 3,
                     kStgi = 1u << 4, kClgi = 1u << 5, kSkinit = 1u << 6;
}

/// Fields of interrupt_control.
namespace int_ctl {
using V_IRQ = Bits<8>;
using V_INTR_PRIO = Bits<16, 19>;
using V_IGN_TPR = Bits<20>;
using V_INTR_VECTOR = Bits<32, 39>;
}  // namespace int_ctl

inline constexpr u64 kInterruptShadow = 1;  ///< interrupt_shadow bit 0
inline constexpr u64 kNestedPagingEnable = 1;
inline constexpr u8 kTlbFlushAll = 1;

/// EVENTINJ and EXITINTINFO. Source: AMD APM vol. 2 §15.20 "Event Injection", §15.7.2 "State Saved
/// on Exit" (EXITINTINFO).
struct EventInjection {
    using Vector = Bits<0, 7>;
    using Type = Bits<8, 10>;
    using ErrorValid = Bits<11>;
    using Valid = Bits<31>;
    using ErrorCode = Bits<32, 63>;
    static constexpr u64 exception_with_code(u8 vector, u32 code) {
        return Vector::make(vector) | Type::make(3) | Valid::make(1) | ErrorValid::make(1) |
               ErrorCode::make(code);
    }
};
static_assert(EventInjection::exception_with_code(13, 0) == 0x8000'0b0d);  // #GP(0)

/// Attributes of CS as the save area packs them.
/// Source: AMD APM vol. 2 §15.5.1 "Basic Operation" (segment attributes).
struct CodeSegment {
    using Long = Bits<9>;
};

/// Exit codes. Source: AMD APM vol. 2 appendix C "SVM Intercept Exit Codes".
enum class ExitCode : u64 {
    kException = 0x40,  ///< plus the vector, 0 to 31
    kExceptionLast = 0x5f,
    kIntr = 0x60,
    kNmi = 0x61,
    kVintr = 0x64,
    kIret = 0x74,
    kSoftwareInterrupt = 0x75,
    kHlt = 0x78,
    kMsr = 0x7c,
    kShutdown = 0x7f,
    kVmrun = 0x80,
    kVmmcall = 0x81,
    kVmload = 0x82,
    kVmsave = 0x83,
    kStgi = 0x84,
    kClgi = 0x85,
    kSkinit = 0x86,
    kNestedPageFault = 0x400,
    kInvalid = ~u64{0},
};

/// The MSR permission map: two bits an MSR (read, write), 8 KiB for three ranges of MSRs.
struct MsrPermissionMap {
    u8 bytes[0x2000];

    /// Intercepts reads and writes of `msr`; false if the map does not cover it.
    constexpr bool intercept(u32 msr) {
        u32 bit = 0;
        if (msr <= 0x1fff)
            bit = msr * 2;
        else if (msr >= 0xc0000000 && msr <= 0xc0001fff)
            bit = (0x800 * 8) + (msr - 0xc0000000) * 2;
        else if (msr >= 0xc0010000 && msr <= 0xc0011fff)
            bit = (0x1000 * 8) + (msr - 0xc0010000) * 2;
        else
            return false;
        bytes[bit / 8] = u8(bytes[bit / 8] | 3u << (bit % 8));
        return true;
    }
};
static_assert(sizeof(MsrPermissionMap) == 0x2000);

/// Nested page tables have the shape and bits of ordinary ones; every access is a user access.
/// Source: AMD APM vol. 2 §15.25 "Nested Paging".
struct NestedFormat {
    static constexpr u64 kTable = 7;
    static constexpr u64 kPresent = 1;
    static constexpr u64 kLarge = 1 << 7;
    static constexpr u64 leaf(u64 rights) { return rights | kPresent | 4; }
};

}  // namespace ringside::svm
