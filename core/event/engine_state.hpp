// SPDX-License-Identifier: GPL-2.0-or-later
// Everything guest context and root mode share, and what each core keeps for itself.
#pragma once

#include <atomic>

#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "event/clock.hpp"
#include "event/counter.hpp"
#include "event/gather.hpp"
#include "event/halter.hpp"
#include "event/snapshot.hpp"
#include "event/wake.hpp"
#include "ring/producer.hpp"
#include "script/vm.hpp"

namespace ringside::event {

/// A core's counters. Root on that core writes them, between open() and close() at each exit;
/// guest context reads.
struct alignas(kPageSize) CoreStats {
    Counter sequence;         // 0x00 odd while the numbers below are being changed
    Counter arrivals;         // 0x08 external interrupts taken
    Counter delivered;        // 0x10
    Counter ignored;          // 0x18
    Counter pending;          // 0x20 arrivals - delivered - ignored
    Counter exits;            // 0x28
    Counter interrupt_exits;  // 0x30
    Counter nmi_exits;        // 0x38
    Counter self_wakes;       // 0x40
    Counter refused_runs;     // 0x48 scripts not run because they were nested too deeply

    Counter ignored_by_vector[256];  // 0x50

    /// Root, at the start and the end of what happens at one exit.
    void open() { sequence.add(1); }
    void close() { sequence.add(1); }
};

/// What a core tells guest context about adoption; a cache line for each core.
struct alignas(64) CoreSlot {
    std::atomic<u64> adopted;           // generation, written by root
    std::atomic<u32> wants_interrupts;  // written by root at adoption
    std::atomic<u32> is_participating;  // written by guest context: virtualized
    std::atomic<u64> gathers_since;     // TSC, written by root: when the text it keeps began, or 0
};

/// The shared state; root reaches it by a root pointer.
struct EngineState {
    // Root address of the current Snapshot, never null. Stored with release by guest context.
    alignas(64) std::atomic<u64> snapshot;
    // Grows whenever cores have something to adopt. Guest context stores the snapshot first.
    std::atomic<u64> generation;

    // Constant while loaded, but for the settings.
    alignas(64) Clock clock;
    std::atomic<u64> script_budget;  // operations a run
    std::atomic<u64> script_ticks;   // TSC ticks a run; of machine code and of gathering likewise
    std::atomic<u64> code_ticks;
    std::atomic<u64> gather_ticks;
    std::atomic<bool> uses_machine_code;
    std::atomic<s64> local_less_tsc_ns;  // local time less the TSC, both in nanoseconds
    std::atomic<u64> flushed_ns;  // messages of scripts before that time are to be dropped; 0: none
    u64 wake_pause_ticks = 0;
    u32 core_count = 0;
    RootPointer<CoreSlot> slots;  // core_count entries
    RootPointer<u64> globals;     // RS_SCRIPT_MAX_GLOBALS values, unused ones 0

    /// What a run that begins at `now_tsc` may not last beyond.
    static u64 deadline(const std::atomic<u64>& ticks, u64 now_tsc) {
        const u64 end = now_tsc + ticks.load(std::memory_order_relaxed);
        return end < now_tsc ? ~u64{0} : end;
    }

    /// Limits and clock of a script that begins at `now_tsc`.
    script::RunContext run_context(u64 now_tsc) const {
        script::RunContext context;
        context.budget = script_budget.load(std::memory_order_relaxed);
        context.deadline_tsc = deadline(script_ticks, now_tsc);
        context.ticks_per_ms = clock.ticks_per_second / 1000;
        context.nanoseconds_per_tick = clock.nanoseconds_per_tick;
        context.local_less_tsc_ns = local_less_tsc_ns.load(std::memory_order_relaxed);
        return context;
    }

    const Snapshot& current_in_root() const {
        return *RootPointer<const Snapshot>::from_value(snapshot.load(std::memory_order_acquire))
                    .in_root();
    }
};

/// What a core's root mode keeps for itself; guest context touches it before the first exit only.
struct CoreState {
    static constexpr u32 kFrames = 2;  // one run, and one inside of an evaluation

    u32 core = 0;
    u32 depth = 0;                  // runs in progress
    EngineState* engine = nullptr;  // root address
    CoreStats* stats = nullptr;     // root address
    CoreSlot* slot = nullptr;       // root address
    Halter* halter = nullptr;       // root address; null where nothing can be halted
    u64 adopted = 0;
    bool wants_interrupts = false;
    bool has_kick_request = false;
    bool has_link_news = false;  // messages for the link were written since it last carried some
    u32 ignored_by = 0;          // id of the first event that ignored the last arrival ignored
    u32 wants_exceptions = 0;    // bit n: an enabled event asks for exception n
    Wake wake;
    Gathered gathered;
    ring::Producer producer;
    ring::Producer link_producer;  // for the debugger at the end of a link; unused without one
    script::Frame frames[kFrames];

    /// Where an owner's messages go.
    ring::Producer& producer_for(u32 owner) {
        return owner == kLinkOwner ? link_producer : producer;
    }
    /// One was written: who reads it may have to be told.
    void note_message(u32 owner) {
        if (owner == kLinkOwner)
            has_link_news = true;
        else if (producer.has_waiting_reader())
            wake.note();
    }
};

}  // namespace ringside::event
