// SPDX-License-Identifier: GPL-2.0-or-later
// The interrupt controllers as this room needs them, so that it runs against fakes as well.
#pragma once

#include "x86/lapic.hpp"

namespace ringside::apic {

/// An IO-APIC's directly addressed registers.
/// Source: Intel 82093AA datasheet §3.1; ICH9 datasheet §13.5 for the EOI register.
enum class IoApicRegister : u32 { kIndex = 0x00, kData = 0x10, kEoi = 0x40 };

/// Root mode, own core, interrupts off.
class Hardware {
public:
    /// Whether this core's local APIC is switched on.
    virtual bool has_local_apic() = 0;
    /// Registers of this core's local APIC, in whichever mode it is.
    virtual u32 read_local(x86::LapicRegister which, u32 offset = 0) = 0;
    virtual void write_local(x86::LapicRegister which, u32 value) = 0;
    virtual u64 tsc() = 0;
    /// IA32_TSC_DEADLINE; 0: expired or never set.
    virtual u64 tsc_deadline() = 0;
    /// Raises an edge interrupt on this core.
    virtual void raise(u8 vector) = 0;

    virtual u32 io_apic_count() = 0;
    virtual u32 read_io_apic(u32 io_apic, IoApicRegister which) = 0;
    virtual void write_io_apic(u32 io_apic, IoApicRegister which, u32 value) = 0;

    virtual u8 read_port(u16 port) = 0;
    virtual void write_port(u16 port, u8 value) = 0;

    /// Runs `work(argument)` while no other core executes guest code, so that none is between its
    /// two accesses to an IO-APIC. False: that is not possible now; nothing was run.
    virtual bool while_others_stand(void (*work)(void*), void* argument) = 0;

    template <class Work>
    bool while_others_stand(Work work) {
        return while_others_stand([](void* argument) { (*static_cast<Work*>(argument))(); }, &work);
    }

protected:
    ~Hardware() = default;
};

}  // namespace ringside::apic
