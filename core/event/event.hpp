// SPDX-License-Identifier: GPL-2.0-or-later
// An event as root mode sees it: what never changes after publication, the words that flip, and
// the counters of each core.
#pragma once

#include <atomic>

#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "event/code.hpp"
#include "event/counter.hpp"
#include "ringside/event.h"

namespace ringside::event {

inline constexpr u32 kMaxCores = 256;
inline constexpr u32 kNoOwner = 0;  ///< the client is gone, the event outlives it: text is dropped
inline constexpr u32 kLinkOwner = 0xffff'fffe;  ///< the debugger at the end of a debug link

/// One core's counters of one event. Written by that core's root mode only.
struct alignas(64) EventCounters {
    Counter arrivals;         // 0x00 matched vector and core
    Counter condition_false;  // 0x08
    Counter triggers_pre;     // 0x10
    Counter triggers_post;    // 0x18
    Counter ignored;          // 0x20
    Counter code_faults;      // 0x28
    Counter script_errors;    // 0x30
    Counter messages;         // 0x38
    Counter lost_messages;    // 0x40
    Counter cycles_total;     // 0x48
    Counter cycles_max;       // 0x50
};
static_assert(sizeof(EventCounters) == 128);

struct Action {
    u32 type = 0;                   // 0x00 RS_ACT_*
    u32 flags = 0;                  // 0x04 RS_ACTF_*
    RootPointer<const u8> program;  // 0x08 verified and linked image of RS_ACT_SCRIPT
    u32 program_bytes = 0;          // 0x10
    u32 reserved = 0;
    Code code;  // 0x18 of RS_ACT_CODE
    // The program as machine code; none if `machine_code` is 0.
    u64 machine_code = 0;  // root address
    u8* machine_code_in_guest = nullptr;
    RootPointer<const u32> offsets;  // of its instructions, as many as the program has
    u32 machine_code_bytes = 0;
};

/// Words that guest context and root flip at any time, on a cache line of their own.
struct alignas(64) EventFlips {
    std::atomic<u32> is_enabled;
    std::atomic<u32> is_faulted;          // disabled after too many errors in a row
    std::atomic<u32> is_clear_requested;  // gone for everybody; memory follows later
    // Ends running scripts at their next backward jump (SCR-7). Set by guest context alone: a
    // script that disables its own event finishes its run (EVT-9).
    std::atomic<u32> stop;
    std::atomic<u32> owner;  // client, kNoOwner when it is gone
    std::atomic<u32> consecutive_errors;
    std::atomic<u32> has_warned;        // one warning about unknown event ids
    std::atomic<u32> has_warned_sc;     // one about event_sc() in the post stage
    std::atomic<u32> has_warned_pause;  // one about pause() without a debugger
    std::atomic<u32> has_warned_break;  // one about a break that found no debugger
    std::atomic<u32> has_warned_level;  // one about a level-triggered source that is held
    std::atomic<u32> held;              // sources, all cores together (EVT-2)
    std::atomic<u32> reports;           // diagnostics in the current window
    std::atomic<u32> suppressed;        // diagnostics left out since the last one
    std::atomic<u64> window_tsc;        // when the current window began, 0: none yet
};

struct alignas(64) Event {
    u64 tag = 0;
    u64 cookie = 0;
    u32 id = 0;
    u32 type = 0;        // RS_EVENT_EXTERNAL_INTERRUPT or RS_EVENT_EXCEPTION
    u32 vector = 0;      // or RS_VECTOR_ALL: all of its type
    u32 core_id = 0;     // or RS_ANY
    u32 process_id = 0;  // or RS_ANY
    u32 flags = 0;       // RS_EVF_*
    u32 stage = 0;       // RS_STAGE_*: bits, pre and post
    // Actions are only ever appended: each occurrence takes the count once (API-9).
    std::atomic<u32> action_count;
    u32 buffer_bytes = 0;
    u64 buffer = 0;  // guest virtual address of the safe buffer, or 0
    RootPointer<const u8> buffer_in_root;
    RootPointer<EventCounters> counters;  // one for each core
    Code condition;                       // empty: unconditional
    Action actions[RS_MAX_ACTIONS];

    EventFlips flips;

    // For guest context alone.
    u64 output_tag[RS_MAX_OUTPUTS] = {};
    u32 output_count = 0;
    u32 command_len = 0;
    u8* command = nullptr;
    Event* next_retired = nullptr;
    u64 retired_at = 0;       // generation whose adoption by all cores frees the memory
    bool is_leaving = false;  // left out of the snapshot being built

    /// Whether a run may start.
    bool is_active() const {
        return flips.is_enabled.load(std::memory_order_acquire) != 0 &&
               flips.is_clear_requested.load(std::memory_order_acquire) == 0;
    }
    bool is_cleared() const {
        return flips.is_clear_requested.load(std::memory_order_acquire) != 0;
    }
    /// Whether `of_vector` is of the event's type and one it asks for.
    bool matches(u32 of_vector) const {
        return vector == of_vector || (vector == RS_VECTOR_ALL && is_of_type(of_vector));
    }
    bool is_of_type(u32 of_vector) const {
        return (type == RS_EVENT_EXCEPTION) == (of_vector < RS_VECTOR_FIRST);
    }
    bool is_short_circuit() const { return (flags & RS_EVF_SHORT_CIRCUIT) != 0; }
    bool has_stage(u32 bit) const { return (stage & bit) != 0; }
    bool concerns(u32 core) const { return core_id == core || core_id == RS_ANY; }

    /// Enabling takes the mark away (EVT-5). An event without actions stays disabled. All three
    /// return whether the event changed.
    bool enable() {
        if (action_count.load(std::memory_order_relaxed) == 0)
            return false;
        flips.consecutive_errors.store(0, std::memory_order_relaxed);
        flips.is_faulted.store(0, std::memory_order_relaxed);
        flips.stop.store(0, std::memory_order_relaxed);
        return flips.is_enabled.exchange(1, std::memory_order_acq_rel) == 0;
    }
    bool disable() { return flips.is_enabled.exchange(0, std::memory_order_acq_rel) != 0; }
    bool request_clear() {
        disable();
        return flips.is_clear_requested.exchange(1, std::memory_order_acq_rel) == 0;
    }
    void stop_runs() { flips.stop.store(1, std::memory_order_release); }
};

}  // namespace ringside::event
