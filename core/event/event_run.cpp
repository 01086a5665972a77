// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/event_run.hpp"

#include <utility>

#include "base/memory.hpp"
#include "event/adoption.hpp"
#include "event/send.hpp"
#include "ringside/debug.h"
#include "script/machine_code.hpp"

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

namespace {

/// Whether some core may have something to make good when the event ends (SC-9, SC-11).
bool has_ignored(const CoreState& core, const Event& event) {
    for (u32 i = 0; i < core.engine->core_count; ++i)
        if (event.counters.in_root()[i].ignored.get() != 0)
            return true;
    return false;
}

}  // namespace

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
    if (has_changed) {
        core.has_kick_request |= has_ignored(core, *event);
        announce(core);
    }
    return true;
}

EventRun::EventRun(Arrival& arrival, Event& event)
    : arrival_{arrival},
      event_{event},
      counters_{event.counters.in_root()[arrival.core.core]},
      ignores_{arrival.stage == RS_STAGE_PRE && event.is_short_circuit()} {}

bool EventRun::run() {
    const u64 start = arrival_.guest.tsc();
    if (!event_.condition.is_empty() && !condition_holds()) {
        counters_.condition_false.add(1);
        return false;
    }
    (arrival_.stage == RS_STAGE_PRE ? counters_.triggers_pre : counters_.triggers_post).add(1);
    const u32 count = event_.action_count.load(std::memory_order_acquire);
    for (u32 i = 0; i < count && !has_ended(); ++i) {
        is_immediate_ = (event_.actions[i].flags & RS_ACTF_IMMEDIATE) != 0;
        if (event_.actions[i].type == RS_ACT_SCRIPT)
            run_script(i);
        else if (event_.actions[i].type == RS_ACT_CODE)
            run_code(i);
        else if (!halt(RS_HALT_EVENT))
            notice_once(event_.flips.has_warned_break, RS_NOTICE_BREAK_LOST);
    }
    const u64 cycles = arrival_.guest.tsc() - start - halted_ticks_;
    counters_.cycles_total.add(cycles);
    counters_.cycles_max.raise_to(cycles);
    return ignores_;
}

/// A script that disables or clears its own event finishes this occurrence (EVT-9); guest context
/// ends it (SCR-7), and so does the mark of a fault or of too many errors.
bool EventRun::has_ended() const {
    return event_.flips.stop.load(std::memory_order_relaxed) != 0 ||
           event_.flips.is_faulted.load(std::memory_order_relaxed) != 0;
}

CodeResult EventRun::call(const Code& code, bool is_condition) {
    return arrival_.code.run({.code = code,
                              .is_condition = is_condition,
                              .buffer = event_.buffer,
                              .context = arrival_.vector,
                              .deadline_tsc = EngineState::deadline(
                                  arrival_.core.engine->code_ticks, arrival_.guest.tsc())});
}

bool EventRun::condition_holds() {
    const CodeResult result = call(event_.condition, true);
    if (result.end == CodeEnd::kReturned)
        return result.value != 0;
    count_fault(RS_DIAG_CONDITION, result);
    return false;
}

void EventRun::run_code(u32 action) {
    const CodeResult result = call(event_.actions[action].code, false);
    if (result.end != CodeEnd::kReturned)
        count_fault(action, result);
    else if (event_.buffer != 0 && result.value == event_.buffer)
        send_buffer();
}

/// The whole safe buffer as one binary message, in as many records as it takes (CTX-11).
void EventRun::send_buffer() {
    const u8* from = event_.buffer_in_root.in_root();
    const u64 now = arrival_.guest.tsc();
    for (u32 left = event_.buffer_bytes; left != 0;) {
        const u32 count = left < RS_MAX_MESSAGE_BYTES ? left : RS_MAX_MESSAGE_BYTES;
        const u16 flags = left > count ? RS_MSGF_MORE : 0;
        send(arrival_.core, event_, arrival_.pid(), now,
             {.kind = RS_MSG_BINARY, .flags = flags, .bytes = from, .len = count},
             ring::Room::kText);
        from += count;
        left -= count;
    }
}

void flush_messages(CoreState& core, u64 now_tsc) {
    drop_gathered(core);
    core.engine->flushed_ns.store(core.engine->clock.to_ns(now_tsc), std::memory_order_release);
}

/// Tells what a script did in vain, once for each event.
void EventRun::notice_once(std::atomic<u32>& was_told, u32 code) {
    if (was_told.exchange(1, std::memory_order_relaxed) == 0)
        report({.code = code,
                .action = 0,
                .pc = 0,
                .suppressed = 0,
                .value = 0,
                .disabled = 0,
                .kind = RS_DIAG_NOTICE},
               arrival_.guest.tsc());
}

/// @return false: no debugger is there
bool EventRun::halt(u32 reason) {
    CoreState& core = arrival_.core;
    Occasion occasion{
        .event = event_, .reason = reason, .stage = arrival_.stage, .context = arrival_.vector};
    // Once: the link may be let go on another core.
    Halter* const halter = std::atomic_ref<Halter*>(core.halter).load(std::memory_order_acquire);
    const u64 start = arrival_.guest.tsc();
    if (halter == nullptr || !halter->halt(occasion))
        return false;
    halted_ticks_ += arrival_.guest.tsc() - start;
    if (occasion.verdict != UserVerdict::kNone)
        arrival_.verdict = occasion.verdict;
    return true;
}

void EventRun::event_sc(bool skip) {
    if (arrival_.stage == RS_STAGE_PRE)
        ignores_ = skip;
    else
        notice_once(event_.flips.has_warned_sc, RS_NOTICE_SC_IN_POST);
}

void EventRun::run_script(u32 action) {
    CoreState& core = arrival_.core;
    if (core.depth == CoreState::kFrames) {
        core.stats->refused_runs.add(1);
        count_error(action, {.error = RS_SCRIPT_NESTED});
        return;
    }
    const EngineState& engine = *core.engine;
    script::RunContext context = engine.run_context(arrival_.guest.tsc());
    context.context = arrival_.vector;
    context.event_id = event_.id;
    context.stage = arrival_.stage == RS_STAGE_PRE ? 0 : 1;
    context.buffer = event_.buffer;
    context.stop = reinterpret_cast<const volatile u32*>(&event_.flips.stop);
    context.in_event = true;
    script::Frame& frame = core.frames[core.depth++];
    const Action& what = event_.actions[action];
    const script::ProgramView program{what.program.in_root()};
    const script::GlobalStore globals{.slots = engine.globals.in_root(),
                                      .count = RS_SCRIPT_MAX_GLOBALS};
    const script::RunResult result =
        what.machine_code != 0 && engine.uses_machine_code.load(std::memory_order_relaxed)
            ? script::run_machine_code({.code = reinterpret_cast<const u8*>(what.machine_code),
                                        .offsets = what.offsets.in_root()},
                                       program, frame, context, arrival_.guest, *this, globals)
            : script::run(program, frame, context, arrival_.guest, *this, globals);
    --core.depth;
    if (result.error == RS_SCRIPT_OK) {
        if (event_.flips.consecutive_errors.load(std::memory_order_relaxed) != 0)
            event_.flips.consecutive_errors.store(0, std::memory_order_relaxed);
    } else if (result.error != RS_SCRIPT_STOPPED) {
        count_error(action, result);
    }
    if (std::exchange(pauses_, false) && !halt(RS_HALT_SCRIPT))
        notice_once(event_.flips.has_warned_pause, RS_NOTICE_NO_PAUSE);
}

void EventRun::mark_faulted() {
    event_.flips.is_faulted.store(1, std::memory_order_relaxed);
    event_.disable();
    announce(arrival_.core);
}

/// The first fault of code ends its event (CTX-9).
void EventRun::count_fault(u32 action, const CodeResult& result) {
    counters_.code_faults.add(1);
    mark_faulted();
    const Code& code = action == RS_DIAG_CONDITION ? event_.condition : event_.actions[action].code;
    report({.code = result.end == CodeEnd::kTimeout ? RS_CODE_TIMEOUT : result.vector,
            .action = action,
            .pc = result.offset <= code.length ? u32(result.offset) : ~u32{0},
            .suppressed = 0,
            .value = result.address,
            .disabled = 1,
            .kind = RS_DIAG_CODE},
           arrival_.guest.tsc());
}

void EventRun::count_error(u32 action, const script::RunResult& result) {
    EventFlips& flips = event_.flips;
    counters_.script_errors.add(1);
    const u64 now = arrival_.guest.tsc();
    const u32 in_a_row = flips.consecutive_errors.fetch_add(1, std::memory_order_relaxed) + 1;
    // Exactly one core sees the number reached.
    const bool is_last = in_a_row == kErrorsUntilFaulted;
    if (is_last)
        mark_faulted();
    if (!may_report(now) && !is_last) {
        flips.suppressed.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    report({.code = static_cast<u32>(result.error),
            .action = action,
            .pc = result.pc,
            .suppressed = flips.suppressed.exchange(0, std::memory_order_relaxed),
            .value = result.value,
            .disabled = is_last ? 1u : 0u,
            .kind = RS_DIAG_SCRIPT},
           now);
}

void EventRun::report(const rs_diagnostic& diagnostic, u64 now) {
    send(arrival_.core, event_, arrival_.pid(), now, diagnostic);
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
    if (!is_immediate_) {
        gather(text, static_cast<u32>(length));
        return;
    }
    send(arrival_.core, event_, arrival_.pid(), arrival_.guest.tsc(),
         {.kind = RS_MSG_TEXT, .bytes = text, .len = static_cast<u32>(length)}, ring::Room::kText);
}

void EventRun::gather(const char* text, u32 length) {
    CoreState& core = arrival_.core;
    Gathered& gathered = core.gathered;
    const u32 owner = event_.flips.owner.load(std::memory_order_relaxed);
    if (owner == kNoOwner) {
        counters_.lost_messages.add(1);
        return;
    }
    if (length > Gathered::kCapacity)
        length = Gathered::kCapacity;
    if (!gathered.is_empty() &&
        (gathered.tag != event_.tag || length > Gathered::kCapacity - gathered.length))
        hand_over(core);
    if (gathered.is_empty()) {
        const u64 now = arrival_.guest.tsc();
        gathered.owner = owner;
        gathered.pid = arrival_.pid();
        gathered.tag = event_.tag;
        gathered.cookie = event_.cookie;
        gathered.time_ns = core.engine->clock.to_ns(now);
        gathered.since_tsc = now;
        gathered.counters = &counters_;
        core.slot->gathers_since.store(now == 0 ? 1 : now, std::memory_order_relaxed);
        // Who waits has to look when the text gets old, even if nothing makes this core exit then.
        if (owner != kLinkOwner && core.producer.has_waiting_reader())
            core.wake.note();
    }
    copy_bytes(gathered.text + gathered.length, text, length);
    gathered.length += length;
    ++gathered.prints;
}

}  // namespace ringside::event
