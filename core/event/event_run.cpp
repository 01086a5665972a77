// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/event_run.hpp"

#include "base/memory.hpp"
#include "event/adoption.hpp"

namespace ringside::event {
namespace {

constexpr u32 kReportsPerSecond = 10;  // script language section 15
constexpr u32 kErrorsUntilFaulted = 1000;

/// "warn, no such event 0x12\n" into `to`; returns the length. `to` holds at least 48 bytes.
u32 format_unknown_event(u64 id, char* to) {
    constexpr char kPrefix[] = "warn, no such event 0x";
    u32 length = sizeof kPrefix - 1;
    copy_bytes(to, kPrefix, length);
    u32 shift = 60;
    while (shift != 0 && (id >> shift) == 0)
        shift -= 4;
    for (;; shift -= 4) {
        to[length++] = "0123456789abcdef"[id >> shift & 0xf];
        if (shift == 0)
            break;
    }
    to[length++] = '\n';
    return length;
}

}  // namespace

u32 Arrival::pid() {
    if (!has_pid_) {
        pid_ = static_cast<u32>(guest.task_value(script::TaskValue::kPid));
        has_pid_ = true;
    }
    return pid_;
}

bool flip_event(CoreState& core, const Snapshot& snapshot, u64 id, Flip flip) {
    Event* const event = id > ~u32{0} ? nullptr : snapshot.find_in_root(static_cast<u32>(id));
    if (event == nullptr || event->is_cleared())
        return false;
    bool has_changed = false;
    switch (flip) {
        case Flip::kEnable:
            has_changed = event->enable();
            core.has_kick_request |= has_changed;
            break;
        case Flip::kDisable:
            has_changed = event->disable();
            break;
        case Flip::kClear:
            has_changed = event->request_clear();
            break;
    }
    if (has_changed)
        announce(core);
    return true;
}

EventRun::EventRun(Arrival& arrival, Event& event)
    : arrival_{arrival}, event_{event}, counters_{event.counters.in_root()[arrival.core.core]} {}

void EventRun::run() {
    counters_.triggers_pre.add(1);
    const u64 start = arrival_.guest.tsc();
    // A script that disables or clears its own event finishes this occurrence (EVT-9); guest
    // context ends it (SCR-7), and so does the mark of too many errors.
    for (u32 i = 0; i < event_.action_count; ++i) {
        if (event_.flips.stop.load(std::memory_order_relaxed) != 0 ||
            event_.flips.is_faulted.load(std::memory_order_relaxed) != 0)
            break;
        if (event_.actions[i].type == RS_ACT_SCRIPT)
            run_script(i);
    }
    const u64 cycles = arrival_.guest.tsc() - start;
    counters_.cycles_total.add(cycles);
    counters_.cycles_max.raise_to(cycles);
}

void EventRun::run_script(u32 action) {
    CoreState& core = arrival_.core;
    if (core.depth == CoreState::kFrames) {
        core.stats->refused_runs.add(1);
        count_error(action, {.error = RS_SCRIPT_NESTED});
        return;
    }
    const EngineState& engine = *core.engine;
    const u64 now = arrival_.guest.tsc();
    script::RunContext context;
    context.context = arrival_.vector;
    context.event_id = event_.id;
    context.budget = engine.script_budget;
    context.deadline_tsc = now + engine.script_ticks < now ? ~u64{0} : now + engine.script_ticks;
    context.stop = reinterpret_cast<const volatile u32*>(&event_.flips.stop);
    context.in_event = true;
    script::Frame& frame = core.frames[core.depth++];
    const script::RunResult result = script::run(
        script::ProgramView{event_.actions[action].program.in_root()}, frame, context,
        arrival_.guest, *this, {.slots = engine.globals.in_root(), .count = RS_SCRIPT_MAX_GLOBALS});
    --core.depth;
    if (result.error == RS_SCRIPT_OK) {
        if (event_.flips.consecutive_errors.load(std::memory_order_relaxed) != 0)
            event_.flips.consecutive_errors.store(0, std::memory_order_relaxed);
    } else if (result.error != RS_SCRIPT_STOPPED) {
        count_error(action, result);
    }
}

void EventRun::count_error(u32 action, const script::RunResult& result) {
    EventFlips& flips = event_.flips;
    counters_.script_errors.add(1);
    const u64 now = arrival_.guest.tsc();
    const u32 in_a_row = flips.consecutive_errors.fetch_add(1, std::memory_order_relaxed) + 1;
    // Exactly one core sees the number reached.
    const bool is_last = in_a_row == kErrorsUntilFaulted;
    if (is_last) {
        flips.is_faulted.store(1, std::memory_order_relaxed);
        event_.disable();
        announce(arrival_.core);
    }
    if (!may_report(now) && !is_last) {
        flips.suppressed.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    const rs_diagnostic diagnostic = {
        .code = static_cast<u32>(result.error),
        .action = action,
        .pc = result.pc,
        .suppressed = flips.suppressed.exchange(0, std::memory_order_relaxed),
        .value = result.value,
        .disabled = is_last ? 1u : 0u,
        .kind = RS_DIAG_SCRIPT};
    write(RS_MSG_DIAGNOSTIC, &diagnostic, sizeof diagnostic, ring::Room::kControl, now);
}

/// Ten a second for each event, all cores together; a race at the edge of a window may let one or
/// two more through.
bool EventRun::may_report(u64 now) {
    EventFlips& flips = event_.flips;
    u64 start = flips.window_tsc.load(std::memory_order_relaxed);
    const bool is_over = start == 0 || now - start >= arrival_.core.engine->clock.ticks_per_second;
    if (is_over && flips.window_tsc.compare_exchange_strong(start, now == 0 ? 1 : now,
                                                            std::memory_order_relaxed))
        flips.reports.store(0, std::memory_order_relaxed);
    return flips.reports.fetch_add(1, std::memory_order_relaxed) < kReportsPerSecond;
}

bool EventRun::flip(u64 id, Flip flip) {
    if (flip_event(arrival_.core, arrival_.snapshot, id, flip))
        return true;
    if (event_.flips.has_warned.exchange(1, std::memory_order_relaxed) == 0) {
        char text[48];
        emit(text, format_unknown_event(id, text));
    }
    return false;
}

void EventRun::emit(const char* text, usize length) {
    write(RS_MSG_TEXT, text, static_cast<u32>(length), ring::Room::kText, arrival_.guest.tsc());
}

void EventRun::write(u16 kind, const void* payload, u32 len, ring::Room room, u64 now) {
    CoreState& core = arrival_.core;
    const u32 owner = event_.flips.owner.load(std::memory_order_relaxed);
    if (owner == kNoOwner || !core.producer.write({.kind = kind,
                                                   .owner = owner,
                                                   .pid = arrival_.pid(),
                                                   .tag = event_.tag,
                                                   .cookie = event_.cookie,
                                                   .time_ns = core.engine->clock.to_ns(now),
                                                   .payload = payload,
                                                   .len = len},
                                                  room)) {
        counters_.lost_messages.add(1);
        return;
    }
    counters_.messages.add(1);
    if (core.producer.has_waiting_reader())
        core.wake.note();
}

}  // namespace ringside::event
