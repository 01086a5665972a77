// SPDX-License-Identifier: GPL-2.0-or-later
// The few things root mode does with the local APIC, in both of its access modes.
// Source: Intel SDM vol. 3A chapter 10 "Advanced Programmable Interrupt Controller (APIC)";
// AMD APM vol. 2 chapter 16.
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"

namespace ringside::x86 {

/// Register offsets of the memory-mapped interface; MSR number in x2APIC mode is 0x800 + offset/16.
enum class LapicRegister : u32 {
    kId = 0x20,
    kVersion = 0x30,
    kEoi = 0xb0,
    kSpurious = 0xf0,
    kInService = 0x100,  ///< the first of eight, 32 vectors each, 0x10 apart
    kTriggerMode = 0x180,
    kIcrLow = 0x300,
    kIcrHigh = 0x310,
    kLvtTimer = 0x320,
    kTimerCurrentCount = 0x390,
};

/// Source: Intel SDM vol. 3A §10.4.8 "Local APIC Version Register", §10.9 "Spurious Interrupt",
/// §10.5.1 "Local Vector Table".
namespace lapic {
using MaxLvtEntry = Bits<16, 23>;       ///< version: entries of the local vector table, less 1
using CanSuppressBroadcast = Bits<24>;  ///< version
using SpuriousVector = Bits<0, 7>;      ///< spurious-interrupt vector register
using SuppressBroadcast = Bits<12>;     ///< the same: an EOI is not told to the IO-APICs
using TimerVector = Bits<0, 7>;
using TimerMasked = Bits<16>;
using TimerMode = Bits<17, 18>;
enum class Timer : u32 { kOneShot = 0, kPeriodic = 1, kTscDeadline = 2 };
}  // namespace lapic

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
    void end_of_interrupt() const { write(LapicRegister::kEoi, 0); }

    bool is_x2apic() const { return x2apic_; }
    /// The same local APIC in the mode IA32_APIC_BASE says it is in.
    LocalApic in_mode_of(u64 apic_base_msr) const {
        return {apic_base::X2apicEnable::test(apic_base_msr), mmio_};
    }

    /// Any register but the ICR, which is 64 bits wide in x2APIC mode.
    u32 read(LapicRegister which, u32 offset = 0) const {
        return x2apic_ ? u32(read_msr(msr_of(which, offset))) : read_page(u32(which) + offset);
    }
    void write(LapicRegister which, u32 value) const {
        if (x2apic_)
            write_msr(msr_of(which, 0), value);
        else
            write_page(which, value);
    }

private:
    static constexpr u32 msr_of(LapicRegister which, u32 offset) {
        return 0x800 + (u32(which) + offset) / 0x10;
    }
    void send(u32 apic_id, u32 command) const {
        if (x2apic_) {
            write_msr(IA32_X2APIC_ICR, u64{apic_id} << 32 | command);
            return;
        }
        const u32 guest_destination = read_page(u32(LapicRegister::kIcrHigh));
        wait_idle();
        write_page(LapicRegister::kIcrHigh, apic_id << 24);
        write_page(LapicRegister::kIcrLow, command);
        wait_idle();
        write_page(LapicRegister::kIcrHigh, guest_destination);
    }
    u32 read_page(u32 offset) const {
        return *reinterpret_cast<const volatile u32*>(mmio_ + offset);
    }
    void write_page(LapicRegister which, u32 value) const {
        *reinterpret_cast<volatile u32*>(mmio_ + u32(which)) = value;
    }
    void wait_idle() const {
        while (read_page(u32(LapicRegister::kIcrLow)) & icr::kDeliveryPending)
            compiler_barrier();
    }

    u64 mmio_ = 0;
    bool x2apic_ = false;
};

}  // namespace ringside::x86
