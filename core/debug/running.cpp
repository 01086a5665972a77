// SPDX-License-Identifier: GPL-2.0-or-later
// How a halted machine goes on, and what ends that: steps, breakpoints, a task that is waited for.
#include "debug/debugger.hpp"
#include "inspect/tasks.hpp"
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
    const bool is_step = how >= RS_RUN_STEP && how <= RS_RUN_STEP_CORE;
    const bool is_at_breakpoint = breakpoints_.is_at(vcpu, rip);
    if (is_at_breakpoint && (is_step || !pass_nop(vcpu, rip)))
        (void)breakpoints_.lift(vcpu, rip);
    switch (how) {
        case RS_RUN_STEP:
            vcpu::begin_step(vcpu,
                             is_at_interrupt ? vcpu::StepKind::kEnter : vcpu::StepKind::kOver);
            break;
        case RS_RUN_STEP_CORE:
            vcpu::begin_step(vcpu, vcpu::StepKind::kHold);
            break;
        default:
            if (how == RS_RUN_STEP_OVER && !has_run_end_)
                vcpu::begin_step(vcpu, vcpu::StepKind::kOver);
            else if (is_at_breakpoint && vcpu.backend->read_register(RS_FULL_RIP) == rip)
                vcpu::begin_hidden_step(vcpu);
            break;
    }
    vcpu::end_halt(vcpu, how == RS_RUN_STEP_CORE);
}

/// The machine runs: INT3 exits, and #DB behind those that are passed.
void Debugger::insert_breakpoints(vcpu::Vcpu& vcpu) {
    breakpoints_.insert(vcpu);
    vcpu.machine->breakpoint_count = breakpoints_.count();
    vcpu::update_debug_exceptions(*vcpu.machine);
}

void Debugger::put_breakpoint_back(vcpu::Vcpu& vcpu) {
    lock(vcpu);
    if (!vcpu::is_halted(*vcpu.machine))
        breakpoints_.insert(vcpu);
    // While it was out another core may have gone past it.
    const bool has_found = awaited_core(vcpu) != kNoCore;
    unlock();
    if (has_found && has_debugger(vcpu)) {
        vcpu::HaltReason reason{
            .reason = RS_HALT_TASK,
            // Another halt ends the run as well.
            .is_wanted = [](vcpu::Vcpu&, const vcpu::HaltReason&) { return false; },
            .tsc = x86::read_tsc()};
        (void)vcpu::halt_machine(vcpu, reason);
    }
}

/// Where the task that was waited for runs is to be seen, not where it was noticed. False: this
/// core does not operate, another does, or that task has gone on and is waited for again.
bool Debugger::finds_awaited(vcpu::Vcpu& vcpu) {
    if (breakpoints_.temporary() == nullptr || vcpu.halt_reason == nullptr ||
        vcpu.halt_reason->reason != RS_HALT_TASK)
        return true;
    const u32 core = awaited_core(vcpu);
    if (core == kNoCore) {
        vcpu::end_halt(vcpu, false);
        return false;
    }
    return core == vcpu.core || !vcpu::hand_over_operation(vcpu, core);
}

/// The core that runs the task of RS_RUN_TO_*, this one if it does; kNoCore: none, or no task is
/// waited for.
u32 Debugger::awaited_core(vcpu::Vcpu& vcpu) {
    const Breakpoint* const awaited = breakpoints_.temporary();
    if (awaited == nullptr || awaited->task != 0)
        return kNoCore;
    u32 found = kNoCore;
    for (u32 core = 0; core < vcpu.machine->core_count; ++core) {
        rs_task task;
        if (inspect::task_on_core(vcpu, core, task) &&
            (awaited->process_id == RS_ANY || awaited->process_id == task.tgid) &&
            (awaited->thread_id == RS_ANY || awaited->thread_id == task.pid) &&
            (found == kNoCore || core == vcpu.core))
            found = core;
    }
    return found;
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

/// INT3: the guest's own, or one of ours.
bool Debugger::take_breakpoint(vcpu::Vcpu& vcpu) {
    const u64 address = vcpu.backend->read_register(RS_FULL_RIP);
    u32 id = 0;
    lock(vcpu);
    BreakpointHit hit = breakpoints_.judge(vcpu, address, id);
    u32 why = hit == BreakpointHit::kHit ? RS_HALT_BREAKPOINT : RS_HALT_STEP;
    if (hit == BreakpointHit::kTemporary && breakpoints_.temporary()->task == 0)
        why = RS_HALT_TASK;  // another core may have noticed, too: it is forgotten in the halt
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
        lock(vcpu);
        const bool has_passed = pass_nop(vcpu, address);
        if (!has_passed)
            (void)breakpoints_.lift(vcpu, address);
        unlock();
        if (!has_passed)
            vcpu::begin_hidden_step(vcpu);
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
