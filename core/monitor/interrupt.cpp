// SPDX-License-Identifier: GPL-2.0-or-later
// External interrupts: the source of !interrupt events.
#include "event/adoption.hpp"
#include "event/pipeline.hpp"
#include "monitor/monitor.hpp"
#include "monitor/no_code.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::monitor {

namespace {

/// Runs the events of an interrupt root mode has accepted, and has it delivered.
void on_arrival(vcpu::Vcpu& vcpu, u8 vector) {
    event::CoreState& state = *vcpu.core_state;
    vcpu::GuestView guest{vcpu};
    NoCode code;
    switch (event::on_arrival(state, vector, guest, code)) {
        case event::Verdict::kDeliverWithPost:
            vcpu.waiting.posts.add(vector);
            [[fallthrough]];
        case event::Verdict::kDeliver:
            vcpu.waiting.interrupts.add(vector);
            break;
        case event::Verdict::kIgnore:
            state.stats->ignored.add(1);
            vcpu.machine->apic.end_of_interrupt();
            break;
    }
}

}  // namespace

void on_commit(vcpu::Vcpu& vcpu, u8 vector) {
    vcpu::GuestView guest{vcpu};
    NoCode code;
    event::on_commit(*vcpu.core_state, vector, guest, code);
}

vcpu::After on_external_interrupt(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    vcpu.core_state->stats->interrupt_exits.add(1);
    const s32 vector = vcpu.backend->take_interrupt();
    if (vector >= 0)
        on_arrival(vcpu, u8(vector));
    return vcpu::After::kResume;
}

/// The guest's HLT, waited for in root mode. The interrupt that ends it finds the guest behind it.
vcpu::After on_halt(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    constexpr u32 kHltBytes = 1;
    event::CoreStats& stats = *vcpu.core_state->stats;
    stats.close();  // nothing changes for as long as this takes
    const s32 vector = vcpu.backend->halt();
    stats.open();
    if (vector < 0)
        return vcpu::After::kResume;
    stats.interrupt_exits.add(1);
    vcpu.backend->skip_instruction(kHltBytes);
    on_arrival(vcpu, u8(vector));
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
