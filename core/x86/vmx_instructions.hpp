// SPDX-License-Identifier: GPL-2.0-or-later
// The instructions of VMX operation. Tests, which have no VMX, link a VMCS of their own instead
// (tests/support/fake_vmcs.cpp).
// Source: Intel SDM vol. 3C chapter 30 "VMX Instruction Reference".
#pragma once

#include "base/types.hpp"

namespace ringside::x86 {

#if RS_FREESTANDING

/// A field of the current VMCS; 0 if the processor does not know the field.
inline u64 vmread(u32 field) {
    u64 value = 0;
    asm volatile("vmread %1, %0" : "+r"(value) : "r"(u64{field}) : "cc");
    return value;
}

/// False: the processor does not know the field, or it is read-only.
inline bool vmwrite(u32 field, u64 value) {
    bool failed;
    asm volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"(u64{field}) : "memory");
    return !failed;
}

// These three take the physical address of a page that starts with the VMCS revision.
inline bool vmxon(u64 region) {
    bool failed;
    asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}
inline bool vmclear(u64 vmcs) {
    bool failed;
    asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}
inline bool vmptrld(u64 vmcs) {
    bool failed;
    asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}
inline void vmxoff() {
    asm volatile("vmxoff" : : : "memory", "cc");
}

struct InvalidateDescriptor {
    u64 tag;
    u64 address;
};

/// Drops what was cached of EPT tables. @param type  1: of the table whose EPTP is given, 2: of all
inline void invept(u64 type, u64 eptp) {
    const InvalidateDescriptor what{eptp, 0};
    asm volatile("invept %0, %1" : : "m"(what), "r"(type) : "memory", "cc");
}
/// Drops translations. @param type  1: of this VPID, 2: of all VPIDs but 0
inline void invvpid(u64 type, u16 vpid) {
    const InvalidateDescriptor what{vpid, 0};
    asm volatile("invvpid %0, %1" : : "m"(what), "r"(type) : "memory", "cc");
}

#else

u64 vmread(u32 field);
bool vmwrite(u32 field, u64 value);
void invvpid(u64 type, u16 vpid);

#endif

}  // namespace ringside::x86
