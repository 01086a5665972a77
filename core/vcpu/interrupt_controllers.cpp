// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/interrupt_controllers.hpp"

#include "vcpu/rendezvous.hpp"

extern "C" int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value);

namespace ringside::vcpu {

InterruptControllers::InterruptControllers(Vcpu& vcpu) : vcpu_{vcpu}, local_{vcpu.machine->apic} {
    u64 base = 0;
    if (rs_safe_read_msr(x86::IA32_APIC_BASE, &base) != 0)
        return;
    is_enabled_ = x86::apic_base::GlobalEnable::test(base);
    local_ = local_.in_mode_of(base);
}

u64 InterruptControllers::tsc_deadline() {
    u64 deadline = 0;
    return rs_safe_read_msr(x86::IA32_TSC_DEADLINE, &deadline) == 0 ? deadline : ~u64{0};
}

u32 InterruptControllers::read_io_apic(u32 io_apic, apic::IoApicRegister which) {
    return x86::read_device(vcpu_.machine->io_apics[io_apic] + u32(which));
}

void InterruptControllers::write_io_apic(u32 io_apic, apic::IoApicRegister which, u32 value) {
    x86::write_device(vcpu_.machine->io_apics[io_apic] + u32(which), value);
}

u8 InterruptControllers::read_port(u16 port) {
    return x86::in_byte(port);
}

void InterruptControllers::write_port(u16 port, u8 value) {
    x86::out_byte(port, value);
}

bool InterruptControllers::while_others_stand(void (*work)(void*), void* argument) {
    return vcpu::while_others_stand(vcpu_, work, argument);
}

}  // namespace ringside::vcpu
