// SPDX-License-Identifier: GPL-2.0-or-later
// The few things root mode does with the local APIC, in both of its access modes.
// Source: Intel SDM vol. 3A chapter 10 "Advanced Programmable Interrupt Controller (APIC)";
// AMD APM vol. 2 chapter 16.
#pragma once

#include "base/types.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"

namespace ringside::x86 {

/// Register offsets of the memory-mapped interface; MSR number in x2APIC mode is 0x800 + offset/16.
enum class LapicRegister : u32 {
    kId = 0x20,
    kEoi = 0xb0,
    kIcrLow = 0x300,
    kIcrHigh = 0x310,
};

namespace icr {
inline constexpr u32 kDeliverNmi = 4u << 8;
inline constexpr u32 kDeliveryPending = 1u << 12;
inline constexpr u32 kLevelAssert = 1u << 14;
}  // namespace icr

/// The local APIC of the processor it is used on. `mmio` is its page as root mode sees it.
class LocalApic {
public:
    LocalApic() = default;
    LocalApic(bool x2apic, u64 mmio) : mmio_{mmio}, x2apic_{x2apic} {}

    /// Sends an NMI to the processor with this APIC id. In xAPIC mode ICR2 is put back as it was:
    /// the guest may have been between its own two writes.
    void send_nmi(u32 apic_id) const { send(apic_id, icr::kDeliverNmi | icr::kLevelAssert); }

    /// Raises `vector` on this processor, whose APIC id is given.
    void send_to_self(u32 apic_id, u8 vector) const { send(apic_id, icr::kLevelAssert | vector); }

    /// Ends the highest interrupt in service.
    void end_of_interrupt() const {
        if (x2apic_)
            write_msr(IA32_X2APIC_EOI, 0);
        else
            write(LapicRegister::kEoi, 0);
    }

    bool is_x2apic() const { return x2apic_; }

private:
    void send(u32 apic_id, u32 command) const {
        if (x2apic_) {
            write_msr(IA32_X2APIC_ICR, u64{apic_id} << 32 | command);
            return;
        }
        const u32 guest_destination = read(LapicRegister::kIcrHigh);
        wait_idle();
        write(LapicRegister::kIcrHigh, apic_id << 24);
        write(LapicRegister::kIcrLow, command);
        wait_idle();
        write(LapicRegister::kIcrHigh, guest_destination);
    }
    u32 read(LapicRegister which) const {
        return *reinterpret_cast<const volatile u32*>(mmio_ + u32(which));
    }
    void write(LapicRegister which, u32 value) const {
        *reinterpret_cast<volatile u32*>(mmio_ + u32(which)) = value;
    }
    void wait_idle() const {
        while (read(LapicRegister::kIcrLow) & icr::kDeliveryPending)
            compiler_barrier();
    }

    u64 mmio_ = 0;
    bool x2apic_ = false;
};

}  // namespace ringside::x86
