// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_MSR: what the guest would read, or be allowed to write.
#include "x86/msr.hpp"
#include "inspect/request.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::inspect {
namespace {

/// Whether a write could take the ground away from under root mode.
bool is_protected(u32 msr) {
    switch (msr) {
        case x86::IA32_APIC_BASE:        // its local APIC would be elsewhere, or off
        case x86::IA32_FEATURE_CONTROL:  // of VMX
        case x86::IA32_S_CET:            // takes effect in root mode at once
        case x86::VM_CR:
        case x86::VM_HSAVE_PA:
            return true;
        default:
            return false;
    }
}

/// The register of a script's name that is the same as this MSR, RS_FULL_REGISTER_COUNT if none.
vcpu::Register register_of(u32 msr) {
    switch (msr) {
        case x86::IA32_FS_BASE:
            return RS_FULL_FSBASE;
        case x86::IA32_GS_BASE:
            return RS_FULL_GSBASE;
        case x86::IA32_KERNEL_GS_BASE:
            return RS_FULL_KGSBASE;
        default:
            return RS_FULL_REGISTER_COUNT;
    }
}

}  // namespace

u32 answer_msr(vcpu::Vcpu& vcpu, rs_msr& fields) {
    if (fields.reserved || fields.flags & ~RS_MSRF_WRITE)
        return RS_ERR_BAD_IMAGE;
    if (fields.core != RS_ANY && fields.core != vcpu.core)
        return RS_ERR_BAD_CORE;
    fields.core = vcpu.core;
    const bool writes = fields.flags & RS_MSRF_WRITE;
    if (!writes)
        fields.value = 0;
    vcpu::GuestView guest{vcpu};
    const vcpu::Register same = register_of(fields.msr);
    bool is_done = false;
    if (same != RS_FULL_REGISTER_COUNT) {
        is_done = !writes || guest.write_register(same, fields.value);
        if (!writes)
            fields.value = guest.read_register(same);
    } else if (!writes) {
        u64 value = 0;
        is_done = vcpu.backend->read_msr(fields.msr, value);
        fields.value = value;
    } else if (!is_protected(fields.msr)) {
        bool leave = false;  // a wish nobody is asked for here
        is_done = vcpu.backend->write_msr(fields.msr, fields.value, leave) && !leave;
    }
    return is_done ? u32{RS_OK} : u32{RS_ERR_BAD_MSR};
}

}  // namespace ringside::inspect
