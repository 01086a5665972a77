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

void clear_owner(CoreState& core, u32 owner) {
    const Snapshot& snapshot = core.engine->current_in_root();
    for (u32 i = 0; i < snapshot.event_count(); ++i) {
        Event& event = snapshot.nth_in_root(i);
        if (event.flips.owner.load(std::memory_order_relaxed) != owner)
            continue;
        if ((event.flags & RS_EVF_PERSIST) != 0)
            event.flips.owner.store(kNoOwner, std::memory_order_relaxed);
        else
            event.request_clear();
    }
    announce(core);
}

void disable_breaks(CoreState& core) {
    const Snapshot& snapshot = core.engine->current_in_root();
    for (u32 i = 0; i < snapshot.event_count(); ++i) {
        Event& event = snapshot.nth_in_root(i);
        const u32 count = event.action_count.load(std::memory_order_acquire);
        for (u32 action = 0; action < count; ++action)
            if (event.actions[action].type == RS_ACT_BREAK)
                event.disable();
    }
    announce(core);
}

bool should_wake_reader(CoreState& core, u64 now_tsc) {
    if (!core.wake.is_wanted() || !core.wake.is_due(now_tsc, core.engine->wake_pause_ticks,
                                                    core.producer.has_waiting_reader()))
        return false;
    core.stats->self_wakes.add(1);
    return true;
}

}  // namespace ringside::event
