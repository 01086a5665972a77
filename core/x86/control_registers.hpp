// SPDX-License-Identifier: GPL-2.0-or-later
// Bits of CR0, CR3, CR4 and RFLAGS, and the values root mode runs with.
// Source: Intel SDM vol. 3A §2.5 "Control Registers"; AMD APM vol. 2 §3.1 "System-Control
// Registers".
#pragma once

#include "base/bits.hpp"

namespace ringside::x86 {

namespace cr0 {
inline constexpr u64 PE = 1ull << 0, MP = 1ull << 1, EM = 1ull << 2, TS = 1ull << 3, ET = 1ull << 4,
                     NE = 1ull << 5, WP = 1ull << 16, AM = 1ull << 18, NW = 1ull << 29,
                     CD = 1ull << 30, PG = 1ull << 31;
}  // namespace cr0

namespace cr4 {
inline constexpr u64 TSD = 1ull << 2, DE = 1ull << 3, PAE = 1ull << 5, MCE = 1ull << 6,
                     PGE = 1ull << 7, PCE = 1ull << 8, OSFXSR = 1ull << 9, OSXMMEXCPT = 1ull << 10,
                     UMIP = 1ull << 11, LA57 = 1ull << 12, VMXE = 1ull << 13, FSGSBASE = 1ull << 16,
                     PCIDE = 1ull << 17, OSXSAVE = 1ull << 18, SMEP = 1ull << 20, SMAP = 1ull << 21,
                     PKE = 1ull << 22, CET = 1ull << 23, PKS = 1ull << 24, UINTR = 1ull << 25,
                     FRED = 1ull << 32;
}  // namespace cr4

namespace rflags {
inline constexpr u64 CF = 1ull << 0, Fixed1 = 1ull << 1, TF = 1ull << 8, IF = 1ull << 9,
                     NT = 1ull << 14, RF = 1ull << 16, VM = 1ull << 17, AC = 1ull << 18;
/// Every bit the architecture defines; the rest must stay 0.
inline constexpr u64 kDefined = 0x3f7fd5 | Fixed1;
/// IOPL: up to that level POPF and IRET load IF, and CLI and STI are allowed.
constexpr u8 io_privilege(u64 rflags) {
    return static_cast<u8>(rflags >> 12 & 3);
}
}  // namespace rflags

/// CR0 of root mode: nothing in it makes an instruction of ours fault by accident.
inline constexpr u64 kHostCr0 = cr0::PE | cr0::MP | cr0::ET | cr0::NE | cr0::WP | cr0::PG;

/// CR4 of root mode for a guest that runs with `guest_cr4`: what the guest found supported and root
/// wants stays, everything that changes the meaning of our accesses goes. LA57 cannot change in
/// long mode, so it follows the guest. PKE, PKS and CET off make the guest's live PKRU, PKRS and
/// S_CET harmless.
constexpr u64 host_cr4(u64 guest_cr4) {
    constexpr u64 kKept = cr4::PAE | cr4::MCE | cr4::OSFXSR | cr4::OSXSAVE | cr4::FSGSBASE |
                          cr4::SMEP | cr4::SMAP | cr4::UMIP | cr4::LA57 | cr4::VMXE;
    return guest_cr4 & kKept;
}

/// The number of page-table levels under this CR4: 4 or 5.
constexpr u32 paging_levels(u64 guest_cr4) {
    return guest_cr4 & cr4::LA57 ? 5 : 4;
}

/// Whether the upper bits of `address` are copies of its highest translated bit.
constexpr bool is_canonical(u64 address, u32 levels) {
    const u32 unused = levels == 5 ? 7 : 16;
    return u64(s64(address << unused) >> unused) == address;
}

static_assert(is_canonical(0xffff800000000000, 4) && !is_canonical(0x0000800000000000, 4));
static_assert(is_canonical(0x0000800000000000, 5) && !is_canonical(0x0100000000000000, 5));

}  // namespace ringside::x86
