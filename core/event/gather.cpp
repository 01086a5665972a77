// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/gather.hpp"

#include "event/engine_state.hpp"
#include "event/event.hpp"

namespace ringside::event {

void drop_gathered(CoreState& core) {
    core.gathered.length = 0;
    core.gathered.prints = 0;
    core.slot->gathers_since.store(0, std::memory_order_relaxed);
}

void hand_over(CoreState& core) {
    Gathered& gathered = core.gathered;
    if (gathered.is_empty())
        return;
    const u32 owner = gathered.owner;
    const bool is_written = core.producer_for(owner).write({.kind = RS_MSG_GATHERED,
                                                            .owner = gathered.owner,
                                                            .pid = gathered.pid,
                                                            .tag = gathered.tag,
                                                            .cookie = gathered.cookie,
                                                            .time_ns = gathered.time_ns,
                                                            .payload = gathered.text,
                                                            .len = gathered.length,
                                                            .parts = gathered.prints},
                                                           ring::Room::kText);
    (is_written ? gathered.counters->messages : gathered.counters->lost_messages)
        .add(gathered.prints);
    drop_gathered(core);
    if (is_written)
        core.note_message(owner);
}

void hand_over_old(CoreState& core, u64 now_tsc) {
    if (!core.gathered.is_empty() && now_tsc - core.gathered.since_tsc >=
                                         core.engine->gather_ticks.load(std::memory_order_relaxed))
        hand_over(core);
}

}  // namespace ringside::event
