// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/exit_loop.hpp"

#include "event/adoption.hpp"
#include "ringside/debug.h"
#include "vcpu/emergency_log.hpp"
#include "vcpu/halt.hpp"
#include "vcpu/ignored.hpp"
#include "vcpu/rendezvous.hpp"
#include "vcpu/step.hpp"

namespace ringside::vcpu {
namespace {

/// Guest context lets the link go on another core.
bool has_link(Machine& machine) {
    return std::atomic_ref<u32>(machine.has_link).load(std::memory_order_acquire) != 0;
}

/// Looks at the NMIs taken in root mode since the last look. An NMI somebody here owed us has done
/// its work by coming; any other, one beside it included, is the guest's. The hardware keeps one
/// pending NMI, and so do we.
void sort_nmis(Vcpu& vcpu) {
    const u32 count = *const_cast<volatile u32*>(&vcpu.nmi_count);
    if (vcpu.has_slept) [[unlikely]] {
        // The link's interrupt may have come in one with the NMI that woke this core.
        vcpu.has_slept = false;
        if (count == vcpu.nmi_seen && has_link(*vcpu.machine))
            (void)vcpu.machine->exits.tend_link(vcpu, true);
    }
    if (count == vcpu.nmi_seen) [[likely]]
        return;
    const u32 taken = count - vcpu.nmi_seen;
    vcpu.nmi_seen = count;
    const u32 owed = std::atomic_ref<u32>(vcpu.owed_nmi).exchange(0);
    if (has_link(*vcpu.machine)) [[unlikely]] {
        // The link's own interrupts come as NMIs, too, and as many as bytes came while this core
        // stood. One of the guest's among them cannot be told from them.
        const bool was_link = vcpu.machine->exits.tend_link(vcpu, true) || vcpu.has_tended;
        vcpu.has_tended = false;
        if (was_link)
            return;
    }
    if (taken <= owed)
        return;
    constexpr u32 kNmiBit = 1u << 2;
    if ((vcpu.core_state->wants_exceptions & kNmiBit) != 0 && !vcpu.machine->exits.nmi(vcpu))
        [[unlikely]]
        return;
    vcpu.waiting.nmi = true;
}

/// Exits on the exceptions that events ask for, and the debugger.
void update_exceptions(Vcpu& vcpu) {
    const u32 wanted = vcpu.core_state->wants_exceptions | debugger_exceptions(vcpu);
    if (vcpu.intercepted_exceptions == wanted)
        return;
    vcpu.intercepted_exceptions = wanted;
    vcpu.backend->intercept_exceptions(wanted);
}

void adopt_if_published(Vcpu& vcpu) {
    event::CoreState& state = *vcpu.core_state;
    // A core that was launched anew does so even if nothing was published since it went.
    if (vcpu.has_adopted && !event::needs_adoption(state)) [[likely]]
        return;
    vcpu.has_adopted = true;
    if (event::take_kick_request(state))
        signal_other_cores(vcpu);
    vcpu.wants_interrupts = event::adopt(state);
    update_exceptions(vcpu);
    reconsider_ignored(vcpu);
}

/// Has the post stage run for the interrupt the next entry is to deliver. What that does to the
/// guest may have the interrupt wait after all; the stage is not run for it again (STG-4).
void run_post_stage(Vcpu& vcpu) {
    while (!vcpu.waiting.posts.empty())
        [[unlikely]] {
            const s32 vector =
                deliverable_interrupt(vcpu.waiting, vcpu.backend->interruptibility());
            if (vector < 0 || !vcpu.waiting.posts.contains(u8(vector)))
                return;
            vcpu.waiting.posts.remove(u8(vector));
            vcpu.machine->exits.commit(vcpu, u8(vector));
        }
}

/// Text that was gathered long enough goes out; who sleeps in read() is woken when there are
/// messages: by one NMI on this core, which the shim's handler turns into a wake-up.
void tend_messages(Vcpu& vcpu) {
    event::CoreState& state = *vcpu.core_state;
    if (!state.gathered.is_empty()) [[unlikely]]
        event::hand_over_old(state, x86::read_tsc());
    if (has_link(*vcpu.machine)) [[unlikely]]
        (void)vcpu.machine->exits.tend_link(vcpu, false);
    if (state.wake.is_wanted() && event::should_wake_reader(state, x86::read_tsc())) [[unlikely]] {
        std::atomic_ref<u32>(vcpu.machine->wakeups[vcpu.core]).fetch_or(kWakeReaders);
        vcpu.waiting.nmi = true;
    }
}

/// Exits on interrupts while an event wants them, while a source is held, whose time has to end,
/// and while an accepted one still waits: the next one is what has the waiting one looked at again.
void update_intercept(Vcpu& vcpu) {
    const bool holds_back = vcpu.step.is_armed && vcpu.step.hides_interrupt_flag;
    const bool on = !holds_back && (vcpu.wants_interrupts || !vcpu.waiting.interrupts.empty() ||
                                    vcpu.short_circuit.has_holds());
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
            if (is_redelivery)  // counted as delivered, and is not
                vcpu.core_state->stats->delivered.add(~u64{0});
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

/// Everything that is to be looked at before an entry, until nothing new has come: NMIs are held
/// back then.
void look(Vcpu& vcpu) {
    // The last look at NMIs happens with NMIs held back: one that comes later exits at once.
    for (;;) {
        sort_nmis(vcpu);
        run_post_stage(vcpu);
        stand_if_asked(vcpu);
        stand_in_halt(vcpu);
        adopt_if_published(vcpu);
        if (vcpu.machine->has_link) [[unlikely]]
            update_exceptions(vcpu);
        tend_messages(vcpu);
        vcpu.backend->block_nmis();
        // What the debugger changed while the machine was halted is taken over first.
        if (*const_cast<volatile u32*>(&vcpu.nmi_count) == vcpu.nmi_seen && !vcpu.has_stood)
            [[likely]]
            break;
        vcpu.backend->unblock_nmis();
        vcpu.has_stood = false;
    }
}

/// The entry of a core that is stepped.
/// @return whether the step is over before the guest runs
bool prepare_stepped_entry(Vcpu& vcpu) {
    const StepEntry entry = enter_step(vcpu);
    if (entry == StepEntry::kDone)
        return true;
    inject_planned(vcpu);
    return entry == StepEntry::kStopAfter &&
           is_over_after_delivery(vcpu, vcpu.backend->delivers_at_once());
}

void settle(Vcpu& vcpu) {
    for (;;) {
        look(vcpu);
        if (!vcpu.step.is_active) [[likely]]
            return inject_planned(vcpu);
        if (!prepare_stepped_entry(vcpu))
            return;
        vcpu.backend->unblock_nmis();
        if (!finish_step(vcpu))
            continue;
        HaltReason reason{.reason = RS_HALT_STEP, .tsc = x86::read_tsc()};
        (void)halt_machine(vcpu, reason);
    }
}

void* leave(Vcpu& vcpu) {
    leave_halt(vcpu);
    give_up_ignored(vcpu);
    vcpu.backend->block_nmis();
    sort_nmis(vcpu);
    std::atomic_ref<bool>(vcpu.is_virtualized).store(false, std::memory_order_release);
    void* block = vcpu.backend->prepare_devirtualize();
    // An NMI taken here that the guest did not get is sent again: the kernel takes it itself, for
    // NMIs are held back until it runs.
    if (vcpu.waiting.nmi)
        vcpu.machine->apic.send_nmi(vcpu.apic_id);
    return block;
}

}  // namespace

void* abandon(Vcpu& vcpu) {
    return_interrupts(vcpu);
    std::atomic_ref<u32>(vcpu.machine->abandoned[vcpu.core]).store(1, std::memory_order_release);
    return leave(vcpu);
}

void* handle_exit(Vcpu& vcpu) {
    Backend& backend = *vcpu.backend;
    ++vcpu.exits;
    event::CoreStats& stats = *vcpu.core_state->stats;
    stats.open();
    stats.exits.add(1);
    const Exit exit = backend.decode_exit(vcpu.waiting.in_flight);
    if (vcpu.step.is_active) [[unlikely]]
        suspend_step(vcpu, exit);
    const After after = vcpu.machine->exits.handlers[u32(exit.reason)](vcpu, exit);
    if (after != After::kResume) [[unlikely]] {
        stats.close();
        return after == After::kAbandon ? abandon(vcpu) : leave(vcpu);
    }
    if (vcpu.short_circuit.has_holds()) [[unlikely]]
        end_due_holds(vcpu);
    settle(vcpu);
    stats.close();
    return nullptr;
}

void settle_entry(Vcpu& vcpu) {
    event::CoreStats& stats = *vcpu.core_state->stats;
    stats.open();
    settle(vcpu);
    stats.close();
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

void return_interrupts(Vcpu& vcpu) {
    const x86::LocalApic& apic = vcpu.machine->apic;
    PendingSet waiting = vcpu.waiting.interrupts;
    const PendingEvent& in_flight = vcpu.waiting.in_flight;
    if (in_flight.valid && in_flight.type == EventType::kExternalInterrupt)
        waiting.add(in_flight.vector);
    // Anything else but an NMI is raised again by the instruction it belongs to.
    if (in_flight.valid && in_flight.type == EventType::kNmi)
        vcpu.waiting.nmi = true;
    vcpu.waiting.interrupts = {};
    vcpu.waiting.posts = {};
    vcpu.waiting.in_flight = {};
    // What was accepted last is in service above everything else, so EOIs from the highest down
    // reach exactly these.
    for (PendingSet left = waiting; !left.empty(); left.remove(left.highest()))
        apic.end_of_interrupt();
    for (; !waiting.empty(); waiting.remove(waiting.highest()))
        apic.send_to_self(vcpu.apic_id, waiting.highest());
}

EmergencyLog lasting_log(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    const bool is_ours = std::atomic_ref<u32>(machine.report.is_taken).exchange(1) == 0;
    return EmergencyLog{machine.emergency_log != 0, machine.report.text,
                        is_ours ? LeaveReport::kBytes : 0};
}

void queue_exception(Vcpu& vcpu, u8 vector, bool has_code, u32 code) {
    vcpu.waiting.exception = {.type = EventType::kException,
                              .vector = vector,
                              .valid = true,
                              .has_error_code = has_code,
                              .error_code = code};
}

}  // namespace ringside::vcpu
