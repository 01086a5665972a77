// SPDX-License-Identifier: GPL-2.0-or-later
// What happened, in words both vendors share.
#pragma once

#include "base/types.hpp"

namespace ringside::vcpu {

enum class ExitReason : u8 {
    kExternalInterrupt,  ///< a physical interrupt wants to be taken
    kNmi,                ///< a physical NMI
    kException,          ///< one an event asks for; Backend::read_exception() has it
    kInterruptWindow,    ///< the guest became able to take an interrupt
    kHalt,               ///< HLT, while Traits of the vendor ask for it
    kNmiUnblocked,       ///< the guest is about to leave its NMI handler
    kHypercall,          ///< VMMCALL, VMCALL
    kReadMsr,            ///< guest_registers().rcx is the MSR
    kWriteMsr,
    kVirtualizationInstruction,  ///< VMRUN and its family: #UD for the guest
    kCpuid,
    kWriteControlRegister,  ///< address: its number (0, 4 or 8), detail: the value
    kSetExtendedControl,    ///< XSETBV; guest_registers().rcx is the register
    kInvalidateCaches,      ///< INVD, WBINVD
    kTimer,                 ///< behind a delivery, as Backend::exit_behind_injection() asked
    kInit,                  ///< INIT or SIPI for a CPU that is virtualized
    kNestedPageFault,       ///< address: the guest physical address
    kTripleFault,
    kEntryFailed,  ///< the processor refused the guest state
    kUnknown,      ///< nothing we asked for; code holds the vendor's number
    kCount,
};

struct Exit {
    ExitReason reason = ExitReason::kUnknown;
    u64 code = 0;     ///< the vendor's exit code
    u64 address = 0;  ///< nested page fault: guest physical address; else see the reason
    u64 detail = 0;   ///< nested page fault: error bits; else see the reason
};

/// What the exit loop does after a handler.
enum class After : u8 {
    kResume,        ///< enter the guest again
    kDevirtualize,  ///< leave root mode for good on this core
    kAbandon,       ///< the same because the processor forces it: nobody asked
};

}  // namespace ringside::vcpu
