// SPDX-License-Identifier: GPL-2.0-or-later
// One instruction of a halted guest, by the trap flag, which the guest does not see: it is set for
// the entry and taken away at each exit (specification BRK-4, 14 't', 'i').
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// Begins a step on this core, which operates; it ends with a halt of reason RS_HALT_STEP.
/// Context: root mode, own vCPU, between an exit and the next entry.
void begin_step(Vcpu& vcpu, StepKind kind);

/// The like for an instruction below a breakpoint: it ends without a halt, and
/// ExitTable::hidden_step_done is told.
void begin_hidden_step(Vcpu& vcpu);

/// At an exit, before anything looks at the guest: its flags are its own again.
void suspend_step(Vcpu& vcpu, const Exit& exit);

/// In the last look before an entry.
enum class StepEntry : u8 {
    kRun,        ///< nothing is stepped, or it was made ready: prepare the entry
    kDone,       ///< the step is over: the machine halts
    kStopAfter,  ///< prepare the entry; if the delivery has taken place by then the step is over
};
StepEntry enter_step(Vcpu& vcpu);
/// Behind the preparation of an entry that kStopAfter was said of.
/// @return whether the step is over
bool is_over_after_delivery(Vcpu& vcpu, bool has_delivered);

/// @return whether the machine halts for it
bool finish_step(Vcpu& vcpu);
/// The step is over, or does not matter any more because the machine halts for another reason.
void end_step(Vcpu& vcpu);
void cancel_steps(Machine& machine);

/// Whether a debug exception of the guest's belongs to a step: then the machine has halted and goes
/// on. A #DB the guest would have got anyway is still to be delivered.
enum class StepTrap : u8 { kNone, kTaken, kTakenToo };
StepTrap take_step_trap(Vcpu& vcpu, const PendingEvent& exception);

/// Breakpoints were inserted or removed, or a step has begun or ended: INT3 and #DB exit from each
/// core's next entry on, or no longer. Traps that a frame still holds are waited for.
void update_debug_exceptions(Machine& machine);

/// Exceptions that exit on this core for the debugger's sake, bit n: exception n.
u32 debugger_exceptions(const Vcpu& vcpu);

}  // namespace ringside::vcpu
