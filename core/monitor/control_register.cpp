// SPDX-License-Identifier: GPL-2.0-or-later
// Writes of control registers the hardware exits for, and XSETBV, which always does on Intel.
#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"

extern "C" int rs_safe_xsetbv(ringside::u32 index, ringside::u64 value);

namespace ringside::monitor {

vcpu::After on_write_control_register(vcpu::Vcpu& vcpu, const vcpu::Exit& exit) {
    constexpr u32 kMovToCrBytes = 3;
    if (vcpu.backend->write_control_register(u32(exit.address), exit.detail))
        vcpu.backend->skip_instruction(kMovToCrBytes);
    else
        vcpu::queue_general_protection(vcpu);
    return vcpu::After::kResume;
}

/// The processor itself says whether the value is one it can have; root mode is privileged, so
/// whether the guest is comes first. Bochs: exits at any privilege level.
vcpu::After on_set_extended_control(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    constexpr u32 kXsetbvBytes = 3;
    const u64 value = vcpu.registers->rdx << 32 | u32(vcpu.backend->read_register(RS_FULL_RAX));
    if (vcpu.backend->privilege_level() == 0 &&
        rs_safe_xsetbv(u32(vcpu.registers->rcx), value) == 0)
        vcpu.backend->skip_instruction(kXsetbvBytes);
    else
        vcpu::queue_general_protection(vcpu);
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
