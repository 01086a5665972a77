// SPDX-License-Identifier: GPL-3.0-or-later
#include "link/shared_stream.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ringside/packet.h"
#include "support/scale.hpp"
#include "unit/core/link/frames.hpp"

namespace ringside::link {
namespace {

/// Shared memory, formatted, with nobody but the debuggee there yet.
struct Memory {
    explicit Memory(u64 size = 0x10000) : words(size / sizeof(u64)), bytes{size} {
        if (!debuggee.format(data(), bytes))
            std::abort();
    }
    void* data() { return words.data(); }
    rs_shared_link& link() { return *static_cast<rs_shared_link*>(data()); }
    bool attach() { return debugger.attach(data(), bytes, Side::kDebugger); }

    std::vector<u64> words;
    u64 bytes;
    SharedStream debuggee;
    SharedStream debugger;
};

Bytes read_all(ByteStream& stream) {
    Bytes all;
    u8 piece[256];
    while (const usize count = stream.read(piece, sizeof piece))
        append(all, {piece, count});
    return all;
}

TEST(SharedStream, IsLaidOutAsTheInterfaceSays) {
    Memory memory{0x400000};
    const rs_shared_link& link = memory.link();
    EXPECT_EQ(link.magic, RS_SHARED_LINK_MAGIC);
    EXPECT_EQ(link.link_version, RS_LINK_VERSION);
    EXPECT_EQ(link.total_bytes, 0x400000u);
    EXPECT_EQ(link.to_debuggee_offset, 0x1000u);
    EXPECT_EQ(link.to_debuggee_bytes, 0x80000u);  // a quarter, without the first page
    EXPECT_EQ(link.to_debugger_offset, 0x81000u);
    EXPECT_EQ(link.to_debugger_bytes, 0x200000u);
    EXPECT_EQ(memory.debuggee.writable(), 0x200000u);
    EXPECT_EQ(memory.debuggee.readable(), 0u);
    ASSERT_TRUE(memory.attach());
    EXPECT_EQ(memory.debugger.writable(), 0x80000u);
    EXPECT_TRUE(memory.debugger.is_current());
    EXPECT_TRUE(memory.debuggee.is_current());
}

TEST(SharedStream, NeedsRoomAndAlignment) {
    std::vector<u64> words(0x10000 / 8);
    SharedStream stream;
    EXPECT_FALSE(stream.format(words.data(), SharedStream::kSmallestMemory - 1));
    EXPECT_FALSE(stream.format(reinterpret_cast<u8*>(words.data()) + 4, 0x8000));
    EXPECT_FALSE(stream.format(nullptr, 0x8000));
    EXPECT_FALSE(stream.is_attached());
    EXPECT_EQ(words[0], 0u);
    EXPECT_TRUE(stream.format(words.data(), SharedStream::kSmallestMemory));
    SharedStream other;
    EXPECT_TRUE(other.attach(words.data(), SharedStream::kSmallestMemory, Side::kDebugger));
    EXPECT_FALSE(other.attach(words.data(), SharedStream::kSmallestMemory - 1, Side::kDebugger));
    EXPECT_FALSE(other.attach(words.data(), 8, Side::kDebugger));
    EXPECT_FALSE(other.attach(nullptr, 0x8000, Side::kDebugger));
}

TEST(SharedStream, ThatIsDetachedDoesNothing) {
    SharedStream stream;
    u8 byte = 0;
    EXPECT_EQ(stream.write(&byte, 1), 0u);
    EXPECT_EQ(stream.read(&byte, 1), 0u);
    EXPECT_FALSE(stream.has_input());
    EXPECT_FALSE(stream.is_current());
}

TEST(SharedStream, CarriesBytesBothWays) {
    Memory memory;
    ASSERT_TRUE(memory.attach());
    Random random{30};
    ByteStream* const ends[] = {&memory.debuggee, &memory.debugger};
    std::deque<u8> under_way[2];  // from an end
    for (int step = 0; step < 20000; ++step) {
        const usize from = number(random, 0, 1);
        Bytes bytes = noise(random, number(random, 0, 200) * (step % 50 == 0 ? 500 : 1));
        const usize taken = ends[from]->write(bytes.data(), bytes.size());
        ASSERT_LE(taken, bytes.size());
        under_way[from].insert(under_way[from].end(), bytes.begin(),
                               bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        const usize to = number(random, 0, 1);
        auto& queue = under_way[1 - to];
        bytes.resize(number(random, 0, 300));
        const usize given = ends[to]->read(bytes.data(), bytes.size());
        ASSERT_EQ(given, std::min(bytes.size(), queue.size()));
        ASSERT_TRUE(std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(given),
                               queue.begin()));
        queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(given));
        ASSERT_EQ(memory.debuggee.has_input(), !under_way[1].empty());
        ASSERT_EQ(memory.debugger.has_input(), !under_way[0].empty());
        ASSERT_TRUE(memory.debugger.is_current());
    }
}

TEST(SharedStream, CarriesBytesBetweenThreads) {
    Memory memory{SharedStream::kSmallestMemory};
    ASSERT_TRUE(memory.attach());
    const usize count = test::is_full_run() ? 20'000'000 : 500'000;
    const auto run = [&](SharedStream& stream, u8 seed) {
        usize sent = 0;
        usize got = 0;
        bool is_right = true;
        u8 bytes[777];
        while (sent < count || got < count) {
            const usize piece = std::min<usize>(count - sent, 1 + sent % sizeof(bytes));
            for (usize i = 0; i < piece; ++i)
                bytes[i] = static_cast<u8>((sent + i) * 31 + seed);
            sent += stream.write(bytes, piece);
            const usize given = stream.read(bytes, 1 + got % sizeof(bytes));
            for (usize i = 0; i < given; ++i)
                is_right = is_right && bytes[i] == static_cast<u8>((got + i) * 31 + 1 - seed);
            got += given;
            if (given == 0)
                std::this_thread::yield();
        }
        return is_right && got == count;
    };
    bool is_debugger_right = false;
    std::thread other{[&] { is_debugger_right = run(memory.debugger, 1); }};
    EXPECT_TRUE(run(memory.debuggee, 0));
    other.join();
    EXPECT_TRUE(is_debugger_right);
}

TEST(SharedStream, DebuggerBeginsWithAnEmptyInput) {
    Memory memory;
    const u8 old[] = {1, 2, 3};
    EXPECT_EQ(memory.debuggee.write(old, 3), 3u);
    ASSERT_TRUE(memory.attach());
    EXPECT_FALSE(memory.debugger.has_input());
    EXPECT_EQ(memory.debuggee.write(old, 2), 2u);
    EXPECT_EQ(read_all(memory.debugger), (Bytes{1, 2}));
    EXPECT_EQ(memory.debugger.write(old, 3), 3u);
    ASSERT_TRUE(memory.attach()) << "the next debugger";
    EXPECT_EQ(memory.debugger.write(old, 1), 1u);
    EXPECT_EQ(read_all(memory.debuggee), (Bytes{1, 2, 3, 1}));
}

TEST(SharedStream, DebuggeeGoesOnWhereAnotherObjectStopped) {
    Memory memory;
    ASSERT_TRUE(memory.attach());
    const u8 bytes[] = {1, 2, 3, 4};
    EXPECT_EQ(memory.debugger.write(bytes, 4), 4u);
    u8 byte = 0;
    EXPECT_EQ(memory.debuggee.read(&byte, 1), 1u);
    EXPECT_EQ(memory.debuggee.write(bytes, 1), 1u);
    SharedStream next;
    ASSERT_TRUE(next.attach(memory.data(), memory.bytes, Side::kDebuggee));
    EXPECT_EQ(read_all(next), (Bytes{2, 3, 4}));
    EXPECT_EQ(next.write(bytes + 3, 1), 1u);
    EXPECT_EQ(read_all(memory.debugger), (Bytes{1, 4}));
}

TEST(SharedStream, DebuggerSeesThatTheMemoryWasFormattedAgain) {
    const auto with_traffic = [](Memory& memory) {
        EXPECT_TRUE(memory.attach());
        const u8 bytes[100] = {};
        EXPECT_EQ(memory.debuggee.write(bytes, 100), 100u);
        EXPECT_EQ(memory.debugger.write(bytes, 100), 100u);
        EXPECT_EQ(read_all(memory.debugger).size(), 100u);
        EXPECT_EQ(read_all(memory.debuggee).size(), 100u);
        EXPECT_TRUE(memory.debugger.is_current());
    };
    Memory memory;
    with_traffic(memory);
    memory.link().magic = 0;
    EXPECT_FALSE(memory.debugger.is_current());
    EXPECT_FALSE(memory.attach());
    ASSERT_TRUE(memory.debuggee.format(memory.data(), memory.bytes));
    EXPECT_FALSE(memory.debugger.is_current()) << "our indices are back at 0";
    with_traffic(memory);
    ASSERT_TRUE(memory.debuggee.format(memory.data(), memory.bytes / 2));
    EXPECT_FALSE(memory.debugger.is_current()) << "another layout";
    with_traffic(memory);
}

TEST(SharedStream, TakesNonsenseFromTheOtherSideForEmptyAndFull) {
    Memory memory;
    ASSERT_TRUE(memory.attach());
    const u8 bytes[10] = {};
    ASSERT_EQ(memory.debuggee.write(bytes, 10), 10u);
    for (const u64 nonsense : {u64{11}, ~u64{0xffff}, u64{1} << 63, u64{0x100000}}) {
        memory.link().to_debugger.tail = nonsense;
        EXPECT_EQ(memory.debuggee.writable(), 0u) << nonsense;
        EXPECT_EQ(memory.debuggee.write(bytes, 1), 0u);
        EXPECT_FALSE(memory.debuggee.is_current());
        if (nonsense != 11) {
            memory.link().to_debuggee.head = nonsense;
            EXPECT_FALSE(memory.debuggee.has_input()) << nonsense;
            u8 byte = 0;
            EXPECT_EQ(memory.debuggee.read(&byte, 1), 0u);
        }
    }
    // A debugger that comes anew finds, and leaves, everything in order.
    ASSERT_TRUE(memory.attach());
    EXPECT_EQ(memory.debugger.write(bytes, 5), 5u);
    EXPECT_EQ(read_all(memory.debuggee).size(), 5u);
    EXPECT_EQ(memory.debuggee.write(bytes, 7), 7u);
    EXPECT_EQ(read_all(memory.debugger).size(), 7u);
}

TEST(SharedStream, BelievesNothingThatChangesAfterTheBeginning) {
    Memory memory;
    ASSERT_TRUE(memory.attach());
    // The debuggee keeps the layout, and its own indices, for itself.
    memory.link().to_debuggee_offset = 0xffff'ffff'0000;
    memory.link().to_debugger_bytes = ~u64{0};
    memory.link().to_debugger.head = 0x123456;
    memory.link().to_debuggee.tail = 0x654321;
    const u8 bytes[3] = {7, 8, 9};
    EXPECT_EQ(memory.debuggee.write(bytes, 3), 3u);
    EXPECT_EQ(memory.link().to_debugger.head, 3u);
    EXPECT_EQ(read_all(memory.debugger), (Bytes{7, 8, 9}));
}

TEST(SharedStream, RefusesALayoutThatIsNotSound) {
    using Change = void (*)(rs_shared_link&);
    const Change changes[] = {
        [](rs_shared_link& link) { link.magic ^= 1; },
        [](rs_shared_link& link) { link.link_version = RS_LINK_VERSION + 1; },
        [](rs_shared_link& link) { link.total_bytes = 0x10001; },
        [](rs_shared_link& link) { link.total_bytes = ~u64{0}; },
        [](rs_shared_link& link) { link.total_bytes = 0x2000; },
        [](rs_shared_link& link) { link.to_debuggee_offset = 0; },
        [](rs_shared_link& link) { link.to_debuggee_offset = ~u64{0} - 0xfff; },
        [](rs_shared_link& link) { link.to_debuggee_offset = link.to_debugger_offset; },
        [](rs_shared_link& link) { link.to_debuggee_bytes = 0; },
        [](rs_shared_link& link) { link.to_debuggee_bytes = 0x1800; },
        [](rs_shared_link& link) { link.to_debuggee_bytes = 0x800; },
        [](rs_shared_link& link) { link.to_debuggee_bytes = u64{1} << 63; },
        [](rs_shared_link& link) { link.to_debuggee_bytes *= 2; },
        [](rs_shared_link& link) { link.to_debugger_bytes = 0x10000; },
        [](rs_shared_link& link) { link.to_debugger_offset = 0xff00; },
    };
    for (const Change change : changes) {
        Memory memory;
        change(memory.link());
        EXPECT_FALSE(memory.attach()) << &change - changes;
        EXPECT_FALSE(memory.debugger.is_attached());
    }
}

}  // namespace
}  // namespace ringside::link
