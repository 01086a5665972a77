// SPDX-License-Identifier: GPL-2.0-or-later
// Halting the whole machine for the debugger: one core operates, all others stand still in root
// mode, until it lets them go (specification 5.1, BRK-1, BRK-5; 13.2, MOD-5).
#pragma once

#include "event/halter.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// What a machine is halted for.
enum class HaltKind : u32 { kNone, kDebugger, kPassing };

/// A reason that is no RS_HALT_*: no other core may run while this one is led past a breakpoint.
/// Such a halt is not counted.
inline constexpr u32 kPassesBreakpoint = ~u32{0};

/// Why a core wants the machine to halt. Lives on that core's stack for as long as it does.
struct HaltReason {
    u32 reason = 0;                       ///< RS_HALT_*, kPassesBreakpoint
    event::Occasion* occasion = nullptr;  ///< of an event
    u32 breakpoint = 0;                   ///< number of one
    /// Of a breakpoint: whether it is still there when its turn comes.
    bool (*is_wanted)(Vcpu&, const HaltReason&) = nullptr;
    u64 tsc = 0;  ///< when it came up
};

/// How long the other cores may take to stand: they do within microseconds, an emulator's on a busy
/// host in up to some 100 ms. One that does not come is reported.
inline constexpr u64 kHaltPatienceMs = 1000;

/// Halts the machine with this core operating, and returns when the debugger lets it go on. While
/// another core has it halted, this one stands and takes its turn behind it.
/// @return false: nothing was halted. By then the event was disabled or cleared, or the machine was
///         to halt because the debugger asked, and stood in another halt meanwhile
/// Context: root mode, own vCPU, interrupts off, NMIs taken. The debugger is there.
bool halt_machine(Vcpu& vcpu, HaltReason& reason);

/// Stands for as long as the machine is halted, and operates if it is this core's turn; part of
/// every way back to the guest and of everything that runs long. One load if nothing is halted.
/// @return ticks of the TSC that took
u64 stand_in_halt(Vcpu& vcpu);

/// The operating core lets all go on, or `only` itself, the others standing on.
void end_halt(Vcpu& vcpu, bool only_here);
/// Lets only itself go on, and what is left is no halt for the debugger any more.
void end_halt_passing(Vcpu& vcpu);
/// A core that root mode leaves: if it was let go alone the others go on, too.
void leave_halt(Vcpu& vcpu);
/// The operating core hands over to another that stands. False: that one does not.
bool hand_over_operation(Vcpu& vcpu, u32 core);

inline bool is_halted(const Machine& machine) {
    return std::atomic_ref<const u32>(machine.halt.generation).load(std::memory_order_acquire) != 0;
}
/// Whether the halt in effect is none that anybody was told of.
inline bool is_passing(const Machine& machine) {
    return std::atomic_ref<const u32>(machine.halt.is_taken).load() == u32(HaltKind::kPassing);
}
/// Whether it is this core's, which was let go alone.
bool is_passing_here(const Vcpu& vcpu);
/// Whether this core has the machine's halt in its hands.
inline bool operates(const Vcpu& vcpu) {
    const Halt& halt = vcpu.machine->halt;
    return is_halted(*vcpu.machine) &&
           std::atomic_ref<const u32>(halt.operating_core).load(std::memory_order_acquire) ==
               vcpu.core &&
           std::atomic_ref<const u32>(halt.released_core).load(std::memory_order_relaxed) !=
               vcpu.core + 1;
}
/// Whether `core` stands in the halt in effect.
bool stands(const Machine& machine, u32 core);

}  // namespace ringside::vcpu
