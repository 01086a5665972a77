// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_CPUID: what the guest would read.
#include "inspect/request.hpp"
#include "vcpu/guest_cpuid.hpp"

namespace ringside::inspect {

u32 answer_cpuid(vcpu::Vcpu& vcpu, rs_cpuid& fields) {
    if (fields.reserved)
        return RS_ERR_BAD_IMAGE;
    if (fields.core != RS_ANY && fields.core != vcpu.core)
        return RS_ERR_BAD_CORE;
    fields.core = vcpu.core;
    const x86::CpuidResult result = vcpu::guest_cpuid(*vcpu.backend, fields.leaf, fields.subleaf);
    fields.eax = result.eax;
    fields.ebx = result.ebx;
    fields.ecx = result.ecx;
    fields.edx = result.edx;
    return RS_OK;
}

}  // namespace ringside::inspect
