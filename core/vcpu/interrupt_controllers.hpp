// SPDX-License-Identifier: GPL-2.0-or-later
// The interrupt controllers of the machine, as one core reaches them in root mode.
#pragma once

#include "apic/hardware.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// Root mode, own vCPU; reads the local APIC's mode once.
class InterruptControllers final : public apic::Hardware {
public:
    explicit InterruptControllers(Vcpu& vcpu);

    bool has_local_apic() override { return is_enabled_; }
    u32 read_local(x86::LapicRegister which, u32 offset) override {
        return local_.read(which, offset);
    }
    void write_local(x86::LapicRegister which, u32 value) override { local_.write(which, value); }
    u64 tsc() override { return x86::read_tsc(); }
    u64 tsc_deadline() override;
    void raise(u8 vector) override { local_.send_to_self(vcpu_.apic_id, vector); }

    u32 io_apic_count() override { return vcpu_.machine->io_apic_count; }
    u32 read_io_apic(u32 io_apic, apic::IoApicRegister which) override;
    void write_io_apic(u32 io_apic, apic::IoApicRegister which, u32 value) override;

    u8 read_port(u16 port) override;
    void write_port(u16 port, u8 value) override;

    using Hardware::while_others_stand;
    bool while_others_stand(void (*work)(void*), void* argument) override;

private:
    Vcpu& vcpu_;
    x86::LocalApic local_;
    bool is_enabled_ = true;
};

}  // namespace ringside::vcpu
