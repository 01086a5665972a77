// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/halt.hpp"

#include "event/gather.hpp"
#include "ringside/debug.h"
#include "vcpu/exit_loop.hpp"
#include "vcpu/watchdogs.hpp"
#include "x86/instructions.hpp"

extern "C" void rs_wait_for_nmi(const ringside::u32* nmi_count, ringside::u32 nmi_seen);

namespace ringside::vcpu {
namespace {

using Word = std::atomic_ref<u32>;
using Count = std::atomic_ref<u64>;
constexpr u32 kNobody = 0;

bool is_virtualized(const Vcpu* vcpu) {
    return vcpu != nullptr &&
           std::atomic_ref<const bool>(vcpu->is_virtualized).load(std::memory_order_acquire);
}

/// Whether this core was let go alone, the others standing on.
bool is_released(const Vcpu& vcpu) {
    return Word(vcpu.machine->halt.released_core).load(std::memory_order_acquire) == vcpu.core + 1;
}

u32 missing_cores(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    u32 missing = 0;
    for (u32 core = 0; core < machine.core_count; ++core)
        if (core != vcpu.core && is_virtualized(machine.vcpus[core]) && !stands(machine, core))
            ++missing;
    return missing;
}

/// Becomes the operating core, if none is. Else `kind` is that of the halt in effect.
bool begin_halt(Vcpu& vcpu, HaltKind& kind) {
    Halt& halt = vcpu.machine->halt;
    const bool counts = kind == HaltKind::kDebugger;
    Word is_taken{halt.is_taken};
    if (is_released(vcpu)) {
        is_taken.store(u32(kind));
        Word(halt.operating_core).store(vcpu.core, std::memory_order_relaxed);
        Count(halt.halts).fetch_add(counts, std::memory_order_relaxed);
        Word(halt.released_core).store(kNobody, std::memory_order_release);
        return true;
    }
    u32 found = u32(HaltKind::kNone);
    if (!is_taken.compare_exchange_strong(found, u32(kind), std::memory_order_acquire)) {
        kind = HaltKind(found);
        return false;
    }
    halt.last_generation = halt.last_generation == ~u32{0} ? 1 : halt.last_generation + 1;
    Count(halt.halts).fetch_add(counts, std::memory_order_relaxed);
    Word(halt.operating_core).store(vcpu.core, std::memory_order_relaxed);
    Word(vcpu.halted_for).store(halt.last_generation, std::memory_order_relaxed);
    Word(halt.generation).store(halt.last_generation, std::memory_order_seq_cst);
    signal_other_cores(vcpu);
    return true;
}

void wait_for_others(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    // No PAUSE: an emulator may make a whole trip of it.
    const u64 start = x86::read_tsc();
    const u64 patience = kHaltPatienceMs * machine.short_circuit.ticks_per_ms;
    do
        machine.halt.missing = missing_cores(vcpu);
    while (machine.halt.missing != 0 && x86::read_tsc() - start < patience);
    machine.halt.halted_tsc = x86::read_tsc();
}

/// Whether this core has nothing to do but to stand.
bool only_stands(const Vcpu& vcpu, u32 generation) {
    Halt& halt = vcpu.machine->halt;
    return Word(halt.generation).load() == generation &&
           Word(halt.operating_core).load() != vcpu.core;
}

/// Waits for an NMI, so that a processor that stands costs no power, and an emulator's none of its
/// host's. Who changes the halt's words looks at is_asleep behind it, so one of the two sees the
/// other.
void sleep(Vcpu& vcpu, u32 generation) {
    const u32 count = *const_cast<volatile u32*>(&vcpu.nmi_count);
    // One of ours that has come is done with: whoever wants to wake this core sends another.
    if (count != vcpu.nmi_seen && Word(vcpu.owed_nmi).exchange(0) != 0)
        ++vcpu.nmi_seen;
    vcpu.has_slept = true;
    Word(vcpu.is_asleep).store(1);
    if (only_stands(vcpu, generation))
        rs_wait_for_nmi(&vcpu.nmi_count, count);
    Word(vcpu.is_asleep).store(0, std::memory_order_relaxed);
}

void wake(Vcpu& other) {
    if (Word(other.is_asleep).load() != 0 && Word(other.owed_nmi).exchange(1) == 0)
        other.machine->apic.send_nmi(other.apic_id);
}

}  // namespace

bool stands(const Machine& machine, u32 core) {
    const u32 generation =
        std::atomic_ref<const u32>(machine.halt.generation).load(std::memory_order_acquire);
    if (core >= machine.core_count || !is_virtualized(machine.vcpus[core]) || generation == 0 ||
        std::atomic_ref<const u32>(machine.halt.released_core).load(std::memory_order_acquire) ==
            core + 1)
        return false;
    return Word(machine.vcpus[core]->halted_for).load(std::memory_order_acquire) == generation;
}

bool halt_machine(Vcpu& vcpu, HaltReason& reason) {
    const bool passes = reason.reason == kPassesBreakpoint;
    const HaltKind wanted = passes ? HaltKind::kPassing : HaltKind::kDebugger;
    for (HaltKind kind = wanted; !begin_halt(vcpu, kind); kind = wanted) {
        const bool has_stood = stand_in_halt(vcpu) != 0;
        // Who only wanted the machine to halt has what they wanted, unless it was the end of a halt
        // that they came upon.
        if (reason.reason == RS_HALT_REQUEST && kind == HaltKind::kDebugger && has_stood)
            return false;
        if (reason.occasion != nullptr && !reason.occasion->event.is_active())
            return false;
        if (reason.is_wanted != nullptr && !reason.is_wanted(vcpu, reason))
            return false;
        x86::compiler_barrier();
    }
    vcpu.halt_reason = &reason;
    event::hand_over(*vcpu.core_state);
    wait_for_others(vcpu);
    if (!passes)
        hold_stall_reports_back(*vcpu.machine);
    stand_in_halt(vcpu);
    vcpu.halt_reason = nullptr;
    return true;
}

u64 stand_in_halt(Vcpu& vcpu) {
    Halt& halt = vcpu.machine->halt;
    Word in_effect{halt.generation};
    u32 generation = in_effect.load(std::memory_order_acquire);
    if (generation == 0 || is_released(vcpu)) [[likely]]
        return 0;
    const u64 start = x86::read_tsc();
    event::hand_over(*vcpu.core_state);
    while (generation != 0 && !is_released(vcpu)) {
        Word stood_for{vcpu.halted_for};
        // Another halt has followed before this core could go on: not the one of its own making.
        if (stood_for.load(std::memory_order_relaxed) != generation)
            vcpu.halt_reason = nullptr;
        stood_for.store(generation, std::memory_order_release);
        if (Word(halt.operating_core).load(std::memory_order_acquire) == vcpu.core)
            vcpu.machine->exits.operate(vcpu);
        else
            sleep(vcpu, generation);
        x86::compiler_barrier();
        generation = in_effect.load(std::memory_order_acquire);
    }
    vcpu.has_stood = true;
    const u64 ticks = x86::read_tsc() - start;
    vcpu.stood_ticks += ticks;
    // A core let go alone is told when all are: one step must not end in the NMI's handler.
    if (generation == 0)
        tell_watchdogs(vcpu);
    return ticks;
}

void end_halt(Vcpu& vcpu, bool only_here) {
    Halt& halt = vcpu.machine->halt;
    if (only_here) {
        Word(halt.released_core).store(vcpu.core + 1, std::memory_order_release);
        return;
    }
    std::atomic_ref<u64>(halt.resumed_tsc).store(x86::read_tsc());
    // Whoever takes it next finds it free only when nobody is told to stand any more.
    Machine& machine = *vcpu.machine;
    Word(halt.released_core).store(kNobody);
    Word(halt.generation).store(0);
    Word(halt.is_taken).store(u32(HaltKind::kNone), std::memory_order_release);
    for (u32 core = 0; core < machine.core_count; ++core)
        if (core != vcpu.core && is_virtualized(machine.vcpus[core]))
            wake(*machine.vcpus[core]);
}

void end_halt_passing(Vcpu& vcpu) {
    Word(vcpu.machine->halt.is_taken).store(u32(HaltKind::kPassing));
    end_halt(vcpu, true);
}

void leave_halt(Vcpu& vcpu) {
    if (is_released(vcpu))
        end_halt(vcpu, false);
}

bool is_passing_here(const Vcpu& vcpu) {
    return is_released(vcpu) && is_passing(*vcpu.machine);
}

bool hand_over_operation(Vcpu& vcpu, u32 core) {
    if (!stands(*vcpu.machine, core))
        return false;
    Word(vcpu.machine->halt.operating_core).store(core);
    wake(*vcpu.machine->vcpus[core]);
    return true;
}

}  // namespace ringside::vcpu
