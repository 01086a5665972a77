// SPDX-License-Identifier: GPL-2.0-or-later
// External interrupts: the source of !interrupt events.
#include "event/adoption.hpp"
#include "event/pipeline.hpp"
#include "monitor/monitor.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::monitor {

namespace {

/// Runs the events of an interrupt root mode has accepted, and has it delivered.
void on_arrival(vcpu::Vcpu& vcpu, u8 vector) {
    event::CoreState& state = *vcpu.core_state;
    vcpu::GuestView guest{vcpu};
    if (event::on_arrival(state, vector, guest) == event::Verdict::kDeliver)
        vcpu.waiting.interrupts.add(vector);
    // A message was written and somebody sleeps in read(): one NMI on this core, which the shim's
    // handler turns into a wake-up.
    if (state.wake.is_wanted() && event::should_wake_reader(state, guest.tsc())) {
        std::atomic_ref<u32>(vcpu.machine->wakeups[vcpu.core]).store(1);
        vcpu.waiting.nmi = true;
    }
}

}  // namespace

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
