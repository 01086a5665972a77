// SPDX-License-Identifier: GPL-2.0-or-later
// External interrupts: the source of !interrupt events.
#include "event/holding.hpp"
#include "event/pipeline.hpp"
#include "monitor/monitor.hpp"
#include "vcpu/guest_view.hpp"
#include "vcpu/ignored.hpp"
#include "vcpu/user_code.hpp"

namespace ringside::monitor {

namespace {

/// What the events make of an interrupt root mode has accepted.
enum class Fate { kDelivered, kIgnored };

/// An event says that the guest does not get this one. It may get it after all: SC-9.
Fate ignore(vcpu::Vcpu& vcpu, u8 vector, vcpu::GuestView& guest) {
    event::CoreState& state = *vcpu.core_state;
    switch (vcpu::ignore_interrupt(vcpu, vector, state.ignored_by)) {
        case apic::Outcome::kDeliver:
            event::uncount_ignored(state, state.ignored_by, vector);
            return Fate::kDelivered;
        case apic::Outcome::kHeld:
            event::begin_hold(state, state.ignored_by, vector, guest);
            break;
        case apic::Outcome::kRetired:
            break;
    }
    state.stats->ignored.add(1);
    return Fate::kIgnored;
}

/// Runs the events of a hooked interrupt.
[[gnu::noinline]] Fate run_events(vcpu::Vcpu& vcpu, u8 vector) {
    vcpu::GuestView guest{vcpu};
    vcpu::UserCode code{vcpu};
    switch (event::run_pre_stage(*vcpu.core_state, vector, guest, code)) {
        case event::Verdict::kDeliverWithPost:
            vcpu.waiting.posts.add(vector);
            [[fallthrough]];
        case event::Verdict::kDeliver:
            return Fate::kDelivered;
        case event::Verdict::kIgnore:
            break;
    }
    return ignore(vcpu, vector, guest);
}

/// Has an interrupt root mode has accepted delivered, or ignored if its events say so.
Fate on_arrival(vcpu::Vcpu& vcpu, u8 vector) {
    if (event::count_arrival(*vcpu.core_state, vector) &&
        run_events(vcpu, vector) == Fate::kIgnored)
        return Fate::kIgnored;
    vcpu.waiting.interrupts.add(vector);
    vcpu.short_circuit.on_delivered(vector);
    return Fate::kDelivered;
}

}  // namespace

void on_commit(vcpu::Vcpu& vcpu, u8 vector) {
    vcpu::GuestView guest{vcpu};
    vcpu::UserCode code{vcpu};
    event::run_post_stage(*vcpu.core_state, vector, guest, code);
}

vcpu::After on_external_interrupt(vcpu::Vcpu& vcpu, const vcpu::Exit&) {
    vcpu.core_state->stats->interrupt_exits.add(1);
    const s32 vector = vcpu.backend->take_interrupt();
    if (vector >= 0)
        (void)on_arrival(vcpu, u8(vector));
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
    const u64 halted_at = vcpu.backend->read_register(RS_FULL_RIP);
    vcpu.backend->skip_instruction(kHltBytes);
    const u64 behind = vcpu.backend->read_register(RS_FULL_RIP);
    // An ignored interrupt wakes nobody: the guest halts again (SC-10), unless a script sent it
    // elsewhere.
    if (on_arrival(vcpu, u8(vector)) == Fate::kIgnored &&
        vcpu.backend->read_register(RS_FULL_RIP) == behind)
        vcpu.backend->write_register(RS_FULL_RIP, halted_at);
    return vcpu::After::kResume;
}

}  // namespace ringside::monitor
