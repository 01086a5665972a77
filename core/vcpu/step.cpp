// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/step.hpp"

#include "ringside/debug.h"
#include "vcpu/guest_view.hpp"
#include "vcpu/halt.hpp"
#include "x86/control_registers.hpp"
#include "x86/instruction_length.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"

namespace ringside::vcpu {
namespace {

using x86::rflags::IF;
using x86::rflags::TF;

constexpr u64 kSingleStep = 1u << 14;  ///< DR6.BS
constexpr u32 kDebug = 1u << 1;        ///< the bit of #DB among exceptions
constexpr u32 kNmi = 1u << 2;
constexpr u32 kBreakpoint = 1u << 3;
constexpr u8 kDebugVector = 1;

struct Decoded {
    StepInstruction what = StepInstruction::kPlain;
    u8 length = 1;
    bool sets_interrupt_flag = false;  ///< STI
    bool is_behind_mov_ss = false;     ///< `what` is the instruction after it
};

constexpr bool is_prefix(u8 byte) {
    switch (byte) {
        case 0x66:
        case 0x67:
        case 0xf0:
        case 0xf2:
        case 0xf3:
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
            return true;
        default:
            return (byte & 0xf0) == 0x40;  // REX
    }
}

StepInstruction instruction_of(u8 opcode, u8 second) {
    switch (opcode) {
        case 0x9c:
            return StepInstruction::kPushFlags;
        case 0x9d:
        case 0xcf:
            return StepInstruction::kLoadFlags;
        case 0xfa:
        case 0xfb:
            return StepInstruction::kSwitchInterrupts;
        case 0xf4:
            return StepInstruction::kHalt;
        case 0x0f:
            return second == 0x05   ? StepInstruction::kSystemCall
                   : second == 0x07 ? StepInstruction::kSystemReturn
                   : second == 0x34 ? StepInstruction::kSystemEnter
                                    : StepInstruction::kPlain;
        default:
            return StepInstruction::kPlain;
    }
}

constexpr bool is_mov_ss(u8 opcode, u8 operands) {
    return opcode == 0x8e && (operands >> 3 & 7) == 2;
}

/// Looks at the instruction at rip, as far as it is there. Behind MOV SS there is no trap: the one
/// that follows is part of the step, and the one that shows flags.
Decoded decode(GuestView& guest, u64 rip, bool is_64bit) {
    u8 bytes[2 * x86::kMaxInstructionBytes] = {};
    usize count = sizeof bytes - 1;
    if (!guest.read_memory(Gva{rip}, bytes, count)) {
        const u64 in_page = kPageSize - Gva{rip}.page_offset();
        if (in_page >= count || !guest.read_memory(Gva{rip}, bytes, in_page))
            return {};
        count = in_page;
    }
    const auto opcode_at = [&](usize at) {
        while (at + 1 < count && is_prefix(bytes[at]))
            ++at;
        return at;
    };
    constexpr u8 kSti = 0xfb;
    const usize at = opcode_at(0);
    if (is_mov_ss(bytes[at], bytes[at + 1])) {
        const u32 length = x86::instruction_length(bytes, u32(count), is_64bit);
        const usize next = opcode_at(length);
        return {.what = instruction_of(bytes[next], bytes[next + 1]), .is_behind_mov_ss = true};
    }
    return {.what = instruction_of(bytes[at], bytes[at + 1]),
            .length = u8(at + 1),
            .sets_interrupt_flag = bytes[at] == kSti};
}

u64 current_task(Vcpu& vcpu) {
    return GuestView{vcpu}.task_value(script::TaskValue::kTask);
}

/// Whether another task runs on this core by now: the stepped one waits, with the flag in a frame.
bool is_elsewhere(Vcpu& vcpu) {
    return vcpu.step.task != 0 && current_task(vcpu) != vcpu.step.task;
}

u64 flags_of(Vcpu& vcpu) {
    return vcpu.backend->read_register(RS_FULL_RFLAGS);
}

void set_flags(Vcpu& vcpu, u64 flags) {
    vcpu.backend->write_register(RS_FULL_RFLAGS, flags);
}

/// A task's step that nobody waits for any more may still have the trap flag in a frame.
bool forget(StepTasks& tasks, u64 task) {
    for (u32 i = 0; i < StepTasks::kMax; ++i)
        if (tasks.stale[i] == task) {
            tasks.stale[i] = 0;
            return true;
        }
    return false;
}

/// SYSCALL leaves the trap flag where it is.
void take_mask(Vcpu& vcpu) {
    Step& step = vcpu.step;
    bool leave = false;
    if (step.instruction == StepInstruction::kSystemCall &&
        vcpu.backend->read_msr(x86::IA32_FMASK, step.mask))
        step.has_mask = vcpu.backend->write_msr(x86::IA32_FMASK, step.mask & ~TF, leave);
}

/// FMASK is the guest's own again.
void undo_mask(Vcpu& vcpu) {
    bool leave = false;
    if (vcpu.step.has_mask)
        (void)vcpu.backend->write_msr(x86::IA32_FMASK, vcpu.step.mask, leave);
    vcpu.step.has_mask = false;
}

/// And R11, which is the stepped instruction's: while a handler runs it is in the handler's frame.
void undo_registers(Vcpu& vcpu) {
    undo_mask(vcpu);
    if (vcpu.step.has_r11)
        vcpu.registers->r11 = vcpu.step.r11;
    vcpu.step.has_r11 = false;
}

constexpr u64 with(u64 flags, u64 bits, u64 from) {
    return (flags & ~bits) | (from & bits);
}

/// The copy of the flags that PUSHF has put on the stack shows what the guest had.
void mend_pushed_flags(Vcpu& vcpu, u64 bits) {
    GuestView guest{vcpu};
    const Gva stack{guest.read_register(RS_FULL_RSP)};
    u16 low = 0;
    if (!guest.read_memory(stack, &low, sizeof low))
        return;
    low = u16(with(low, bits, vcpu.step.own_flags));
    (void)guest.write_memory(stack, &low, sizeof low);
}

/// The instruction has run: what it could see of the step is as if there had been none.
void after_instruction(Vcpu& vcpu) {
    Step& step = vcpu.step;
    const u64 hidden = TF | (step.hides_interrupt_flag ? IF : 0);
    const u64 own = step.own_flags;
    u64 flags = flags_of(vcpu);
    switch (step.instruction) {
        case StepInstruction::kPlain:
        case StepInstruction::kHalt:
            flags = with(flags, hidden, own);
            break;
        case StepInstruction::kPushFlags:
            flags = with(flags, hidden, own);
            mend_pushed_flags(vcpu, hidden);
            break;
        case StepInstruction::kSwitchInterrupts:
        case StepInstruction::kSystemEnter:
            flags = with(flags, TF, own);
            break;
        case StepInstruction::kLoadFlags:
            break;  // all of them are what the guest wanted
        case StepInstruction::kLoadSomeFlags:
            flags = with(flags, hidden & ~TF, own);
            break;
        case StepInstruction::kSystemCall:
            flags = with(flags, hidden, own & ~step.mask);
            vcpu.registers->r11 = with(vcpu.registers->r11, hidden, own);
            break;
        case StepInstruction::kSystemReturn:
            flags = with(flags, TF, step.r11);
            break;
    }
    set_flags(vcpu, flags);
    undo_registers(vcpu);
}

/// Whether the exit that halted the machine has cut the delivery of an interrupt short.
bool is_cut_short(const WaitingEvents& waiting) {
    return waiting.in_flight.valid && waiting.in_flight.type == EventType::kExternalInterrupt;
}

/// A step into the handler of an interrupt. Intel's processors give an interrupt to root mode
/// whether the guest can take it or not: until then the guest runs.
StepEntry enter_handler(Vcpu& vcpu) {
    Step& step = vcpu.step;
    step.awaits_window = !is_cut_short(vcpu.waiting) &&
                         deliverable_interrupt(vcpu.waiting, vcpu.backend->interruptibility()) < 0;
    if (step.awaits_window)
        return StepEntry::kRun;
    step.task = current_task(vcpu);  // the one it is delivered to
    return StepEntry::kStopAfter;
}

}  // namespace

u32 debugger_exceptions(const Vcpu& vcpu) {
    const Machine& machine = *vcpu.machine;
    u32 mask = std::atomic_ref<const u32>(machine.debug_exceptions).load(std::memory_order_relaxed);
    if (vcpu.step.is_active && vcpu.step.kind == StepKind::kHold)
        mask |= ~kNmi;
    return mask;
}

void begin_step(Vcpu& vcpu, StepKind kind) {
    Machine& machine = *vcpu.machine;
    cancel_steps(machine);
    vcpu.step = {};
    vcpu.step.is_active = true;
    vcpu.step.kind = kind;
    vcpu.step.exit_rip = vcpu.backend->read_register(RS_FULL_RIP);
    machine.step_tasks.current = vcpu.step.task = current_task(vcpu);
    (void)forget(machine.step_tasks, machine.step_tasks.current);
    std::atomic_ref<u32>(machine.debug_exceptions).fetch_or(kDebug);
}

void begin_hidden_step(Vcpu& vcpu) {
    vcpu.outer_step = vcpu.step;
    vcpu.step = {};
    vcpu.step.is_active = vcpu.step.is_hidden = true;
    vcpu.step.kind = StepKind::kHold;
    vcpu.step.exit_rip = vcpu.backend->read_register(RS_FULL_RIP);
}

bool finish_step(Vcpu& vcpu) {
    if (!vcpu.step.is_hidden) {
        end_step(vcpu);
        return true;
    }
    vcpu.step = vcpu.outer_step;
    vcpu.outer_step = {};
    vcpu.machine->exits.hidden_step_done(vcpu);
    return false;
}

void end_step(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    vcpu.step = {};
    machine.step_tasks.current = 0;
    update_debug_exceptions(machine);
}

void update_debug_exceptions(Machine& machine) {
    bool has_trap = machine.step_tasks.current != 0;
    for (const u64 task : machine.step_tasks.stale)
        has_trap |= task != 0;
    u32 wanted = 0;
    if (machine.breakpoint_count != 0)
        wanted = kDebug | kBreakpoint;
    else if (has_trap)
        wanted = kDebug;
    std::atomic_ref<u32>(machine.debug_exceptions).store(wanted);
}

void cancel_steps(Machine& machine) {
    StepTasks& tasks = machine.step_tasks;
    for (u32 core = 0; core < machine.core_count; ++core) {
        Vcpu* const vcpu = machine.vcpus[core];
        if (vcpu == nullptr || !vcpu->step.is_active || vcpu->step.is_hidden)
            continue;
        // In a handler of the guest's, whose frame has the trap flag in it.
        if (vcpu->step.is_in_handler && tasks.current != 0)
            for (u64& stale : tasks.stale)
                if (stale == 0) {
                    stale = tasks.current;
                    break;
                }
        vcpu->step = {};
    }
    tasks.current = 0;
}

void suspend_step(Vcpu& vcpu, const Exit& exit) {
    Step& step = vcpu.step;
    if (step.awaits_window)
        return;
    if (is_elsewhere(vcpu)) {
        step.is_in_handler = true;
        step.is_armed = false;
        return undo_mask(vcpu);
    }
    step.exit_rip = vcpu.backend->read_register(RS_FULL_RIP);
    if (step.awaits_delivery) {
        step.awaits_delivery = false;
        step.is_done = !vcpu.waiting.in_flight.valid &&
                       (exit.reason == ExitReason::kNmi || exit.reason == ExitReason::kTimer);
        return;
    }
    const u64 flags = flags_of(vcpu);
    // Back from a handler, out of whose frame the flag came.
    const bool is_back = step.is_in_handler && (flags & TF) != 0;
    if (!step.is_armed && !is_back)
        return undo_mask(vcpu);
    step.is_armed = step.is_in_handler = false;
    const bool has_trapped = exit.reason == ExitReason::kException &&
                             vcpu.backend->read_exception().vector == kDebugVector;
    const bool loads_flags = step.instruction == StepInstruction::kLoadFlags ||
                             step.instruction == StepInstruction::kLoadSomeFlags;
    if (has_trapped && ((flags & TF) != 0 || loads_flags))
        return after_instruction(vcpu);
    if ((flags & TF) == 0) {
        step.is_in_handler = true;  // and the frame of what it interrupted has the flag
        return undo_mask(vcpu);
    }
    // The instruction has not run yet.
    set_flags(vcpu, (flags & ~TF) | (step.own_flags & TF) |
                        (step.hides_interrupt_flag ? step.own_flags & IF : 0));
    undo_registers(vcpu);
}

StepEntry enter_step(Vcpu& vcpu) {
    Step& step = vcpu.step;
    if (step.is_done)
        return StepEntry::kDone;
    Backend& backend = *vcpu.backend;
    if (step.kind == StepKind::kEnter && !step.is_in_handler &&
        (!vcpu.waiting.interrupts.empty() || is_cut_short(vcpu.waiting)))
        return enter_handler(vcpu);
    if (is_elsewhere(vcpu))
        return StepEntry::kRun;
    const u64 rip = backend.read_register(RS_FULL_RIP);
    if (!step.is_in_handler && rip != step.exit_rip)
        return StepEntry::kDone;  // carried out in the guest's stead
    const u64 flags = flags_of(vcpu);
    if (step.is_in_handler) {
        if ((flags & TF) == 0) {
            take_mask(vcpu);
            return StepEntry::kRun;
        }
        step.is_in_handler = false;
    }
    const bool delivers = deliverable_interrupt(vcpu.waiting, backend.interruptibility()) >= 0;
    if (step.kind == StepKind::kHold &&
        (vcpu.waiting.exception.valid || vcpu.waiting.in_flight.valid))
        return StepEntry::kStopAfter;
    GuestView guest{vcpu};
    const Decoded decoded = decode(guest, rip, backend.runs_64bit_code());
    // Carried out here, but not before the handler that comes first (BRK-4). The last exit has not
    // told the length of this instruction: so not by skip_instruction().
    const bool comes_first = !decoded.is_behind_mov_ss && backend.privilege_level() == 0 &&
                             (flags & TF) == 0 && !(step.kind == StepKind::kOver && delivers);
    const auto carry_out = [&](u64 new_flags) {
        set_flags(vcpu, new_flags);
        backend.make_runnable();
        (void)backend.write_register(RS_FULL_RIP, rip + decoded.length);
        return StepEntry::kDone;
    };
    // It wakes at once, as it may: nothing is waited for in a step.
    if (decoded.what == StepInstruction::kHalt && comes_first)
        return carry_out(flags);
    // An emulator's trap comes one instruction late behind STI.
    if (decoded.what == StepInstruction::kSwitchInterrupts && comes_first)
        return carry_out(decoded.sets_interrupt_flag ? flags | IF : flags & ~IF);
    step.instruction = decoded.what;
    step.own_flags = flags;
    step.hides_interrupt_flag = step.kind == StepKind::kHold && (flags & IF) != 0;
    if (decoded.what == StepInstruction::kLoadFlags &&
        backend.privilege_level() > x86::rflags::io_privilege(flags))
        step.instruction = StepInstruction::kLoadSomeFlags;
    u64 wanted = flags | TF;
    if (step.hides_interrupt_flag)
        wanted &= ~IF;
    take_mask(vcpu);
    if (decoded.what == StepInstruction::kSystemReturn) {
        step.r11 = vcpu.registers->r11;
        step.has_r11 = true;
        vcpu.registers->r11 |= TF;
    }
    backend.make_runnable();
    set_flags(vcpu, wanted);
    step.is_armed = true;
    return StepEntry::kRun;
}

bool is_over_after_delivery(Vcpu& vcpu, bool has_delivered) {
    if (has_delivered)
        return true;
    vcpu.backend->exit_behind_injection();
    vcpu.step.awaits_delivery = true;
    return false;
}

StepTrap take_step_trap(Vcpu& vcpu, const PendingEvent& exception) {
    Machine& machine = *vcpu.machine;
    if (exception.vector != kDebugVector || (exception.address & kSingleStep) == 0)
        return StepTrap::kNone;
    const bool was_own_flag = (vcpu.step.own_flags & TF) != 0;
    if (vcpu.step.is_active && vcpu.step.is_hidden) {
        vcpu.backend->write_register(RS_FULL_DR6,
                                     vcpu.backend->read_register(RS_FULL_DR6) & ~kSingleStep);
        (void)finish_step(vcpu);
        return was_own_flag ? StepTrap::kTakenToo : StepTrap::kTaken;
    }
    const u64 task = current_task(vcpu);
    const bool is_stale = forget(machine.step_tasks, task);
    const bool is_ours = machine.step_tasks.current == task;
    if (!is_ours && !is_stale)
        return StepTrap::kNone;
    vcpu.backend->write_register(RS_FULL_DR6,
                                 vcpu.backend->read_register(RS_FULL_DR6) & ~kSingleStep);
    // One that went on on another core, or was given up: the flag came out of a frame.
    if (!vcpu.step.is_active || vcpu.step.task != task)
        set_flags(vcpu, flags_of(vcpu) & ~TF);
    if (!is_ours)
        return StepTrap::kTaken;
    for (u32 core = 0; core < machine.core_count; ++core)
        if (machine.vcpus[core] != nullptr && !machine.vcpus[core]->step.is_hidden)
            machine.vcpus[core]->step = {};
    end_step(vcpu);
    HaltReason reason{.reason = RS_HALT_STEP, .tsc = x86::read_tsc()};
    (void)halt_machine(vcpu, reason);
    return was_own_flag ? StepTrap::kTakenToo : StepTrap::kTaken;
}

}  // namespace ringside::vcpu
