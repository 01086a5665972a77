// SPDX-License-Identifier: GPL-2.0-or-later
// What cannot be served: a triple fault of the guest, an exit nobody asked for, a fault of our own.
#include "vcpu/emergency_log.hpp"

#include "monitor/monitor.hpp"

namespace ringside::monitor {

/// The guest has triple-faulted, which on bare hardware resets the machine: so do we.
vcpu::After on_triple_fault(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    vcpu::EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: triple fault of the guest, core ").hex(vcpu.core);
    log.text(" rip ").hex(vcpu.backend->read_register(RS_FULL_RIP));
    log.text(" cr3 ").hex(vcpu.backend->read_register(RS_FULL_CR3)).end();
    vcpu::reset_machine();
}

vcpu::After on_unexpected(vcpu::Vcpu& vcpu, const vcpu::Exit& exit) {
    vcpu::EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: unexpected exit ").hex(exit.code).text(" core ").hex(vcpu.core);
    log.text(" address ").hex(exit.address).text(" detail ").hex(exit.detail);
    log.text(" rip ").hex(vcpu.backend->read_register(RS_FULL_RIP)).end();
    vcpu::stop_machine();
}

}  // namespace ringside::monitor
