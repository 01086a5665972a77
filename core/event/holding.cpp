// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/holding.hpp"

#include "event/send.hpp"

namespace ringside::event {
namespace {

Event* find(const CoreState& core, u32 id) {
    return core.engine->current_in_root().find_in_root(id);
}

}  // namespace

bool is_active(const CoreState& core, u32 id) {
    const Event* const event = find(core, id);
    return event != nullptr && event->is_active();
}

void begin_hold(CoreState& core, u32 id, u8 vector, script::GuestAccess& guest) {
    Event* const event = find(core, id);
    if (event == nullptr)
        return;
    event->flips.held.fetch_add(1, std::memory_order_relaxed);
    if (event->flips.has_warned_level.exchange(1, std::memory_order_relaxed) != 0)
        return;
    send(core, *event, u32(guest.task_value(script::TaskValue::kPid)), guest.tsc(),
         {.code = RS_NOTICE_LEVEL_THROTTLED,
          .action = 0,
          .pc = 0,
          .suppressed = 0,
          .value = vector,
          .disabled = 0,
          .kind = RS_DIAG_NOTICE});
}

void end_hold(CoreState& core, u32 id) {
    if (Event* const event = find(core, id))
        event->flips.held.fetch_sub(1, std::memory_order_relaxed);
}

void uncount_ignored(CoreState& core, u32 id, u8 vector) {
    if (Event* const event = find(core, id))
        event->counters.in_root()[core.core].ignored.add(~u64{0});
    core.stats->ignored_by_vector[vector].add(~u64{0});
}

}  // namespace ringside::event
