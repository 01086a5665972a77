// SPDX-License-Identifier: GPL-2.0-or-later
// One triggered event on one core: its messages, and what its script does to other events.
#pragma once

#include "base/types.hpp"
#include "event/engine_state.hpp"
#include "script/environment.hpp"
#include "script/guest_access.hpp"

namespace ringside::event {

/// What one arrival knows, shared by all events it triggers.
class Arrival {
public:
    Arrival(CoreState& on_core, const Snapshot& at_snapshot, u8 of_vector,
            script::GuestAccess& of_guest)
        : core{on_core}, snapshot{at_snapshot}, guest{of_guest}, vector{of_vector} {}

    /// The interrupted task's thread group; asked for once.
    u32 pid();

    CoreState& core;
    const Snapshot& snapshot;
    script::GuestAccess& guest;
    u8 vector;

private:
    bool has_pid_ = false;
    u32 pid_ = 0;
};

/// Flips the event with this id as a script asks for; false: there is none.
enum class Flip { kEnable, kDisable, kClear };
bool flip_event(CoreState& core, const Snapshot& snapshot, u64 id, Flip flip);

class EventRun final : public script::EventHooks {
public:
    EventRun(Arrival& arrival, Event& event);

    /// Runs the actions in order.
    void run();

    void emit(const char* text, usize length) override;
    bool event_enable(u64 id) override { return flip(id, Flip::kEnable); }
    bool event_disable(u64 id) override { return flip(id, Flip::kDisable); }
    bool event_clear(u64 id) override { return flip(id, Flip::kClear); }
    /// Programs with event_sc() are refused at registration.
    void event_sc(bool) override {}

private:
    void run_script(u32 action);
    void count_error(u32 action, const script::RunResult& result);
    bool may_report(u64 now);
    bool flip(u64 id, Flip flip);
    void write(u16 kind, const void* payload, u32 len, ring::Room room, u64 now);

    Arrival& arrival_;
    Event& event_;
    EventCounters& counters_;
};

}  // namespace ringside::event
