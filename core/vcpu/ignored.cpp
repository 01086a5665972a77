// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/ignored.hpp"

#include "event/holding.hpp"
#include "vcpu/interrupt_controllers.hpp"

namespace ringside::vcpu {

apic::Outcome ignore_interrupt(Vcpu& vcpu, u8 vector, u32 event_id) {
    InterruptControllers hardware{vcpu};
    return vcpu.short_circuit.on_ignored(
        hardware, vcpu.machine->short_circuit,
        {.vector = vector, .event = event_id, .rip = vcpu.backend->read_register(RS_FULL_RIP)});
}

void end_due_holds(Vcpu& vcpu) {
    InterruptControllers hardware{vcpu};
    vcpu.short_circuit.end_due_holds(
        hardware, [&](u32 event_id) { event::end_hold(*vcpu.core_state, event_id); });
}

void reconsider_ignored(Vcpu& vcpu) {
    if (!vcpu.short_circuit.remembers()) [[likely]]
        return;
    InterruptControllers hardware{vcpu};
    event::CoreState& state = *vcpu.core_state;
    vcpu.short_circuit.reconsider(
        hardware, vcpu.machine->short_circuit,
        [&](u32 event_id) { return event::is_active(state, event_id); },
        [&](u32 event_id) { event::end_hold(state, event_id); });
}

void give_up_ignored(Vcpu& vcpu) {
    if (!vcpu.short_circuit.remembers()) [[likely]]
        return;
    InterruptControllers hardware{vcpu};
    vcpu.short_circuit.give_up(hardware, vcpu.machine->short_circuit,
                               [&](u32 event_id) { event::end_hold(*vcpu.core_state, event_id); });
}

}  // namespace ringside::vcpu
