// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/snapshot.hpp"

#include "base/bits.hpp"

namespace ringside::event {

/// Lays the tables out twice with the same code: first to count references, then to store them.
class SnapshotBuilder {
public:
    SnapshotBuilder(Event* const* events, u32 count, u32 core_count)
        : events_{events}, count_{count}, core_count_{core_count} {
        number_tables();
    }

    Snapshot* build(SharedMemory& memory) {
        lay_out();
        const usize tables_offset = align_up(sizeof(Snapshot) + core_count_ * sizeof(u32), 64);
        const usize events_offset = tables_offset + table_count_ * sizeof(VectorTable);
        const usize references_offset = events_offset + present() * sizeof(RootPointer<Event>);
        const usize bytes = references_offset + reference_count_ * sizeof(u16);
        if (bytes > SharedMemory::kMaxBytes)
            return nullptr;
        u8* const block = static_cast<u8*>(memory.allocate(bytes));
        if (block == nullptr)
            return nullptr;
        auto* const snapshot = reinterpret_cast<Snapshot*>(block);
        snapshot->bytes_ = bytes;
        snapshot->event_count_ = present();
        snapshot->tables_offset_ = static_cast<u32>(tables_offset);
        snapshot->events_offset_ = static_cast<u32>(events_offset);
        snapshot->references_offset_ = static_cast<u32>(references_offset);
        auto* const numbers = reinterpret_cast<u32*>(snapshot + 1);
        for (u32 core = 0; core < core_count_; ++core)
            numbers[core] = table_of_core_[core];
        auto* const pointers = reinterpret_cast<RootPointer<Event>*>(block + events_offset);
        u32 index = 0;
        for (u32 i = 0; i < count_; ++i)
            if (!events_[i]->is_leaving)
                pointers[index++] = RootPointer<Event>::from_guest(events_[i], memory.root_delta());
        tables_ = reinterpret_cast<VectorTable*>(block + tables_offset);
        references_ = reinterpret_cast<u16*>(block + references_offset);
        lay_out();
        return snapshot;
    }

private:
    static constexpr u32 kNoCore = RS_ANY;

    /// Table 0 is for every core that no event names; each named core gets its own.
    void number_tables() {
        core_of_table_[0] = kNoCore;
        for (u32 i = 0; i < count_; ++i) {
            const u32 core = events_[i]->core_id;
            if (events_[i]->is_leaving || core >= core_count_ || table_of_core_[core] != 0)
                continue;
            table_of_core_[core] = static_cast<u16>(table_count_);
            core_of_table_[table_count_++] = core;
        }
    }

    u32 present() const {
        u32 sum = 0;
        for (u32 i = 0; i < count_; ++i)
            sum += events_[i]->is_leaving ? 0 : 1;
        return sum;
    }

    void lay_out() {
        reference_count_ = 0;
        for (u32 table = 0; table < table_count_; ++table)
            lay_out_table(table);
    }

    void lay_out_table(u32 table) {
        bool is_named[256] = {};  // by an event of its own, beside those of all vectors
        for (u32 i = 0; i < count_; ++i)
            if (is_in(table, *events_[i]) && events_[i]->vector < 256)
                is_named[events_[i]->vector] = true;
        const Range all = append(table, [](const Event&) { return true; });
        const auto of_every_vector = [this, table](u32 type) {
            return append(table, [type](const Event& event) {
                return event.vector == RS_VECTOR_ALL && event.type == type;
            });
        };
        const Range every_exception = of_every_vector(RS_EVENT_EXCEPTION);
        const Range every_interrupt = of_every_vector(RS_EVENT_EXTERNAL_INTERRUPT);
        if (tables_ != nullptr)
            tables_[table].all = all;
        for (u32 vector = 0; vector <= RS_VECTOR_LAST; ++vector) {
            const Range range =
                is_named[vector]
                    ? append(table, [vector](const Event& event) { return event.matches(vector); })
                : vector < RS_VECTOR_FIRST ? every_exception
                                           : every_interrupt;
            if (tables_ != nullptr)
                tables_[table].vectors[vector] = range;
        }
    }

    bool is_in(u32 table, const Event& event) const {
        return !event.is_leaving && event.concerns(core_of_table_[table]);
    }

    template <class Wanted>
    Range append(u32 table, Wanted wanted) {
        const u32 first = reference_count_;
        u16 index = 0;
        for (u32 i = 0; i < count_; ++i) {
            if (events_[i]->is_leaving)
                continue;
            if (is_in(table, *events_[i]) && wanted(*events_[i])) {
                if (references_ != nullptr)
                    references_[reference_count_] = index;
                ++reference_count_;
            }
            ++index;
        }
        return {.first = first, .count = reference_count_ - first};
    }

    Event* const* events_;
    u32 count_;
    u32 core_count_;
    u32 table_count_ = 1;
    u32 reference_count_ = 0;
    VectorTable* tables_ = nullptr;
    u16* references_ = nullptr;
    u16 table_of_core_[kMaxCores] = {};
    u32 core_of_table_[kMaxCores + 1] = {};
};

Snapshot* Snapshot::build(Event* const* events, u32 count, u32 core_count, SharedMemory& memory) {
    return SnapshotBuilder{events, count, core_count}.build(memory);
}

Event* Snapshot::find_in_root(u32 id) const {
    u32 low = 0;
    u32 high = event_count_;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        Event* const event = events()[middle].in_root();
        if (event->id == id)
            return event;
        if (event->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return nullptr;
}

}  // namespace ringside::event
