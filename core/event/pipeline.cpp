// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/pipeline.hpp"

#include <bit>
#include <utility>

#include "base/memory.hpp"
#include "event/event_run.hpp"

namespace ringside::event {
namespace {

/// Catches the text of an evaluation. Other events are flipped as from an event's script.
class EvaluationHooks final : public script::EventHooks {
public:
    EvaluationHooks(CoreState& core, Evaluation& evaluation, script::GuestAccess& guest)
        : core_{core}, evaluation_{evaluation}, guest_{guest} {}

    void emit(const char* text, usize length) override {
        const usize room = evaluation_.text_room - evaluation_.text_len;
        if (length > room) {
            evaluation_.is_text_cut = 1;
            length = room;
        }
        copy_bytes(evaluation_.text.in_root() + evaluation_.text_len, text, length);
        evaluation_.text_len += static_cast<u32>(length);
    }
    bool event_enable(u64 id) override { return flip(id, Flip::kEnable); }
    bool event_disable(u64 id) override { return flip(id, Flip::kDisable); }
    bool event_clear(u64 id) override { return flip(id, Flip::kClear); }
    /// The same as 'events sc' while an event has the machine halted (SC-6).
    void event_sc(bool skip) override {
        if (evaluation_.occasion != nullptr && evaluation_.occasion->takes_verdict())
            evaluation_.occasion->verdict = skip ? UserVerdict::kIgnore : UserVerdict::kDeliver;
    }
    void flush() override { flush_messages(core_, guest_.tsc()); }
    void pause() override {
        constexpr char kText[] = "warn, pause() does nothing here: no debugger holds the machine\n";
        emit(kText, sizeof kText - 1);
    }

private:
    bool flip(u64 id, Flip flip) {
        if (flip_event(core_, core_.engine->current_in_root(), id, flip))
            return true;
        constexpr char kText[] = "warn, no such event\n";
        if (!has_warned_)
            emit(kText, sizeof kText - 1);
        has_warned_ = true;
        return false;
    }

    CoreState& core_;
    Evaluation& evaluation_;
    script::GuestAccess& guest_;
    bool has_warned_ = false;
};

/// Runs one stage of the active events of `range` whose filters match.
/// @return whether one of them, or the user's last word, wants the interrupt ignored.
bool run_stage(Arrival& arrival, Range range) {
    static_assert(RS_MAX_EVENTS_PER_VECTOR <= 64);
    u64 votes = 0;   // bit i: event i of the range says ignore
    u64 judged = 0;  // the one at which the user spoke last
    const u32 core = arrival.core.core;
    for (u32 i = 0; i < range.count; ++i) {
        Event& event = arrival.snapshot.event_in_root(range.first + i);
        if (!event.has_stage(arrival.stage) || !event.is_active())
            continue;
        EventCounters& counters = event.counters.in_root()[core];
        // An event that runs in the post stage alone counts the arrival there.
        if (arrival.stage == RS_STAGE_PRE || !event.has_stage(RS_STAGE_PRE))
            counters.arrivals.add(1);
        if (event.process_id != RS_ANY && event.process_id != arrival.pid())
            continue;
        const UserVerdict before = std::exchange(arrival.verdict, UserVerdict::kNone);
        if (EventRun{arrival, event}.run())
            votes |= u64{1} << i;
        if (arrival.verdict == UserVerdict::kNone)
            arrival.verdict = before;
        else
            judged = u64{1} << i;
    }
    if (arrival.verdict == UserVerdict::kDeliver)
        return false;
    if (arrival.verdict == UserVerdict::kIgnore && votes == 0)
        votes = judged;
    // Those that have it ignored in the end count it (SC-12).
    bool is_first = true;
    for (; votes != 0; votes &= votes - 1) {
        Event& event = arrival.snapshot.event_in_root(range.first + u32(std::countr_zero(votes)));
        event.counters.in_root()[core].ignored.add(1);
        if (std::exchange(is_first, false))
            arrival.core.ignored_by = event.id;
    }
    return !is_first;
}

bool has_post(const Snapshot& snapshot, Range range) {
    for (u32 i = 0; i < range.count; ++i)
        if (snapshot.event_in_root(range.first + i).has_stage(RS_STAGE_POST))
            return true;
    return false;
}

}  // namespace

Verdict run_pre_stage(CoreState& core, u8 vector, script::GuestAccess& guest, CodeRunner& code) {
    const Snapshot& snapshot = core.engine->current_in_root();
    const Range range = snapshot.events_on(core.core, vector);
    Arrival arrival{core, snapshot, vector, RS_STAGE_PRE, guest, code};
    if (run_stage(arrival, range)) {
        core.stats->ignored_by_vector[vector].add(1);
        return Verdict::kIgnore;
    }
    return has_post(snapshot, range) ? Verdict::kDeliverWithPost : Verdict::kDeliver;
}

void run_post_stage(CoreState& core, u8 vector, script::GuestAccess& guest, CodeRunner& code) {
    const Snapshot& snapshot = core.engine->current_in_root();
    Arrival arrival{core, snapshot, vector, RS_STAGE_POST, guest, code};
    (void)run_stage(arrival, snapshot.events_on(core.core, vector));
}

void evaluate(CoreState& core, Evaluation& evaluation, script::GuestAccess& guest) {
    evaluation.core = core.core;
    evaluation.text_len = 0;
    evaluation.is_text_cut = 0;
    if (core.depth == CoreState::kFrames) {
        core.stats->refused_runs.add(1);
        evaluation.result = {.error = RS_SCRIPT_NESTED};
        return;
    }
    const EngineState& engine = *core.engine;
    script::RunContext context = engine.run_context(guest.tsc());
    context.stop = reinterpret_cast<const volatile u32*>(&evaluation.stop);
    if (const Occasion* occasion = evaluation.occasion) {
        context.context = occasion->context;
        context.event_id = occasion->event.id;
        context.stage = occasion->stage == RS_STAGE_PRE ? 0 : 1;
        context.buffer = occasion->event.buffer;
        context.in_event = true;
    }
    EvaluationHooks hooks{core, evaluation, guest};
    script::Frame& frame = core.frames[core.depth++];
    evaluation.result =
        script::run(script::ProgramView{evaluation.program.in_root()}, frame, context, guest, hooks,
                    {.slots = engine.globals.in_root(), .count = RS_SCRIPT_MAX_GLOBALS});
    --core.depth;
}

}  // namespace ringside::event
