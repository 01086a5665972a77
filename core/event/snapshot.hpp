// SPDX-License-Identifier: GPL-2.0-or-later
// What root looks up when an interrupt arrives: an immutable table, replaced as a whole.
#pragma once

#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "event/event.hpp"
#include "event/shared_memory.hpp"

namespace ringside::event {

/// Indices `first` to `first + count` of the snapshot's references.
struct Range {
    u32 first;
    u32 count;
};

/// The events one core, or all cores that no event names, can see.
struct VectorTable {
    Range vectors[256];  // 'all vectors' and 'all cores' merged in, ascending id
    Range all;           // every event of the table once
};

/// One block of shared memory: this header, `core_count` table numbers (u32), the tables, the
/// events (ascending id), the references (u16: index of the event). Never changes.
class Snapshot {
public:
    /// Events of `vector` on `core`.
    Range events_on(u32 core, u8 vector) const { return table(core).vectors[vector]; }
    /// Every event that can trigger on `core`.
    Range events_of(u32 core) const { return table(core).all; }
    /// Root only. @param reference  an index of a range.
    Event& event_in_root(u32 reference) const {
        return *events()[references()[reference]].in_root();
    }
    /// The event with this id, or null. Root only.
    Event* find_in_root(u32 id) const;
    /// Every event, by ascending id. Root only. @param index  below event_count()
    Event& nth_in_root(u32 index) const { return *events()[index].in_root(); }

    u32 event_count() const { return event_count_; }
    usize bytes() const { return bytes_; }

    /// Builds the snapshot of `events` (ascending id, those leaving skipped). Guest context.
    /// @return null when there is no memory.
    static Snapshot* build(Event* const* events, u32 count, u32 core_count, SharedMemory& memory);

    // For guest context alone: the list of snapshots that wait for their readers.
    Snapshot* next_retired = nullptr;
    u64 retired_at = 0;

private:
    const u32* table_numbers() const { return reinterpret_cast<const u32*>(this + 1); }
    const VectorTable& table(u32 core) const {
        return at<VectorTable>(tables_offset_)[table_numbers()[core]];
    }
    const RootPointer<Event>* events() const { return &at<RootPointer<Event>>(events_offset_)[0]; }
    const u16* references() const { return &at<u16>(references_offset_)[0]; }
    template <class T>
    const T* at(u32 offset) const {
        return reinterpret_cast<const T*>(reinterpret_cast<const u8*>(this) + offset);
    }

    friend class SnapshotBuilder;
    usize bytes_ = 0;
    u32 event_count_ = 0;
    u32 tables_offset_ = 0;
    u32 events_offset_ = 0;
    u32 references_offset_ = 0;
};

}  // namespace ringside::event
