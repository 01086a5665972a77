// SPDX-License-Identifier: GPL-3.0-or-later
#include "ring/producer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "unit/core/ring/ring_pair.hpp"

namespace ringside::ring {
namespace {

u64 count_of(const Record& lost) {
    u64 count = 0;
    std::memcpy(&count, lost.payload(), sizeof count);
    return count;
}

TEST(Producer, WritesTheHeaderOfTheInterface) {
    RingPair ring{3};
    ASSERT_TRUE(ring.print("hello", 0x1000002, 9, 1234));
    u64 cursor = 0;
    const Record record = ring.consumer.find(cursor);
    ASSERT_TRUE(record);
    EXPECT_EQ(record.header->len, 5u);
    EXPECT_EQ(record.header->kind, RS_MSG_TEXT);
    EXPECT_EQ(record.header->flags, 0);
    EXPECT_EQ(record.header->core, 3u);
    EXPECT_EQ(record.header->pid, 5u);
    EXPECT_EQ(record.header->tag, 0x1000002u);
    EXPECT_EQ(record.header->cookie, 0x2000004u);
    EXPECT_EQ(record.header->time_ns, 1234u);
    EXPECT_EQ(record.header->seq, 0u);
    EXPECT_EQ(record.owner, 9u);
    EXPECT_EQ(text_of(record), "hello");
    EXPECT_EQ(record.read_bytes(), 56u);
    EXPECT_EQ(std::memcmp(record.payload() + 5, "\0\0\0", 3), 0);
}

TEST(Producer, NumbersRecordsWithoutGaps) {
    RingPair ring;
    for (u64 i = 0; i < 5; ++i)
        ASSERT_TRUE(ring.print("x"));
    u64 cursor = 0;
    for (u64 i = 0; i < 5; ++i) {
        const Record record = ring.consumer.find(cursor);
        ASSERT_TRUE(record);
        EXPECT_EQ(record.header->seq, i);
        pop(ring, record);
    }
    EXPECT_FALSE(ring.consumer.find(cursor));
    EXPECT_TRUE(ring.consumer.is_empty());
}

TEST(Producer, CutsAMessageAtTheLimit) {
    RingPair ring;
    ASSERT_TRUE(ring.print(std::string(RS_MAX_MESSAGE_BYTES + 100, 'a')));
    u64 cursor = 0;
    EXPECT_EQ(ring.consumer.find(cursor).header->len, RS_MAX_MESSAGE_BYTES);
}

TEST(Producer, KeepsEveryLengthAcrossManyWraps) {
    RingPair ring;
    std::mt19937 random{1};
    u64 cursor = 0;
    for (u32 i = 0; i < 4000; ++i) {
        const std::string text(random() % (RS_MAX_MESSAGE_BYTES + 1),
                               static_cast<char>('a' + i % 26));
        ASSERT_TRUE(ring.print(text)) << i;
        const Record record = ring.consumer.find(cursor);
        ASSERT_TRUE(record) << i;
        ASSERT_EQ(text_of(record), text) << i;
        pop(ring, record);
    }
    EXPECT_EQ(ring.consumer.damaged(), 0u);
    EXPECT_EQ(ring.producer.dropped(), 0u);
}

TEST(Producer, NeverOverwritesWhatIsUnread) {
    RingPair ring;
    u32 written = 0;
    while (ring.print("message " + std::to_string(written)))
        ++written;
    for (u32 i = 0; i < 100; ++i)
        EXPECT_FALSE(ring.print("too late"));
    EXPECT_EQ(ring.producer.dropped(), 101u);
    u64 cursor = 0;
    for (u32 i = 0; i < written; ++i) {
        const Record record = ring.consumer.find(cursor);
        ASSERT_TRUE(record);
        ASSERT_EQ(text_of(record), "message " + std::to_string(i));
        pop(ring, record);
    }
    EXPECT_FALSE(ring.consumer.find(cursor));
}

TEST(Producer, AnnouncesLossesOfEachEventBeforeTheNextMessage) {
    RingPair ring;
    while (ring.print(std::string(1000, 'x'), 1)) {
    }
    EXPECT_FALSE(ring.print(std::string(1000, 'x'), 2, 4));
    EXPECT_FALSE(ring.print(std::string(1000, 'x'), 2, 4));
    EXPECT_EQ(ring.producer.unreported_losses(), 3u);
    u64 cursor = 0;
    for (Record record = ring.consumer.find(cursor); record; record = ring.consumer.find(cursor))
        pop(ring, record);

    ASSERT_TRUE(ring.print("after", 1));
    EXPECT_EQ(ring.producer.unreported_losses(), 0u);
    Record record = ring.consumer.find(cursor);
    EXPECT_EQ(record.header->kind, RS_MSG_LOST);
    EXPECT_EQ(record.header->tag, 1u);
    EXPECT_EQ(record.header->cookie, 2u);
    EXPECT_EQ(record.owner, 1u);
    EXPECT_EQ(count_of(record), 1u);
    pop(ring, record);
    record = ring.consumer.find(cursor);
    EXPECT_EQ(record.header->kind, RS_MSG_LOST);
    EXPECT_EQ(record.header->tag, 2u);
    EXPECT_EQ(record.owner, 4u);
    EXPECT_EQ(count_of(record), 2u);
    pop(ring, record);
    EXPECT_EQ(text_of(ring.consumer.find(cursor)), "after");
}

TEST(Producer, TextLeavesTheReserveToControlMessages) {
    RingPair ring;
    while (ring.print(std::string(100, 'x'))) {
    }
    EXPECT_FALSE(ring.print("text"));
    u32 control = 0;
    while (ring.print("control", 7, 1, 0, Room::kControl))
        ++control;
    // 1/16 of 64 KiB in records of 80 bytes: header 16, rs_msg 48, 7 bytes padded to 16. The two
    // drops of text were announced first, in one record.
    EXPECT_GE(control, 4096u / 80u - 1);
}

TEST(Producer, ReportsLossesWithoutAFurtherMessage) {
    RingPair ring;
    while (ring.print(std::string(100, 'x'), 7, 1, 77)) {
    }
    ring.producer.report_losses();
    EXPECT_EQ(ring.producer.unreported_losses(), 0u);
    u64 cursor = 0;
    Record record = ring.consumer.find(cursor);
    while (record.header->kind != RS_MSG_LOST) {
        pop(ring, record);
        record = ring.consumer.find(cursor);
        ASSERT_TRUE(record);
    }
    EXPECT_EQ(record.header->time_ns, 77u);
    EXPECT_EQ(count_of(record), 1u);
}

TEST(Producer, FoldsLossesOfTooManyEventsIntoOne) {
    RingPair ring;
    while (ring.print(std::string(1000, 'x'), 0)) {
    }
    for (u64 tag = 1; tag < 200; ++tag)
        EXPECT_FALSE(ring.print(std::string(1000, 'x'), tag));
    EXPECT_EQ(ring.producer.unreported_losses(), 200u);
    u64 cursor = 0;
    for (Record record = ring.consumer.find(cursor); record; record = ring.consumer.find(cursor))
        pop(ring, record);
    ring.producer.report_losses();
    u64 sum = 0;
    Record last;
    for (Record record = ring.consumer.find(cursor); record; record = ring.consumer.find(cursor)) {
        sum += count_of(record);
        last = record;
        ring.consumer.take(record);
    }
    EXPECT_EQ(sum, 200u);
    EXPECT_EQ(last.header->tag, RS_TAG_ALL);
    EXPECT_EQ(last.owner, kEveryOwner);
}

TEST(Producer, WrittenAndAnnouncedLossesMakeUpWhatWasEmitted) {
    RingPair ring;
    std::mt19937 random{2};
    u64 cursor = 0, emitted = 0, read = 0, lost = 0;
    const auto drain = [&](u32 limit) {
        for (; limit != 0; --limit) {
            const Record record = ring.consumer.find(cursor);
            if (!record)
                return;
            if (record.header->kind == RS_MSG_LOST)
                lost += count_of(record);
            else
                ++read;
            pop(ring, record);
        }
    };
    for (u32 round = 0; round < 2000; ++round) {
        for (u64 i = random() % 30; i != 0; --i, ++emitted)
            (void)ring.print(std::string(random() % 2000, 'y'), random() % 5);
        drain(static_cast<u32>(random() % 20));
    }
    drain(~u32{0});
    ring.producer.report_losses();
    drain(~u32{0});
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(read, ring.producer.written());
    EXPECT_EQ(lost, ring.producer.dropped());
    EXPECT_EQ(read + lost, emitted);
}

TEST(Producer, TakesANonsensicalTailForAFullRing) {
    for (const u64 tail : {u64{16}, ~u64{0}, u64{1} << 63, u64{8}, 0 - u64{kMinimumBytes} - 16}) {
        RingPair ring;
        ring.indices->tail = tail;
        EXPECT_FALSE(ring.print("x")) << tail;
        EXPECT_EQ(ring.indices->head, 0u);
    }
}

TEST(Producer, SurvivesAHostileReaderIndex) {
    // Guard words around the data show a write out of bounds even without a sanitizer.
    constexpr u64 kGuard = 0x5a5a5a5a5a5a5a5a;
    const auto indices = std::make_unique<Indices>();
    std::vector<u64> data(kMinimumBytes / 8 + 1024, kGuard);
    u8* const first = reinterpret_cast<u8*>(data.data() + 512);
    Producer producer;
    producer.init(0, RootPointer<Indices>::from_guest(indices.get(), 0),
                  RootPointer<u8>::from_guest(first, 0), kMinimumBytes);
    std::mt19937_64 random{3};
    const std::string text(RS_MAX_MESSAGE_BYTES, 'z');
    u64 previous = 0;
    for (u32 i = 0; i < 100'000; ++i) {
        const u64 head = indices->head;
        switch (random() % 5) {
            case 0:
                indices->tail = random();
                break;
            case 1:
                indices->tail = head - random() % (2 * kMinimumBytes);
                break;
            case 2:
                indices->tail = head + random() % 64;
                break;
            case 3:
                indices->tail = head & ~u64{15};
                break;
            default:
                break;
        }
        (void)producer.write({.kind = RS_MSG_TEXT,
                              .tag = random() % 100,
                              .payload = text.data(),
                              .len = static_cast<u32>(random() % (RS_MAX_MESSAGE_BYTES + 1))},
                             random() % 2 ? Room::kText : Room::kControl);
        ASSERT_GE(indices->head, previous);
        previous = indices->head;
    }
    for (u32 i = 0; i < 512; ++i) {
        ASSERT_EQ(data[i], kGuard);
        ASSERT_EQ(data[data.size() - 1 - i], kGuard);
    }
    EXPECT_GT(producer.written(), 0u);
    EXPECT_GT(producer.dropped(), 0u);
}

TEST(Producer, SeesReadersThatWait) {
    RingPair ring;
    EXPECT_FALSE(ring.producer.has_waiting_reader());
    ring.consumer.add_waiting_reader();
    EXPECT_TRUE(ring.producer.has_waiting_reader());
    ring.consumer.remove_waiting_reader();
    EXPECT_FALSE(ring.producer.has_waiting_reader());
}

TEST(Producer, RunsBesideItsConsumer) {
    RingPair ring;
    constexpr u64 kMessages = 50'000;
    std::atomic<bool> is_done = false;
    std::thread root{[&] {
        for (u64 i = 0; i < kMessages; ++i)
            (void)ring.print(std::to_string(i));
        is_done = true;
    }};
    u64 cursor = 0, read = 0, lost = 0, next = 0;
    const auto drain = [&] {
        for (Record record = ring.consumer.find(cursor); record;
             record = ring.consumer.find(cursor)) {
            if (record.header->kind == RS_MSG_LOST) {
                lost += count_of(record);
                next += count_of(record);
            } else {
                EXPECT_EQ(text_of(record), std::to_string(next));
                ++next;
                ++read;
            }
            pop(ring, record);
        }
    };
    while (!is_done)
        drain();
    root.join();
    drain();
    ring.producer.report_losses();
    drain();
    EXPECT_EQ(read + lost, kMessages);
    EXPECT_EQ(next, kMessages);
}

}  // namespace
}  // namespace ringside::ring
