// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/engine.hpp"

namespace ringside::event {
namespace {

template <class T>
T* allocate(SharedMemory& memory, usize count = 1) {
    return static_cast<T*>(memory.allocate(count * sizeof(T)));
}

template <class T>
void release(SharedMemory& memory, T*& pointer, usize count = 1) {
    if (pointer != nullptr)
        memory.release(pointer, count * sizeof(T));
    pointer = nullptr;
}

}  // namespace

Result<void> Engine::open(SharedMemory& memory, const EngineSettings& settings) {
    if (settings.core_count == 0 || settings.core_count > kMaxCores)
        return Error{RS_ERR_BAD_CORE, settings.core_count};
    if (!ring::is_ring_size(settings.ring_bytes))
        return Error{RS_ERR_BAD_IMAGE, settings.ring_bytes};
    memory_ = &memory;
    core_count_ = settings.core_count;
    ring_bytes_ = settings.ring_bytes;
    const s64 delta = memory.root_delta();
    state_ = allocate<EngineState>(memory);
    slots_ = allocate<CoreSlot>(memory, core_count_);
    globals_ = allocate<u64>(memory, RS_SCRIPT_MAX_GLOBALS);
    current_ = Snapshot::build(nullptr, 0, core_count_, memory);
    if (state_ == nullptr || slots_ == nullptr || globals_ == nullptr || current_ == nullptr) {
        close();
        return Error{RS_ERR_CANNOT_CREATE};
    }
    state_->clock = Clock::from_khz(settings.tsc_khz);
    realtime_less_tsc_ns_ = settings.realtime_less_tsc_ns;
    set_limits(settings.limits);
    state_->wake_pause_ticks = state_->clock.to_ticks(Wake::kPauseUs);
    state_->core_count = core_count_;
    state_->slots = RootPointer<CoreSlot>::from_guest(slots_, delta);
    state_->globals = RootPointer<u64>::from_guest(globals_, delta);
    state_->snapshot = RootPointer<Snapshot>::from_guest(current_, delta).value();
    state_->generation = 1;
    for (u32 core = 0; core < core_count_; ++core)
        if (const auto opened = open_core(core, settings); !opened) {
            close();
            return opened.error();
        }
    rings_.init(consumers_, core_count_);
    return {};
}

void Engine::flush_if_asked() {
    if (state_ != nullptr && state_->flushed_ns.load(std::memory_order_relaxed) != 0)
        if (const u64 time_ns = state_->flushed_ns.exchange(0, std::memory_order_acquire))
            rings().discard_older(time_ns);
}

void Engine::set_limits(const Limits& limits) {
    const auto relaxed = std::memory_order_relaxed;
    limits_ = limits;
    state_->local_less_tsc_ns.store(realtime_less_tsc_ns_ + limits.utc_offset_s * 1'000'000'000,
                                    relaxed);
    state_->uses_machine_code.store(limits.jit, relaxed);
    state_->script_budget.store(limits.script_budget, relaxed);
    state_->script_ticks.store(state_->clock.to_ticks(limits.script_time_us), relaxed);
    state_->code_ticks.store(state_->clock.to_ticks(limits.code_time_us), relaxed);
    state_->gather_ticks.store(state_->clock.to_ticks(limits.gather_time_ms * 1000), relaxed);
}

Result<void> Engine::open_core(u32 number, const EngineSettings& settings) {
    Core& core = cores_[number];
    core.state = allocate<CoreState>(*memory_);
    core.stats = allocate<CoreStats>(*memory_);
    core.indices = allocate<ring::Indices>(*memory_);
    core.data = allocate<u8>(*memory_, settings.ring_bytes);
    if (core.state == nullptr || core.stats == nullptr || core.indices == nullptr ||
        core.data == nullptr)
        return Error{RS_ERR_CANNOT_CREATE, number};
    const s64 delta = memory_->root_delta();
    core.state->core = number;
    core.state->engine = state().in_root();
    core.state->stats = RootPointer<CoreStats>::from_guest(core.stats, delta).in_root();
    core.state->slot = RootPointer<CoreSlot>::from_guest(&slots_[number], delta).in_root();
    core.state->producer.init(number, RootPointer<ring::Indices>::from_guest(core.indices, delta),
                              RootPointer<u8>::from_guest(core.data, delta), settings.ring_bytes);
    consumers_[number].init(core.indices, core.data, settings.ring_bytes);
    return {};
}

void Engine::close() {
    if (memory_ == nullptr)
        return;
    while (retired_ != nullptr) {
        Snapshot* const next = retired_->next_retired;
        free_snapshot(retired_);
        retired_ = next;
    }
    free_snapshot(current_);
    current_ = nullptr;
    for (u32 i = 0; i < core_count_; ++i) {
        Core& core = cores_[i];
        release(*memory_, core.state);
        release(*memory_, core.stats);
        release(*memory_, core.indices);
        release(*memory_, core.data, ring_bytes_);
    }
    release(*memory_, globals_, RS_SCRIPT_MAX_GLOBALS);
    release(*memory_, slots_, core_count_);
    release(*memory_, state_);
    rings_.init(nullptr, 0);
    core_count_ = 0;
    memory_ = nullptr;
}

void Engine::free_snapshot(Snapshot* snapshot) {
    if (snapshot != nullptr)
        memory_->release(snapshot, snapshot->bytes());
}

RootPointer<CoreState> Engine::core(u32 core) const {
    return RootPointer<CoreState>::from_guest(cores_[core].state, memory_->root_delta());
}

RootPointer<EngineState> Engine::state() const {
    return RootPointer<EngineState>::from_guest(state_, memory_->root_delta());
}

CoreNumbers Engine::read_stats(u32 core, u32 attempts) const {
    const CoreStats& stats = *cores_[core].stats;
    CoreNumbers numbers = {};
    for (u32 attempt = 0; attempt < attempts; ++attempt) {
        const u64 before = stats.sequence.get();
        numbers = {.arrivals = stats.arrivals.get(),
                   .delivered = stats.delivered.get(),
                   .ignored = stats.ignored.get(),
                   .pending = stats.pending.get(),
                   .exits = stats.exits.get(),
                   .interrupt_exits = stats.interrupt_exits.get(),
                   .nmi_exits = stats.nmi_exits.get(),
                   .self_wakes = stats.self_wakes.get(),
                   .refused_runs = stats.refused_runs.get()};
        if (before % 2 == 0 && stats.sequence.get() == before)
            break;
    }
    return numbers;
}

void Engine::set_participating(u32 core, bool is_participating) {
    slots_[core].is_participating.store(is_participating ? 1 : 0, std::memory_order_release);
}

bool Engine::is_participating(u32 core) const {
    return slots_[core].is_participating.load(std::memory_order_relaxed) != 0;
}

u64 Engine::generation() const {
    return state_->generation.load(std::memory_order_acquire);
}

u64 Engine::adopted_by_all() const {
    u64 oldest = generation();
    for (u32 core = 0; core < core_count_; ++core) {
        if (!is_participating(core))
            continue;
        // Acquire: what the core did with older snapshots happened before we free them.
        const u64 adopted = slots_[core].adopted.load(std::memory_order_acquire);
        oldest = adopted < oldest ? adopted : oldest;
    }
    return oldest;
}

bool Engine::wants_interrupts(u32 core) const {
    return slots_[core].wants_interrupts.load(std::memory_order_relaxed) != 0;
}

bool Engine::is_gathering() const {
    for (u32 core = 0; core < core_count_; ++core)
        if (slots_[core].gathers_since.load(std::memory_order_relaxed) != 0)
            return true;
    return false;
}

bool Engine::has_old_text(u64 now_tsc) const {
    const u64 limit = state_->gather_ticks.load(std::memory_order_relaxed);
    for (u32 core = 0; core < core_count_; ++core) {
        const u64 since = slots_[core].gathers_since.load(std::memory_order_relaxed);
        if (since != 0 && now_tsc - since >= limit)
            return true;
    }
    return false;
}

u64 Engine::publish(Snapshot* snapshot) {
    Snapshot* const old = current_;
    current_ = snapshot;
    state_->snapshot.store(
        RootPointer<Snapshot>::from_guest(snapshot, memory_->root_delta()).value(),
        std::memory_order_release);
    const u64 generation = announce();
    old->retired_at = generation;
    old->next_retired = retired_;
    retired_ = old;
    return generation;
}

u64 Engine::announce() {
    // Release: a core that adopts this generation sees the snapshot and the flips before it.
    return state_->generation.fetch_add(1, std::memory_order_acq_rel) + 1;
}

void Engine::reclaim() {
    const u64 adopted = adopted_by_all();
    Snapshot** link = &retired_;
    while (*link != nullptr) {
        Snapshot* const snapshot = *link;
        if (snapshot->retired_at > adopted) {
            link = &snapshot->next_retired;
            continue;
        }
        *link = snapshot->next_retired;
        free_snapshot(snapshot);
    }
}

}  // namespace ringside::event
