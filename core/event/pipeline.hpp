// SPDX-License-Identifier: GPL-2.0-or-later
// What root does with an arriving interrupt or exception, and once more when it is committed to be
// delivered. Specification section 3 "Trigger pipeline", steps 1 to 4 and 7. Root mode, own core,
// interrupts off.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"
#include "script/guest_access.hpp"

namespace ringside::event {

/// What becomes of the interrupt.
enum class Verdict : u8 {
    kDeliver,
    kDeliverWithPost,  ///< and run_post_stage() is wanted, once
    kIgnore,           ///< an event that triggered says so: it never reaches the guest (SC-3)
};

/// Counts the arrival of the interrupt `vector`: two loads, a table look-up, one count.
/// @return whether an event asks for it here; if none does, it is delivered
inline bool count_arrival(CoreState& core, u8 vector) {
    core.stats->arrivals.add(1);
    return core.engine->current_in_root().events_on(core.core, vector).count != 0;
}

/// Runs the pre stage of the events that the interrupt or exception `vector` triggers, in ascending
/// id, their actions in the order they were given.
Verdict run_pre_stage(CoreState& core, u8 vector, script::GuestAccess& guest, CodeRunner& code);

/// Runs the post stage for what is about to be delivered; filters and conditions look at the state
/// they find now (D-9).
void run_post_stage(CoreState& core, u8 vector, script::GuestAccess& guest, CodeRunner& code);

/// One run of a script on behalf of RS_IOC_EVAL. In shared memory; guest context fills it in and
/// reads it when root is done.
struct Evaluation {
    RootPointer<const u8> program;  ///< verified and linked image
    RootPointer<char> text;         ///< where printed text goes
    u32 text_room = 0;              ///< bytes there
    u32 text_len = 0;               ///< out: bytes written
    u32 is_text_cut = 0;            ///< out: more was printed than fits
    std::atomic<u32> stop;          ///< guest context: end the run at the next backward jump
    u32 core = 0;                   ///< out: where it ran
    Occasion* occasion = nullptr;   ///< the machine is halted at; root mode alone
    script::RunResult result;       ///< out

    // For guest context alone.
    usize program_bytes = 0;
    u8* program_in_guest = nullptr;
    char* text_in_guest = nullptr;
};

/// Runs the script once; text goes to the evaluation, not to the ring.
void evaluate(CoreState& core, Evaluation& evaluation, script::GuestAccess& guest);

}  // namespace ringside::event
