// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/exit_loop.hpp"

#include "event/adoption.hpp"

namespace ringside::vcpu {
namespace {

/// Looks at the NMIs taken in root mode since the last look. An NMI somebody here owed us has done
/// its work by coming; any other, one beside it included, is the guest's. The hardware keeps one
/// pending NMI, and so do we.
void sort_nmis(Vcpu& vcpu) {
    const u32 count = *const_cast<volatile u32*>(&vcpu.nmi_count);
    if (count == vcpu.nmi_seen) [[likely]]
        return;
    const u32 taken = count - vcpu.nmi_seen;
    vcpu.nmi_seen = count;
    if (taken > std::atomic_ref<u32>(vcpu.owed_nmi).exchange(0))
        vcpu.waiting.nmi = true;
}

void adopt_if_published(Vcpu& vcpu) {
    event::CoreState& state = *vcpu.core_state;
    if (!event::needs_adoption(state)) [[likely]]
        return;
    if (event::take_kick_request(state))
        signal_other_cores(vcpu);
    vcpu.wants_interrupts = event::adopt(state);
}

/// Exits on interrupts while an event wants them, and while an accepted one still waits: the next
/// one is what has the waiting one looked at again.
void update_intercept(Vcpu& vcpu) {
    const bool on = vcpu.wants_interrupts || !vcpu.waiting.interrupts.empty();
    if (on == vcpu.intercepts_interrupts) [[likely]]
        return;
    vcpu.intercepts_interrupts = on;
    vcpu.backend->intercept_interrupts(on);
}

/// Gives the guest what the plan says. A refused delivery leaves the interrupt waiting and gives
/// the guest the fault instead, as the processor would.
void inject_planned(Vcpu& vcpu) {
    Backend& backend = *vcpu.backend;
    // What was cut short has been counted before, or came to the guest without us.
    const bool is_redelivery = vcpu.waiting.in_flight.valid;
    EntryPlan plan = prepare_entry(vcpu.waiting, backend.interruptibility());
    if (plan.inject.valid) {
        PendingEvent fault;
        if (backend.inject(plan.inject, fault) == Injected::kRefused) [[unlikely]] {
            vcpu.waiting.interrupts.add(plan.inject.vector);
            vcpu.waiting.exception = fault;
            plan = prepare_entry(vcpu.waiting, backend.interruptibility());
            backend.inject(plan.inject, fault);
        } else if (plan.inject.type == EventType::kExternalInterrupt && !is_redelivery) {
            vcpu.core_state->stats->delivered.add(1);
        }
    }
    backend.set_windows(plan);
    update_intercept(vcpu);
    event::Counter& pending = vcpu.core_state->stats->pending;
    if (!vcpu.waiting.interrupts.empty() || pending.get() != 0) [[unlikely]]
        pending.set(vcpu.waiting.interrupts.count());
}

}  // namespace

void* handle_exit(Vcpu& vcpu) {
    Backend& backend = *vcpu.backend;
    ++vcpu.exits;
    event::CoreStats& stats = *vcpu.core_state->stats;
    stats.open();
    stats.exits.add(1);
    const Exit exit = backend.decode_exit(vcpu.waiting.in_flight);
    const After after = vcpu.machine->exits.handlers[u32(exit.reason)](vcpu, exit);
    if (after == After::kDevirtualize) [[unlikely]] {
        stats.close();
        backend.block_nmis();
        // An NMI taken here that the guest did not get is sent again: the kernel takes it itself.
        sort_nmis(vcpu);
        if (vcpu.waiting.nmi)
            vcpu.machine->apic.send_nmi(vcpu.apic_id);
        vcpu.is_virtualized = false;
        return backend.prepare_devirtualize();
    }
    // The last look at NMIs happens with NMIs held back: one that comes later exits at once.
    for (;;) {
        sort_nmis(vcpu);
        adopt_if_published(vcpu);
        backend.block_nmis();
        if (*const_cast<volatile u32*>(&vcpu.nmi_count) == vcpu.nmi_seen) [[likely]]
            break;
        backend.unblock_nmis();
    }
    inject_planned(vcpu);
    stats.close();
    return nullptr;
}

void signal_other_cores(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    for (u32 core = 0; core < machine.core_count; ++core) {
        Vcpu* other = machine.vcpus[core];
        if (!other || other == &vcpu ||
            !std::atomic_ref<bool>(other->is_virtualized).load(std::memory_order_acquire))
            continue;
        if (std::atomic_ref<u32>(other->owed_nmi).exchange(1) == 0)
            machine.apic.send_nmi(other->apic_id);
    }
}

void queue_exception(Vcpu& vcpu, u8 vector, bool has_code, u32 code) {
    vcpu.waiting.exception = {.type = EventType::kException,
                              .vector = vector,
                              .valid = true,
                              .has_error_code = has_code,
                              .error_code = code};
}

}  // namespace ringside::vcpu
