// SPDX-License-Identifier: GPL-2.0-or-later
// CPUID where it always exits.
#include "monitor/monitor.hpp"
#include "vcpu/guest_cpuid.hpp"

namespace ringside::monitor {

vcpu::After on_cpuid(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    constexpr u32 kCpuidBytes = 2;
    vcpu::Backend& backend = *vcpu.backend;
    const u32 leaf = u32(backend.read_register(RS_FULL_RAX));
    const x86::CpuidResult result = vcpu::guest_cpuid(backend, leaf, u32(vcpu.registers->rcx));
    backend.write_register(RS_FULL_RAX, result.eax);
    vcpu.registers->rbx = result.ebx;
    vcpu.registers->rcx = result.ecx;
    vcpu.registers->rdx = result.edx;
    backend.skip_instruction(kCpuidBytes);
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
