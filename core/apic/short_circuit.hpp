// SPDX-License-Identifier: GPL-2.0-or-later
// What ignoring interrupts leaves behind on one core, and how it is made good: sources that are
// held, and interrupts to be raised anew when nobody ignores them any more. Specification section 6
// "Short-circuiting", SC-7 to SC-11.
#pragma once

#include <atomic>

#include "apic/io_apic.hpp"
#include "apic/retire.hpp"
#include "apic/storm.hpp"
#include "apic/vector_set.hpp"

namespace ringside::apic {

/// The same for all cores. The two switches may change while loaded.
struct Settings {
    u64 ticks_per_ms = 1'000'000;               ///< TSC
    std::atomic<bool> replays = true;           ///< SC-11
    std::atomic<bool> delivers_storms = false;  ///< SC-9: the 17th is delivered instead of held
    u8 pic_base = 0;                            ///< vector of the 8259's line 0, 0: not in use
    VectorSet replayed;  ///< beside the timer: whose handlers find out themselves what is to do
};

/// An arrival whose verdict is to ignore it. Its vector was accepted, there was no EOI.
struct IgnoredArrival {
    u8 vector = 0;
    u32 event = 0;  ///< id of one that ignores it
    u64 rip = 0;    ///< of the interrupted guest
};

enum class Outcome : u8 {
    kRetired,
    kHeld,     ///< retired, and its source is held from now on
    kDeliver,  ///< not retired: the guest has to take it
};

/// One core's; root mode, own core, interrupts off. Usable from zeroed memory.
class ShortCircuit {
public:
    static constexpr u32 kMaxHolds = 8;
    static constexpr u64 kFirstHoldMs = 1;
    static constexpr u64 kLongestHoldMs = 256;
    /// A source that interrupts this soon after its hold is the same storm.
    static constexpr u64 kSameStormMs = 16;

    Outcome on_ignored(Hardware& hardware, const Settings& settings, const IgnoredArrival& arrival);
    /// The same vector was given to the guest: everything is in order again.
    void on_delivered(u8 vector) {
        if (is_used_) [[unlikely]]
            forget(vector);
    }

    bool has_holds() const { return hold_count_ != 0; }
    bool remembers() const { return !ignored_.empty() || has_holds(); }

    /// Ends the holds whose time is over. on_end(event id): such an event holds one source less.
    template <class OnEnd>
    void end_due_holds(Hardware& hardware, OnEnd on_end) {
        const u64 now = hardware.tsc();
        end_holds(
            hardware, [&](const Hold& hold) { return s64(now - hold.until) >= 0; }, false, on_end);
    }

    /// Makes good what events did that are not active any more: ends their holds, raises anew what
    /// they ignored last.
    template <class IsActive, class OnEnd>
    void reconsider(Hardware& hardware, const Settings& settings, IsActive is_active,
                    OnEnd on_end) {
        end_holds(
            hardware, [&](const Hold& hold) { return !is_active(hold.event); }, false, on_end);
        ignored_.for_each([&](u8 vector) {
            if (is_active(ignored_by_[vector]))
                return;
            if (levels_.contains(vector)) {
                // The line does so by itself; nothing is raised that it did not ask for.
                if (hardware.while_others_stand([&] { rewrite(hardware, vector); }))
                    ignored_.remove(vector);
                return;
            }
            ignored_.remove(vector);
            if (settings.replays.load(std::memory_order_relaxed) &&
                wants_replay(hardware, settings, vector))
                hardware.raise(vector);
        });
    }

    /// The same for all events: the core leaves root mode. Holds end even if other cores run.
    template <class OnEnd>
    void give_up(Hardware& hardware, const Settings& settings, OnEnd on_end) {
        end_holds(
            hardware, [](const Hold&) { return true; }, true, on_end);
        reconsider(
            hardware, settings, [](u32) { return false; }, on_end);
    }

private:
    enum class State : u8 {
        kFree,
        kHeld,
        kOver,  ///< may be held again, for longer
    };
    struct Hold {
        State state = State::kFree;
        u8 vector = 0;
        bool is_masked = false;  ///< else its EOI is still owed to the IO-APIC
        u32 event = 0;
        u64 until = 0;   ///< TSC
        u64 length = 0;  ///< in ms; 0: not held on purpose, only its end could not be told
        Pins pins;
    };

    template <class IsDue, class OnEnd>
    void end_holds(Hardware& hardware, IsDue is_due, bool at_any_cost, OnEnd on_end) {
        for (Hold& hold : holds_)
            if (hold.state == State::kHeld && is_due(hold)) {
                const bool is_over = release(hardware, hold, at_any_cost);
                hold.until = hardware.tsc();  // if it could not be: at the next exit
                if (!is_over)
                    continue;
                hold.state = State::kOver;
                --hold_count_;
                if (hold.length != 0)
                    on_end(hold.event);
            }
    }
    Outcome retire_level(Hardware& hardware, const Settings& settings, const Accepted& accepted,
                         const IgnoredArrival& arrival);
    void end_level(Hardware& hardware, const Accepted& accepted, const IgnoredArrival& arrival);
    Outcome hold(Hardware& hardware, const Settings& settings, const Accepted& accepted,
                 const IgnoredArrival& arrival);
    bool release(Hardware& hardware, Hold& hold, bool at_any_cost);
    Hold* find_hold(u8 vector);
    Hold* free_hold();
    bool learn(Hardware& hardware);
    static bool wants_replay(Hardware& hardware, const Settings& settings, u8 vector);

    void forget(u8 vector);

    bool is_used_ = false;  ///< something was ignored on this core
    Storm storm_;
    Traits traits_;
    u32 hold_count_ = 0;  ///< in state kHeld
    Hold holds_[kMaxHolds];
    VectorSet ignored_;  ///< the last arrival was
    VectorSet levels_;   ///< and that one was level-triggered
    u32 ignored_by_[256] = {};
};

}  // namespace ringside::apic
