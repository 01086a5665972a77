// SPDX-License-Identifier: GPL-2.0-or-later
// The engine of one load, seen from guest context: its memory, the publication of snapshots and
// the return of what no core can hold any more.
#pragma once

#include "base/result.hpp"
#include "event/engine_state.hpp"
#include "event/limits.hpp"
#include "event/shared_memory.hpp"
#include "ring/ring_set.hpp"

namespace ringside::event {

/// A copy of CoreStats.
struct CoreNumbers {
    u64 arrivals;
    u64 delivered;
    u64 ignored;
    u64 pending;
    u64 exits;
    u64 interrupt_exits;
    u64 nmi_exits;
    u64 self_wakes;
    u64 refused_runs;
};

struct EngineSettings {
    u32 core_count = 0;            ///< cores are numbered below this; 1 to kMaxCores
    u64 tsc_khz = 0;               ///< 0: unknown
    s64 realtime_less_tsc_ns = 0;  ///< UTC in nanoseconds since 1970 less the TSC in nanoseconds
    u64 ring_bytes = ring::kDefaultBytes;
    Limits limits;
};

/// Guest context only, the caller serialises. Usable from zeroed memory.
class Engine {
public:
    /// Takes all memory and publishes an empty snapshot. On failure nothing is kept.
    Result<void> open(SharedMemory& memory, const EngineSettings& settings);
    /// Gives everything back. No core may be in root any more.
    void close();

    const Limits& limits() const { return limits_; }
    /// Carries out a script's flush(), if one asked since.
    void flush_if_asked();
    /// Runs that have begun keep theirs.
    void set_limits(const Limits& limits);

    u32 core_count() const { return core_count_; }
    SharedMemory& memory() { return *memory_; }
    /// Of the same addresses and the same delta; what was taken from one is given back to another.
    void use_memory(SharedMemory& memory) { memory_ = &memory; }
    ring::RingSet& rings() { return rings_; }

    /// A core's ring in guest context: one page with the head (ring::Indices), and the data.
    struct RingMemory {
        const ring::Indices* indices;
        const u8* data;
        u64 bytes;
    };
    RingMemory ring_memory(u32 core) const {
        return {cores_[core].indices, cores_[core].data, ring_bytes_};
    }

    /// What root on that core is given.
    RootPointer<CoreState> core(u32 core) const;
    RootPointer<EngineState> state() const;
    /// A core's counters, valid until close().
    const CoreStats& stats(u32 core) const { return *cores_[core].stats; }
    /// A consistent copy: tried again while root is changing them, at most `attempts` times.
    CoreNumbers read_stats(u32 core, u32 attempts = 1000) const;

    /// Whether the core runs under the hypervisor and adopts. One that stops participating holds
    /// nothing any more; one that starts is asked to adopt.
    void set_participating(u32 core, bool is_participating);
    bool is_participating(u32 core) const;

    u64 generation() const;
    /// Whether every participating core has adopted this generation or a later one. Take
    /// generation() once, then wait for it: scripts may raise it again and again.
    bool all_adopted(u64 generation) const { return adopted_by_all() >= generation; }
    /// The newest generation every participating core has adopted.
    u64 adopted_by_all() const;
    bool wants_interrupts(u32 core) const;
    /// Whether any core keeps text of 'imm no'.
    bool is_gathering() const;
    /// Whether one keeps it longer than it may.
    bool has_old_text(u64 now_tsc) const;

    /// Makes a snapshot the current one; the old one is kept until all cores have left it.
    /// @return the new generation.
    u64 publish(Snapshot* snapshot);
    /// Something changed that cores should look at, within the same snapshot.
    u64 announce();
    /// Frees old snapshots that no core can hold.
    void reclaim();

private:
    struct Core {
        CoreState* state;
        CoreStats* stats;
        ring::Indices* indices;
        u8* data;
    };

    Result<void> open_core(u32 core, const EngineSettings& settings);
    void free_snapshot(Snapshot* snapshot);

    SharedMemory* memory_ = nullptr;
    Limits limits_;
    s64 realtime_less_tsc_ns_ = 0;
    u32 core_count_ = 0;
    u64 ring_bytes_ = 0;
    EngineState* state_ = nullptr;
    CoreSlot* slots_ = nullptr;
    u64* globals_ = nullptr;
    Snapshot* current_ = nullptr;
    Snapshot* retired_ = nullptr;
    Core cores_[kMaxCores] = {};
    ring::Consumer consumers_[kMaxCores] = {};
    ring::RingSet rings_;
};

}  // namespace ringside::event
