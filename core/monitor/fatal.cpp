// SPDX-License-Identifier: GPL-2.0-or-later
// What cannot be served: a triple fault of the guest, an exit nobody asked for, a fault of our own.
#include "vcpu/emergency_log.hpp"

#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/hypercall.hpp"

namespace ringside::monitor {

/// The guest has triple-faulted, which on bare hardware resets the machine: so do we.
vcpu::After on_triple_fault(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    vcpu::EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: triple fault of the guest, core ").hex(vcpu.core);
    log.text(" rip ").hex(vcpu.backend->read_register(RS_FULL_RIP));
    log.text(" cr3 ").hex(vcpu.backend->read_register(RS_FULL_CR3)).end();
    vcpu::reset_machine();
}

/// Cores are devirtualized before the kernel takes them offline, so nobody resets one under us.
vcpu::After on_init(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    vcpu::EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: INIT for a virtualized core, ").hex(vcpu.core).end();
    vcpu::stop_machine();
}

/// The processor refused to enter the guest. Its state is what the save area says, so it goes on
/// without us: at the launch, which reports it, and later where the kernel's memory is mapped.
/// Accepted interrupts go back to the local APIC.
vcpu::After on_entry_failed(vcpu::Vcpu& vcpu, const vcpu::Exit& exit) {
    vcpu::EmergencyLog log = vcpu::lasting_log(vcpu);
    log.text("ringside: VM entry refused on core ").hex(vcpu.core);
    log.text(", code ").hex(exit.code).text(", qualification ").hex(exit.detail).end();
    vcpu.backend->report_entry_failure(log);
    if (vcpu.exits == 1) {
        vcpu.backend->write_register(RS_FULL_RAX, vcpu::kLeft);
        return vcpu::After::kDevirtualize;
    }
    if (vcpu.machine->page_table_isolation && vcpu.backend->privilege_level() != 0) {
        log.text("ringside: user mode's tables do not lead back to the kernel").end();
        vcpu::stop_machine();
    }
    return vcpu::After::kAbandon;
}

vcpu::After on_unexpected(vcpu::Vcpu& vcpu, const vcpu::Exit& exit) {
    vcpu::EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: unexpected exit ").hex(exit.code).text(" core ").hex(vcpu.core);
    log.text(" address ").hex(exit.address).text(" detail ").hex(exit.detail);
    log.text(" rip ").hex(vcpu.backend->read_register(RS_FULL_RIP)).end();
    vcpu::stop_machine();
}

}  // namespace ringside::monitor
