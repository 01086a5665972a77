// SPDX-License-Identifier: GPL-3.0-or-later
// The same program and the same devices twice, instruction by instruction: on bare hardware, and on
// a processor with root mode below it. The program is given the same events at the same places.
//
// What "the same" means. Devices send when they like, and no program can tell whether an interrupt
// was sent a moment earlier or later. So the run under root mode is right if bare hardware would
// have given exactly the same events between the same instructions, had some interrupts been sent
// later than they were; never earlier, never fewer, never more. These delays exist:
//
// 1. What arrives while root mode works comes after what the next entry gives.
// 2. While root mode holds an interrupt, another one of the same class waits in the APIC until that
//    one was given and has ended, since it is in service already. Bare hardware, which would have
//    both in IRR, gives the higher vector first, and merges a vector with itself. This is what
//    accepting early (decision D-26) costs.
// 3. While root mode holds an interrupt, one above it counts as sent when the APIC passes it on:
//    before the next instruction at which an interrupt may leave the guest. An exit for another
//    reason at that very place, or a CR8 that held back both, gives the one held first.
//
// Everything else has to be equal: flag, shadows, NMI blocking, HLT, the stack of handlers, CR8.
// Two liberties are SVM's: an exit ends HLT, and an NMI that was held back by an NMI handler is
// given before that handler's IRET instead of right after it.
//
// The program does what Linux' handlers do: interrupts stay off from the delivery of an interrupt
// to its EOI. A handler that enabled them before could be interrupted by a lower interrupt that
// root mode holds, since root mode sees neither EOIs nor what is in service for the guest.
#pragma once

#include <functional>
#include <string>

#include "support/model_processor.hpp"

namespace ringside::test {

/// Numbers from a seed; every step has its own.
class Random {
public:
    explicit Random(u64 seed) : state_{seed} {}
    u64 next();
    u32 below(u32 bound) { return u32(next() >> 33) % bound; }
    bool one_in(u32 number) { return below(number) == 0; }

private:
    u64 state_;
};

class Lockstep final : public Watcher {
public:
    /// @param vcpu    one whose exits go to the real handlers; its backend becomes the model.
    /// @param events  publishes that an event wants this core's interrupts, or that none does.
    Lockstep(vcpu::Vcpu& vcpu, Scheme scheme, u64 variety, std::function<void(bool)> events);

    /// What arrives, up to the next instruction, and that instruction; all follows from `number`
    /// and the state so far.
    void step(u64 number);
    /// Ends every handler and everything that waits, and looks whether anything is left over.
    void drain();

    /// Empty: no difference so far.
    const std::string& failure() const { return processor.failure(); }

    ModelProcessor processor;
    BareMachine bare;

    void in_root() override;
    void at_boundary() override;
    void accepted(u8 vector) override;
    void looks_again() override;
    void committed() override { is_committed_ = true; }
    void given(const Given& given) override;

private:
    void something_happens(u32 what);
    void arrive(u8 vector);
    void foreign_nmi();
    void own_nmi();
    u8 any_vector();
    void reach_instruction();
    void compare();
    bool frames_agree() const;
    void check_books();
    void execute(const Instruction& instruction);
    Instruction choose();
    bool is_allowed(Op op) const;
    Instruction next_of_drain() const;
    void tell_bare();
    void tell_bare(u8 vector);

    vcpu::Vcpu& vcpu_;
    std::function<void(bool)> set_events_;
    Random random_{0};
    bool events_on_ = false;
    bool is_quiet_ = false;  ///< nothing arrives any more
    bool is_committed_ = false;
    bool is_leaving_ = false;        ///< root mode was asked to leave
    bool nmi_is_late_ = false;       ///< for bare hardware it comes after what is being given
    u32 left_in_root_ = 0;           ///< things that may still happen in root mode in this step
    std::optional<Given> expected_;  ///< what the instruction raised on bare hardware

    VectorSet untold_;             ///< requested here, not yet on bare hardware
    VectorSet delayed_;            ///< of those, already counted
    u8 told_at_accept_[256] = {};  ///< accepted before bare hardware was told
    u8 held_[256] = {};            ///< accepted, not yet given
    u32 held_count_ = 0;
    u32 held_in_class_[16] = {};
    u32 untold_accepted_ = 0;
};

}  // namespace ringside::test
