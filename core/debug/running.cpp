// SPDX-License-Identifier: GPL-2.0-or-later
// How a halted machine goes on, and what ends that: steps, breakpoints, a task that is waited for.
#include "debug/debugger.hpp"
#include "vcpu/guest_view.hpp"
#include "vcpu/step.hpp"
#include "x86/control_registers.hpp"
#include "x86/instruction_length.hpp"
#include "x86/instructions.hpp"

namespace ringside::debug {

/// Where 'p' over a call and 'gu' end: in this task, when the stack is no deeper than now.
u32 Debugger::set_end_of_run(vcpu::Vcpu& vcpu, const rs_run& request) {
    vcpu::GuestView guest{vcpu};
    const u64 stack = guest.read_register(RS_FULL_RSP) - request.left +
                      (request.how == RS_RUN_STEP_OUT ? sizeof(u64) : 0);
    return breakpoints_.set_temporary(vcpu, {.address = request.until,
                                             .task = guest.task_value(script::TaskValue::kTask),
                                             .stack = stack});
}

void Debugger::resume(vcpu::Vcpu& vcpu, u32 how) {
    const bool is_at_interrupt =
        vcpu.halt_reason != nullptr && vcpu.halt_reason->occasion != nullptr;
    const u64 rip = vcpu.backend->read_register(RS_FULL_RIP);
    vcpu::cancel_steps(*vcpu.machine);
    if (how != RS_RUN_STEP_CORE)
        insert_breakpoints(vcpu);
    const bool is_step =
        how == RS_RUN_STEP || how == RS_RUN_STEP_CORE || (how == RS_RUN_STEP_OVER && !has_run_end_);
    if (is_step) {
        (void)breakpoints_.lift(vcpu, rip);
        vcpu::begin_step(vcpu, how == RS_RUN_STEP_CORE                 ? vcpu::StepKind::kHold
                               : how == RS_RUN_STEP && is_at_interrupt ? vcpu::StepKind::kEnter
                                                                       : vcpu::StepKind::kOver);
    } else if (breakpoints_.is_at(vcpu, rip) && !pass_nop(vcpu, rip)) {
        return pass(vcpu);
    }
    vcpu::end_halt(vcpu, how == RS_RUN_STEP_CORE);
}

/// The machine runs: INT3 exits, and #DB behind those that are passed.
void Debugger::insert_breakpoints(vcpu::Vcpu& vcpu) {
    breakpoints_.insert(vcpu);
    vcpu.machine->breakpoint_count = breakpoints_.count();
    vcpu::update_debug_exceptions(*vcpu.machine);
}

/// The instruction below a breakpoint is run while all other cores stand: none of them may go past
/// the place meanwhile. The machine is halted by this core.
void Debugger::pass(vcpu::Vcpu& vcpu) {
    (void)breakpoints_.lift(vcpu, vcpu.backend->read_register(RS_FULL_RIP));
    vcpu::begin_hidden_step(vcpu);
    vcpu::end_halt_passing(vcpu);
}

void Debugger::end_passing(vcpu::Vcpu& vcpu) {
    // Else something has halted the machine before the instruction had run.
    const bool is_passing = vcpu::is_passing_here(vcpu);
    lock(vcpu);
    if (is_passing || !vcpu::is_halted(*vcpu.machine))
        breakpoints_.insert(vcpu);
    unlock();
    if (!is_passing)
        return;
    vcpu::end_halt(vcpu, false);
    // Nobody has looked after the link meanwhile.
    vcpu.core_state->has_link_news = true;
    (void)tend(vcpu, false);
}

/// Below a breakpoint at a function's entry there is mostly a NOP, which the kernel's tracing has
/// left there: passed over in the guest's stead, it stays in for the other cores.
bool Debugger::pass_nop(vcpu::Vcpu& vcpu, u64 address) {
    u8 code[x86::kMaxInstructionBytes];
    if ((vcpu.backend->read_register(RS_FULL_RFLAGS) & x86::rflags::TF) != 0 ||
        !vcpu::GuestView{vcpu}.read_memory(Gva{address}, code, sizeof code))
        return false;
    breakpoints_.hide(address, code);
    const u32 length = x86::nop_length(code, sizeof code, vcpu.backend->runs_64bit_code());
    if (length != 0)
        vcpu.backend->write_register(RS_FULL_RIP, address + length);
    return length != 0;
}

/// One that is not meant for who has run into it.
void Debugger::pass_breakpoint(vcpu::Vcpu& vcpu, u64 address) {
    lock(vcpu);
    const bool has_passed = pass_nop(vcpu, address);
    unlock();
    if (has_passed)
        return;
    vcpu::HaltReason reason{.reason = vcpu::kPassesBreakpoint,
                            .is_wanted =
                                [](vcpu::Vcpu& core, const vcpu::HaltReason&) {
                                    Debugger* const debugger = of(*core.machine);
                                    const u64 rip = core.backend->read_register(RS_FULL_RIP);
                                    return debugger != nullptr &&
                                           debugger->breakpoints_.is_at(core, rip);
                                },
                            .tsc = x86::read_tsc()};
    (void)vcpu::halt_machine(vcpu, reason);
}

/// INT3: the guest's own, or one of ours.
bool Debugger::take_breakpoint(vcpu::Vcpu& vcpu) {
    const u64 address = vcpu.backend->read_register(RS_FULL_RIP);
    u32 id = 0;
    lock(vcpu);
    BreakpointHit hit = breakpoints_.judge(vcpu, address, id);
    u32 why = hit == BreakpointHit::kHit ? RS_HALT_BREAKPOINT : RS_HALT_STEP;
    if (hit == BreakpointHit::kTemporary && breakpoints_.temporary()->task == 0)
        why = RS_HALT_TASK;  // forgotten in the halt: another core may be there, too
    else if (hit == BreakpointHit::kTemporary)
        breakpoints_.forget_temporary();
    unlock();
    if (hit == BreakpointHit::kNone) {
        // One that was cleared while this core waited for its turn: the code is itself again.
        constexpr u8 kInt3 = 0xcc;
        u8 byte = kInt3;
        return vcpu::GuestView{vcpu}.read_memory(Gva{address}, &byte, 1) && byte != kInt3;
    }
    if ((hit == BreakpointHit::kHit || why == RS_HALT_TASK) && !has_debugger(vcpu))
        hit = BreakpointHit::kPassed;
    if (hit == BreakpointHit::kPassed) {
        pass_breakpoint(vcpu, address);
        return true;
    }
    vcpu::HaltReason reason{.reason = why,
                            .breakpoint = id,
                            .is_wanted =
                                [](vcpu::Vcpu& core, const vcpu::HaltReason& of) {
                                    const Debugger* const debugger = Debugger::of(*core.machine);
                                    // Another halt ends a run to a task as well.
                                    return debugger != nullptr &&
                                           (of.reason == RS_HALT_STEP ||
                                            (of.reason == RS_HALT_BREAKPOINT &&
                                             debugger->breakpoints_.is_live(of.breakpoint)));
                                },
                            .tsc = x86::read_tsc()};
    (void)vcpu::halt_machine(vcpu, reason);
    return true;
}

bool Debugger::take_exception(vcpu::Vcpu& vcpu, const vcpu::PendingEvent& exception) {
    constexpr u8 kBreakpointVector = 3;
    if (exception.vector == kBreakpointVector)
        return take_breakpoint(vcpu);
    switch (vcpu::take_step_trap(vcpu, exception)) {
        case vcpu::StepTrap::kTaken:
            return true;
        case vcpu::StepTrap::kTakenToo:
        case vcpu::StepTrap::kNone:
            return false;
    }
    return false;
}

}  // namespace ringside::debug
