// SPDX-License-Identifier: GPL-3.0-or-later
// What the exit loop asks a ModelProcessor, and the mistakes that can be made here.
#include <utility>

#include "support/model_processor.hpp"

namespace ringside::test {

using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::PendingEvent;

vcpu::Exit ModelProcessor::decode_exit(PendingEvent& in_flight) {
    look_around();
    if (in_flight_.valid && fault != Fault::kForgetInFlight) {
        in_flight = in_flight_;
        redelivery_ = repeated_ = in_flight_;
    } else if (fault == Fault::kRedeliverTwice) {
        in_flight = std::exchange(repeated_, {});
    }
    in_flight_ = {};
    if (is_deferring_ && cpu.can_take_interrupt()) {
        is_deferring_ = false;
        if (exit_.reason == ExitReason::kInterruptWindow && apic.offered() >= 0)
            exit_.reason = ExitReason::kExternalInterrupt;
    }
    return exit_;
}

u64 ModelProcessor::read_register(vcpu::Register which) {
    return which == RS_FULL_RAX ? rax_ : 0;
}

bool ModelProcessor::write_register(vcpu::Register which, u64 value) {
    if (which == RS_FULL_RAX)
        rax_ = value;
    return true;
}

void ModelProcessor::skip_instruction(u32) {
    cpu.leave_shadow();
    has_skipped_ = true;
}

void ModelProcessor::intercept_interrupts(bool on) {
    interrupts_exit_ = on;
    is_deferring_ &= on;
}

bool ModelProcessor::write_control_register(u32 number, u64 value) {
    if (number != 8 || value > 15)
        return false;
    apic.task_priority = u8(value);
    return true;
}

s32 ModelProcessor::take_interrupt() {
    look_around();
    if (scheme_ == Scheme::kVmx)
        return std::exchange(acknowledged_, -1);
    if (apic.offered() < 0)
        return -1;
    if (!cpu.can_take_interrupt()) {
        is_deferring_ = true;
        ++counts.deferred;
        return -1;
    }
    const u8 vector = apic.acknowledge();
    accept(vector);
    return vector;
}

vcpu::Interruptibility ModelProcessor::interruptibility() {
    look_around();
    vcpu::Interruptibility guest{
        .interrupt_flag = cpu.interrupt_flag,
        .shadow = cpu.shadowed(),
        .nmi_shadow = cpu.mov_ss_shadow || (cpu.sti_shadow && !nmis_passed_sti_),
        .task_priority = apic.task_priority};
    if (fault == Fault::kNone)
        return guest;
    ++calls_;
    if (fault == Fault::kIgnoreFlag)
        guest.interrupt_flag = true;
    if (fault == Fault::kIgnoreShadow)
        guest.shadow = guest.nmi_shadow = false;
    if (fault == Fault::kIgnorePriority)
        guest.task_priority = 0;
    corrupt_decision();
    return guest;
}

/// Asked for the guest's state, right before the decision: what waits can be spoilt here.
void ModelProcessor::corrupt_decision() {
    vcpu::WaitingEvents& waiting = vcpu_.waiting;
    if (fault == Fault::kDropPending && !waiting.interrupts.empty() && calls_ % 16 == 0)
        waiting.interrupts.remove(waiting.interrupts.highest());
    for (u32 vector = 16; fault == Fault::kMergePending && vector < 256; ++vector)
        if (waiting.interrupts.contains(u8(vector))) {
            while (waiting.interrupts.contains(u8(vector)))
                waiting.interrupts.remove(u8(vector));
            waiting.interrupts.add(u8(vector));
        }
    if (fault == Fault::kForgetNmiBlocking)
        waiting.nmi_blocked = false;
    if (fault == Fault::kDropNmi && waiting.nmi_blocked)
        waiting.nmi = false;
}

vcpu::Injected ModelProcessor::inject(const PendingEvent& event, PendingEvent&) {
    if (injected_.valid)
        fail("two events for one entry");
    injected_ = event;
    if (fault == Fault::kLowestFirst && event.type == EventType::kExternalInterrupt &&
        !redelivery_.valid) {
        for (u32 vector = 0; vector < event.vector; ++vector)
            if (vcpu_.waiting.interrupts.contains(u8(vector))) {
                vcpu_.waiting.interrupts.remove(u8(vector));
                vcpu_.waiting.interrupts.add(event.vector);
                injected_.vector = u8(vector);
                break;
            }
    }
    if (is_vmx() && event.type == EventType::kNmi) {
        // The processor counts an NMI whose delivery was cut short as begun, and refuses one behind
        // STI even where it takes them there.
        if (redelivery_.valid)
            cpu.nmi_blocked = false;
        cpu.sti_shadow = false;
    }
    note("  injects " + to_text(given_of(injected_)));
    watcher_.committed();
    look_around();
    return vcpu::Injected::kDone;
}

void ModelProcessor::set_windows(const vcpu::EntryPlan& plan) {
    windows_ = plan;
    if (fault == Fault::kForgetInterruptWindow)
        windows_.interrupt_window = false;
    if (fault == Fault::kForgetNmiWindow)
        windows_.nmi_window = false;
    if (fault == Fault::kForgetPriorityWindow)
        windows_.priority_window = false;
    if (scheme_ == Scheme::kSvm && windows_.nmi_window) {
        returns_exit_ = vcpu_.waiting.nmi_blocked;
        // Nothing opens when a shadow or another event is over: an NMI of its own tells.
        if (vcpu_.waiting.nmi && !vcpu_.waiting.nmi_blocked) {
            vcpu_.owed_nmi = 1;
            has_nmi_ = true;
        }
    } else {
        returns_exit_ = false;
    }
    look_around();
}

bool ModelProcessor::read_msr(u32 msr, u64& value) {
    value = 0;
    return msr == kGoodMsr;
}

bool ModelProcessor::write_msr(u32 msr, u64, bool&) {
    return msr == kGoodMsr;
}

}  // namespace ringside::test
