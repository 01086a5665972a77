// SPDX-License-Identifier: GPL-2.0-or-later
// External interrupts: the source of !interrupt events.
#include "event/adoption.hpp"
#include "event/pipeline.hpp"
#include "monitor/monitor.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::monitor {

vcpu::After on_external_interrupt(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    event::CoreState& state = *vcpu.core_state;
    state.stats->interrupt_exits.add(1);
    const s32 taken = vcpu.backend->take_interrupt();
    if (taken < 0)
        return vcpu::After::kResume;
    const u8 vector = u8(taken);
    vcpu::GuestView guest{vcpu};
    if (event::on_arrival(state, vector, guest) == event::Verdict::kDeliver)
        vcpu.waiting.interrupts.add(vector);
    // A message was written and somebody sleeps in read(): one NMI on this core, which the shim's
    // handler turns into a wake-up.
    if (state.wake.is_wanted() && event::should_wake_reader(state, guest.tsc())) {
        std::atomic_ref<u32>(vcpu.machine->wakeups[vcpu.core]).store(1);
        vcpu.waiting.nmi = true;
    }
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
