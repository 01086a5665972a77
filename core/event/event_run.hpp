// SPDX-License-Identifier: GPL-2.0-or-later
// One event at one occurrence on one core: its condition, its actions, its messages, and what its
// script does to other events.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"
#include "script/environment.hpp"
#include "script/guest_access.hpp"

namespace ringside::event {

/// One stage of one occurrence, shared by all events it triggers.
class Arrival {
public:
    Arrival(CoreState& on_core, const Snapshot& at_snapshot, u8 of_vector, u32 at_stage,
            script::GuestAccess& of_guest, CodeRunner& with_code)
        : core{on_core},
          snapshot{at_snapshot},
          guest{of_guest},
          code{with_code},
          stage{at_stage},
          vector{of_vector} {}

    /// The interrupted task's thread group; asked for once.
    u32 pid();

    CoreState& core;
    const Snapshot& snapshot;
    script::GuestAccess& guest;
    CodeRunner& code;
    u32 stage;  ///< RS_STAGE_PRE or RS_STAGE_POST
    UserVerdict verdict =
        UserVerdict::kNone;  ///< of the user, while an event had the machine halted
    u8 vector;

private:
    bool has_pid_ = false;
    u32 pid_ = 0;
};

/// Flips the event with this id as a script asks for; false: there is none.
enum class Flip { kEnable, kDisable, kClear };
bool flip_event(CoreState& core, const Snapshot& snapshot, u64 id, Flip flip);

/// flush(): what is gathered is dropped here, what is in the rings when guest context reads next.
void flush_messages(CoreState& core, u64 now_tsc);

class EventRun final : public script::EventHooks {
public:
    EventRun(Arrival& arrival, Event& event);

    /// Runs the actions in order if the condition holds.
    /// @return whether the event triggered and wants the interrupt ignored.
    bool run();

    void emit(const char* text, usize length) override;
    bool event_enable(u64 id) override { return flip(id, Flip::kEnable); }
    bool event_disable(u64 id) override { return flip(id, Flip::kDisable); }
    bool event_clear(u64 id) override { return flip(id, Flip::kClear); }
    /// Sets this event's vote for this occurrence; in the post stage it is too late (SC-2, SC-5).
    void event_sc(bool skip) override;
    void flush() override { flush_messages(arrival_.core, arrival_.guest.tsc()); }
    /// The machine halts when the script has run.
    void pause() override { pauses_ = true; }

private:
    CodeResult call(const Code& code, bool is_condition);
    bool condition_holds();
    bool has_ended() const;
    void run_script(u32 action);
    void run_code(u32 action);
    void send_buffer();
    bool halt(u32 reason);
    void count_error(u32 action, const script::RunResult& result);
    void count_fault(u32 action, const CodeResult& result);
    void mark_faulted();
    void gather(const char* text, u32 length);
    void report(const rs_diagnostic& diagnostic, u64 now);
    bool may_report(u64 now);
    void notice_once(std::atomic<u32>& was_told, u32 code);
    bool flip(u64 id, Flip flip);

    Arrival& arrival_;
    Event& event_;
    EventCounters& counters_;
    bool is_immediate_ = true;  ///< of the action that runs (MSG-2)
    bool pauses_ = false;       ///< the script that runs wants it
    u64 halted_ticks_ = 0;      ///< of the TSC, which the run did not cost
    bool ignores_;
};

}  // namespace ringside::event
