// SPDX-License-Identifier: GPL-2.0-or-later
#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"
#include "x86/instructions.hpp"

namespace ringside::monitor {

using vcpu::After;
using vcpu::Exit;
using vcpu::ExitReason;
using vcpu::Vcpu;

namespace {

/// The NMI itself came through our own IDT as soon as NMIs were unblocked.
After on_nmi(Vcpu& vcpu, const Exit&) {
    vcpu.core_state->stats->nmi_exits.add(1);
    return After::kResume;
}

/// The preparation of the next entry looks at what waits; nothing is left to do here.
After on_window(Vcpu&, const Exit&) {
    return After::kResume;
}

/// The guest is about to leave its NMI handler. A latched NMI is given right at its IRET: Linux
/// recognizes that state as nested and repeats the handler.
After on_nmi_unblocked(Vcpu& vcpu, const Exit&) {
    vcpu.waiting.nmi_blocked = false;
    return After::kResume;
}

After on_virtualization_instruction(Vcpu& vcpu, const Exit&) {
    vcpu::queue_undefined_instruction(vcpu);
    return After::kResume;
}

/// INVD would throw away what root mode has written, too: everything goes to memory first.
After on_invalidate_caches(Vcpu& vcpu, const Exit&) {
    constexpr u32 kInvdBytes = 2;
    if (vcpu.backend->privilege_level() != 0) {
        vcpu::queue_general_protection(vcpu);
        return After::kResume;
    }
    x86::write_back_caches();
    vcpu.backend->skip_instruction(kInvdBytes);
    return After::kResume;
}

}  // namespace

void fill(vcpu::ExitTable& table) {
    table.commit = on_commit;
    table.nmi = on_guest_nmi;
    for (auto& handler : table.handlers)
        handler = on_unexpected;
    const auto set = [&](ExitReason reason, vcpu::ExitHandler handler) {
        table.handlers[u32(reason)] = handler;
    };
    set(ExitReason::kExternalInterrupt, on_external_interrupt);
    set(ExitReason::kNmi, on_nmi);
    set(ExitReason::kException, on_exception);
    set(ExitReason::kInterruptWindow, on_window);
    set(ExitReason::kHalt, on_halt);
    set(ExitReason::kTimer, on_window);
    set(ExitReason::kNmiUnblocked, on_nmi_unblocked);
    set(ExitReason::kHypercall, on_hypercall);
    set(ExitReason::kCpuid, on_cpuid);
    set(ExitReason::kWriteControlRegister, on_write_control_register);
    set(ExitReason::kSetExtendedControl, on_set_extended_control);
    set(ExitReason::kInvalidateCaches, on_invalidate_caches);
    set(ExitReason::kInit, on_init);
    set(ExitReason::kReadMsr, on_read_msr);
    set(ExitReason::kWriteMsr, on_write_msr);
    set(ExitReason::kVirtualizationInstruction, on_virtualization_instruction);
    set(ExitReason::kTripleFault, on_triple_fault);
    set(ExitReason::kEntryFailed, on_entry_failed);
}

}  // namespace ringside::monitor
