// SPDX-License-Identifier: GPL-2.0-or-later
// MSR accesses the hardware exits for: those that would take root mode's ground away.
#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"

namespace ringside::monitor {

namespace {
constexpr u32 kRdmsrBytes = 2;  ///< 0F 32 and 0F 30
}

vcpu::After on_read_msr(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    u64 value = 0;
    if (!vcpu.backend->read_msr(u32(vcpu.registers->rcx), value)) {
        vcpu::queue_general_protection(vcpu);
        return vcpu::After::kResume;
    }
    vcpu.backend->write_register(RS_FULL_RAX, u32(value));
    vcpu.registers->rdx = value >> 32;
    vcpu.backend->skip_instruction(kRdmsrBytes);
    return vcpu::After::kResume;
}

vcpu::After on_write_msr(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    const u64 value = vcpu.registers->rdx << 32 | u32(vcpu.backend->read_register(RS_FULL_RAX));
    bool leave = false;
    if (!vcpu.backend->write_msr(u32(vcpu.registers->rcx), value, leave)) {
        vcpu::queue_general_protection(vcpu);
        return vcpu::After::kResume;
    }
    vcpu.backend->skip_instruction(kRdmsrBytes);
    return leave ? vcpu::After::kDevirtualize : vcpu::After::kResume;
}

}  // namespace ringside::monitor
