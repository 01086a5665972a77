// SPDX-License-Identifier: GPL-2.0-or-later
#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/hypercall.hpp"

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

/// The processor refused to enter the guest: before its first instruction it goes on without us,
/// and the launch reports that; later there is no state to trust.
After on_entry_failed(Vcpu& vcpu, const Exit& exit) {
    if (vcpu.exits != 1)
        return on_unexpected(vcpu, exit);
    vcpu.backend->write_register(RS_FULL_RAX, vcpu::kLeft);
    return After::kDevirtualize;
}

}  // namespace

void fill(vcpu::ExitTable& table) {
    for (auto& handler : table.handlers)
        handler = on_unexpected;
    const auto set = [&](ExitReason reason, vcpu::ExitHandler handler) {
        table.handlers[u32(reason)] = handler;
    };
    set(ExitReason::kExternalInterrupt, on_external_interrupt);
    set(ExitReason::kNmi, on_nmi);
    set(ExitReason::kInterruptWindow, on_window);
    set(ExitReason::kHalt, on_halt);
    set(ExitReason::kNmiUnblocked, on_nmi_unblocked);
    set(ExitReason::kHypercall, on_hypercall);
    set(ExitReason::kReadMsr, on_read_msr);
    set(ExitReason::kWriteMsr, on_write_msr);
    set(ExitReason::kVirtualizationInstruction, on_virtualization_instruction);
    set(ExitReason::kTripleFault, on_triple_fault);
    set(ExitReason::kEntryFailed, on_entry_failed);
}

}  // namespace ringside::monitor
