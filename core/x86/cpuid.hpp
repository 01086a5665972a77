// SPDX-License-Identifier: GPL-2.0-or-later
// Questions to CPUID. Source: AMD APM vol. 3 appendix E "Obtaining Processor Information Via the
// CPUID Instruction"; Intel SDM vol. 2A "CPUID"; leaf 0x40000000 by convention of the hypervisors.
#pragma once

#include "x86/instructions.hpp"

namespace ringside::x86 {

inline bool has_extended_leaf(u32 leaf) {
    return cpuid(0x80000000).eax >= leaf;
}
inline bool has_svm() {
    return has_extended_leaf(0x8000000a) && (cpuid(0x80000001).ecx >> 2 & 1);
}
inline bool has_vmx() {
    return cpuid(1).ecx >> 5 & 1;
}
inline bool has_mtrrs() {
    return cpuid(1).edx >> 12 & 1;
}
inline bool has_nested_paging() {
    return cpuid(0x8000000a).edx & 1;
}
inline bool has_svm_next_rip() {
    return cpuid(0x8000000a).edx >> 3 & 1;
}
inline bool has_gigabyte_pages() {
    return cpuid(0x80000001).edx >> 26 & 1;
}
inline u32 physical_address_bits() {
    return has_extended_leaf(0x80000008) ? cpuid(0x80000008).eax & 0xff : 36;
}
inline bool runs_under_hypervisor() {
    return cpuid(1).ecx >> 31 & 1;
}
/// QEMU's own instruction translator, "TCGTCGTCGTCG".
inline bool is_qemu_tcg() {
    if (!runs_under_hypervisor())
        return false;
    const CpuidResult name = cpuid(0x40000000);
    return name.ebx == 0x54474354 && name.ecx == 0x43544743 && name.edx == 0x47435447;
}
/// The local APIC id of this CPU: 32 bits from leaf 0xb, else 8 from leaf 1.
inline u32 local_apic_id() {
    if (cpuid(0).eax >= 0xb) {
        const CpuidResult topology = cpuid(0xb);
        if (topology.ebx != 0)
            return topology.edx;
    }
    return cpuid(1).ebx >> 24;
}

}  // namespace ringside::x86
