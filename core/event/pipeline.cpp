// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/pipeline.hpp"

#include "base/memory.hpp"
#include "event/event_run.hpp"

namespace ringside::event {
namespace {

/// Catches the text of an evaluation. Other events are flipped as from an event's script.
class EvaluationHooks final : public script::EventHooks {
public:
    EvaluationHooks(CoreState& core, Evaluation& evaluation)
        : core_{core}, evaluation_{evaluation} {}

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
    void event_sc(bool) override {}

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
    bool has_warned_ = false;
};

}  // namespace

Verdict run_events(CoreState& core, const Snapshot& snapshot, Range range, u8 vector,
                   script::GuestAccess& guest) {
    Arrival arrival{core, snapshot, vector, guest};
    for (u32 i = 0; i < range.count; ++i) {
        Event& event = snapshot.event_in_root(range.first + i);
        if (!event.is_active())
            continue;
        event.counters.in_root()[core.core].arrivals.add(1);
        if (event.process_id != RS_ANY && event.process_id != arrival.pid())
            continue;
        EventRun{arrival, event}.run();
    }
    return Verdict::kDeliver;
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
    const u64 now = guest.tsc();
    script::RunContext context;
    context.budget = engine.script_budget;
    context.deadline_tsc = now + engine.script_ticks < now ? ~u64{0} : now + engine.script_ticks;
    context.stop = reinterpret_cast<const volatile u32*>(&evaluation.stop);
    EvaluationHooks hooks{core, evaluation};
    script::Frame& frame = core.frames[core.depth++];
    evaluation.result =
        script::run(script::ProgramView{evaluation.program.in_root()}, frame, context, guest, hooks,
                    {.slots = engine.globals.in_root(), .count = RS_SCRIPT_MAX_GLOBALS});
    --core.depth;
}

}  // namespace ringside::event
