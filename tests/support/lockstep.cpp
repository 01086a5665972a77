// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/lockstep.hpp"

#include <algorithm>
#include <utility>

#include "vcpu/hypercall.hpp"

namespace ringside::test {

/// splitmix64.
u64 Random::next() {
    state_ += 0x9e37'79b9'7f4a'7c15;
    u64 value = state_;
    value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
    value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
    return value ^ value >> 31;
}

Lockstep::Lockstep(vcpu::Vcpu& vcpu, Scheme scheme, u64 variety, std::function<void(bool)> events)
    : processor{vcpu,
                scheme,
                {.interrupts_exit_in_shadow = (variety & 1) != 0,
                 .nmis_ignore_sti = (variety & 2) != 0},
                *this},
      vcpu_{vcpu},
      set_events_{std::move(events)} {
    vcpu.backend = &processor;
    bare.cpu.nmis_ignore_sti = processor.cpu.nmis_ignore_sti;
    processor.relaunch();
    set_events_(false);
}

void Lockstep::step(u64 number) {
    if (!failure().empty())
        return;
    random_ = Random{number};
    left_in_root_ = 2;
    for (u32 i = random_.below(3); i > 0; --i)
        something_happens(random_.below(100));
    reach_instruction();
    if (failure().empty() && !bare.cpu.halted)
        execute(choose());
}

void Lockstep::drain() {
    constexpr u32 kMost = 5000;
    is_quiet_ = true;
    for (u32 i = 0; i < kMost && failure().empty(); ++i) {
        if (bare.cpu.halted)
            foreign_nmi();
        reach_instruction();
        if (!failure().empty() || bare.cpu.halted)
            continue;
        const bool is_done = bare.cpu.frames.empty() && bare.cpu.can_take_interrupt() &&
                             bare.apic.task_priority == 0;
        if (is_done)
            break;
        execute(next_of_drain());
    }
    if (!failure().empty())
        return;
    const vcpu::WaitingEvents& waiting = vcpu_.waiting;
    const bool is_empty = bare.apic.requested.empty() && bare.apic.in_service.empty() &&
                          processor.apic.requested.empty() && processor.apic.in_service.empty() &&
                          untold_.empty() && untold_accepted_ == 0 && held_count_ == 0;
    if (!is_empty)
        processor.fail("an interrupt is left over when all is done");
    if (processor.is_virtualized() &&
        (!waiting.interrupts.empty() || waiting.in_flight.valid || waiting.exception.valid ||
         waiting.nmi || waiting.nmi_blocked))
        processor.fail("an event waits when all is done");
}

Instruction Lockstep::next_of_drain() const {
    const LiteralCpu& cpu = bare.cpu;
    if (!cpu.frames.empty())
        return {cpu.frames.back().owes_end ? Op::kEndOfInterrupt : Op::kReturn, 0};
    if (bare.apic.task_priority != 0)
        return {Op::kMoveToCr8, 0};
    return {cpu.interrupt_flag ? Op::kNop : Op::kSti, 0};
}

// What happens by itself.

void Lockstep::something_happens(u32 what) {
    if (what < 50)
        arrive(any_vector());
    else if (what < 56)
        foreign_nmi();
    else if (what < 60)
        own_nmi();
    else if (what < 66)
        processor.cut_deliveries(1 + random_.below(2));
    else if (what < 70)
        set_events_(events_on_ = !events_on_);
}

u8 Lockstep::any_vector() {
    // Few enough that they meet, in one class and in several.
    constexpr u8 kFew[] = {0x31, 0x3f, 0x41, 0x80, 0xec, 0xfb, 0xfd};
    return random_.one_in(4) ? u8(16 + random_.below(240)) : kFew[random_.below(std::size(kFew))];
}

void Lockstep::arrive(u8 vector) {
    processor.note("  arrives " + std::to_string(vector));
    if (!processor.apic.requested.contains(vector))
        untold_.add(vector);
    processor.apic.requested.add(vector);
}

/// The guest's own NMI. One of root mode's in the processor's latch would merge with it, and nobody
/// could tell: that case is left out.
void Lockstep::foreign_nmi() {
    if (processor.has_nmi() && vcpu_.owed_nmi != 0)
        return;
    processor.note("  NMI");
    if (processor.is_in_root() && (processor.holds_nmis() || is_committed_))
        nmi_is_late_ = true;
    else
        bare.nmi = true;
    processor.send_nmi();
}

/// An NMI with which another core brings this one through root mode. One that comes between the
/// last look and the departure would reach a kernel that knows nothing of it; whoever sends takes
/// care.
void Lockstep::own_nmi() {
    if (!processor.is_virtualized() || processor.has_nmi() || vcpu_.owed_nmi != 0 ||
        (is_leaving_ && processor.holds_nmis()))
        return;
    processor.note("  NMI of root mode's");
    vcpu_.owed_nmi = 1;
    processor.send_nmi();
}

void Lockstep::in_root() {
    if (is_quiet_ || left_in_root_ == 0 || !random_.one_in(12))
        return;
    --left_in_root_;
    const u32 what = random_.below(100);
    if (what < 60)
        arrive(any_vector());
    else if (what < 85)
        foreign_nmi();
    else
        own_nmi();
}

// The standard follows.

/// Bare hardware hears of requests: at once, or with one of the delays explained above.
void Lockstep::tell_bare() {
    for (u32 vector = 16; untold_accepted_ != 0 && vector < 256; ++vector)
        if (told_at_accept_[vector] != 0 && !bare.apic.requested.contains(u8(vector))) {
            bare.apic.requested.add(u8(vector));
            --told_at_accept_[vector];
            --untold_accepted_;
        }
    if (untold_.empty() || processor.is_in_root())
        return;
    u32 lowest_held = 0;
    while (lowest_held < 16 && held_in_class_[lowest_held] == 0)
        ++lowest_held;
    for (u32 vector = 16; vector < 256; ++vector) {
        if (!untold_.contains(u8(vector)))
            continue;
        if (vector / 16 < lowest_held) {
            tell_bare(u8(vector));
        } else if (!delayed_.contains(u8(vector))) {
            delayed_.add(u8(vector));
            ++processor.counts.delayed;
        }
    }
}

void Lockstep::tell_bare(u8 vector) {
    bare.apic.requested.add(vector);
    untold_.remove(vector);
    delayed_.remove(vector);
}

void Lockstep::at_boundary() {
    if (std::exchange(nmi_is_late_, false))
        bare.nmi = true;
    tell_bare();
}

void Lockstep::looks_again() {
    if (!is_committed_ && std::exchange(nmi_is_late_, false))
        bare.nmi = true;
}

void Lockstep::accepted(u8 vector) {
    if (untold_.contains(vector)) {
        untold_.remove(vector);
        delayed_.remove(vector);
        ++told_at_accept_[vector];
        ++untold_accepted_;
    }
    ++held_[vector];
    ++held_in_class_[vector / 16];
    ++held_count_;
    tell_bare();
}

void Lockstep::given(const Given& given) {
    is_committed_ = false;
    if (given.cause == Cause::kInterrupt) {
        if (held_[given.vector] == 0)
            return processor.fail("interrupt " + std::to_string(given.vector) +
                                  " was given and never accepted");
        --held_[given.vector];
        --held_in_class_[given.vector / 16];
        --held_count_;
    }
    const std::optional<Given> due = expected_ ? std::exchange(expected_, {}) : bare.take();
    if (due != given)
        processor.fail("given " + to_text(given) + ", bare hardware gives " +
                       (due ? to_text(*due) : "nothing"));
    if (std::exchange(nmi_is_late_, false))
        bare.nmi = true;
}

// The comparison.

void Lockstep::reach_instruction() {
    processor.run_to_instruction();
    if (!failure().empty())
        return;
    // What could have left the guest had its chance.
    const s32 offered = processor.lets_interrupts_out() ? processor.apic.offered() : -1;
    if (offered >= 0 && untold_.contains(u8(offered)))
        tell_bare(u8(offered));
    if (const std::optional<Given> missed = bare.take())
        return processor.fail("bare hardware gives " + to_text(*missed) + " here");
    compare();
}

void Lockstep::execute(const Instruction& instruction) {
    expected_ = bare.execute(instruction);
    if (instruction.op == Op::kSendToSelf)
        arrive(instruction.operand);
    const bool launches = instruction.op == Op::kHypercall && !processor.is_virtualized();
    is_leaving_ = instruction.op == Op::kHypercall &&
                  instruction.operand == u8(vcpu::Hypercall::kDevirtualize);
    processor.execute(instruction);
    is_leaving_ = false;
    if (launches)
        processor.relaunch();
    if (failure().empty() && expected_)
        processor.fail("what the instruction raised was not given");
}

void Lockstep::compare() {
    const LiteralCpu& cpu = processor.cpu;
    if (processor.scheme() == Scheme::kSvm && !cpu.halted)
        bare.cpu.halted = false;
    const char* what = nullptr;
    if (cpu.interrupt_flag != bare.cpu.interrupt_flag)
        what = "IF";
    else if (cpu.sti_shadow != bare.cpu.sti_shadow || cpu.mov_ss_shadow != bare.cpu.mov_ss_shadow)
        what = "the shadow";
    else if (cpu.nmi_blocked != bare.cpu.nmi_blocked)
        what = "the blocking of NMIs";
    else if (cpu.halted != bare.cpu.halted)
        what = "HLT";
    else if (processor.apic.task_priority != bare.apic.task_priority)
        what = "CR8";
    else if (!frames_agree())
        what = "the stack of handlers";
    if (what)
        return processor.fail(std::string{what} + " differs from bare hardware's");
    check_books();
}

/// An SVM handler below the NMI it waited for has ended on bare hardware.
bool Lockstep::frames_agree() const {
    usize other = 0;
    for (const Frame& frame : processor.cpu.frames) {
        if (frame.is_over)
            continue;
        if (other == bare.cpu.frames.size())
            return false;
        const Frame& same = bare.cpu.frames[other++];
        if (frame.given != same.given || frame.owes_end != same.owes_end)
            return false;
    }
    return other == bare.cpu.frames.size();
}

/// DLV-1, and one end-of-interrupt for each bit in service.
void Lockstep::check_books() {
    const event::CoreStats& stats = *vcpu_.core_state->stats;
    if (processor.is_virtualized()) {
        if (vcpu_.waiting.interrupts.count() != held_count_)
            return processor.fail("root mode holds another number of interrupts than it accepted");
        if (stats.pending.get() != held_count_)
            return processor.fail("the number of pending interrupts is wrong");
    } else if (held_count_ != 0) {
        return processor.fail("root mode was left with an interrupt in hand");
    }
    if (stats.arrivals.get() != stats.delivered.get() + stats.ignored.get() + held_count_)
        return processor.fail("arrivals are not those delivered and those pending");
    const VectorSet& here = processor.apic.in_service;
    const VectorSet& there = bare.apic.in_service;
    if (here.count() != there.count() + held_count_)
        return processor.fail("in service are more or less than handlers to come and to end");
    if (held_count_ != 0)
        return;
    // Where interrupts are taken only when the guest can have them, the very same are in service.
    if (processor.scheme() != Scheme::kVmx && !(here == there))
        return processor.fail("ISR differs from bare hardware's");
    if (untold_.empty() && !(processor.apic.requested == bare.apic.requested))
        return processor.fail("IRR differs from bare hardware's");
}

// The program.

Instruction Lockstep::choose() {
    constexpr Op kMix[] = {Op::kNop,
                           Op::kNop,
                           Op::kNop,
                           Op::kCli,
                           Op::kCli,
                           Op::kSti,
                           Op::kSti,
                           Op::kSti,
                           Op::kMoveToSs,
                           Op::kMoveToCr8,
                           Op::kMoveToCr8,
                           Op::kMoveToCr8,
                           Op::kMoveToCr8,
                           Op::kHalt,
                           Op::kReturn,
                           Op::kReturn,
                           Op::kReturn,
                           Op::kReturn,
                           Op::kReturn,
                           Op::kEndOfInterrupt,
                           Op::kEndOfInterrupt,
                           Op::kEndOfInterrupt,
                           Op::kEndOfInterrupt,
                           Op::kFault,
                           Op::kSoftwareInterrupt,
                           Op::kSendToSelf,
                           Op::kWriteMsr,
                           Op::kUndefined,
                           Op::kHypercall};
    Op op = Op::kNop;
    do {
        op = kMix[random_.below(std::size(kMix))];
    } while (!is_allowed(op));
    u8 operand = u8(random_.below(4));
    if (op == Op::kMoveToCr8)
        operand = random_.one_in(2) ? 0 : u8(random_.below(16));
    else if (op == Op::kSendToSelf)
        operand = any_vector();
    else if (op == Op::kWriteMsr)
        operand = u8(random_.one_in(3) && bare.cpu.frames.size() < 8);
    else if (op == Op::kHypercall)
        operand = u8(random_.one_in(4) && !bare.cpu.nmi_blocked ? vcpu::Hypercall::kDevirtualize
                     : random_.one_in(2)                        ? vcpu::Hypercall::kAdopt
                                                                : vcpu::Hypercall::kPing);
    return {op, operand};
}

bool Lockstep::is_allowed(Op op) const {
    constexpr usize kDeep = 8;
    const LiteralCpu& cpu = bare.cpu;
    switch (op) {
        case Op::kSti:
            // SVM: below an NMI given at an IRET lies a handler; it must not be interrupted there.
            return !cpu.owes_end() && cpu.frames.size() < kDeep &&
                   !(processor.scheme() == Scheme::kSvm && cpu.in_nmi_handler());
        case Op::kHalt:
            return !cpu.nmi_blocked;  // or it might never end
        case Op::kReturn:
            return !cpu.frames.empty() && !cpu.frames.back().owes_end;
        case Op::kEndOfInterrupt:
            return !cpu.frames.empty() && cpu.frames.back().owes_end;
        case Op::kFault:
        case Op::kSoftwareInterrupt:
        case Op::kUndefined:
            return cpu.frames.size() < kDeep;
        case Op::kHypercall:
            return processor.is_virtualized() || !cpu.nmi_blocked;  // launches from no NMI handler
        default:
            return true;
    }
}

}  // namespace ringside::test
