// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/adoption.hpp"

namespace ringside::event {

bool adopt(CoreState& core) {
    EngineState& engine = *core.engine;
    // Acquire: the snapshot loaded next is at least as new as this generation.
    const u64 generation = engine.generation.load(std::memory_order_acquire);
    const Snapshot& snapshot = engine.current_in_root();
    const Range range = snapshot.events_of(core.core);
    bool wants = false;
    u32 exceptions = 0;
    for (u32 i = 0; i < range.count; ++i) {
        const Event& event = snapshot.event_in_root(range.first + i);
        if (!event.is_active())
            continue;
        if (event.type == RS_EVENT_EXTERNAL_INTERRUPT)
            wants = true;
        else
            exceptions |= event.vector == RS_VECTOR_ALL ? ~u32{0} : u32{1} << event.vector;
    }
    core.wants_interrupts = wants;
    core.wants_exceptions = exceptions;
    // Before the counters it belongs to can be freed, and nothing stays behind when an event ends.
    hand_over(core);
    core.adopted = generation;
    core.slot->wants_interrupts.store(wants ? 1 : 0, std::memory_order_relaxed);
    // Release: guest context frees what older generations held once it sees this.
    core.slot->adopted.store(generation, std::memory_order_release);
    if (core.producer.unreported_losses() != 0)
        core.producer.report_losses();
    return wants;
}

void announce(CoreState& core) {
    core.engine->generation.fetch_add(1, std::memory_order_acq_rel);
}

bool should_wake_reader(CoreState& core, u64 now_tsc) {
    if (!core.wake.is_wanted() || !core.wake.is_due(now_tsc, core.engine->wake_pause_ticks,
                                                    core.producer.has_waiting_reader()))
        return false;
    core.stats->self_wakes.add(1);
    return true;
}

}  // namespace ringside::event
