// SPDX-License-Identifier: GPL-2.0-or-later
// CPUID where it always exits: the guest is told what the processor says, which knows only root
// mode's CR4.
#include "monitor/monitor.hpp"
#include "x86/control_registers.hpp"
#include "x86/instructions.hpp"

namespace ringside::monitor {
namespace {

/// `on`: what the guest's CR4 has set.
u32 with_bit(u32 value, u32 bit, bool on) {
    return on ? value | 1u << bit : value & ~(1u << bit);
}

}  // namespace

/// Source: Intel SDM vol. 2A "CPUID": OSXSAVE and OSPKE repeat CR4; the sizes in leaf 0xd follow
/// XCR0 and IA32_XSS, which stay the guest's in root mode.
vcpu::After on_cpuid(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    constexpr u32 kCpuidBytes = 2, kOsxsaveBit = 27, kOspkeBit = 4;
    vcpu::Backend& backend = *vcpu.backend;
    const u32 leaf = u32(backend.read_register(RS_FULL_RAX));
    const u32 subleaf = u32(vcpu.registers->rcx);
    x86::CpuidResult result = x86::cpuid(leaf, subleaf);
    if (leaf == 1 || (leaf == 7 && subleaf == 0)) {
        const u64 cr4 = backend.read_register(RS_FULL_CR4);
        result.ecx = leaf == 1 ? with_bit(result.ecx, kOsxsaveBit, (cr4 & x86::cr4::OSXSAVE) != 0)
                               : with_bit(result.ecx, kOspkeBit, (cr4 & x86::cr4::PKE) != 0);
    }
    backend.write_register(RS_FULL_RAX, result.eax);
    vcpu.registers->rbx = result.ebx;
    vcpu.registers->rcx = result.ecx;
    vcpu.registers->rdx = result.edx;
    backend.skip_instruction(kCpuidBytes);
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
