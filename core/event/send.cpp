// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/send.hpp"

namespace ringside::event {

void send(CoreState& core, const Event& event, u32 pid, u64 now_tsc, const Payload& payload,
          ring::Room room) {
    hand_over(core);
    EventCounters& counters = event.counters.in_root()[core.core];
    const u32 owner = event.flips.owner.load(std::memory_order_relaxed);
    ring::Producer& producer = core.producer_for(owner);
    if (owner == kNoOwner || !producer.write({.kind = payload.kind,
                                              .owner = owner,
                                              .pid = pid,
                                              .tag = event.tag,
                                              .cookie = event.cookie,
                                              .time_ns = core.engine->clock.to_ns(now_tsc),
                                              .payload = payload.bytes,
                                              .len = payload.len,
                                              .flags = payload.flags},
                                             room)) {
        counters.lost_messages.add(1);
        return;
    }
    counters.messages.add(1);
    core.note_message(owner);
}

void send(CoreState& core, const Event& event, u32 pid, u64 now_tsc,
          const rs_diagnostic& diagnostic) {
    send(core, event, pid, now_tsc,
         {.kind = RS_MSG_DIAGNOSTIC, .bytes = &diagnostic, .len = sizeof diagnostic},
         ring::Room::kControl);
}

}  // namespace ringside::event
