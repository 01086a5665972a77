// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/snapshot.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using Ids = std::vector<u32>;

Ids ids_of(const Snapshot& snapshot, Range range) {
    Ids ids;
    for (u32 i = 0; i < range.count; ++i)
        ids.push_back(snapshot.event_in_root(range.first + i).id);
    return ids;
}

/// Events in shared memory, and the snapshot made of them.
struct Built {
    Built(u32 core_count, test::FakeSharedMemory& shared) : cores{core_count}, memory{shared} {}
    ~Built() {
        if (snapshot != nullptr)
            memory.release(snapshot, snapshot->bytes());
        for (Event* const event : events)
            memory.release(event, sizeof(Event));
    }
    Built(const Built&) = delete;
    Built& operator=(const Built&) = delete;

    Event& add(u32 vector, u32 core, u32 id) {
        auto* const event = static_cast<Event*>(memory.allocate(sizeof(Event)));
        event->id = id;
        event->type = RS_EVENT_EXTERNAL_INTERRUPT;
        event->vector = vector;
        event->core_id = core;
        events.push_back(event);
        return *event;
    }
    const Snapshot& build() {
        snapshot = Snapshot::build(events.data(), static_cast<u32>(events.size()), cores, memory);
        EXPECT_NE(snapshot, nullptr);
        return *RootPointer<Snapshot>::from_guest(snapshot, memory.root_delta()).in_root();
    }

    u32 cores;
    test::FakeSharedMemory& memory;
    std::vector<Event*> events;
    Snapshot* snapshot = nullptr;
};

TEST(Snapshot, OfNothingHoldsNothing) {
    test::FakeSharedMemory memory;
    Built built{3, memory};
    const Snapshot& snapshot = built.build();
    for (u32 core = 0; core < 3; ++core) {
        for (u32 vector = 0; vector < 256; ++vector)
            EXPECT_EQ(snapshot.events_on(core, static_cast<u8>(vector)).count, 0u);
        EXPECT_EQ(snapshot.events_of(core).count, 0u);
    }
    EXPECT_EQ(snapshot.event_count(), 0u);
    EXPECT_EQ(snapshot.find_in_root(0), nullptr);
}

TEST(Snapshot, MergesAllVectorsAndAllCores) {
    test::FakeSharedMemory memory{test::FakeSharedMemory::View::kTwo};
    Built built{2, memory};
    built.add(0x25, RS_ANY, 0);
    built.add(RS_VECTOR_ALL, 1, 2);
    built.add(0x25, 1, 5);
    built.add(RS_VECTOR_ALL, RS_ANY, 9);
    const Snapshot& snapshot = built.build();
    EXPECT_EQ(ids_of(snapshot, snapshot.events_on(0, 0x25)), (Ids{0, 9}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_on(0, 0x26)), (Ids{9}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_on(1, 0x25)), (Ids{0, 2, 5, 9}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_on(1, 0xff)), (Ids{2, 9}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_on(1, 0x1f)), (Ids{}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_of(0)), (Ids{0, 9}));
    EXPECT_EQ(ids_of(snapshot, snapshot.events_of(1)), (Ids{0, 2, 5, 9}));
}

TEST(Snapshot, FindsEventsById) {
    test::FakeSharedMemory memory;
    Built built{1, memory};
    for (const u32 id : {3u, 4u, 10u, 11u, 900u})
        built.add(0x30, RS_ANY, id);
    const Snapshot& snapshot = built.build();
    for (const u32 id : {3u, 4u, 10u, 11u, 900u}) {
        ASSERT_NE(snapshot.find_in_root(id), nullptr);
        EXPECT_EQ(snapshot.find_in_root(id)->id, id);
    }
    for (const u32 id : {0u, 5u, 12u, 901u, ~0u})
        EXPECT_EQ(snapshot.find_in_root(id), nullptr);
}

TEST(Snapshot, FailsWithoutMemory) {
    test::FakeSharedMemory memory;
    memory.fail_after(0);
    EXPECT_EQ(Snapshot::build(nullptr, 0, 2, memory), nullptr);
}

TEST(Snapshot, HoldsTheLargestSetOfEvents) {
    test::FakeSharedMemory memory;
    Built built{kMaxCores, memory};
    for (u32 id = 0; id < RS_MAX_EVENTS; ++id)
        built.add(RS_VECTOR_FIRST + id / 64, RS_ANY, id);
    const Snapshot& snapshot = built.build();
    const Ids last = ids_of(snapshot, snapshot.events_on(kMaxCores - 1, RS_VECTOR_FIRST + 15));
    ASSERT_EQ(last.size(), 64u);
    EXPECT_EQ(last.front(), 960u);
    EXPECT_EQ(last.back(), 1023u);
}

RC_GTEST_PROP(Snapshot, EqualsALinearSearch, ()) {
    test::FakeSharedMemory memory{test::FakeSharedMemory::View::kTwo};
    const u32 cores = *rc::gen::inRange(1u, 6u);
    Built built{cores, memory};
    const u32 count = *rc::gen::inRange(0u, 40u);
    for (u32 id = 0; id < count; ++id) {
        const u32 vector = *rc::gen::element(RS_VECTOR_ALL, 0x20u, 0x21u, 0x80u, 0xecu, 0xffu);
        const u32 core = *rc::gen::inRange(0u, cores * 2);
        Event& event = built.add(vector, core < cores ? core : RS_ANY, id * 3);
        event.is_leaving = *rc::gen::inRange(0, 5) == 0;
    }
    const Snapshot& snapshot = built.build();
    for (u32 core = 0; core < cores; ++core) {
        Ids of_core;
        for (const Event* const event : built.events)
            if (!event->is_leaving && (event->core_id == RS_ANY || event->core_id == core))
                of_core.push_back(event->id);
        RC_ASSERT(ids_of(snapshot, snapshot.events_of(core)) == of_core);
        for (u32 vector = 0; vector < 256; ++vector) {
            Ids expected;
            for (const Event* const event : built.events)
                if (!event->is_leaving && (event->core_id == RS_ANY || event->core_id == core) &&
                    vector >= 0x20 && (event->vector == RS_VECTOR_ALL || event->vector == vector))
                    expected.push_back(event->id);
            RC_ASSERT(ids_of(snapshot, snapshot.events_on(core, static_cast<u8>(vector))) ==
                      expected);
        }
    }
    for (const Event* const event : built.events)
        RC_ASSERT((snapshot.find_in_root(event->id) != nullptr) == !event->is_leaving);
}

}  // namespace
}  // namespace ringside::event
