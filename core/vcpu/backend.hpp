// SPDX-License-Identifier: GPL-2.0-or-later
// The one seam between the vendors: what neutral code asks of a virtual CPU. One object a vCPU.
#pragma once

#include "base/result.hpp"
#include "script/guest_access.hpp"
#include "vcpu/exit.hpp"
#include "vcpu/guest_registers.hpp"
#include "vcpu/injection.hpp"

namespace ringside::vcpu {

/// The general and system registers of the guest; the same names scripts use.
using Register = script::FullRegister;

/// How an injection ended.
enum class Injected : u8 {
    kDone,     ///< the guest has it, or will have it at the entry
    kRefused,  ///< delivering it faults; `fault` is what the guest gets instead
};

class EmergencyLog;

class Backend {
public:
    /// Reads the last exit from the hardware's save area, with the event that was being delivered
    /// when it happened, if any. Root mode, own vCPU.
    virtual Exit decode_exit(PendingEvent& in_flight) = 0;

    /// Registers kept in the save area or in the processor. The 14 of GuestRegisters are not asked
    /// here.
    virtual u64 read_register(Register which) = 0;
    /// False: not a value the guest could be entered with; nothing changed.
    virtual bool write_register(Register which, u64 value) = 0;
    /// Limit of the descriptor table at RS_FULL_GDTR or RS_FULL_IDTR.
    virtual u16 table_limit(Register table) = 0;
    virtual u8 privilege_level() = 0;
    /// Whether the code at rip is 64-bit code.
    virtual bool runs_64bit_code() = 0;
    /// Moves rip over the instruction that caused the exit. `length` counts where the hardware does
    /// not tell.
    virtual void skip_instruction(u32 length) = 0;

    /// Exit on physical interrupts, or let the guest take them directly.
    virtual void intercept_interrupts(bool on) = 0;
    /// Accepts the interrupt that caused the exit, as the processor would: it moves from IRR to ISR
    /// in the local APIC. -1: none was there any more.
    virtual s32 take_interrupt() = 0;
    /// Waits in the guest's stead, which was about to halt, until an interrupt or an NMI comes.
    /// Accepts the interrupt and returns its vector; -1: none came, the guest is to be entered
    /// again where it was. May decide to let the guest halt by itself.
    virtual s32 halt() = 0;

    /// Exit on the exceptions of `mask` (bit n: exception n; the NMI's bit means nothing) and on no
    /// others.
    virtual void intercept_exceptions(u32 mask) = 0;
    /// The exception that caused the exit, as it would be delivered: it has not changed CR2 or DR6
    /// yet. `address`: CR2 of a page fault, DR6 of a debug exception.
    virtual PendingEvent read_exception() = 0;

    virtual Interruptibility interruptibility() = 0;
    /// Places `event` in the next entry, or delivers it at once. At most one call an entry.
    virtual Injected inject(const PendingEvent& event, PendingEvent& fault) = 0;
    /// The next instruction runs at once: no shadow of STI or MOV SS holds anything back, and the
    /// guest is not halted.
    virtual void make_runnable() = 0;
    /// Whether what inject() was given has taken place already: the guest is at its handler.
    virtual bool delivers_at_once() = 0;
    /// Has the next entry exit right behind the delivery of what inject() was given, before the
    /// handler's first instruction: as ExitReason::kNmi or kTimer. NMIs are held back.
    virtual void exit_behind_injection() = 0;
    /// Arms exactly the windows of the plan.
    virtual void set_windows(const EntryPlan& plan) = 0;

    /// What a write of the guest's to CR0, CR4 or CR8 does when the hardware exits for it. False:
    /// the guest gets #GP(0).
    virtual bool write_control_register(u32 number, u64 value) = 0;
    /// MSRs the hardware exits for or loads at an exit, and all others: the guest's own; the bases
    /// of FS and GS are registers here. False: the guest gets #GP(0).
    virtual bool read_msr(u32 msr, u64& value) = 0;
    /// `leave` is set when the write means that the kernel turns virtualization off.
    virtual bool write_msr(u32 msr, u64 value, bool& leave) = 0;

    /// Holds back NMIs until the entry; ends that.
    virtual void block_nmis() = 0;
    virtual void unblock_nmis() = 0;

    /// Says why the processor may have refused the last entry, and what was in the save area.
    virtual void report_entry_failure(EmergencyLog& log) = 0;

    /// Everything the entry code needs to become the guest for good. Returns the address of that
    /// block as the guest's kernel sees it.
    virtual void* prepare_devirtualize() = 0;

protected:
    ~Backend() = default;
};

}  // namespace ringside::vcpu
