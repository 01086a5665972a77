// SPDX-License-Identifier: GPL-3.0-or-later
#include "link/frame_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <new>

#include "link/frame_receiver.hpp"
#include "support/scale.hpp"
#include "unit/core/link/frames.hpp"

namespace ringside::link {
namespace {

constexpr usize kBuffer = 4096;

int rounds() {
    return test::is_full_run() ? 1000 : 100;
}

struct Sending {
    Sending() { queue.init(buffer); }

    /// The number and payload of each frame in some bytes.
    static std::vector<std::pair<u32, Bytes>> frames_in(std::span<const u8> bytes) {
        Bytes memory(8192);
        FrameReceiver receiver{memory};
        BytePipe pipe;
        pipe.add(bytes);
        std::vector<std::pair<u32, Bytes>> frames;
        while (receiver.poll(pipe)) {
            const auto payload = receiver.payload();
            frames.push_back({receiver.header().sequence, Bytes{payload.begin(), payload.end()}});
            receiver.consume();
        }
        EXPECT_EQ(receiver.counts().garbage_bytes, 0u);
        return frames;
    }
    /// Numbers of the frames that go out now.
    std::vector<u32> send() {
        queue.pump(pipe);
        std::vector<u32> numbers;
        for (const auto& each : frames_in(pipe.take_all()))
            numbers.push_back(each.first);
        return numbers;
    }
    bool push(usize payload_bytes) {
        const Bytes payload(payload_bytes, 1);
        return queue.push(RS_PACKET_MESSAGES, {payload});
    }

    Bytes buffer = Bytes(kBuffer);
    FrameQueue queue;
    BytePipe pipe;
};

using Numbers = std::vector<u32>;

TEST(FrameQueue, WritesTheBytesOfThePacketHeader) {
    Sending end;
    for (int i = 0; i < 7; ++i)
        ASSERT_TRUE(end.queue.push(RS_PACKET_PONG));
    (void)end.send();
    const Bytes front = {'p'};
    const Bytes back = {'i', 'n', 'g'};
    ASSERT_TRUE(end.queue.push(RS_PACKET_PING, {front, {}, back}));
    EXPECT_EQ(end.queue.unsent(), sizeof(rs_packet) + 4);
    end.queue.pump(end.pipe);
    EXPECT_TRUE(end.queue.is_drained());
    const Bytes by_hand = {0x52, 0x53, 0x4c, 0x4b, 0x01, 0x00, 0x08, 0x00, 0x04, 0x00,
                           0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0xfd, 0x3d, 0xd5, 0x25,
                           0x58, 0x2f, 0x87, 0xd8, 'p',  'i',  'n',  'g'};
    EXPECT_EQ(end.pipe.take_all(), by_hand);
}

TEST(FrameQueue, IsUsableFromZeroedMemory) {
    alignas(FrameQueue) unsigned char memory[sizeof(FrameQueue)] = {};
    auto& queue = *std::launder(reinterpret_cast<FrameQueue*>(memory));
    Bytes buffer(64);
    queue.init(buffer);
    EXPECT_TRUE(queue.push(RS_PACKET_PING));
}

TEST(FrameQueue, SendsInOrderThroughAnyWindow) {
    Random random{10};
    for (int round = 0; round < rounds(); ++round) {
        Sending end;
        Bytes stream;
        std::vector<std::pair<u32, Bytes>> sent;
        for (int step = 0; step < 200; ++step) {
            const Bytes payload = noise(random, number(random, sizeof(rs_msg), 700));
            if (end.queue.push(RS_PACKET_MESSAGES, {payload}))
                sent.push_back({static_cast<u32>(sent.size()), payload});
            end.pipe.window = number(random, 0, 900);
            end.queue.pump(end.pipe);
            append(stream, end.pipe.take_all());
        }
        end.pipe.window = ~usize{0};
        end.queue.pump(end.pipe);
        append(stream, end.pipe.take_all());
        ASSERT_EQ(Sending::frames_in(stream), sent);
    }
}

TEST(FrameQueue, RefusesWhatWouldOverwriteUnsentBytes) {
    Sending end;
    EXPECT_EQ(end.queue.room(), kBuffer - sizeof(rs_packet));
    ASSERT_TRUE(end.push(1000));
    EXPECT_EQ(end.queue.room(), kBuffer - 2 * sizeof(rs_packet) - 1000);
    EXPECT_FALSE(end.push(end.queue.room() + 1));
    EXPECT_EQ(end.queue.next_sequence(), 1u) << "no number was used";
    ASSERT_TRUE(end.push(end.queue.room()));
    EXPECT_EQ(end.queue.room(), 0u);
    EXPECT_FALSE(end.push(0));
    EXPECT_EQ(end.queue.unsent(), kBuffer);
    EXPECT_EQ(end.send(), (Numbers{0, 1}));
    EXPECT_EQ(end.queue.room(), kBuffer - sizeof(rs_packet));
    ASSERT_TRUE(end.push(kBuffer - sizeof(rs_packet)));
    EXPECT_EQ(end.send(), (Numbers{2}));
}

TEST(FrameQueue, KeepsAHalfSentFrameWhole) {
    Sending end;
    ASSERT_TRUE(end.push(1000));
    end.pipe.window = 1023;
    end.pipe.capacity = 1023;
    end.queue.pump(end.pipe);
    EXPECT_EQ(end.queue.unsent(), 1u);
    EXPECT_EQ(end.queue.room(), kBuffer - 2 * sizeof(rs_packet) - 1000);
    EXPECT_FALSE(end.push(end.queue.room() + 1));
}

TEST(FrameQueue, RefusesMoreThanAFrameHolds) {
    Bytes buffer(4 * 1024 * 1024);
    FrameQueue queue{buffer};
    EXPECT_EQ(queue.room(), RS_MAX_PACKET_BYTES);
    const Bytes half(RS_MAX_PACKET_BYTES / 2 + 1);
    EXPECT_FALSE(queue.push(RS_PACKET_MESSAGES, {half, half}));
    EXPECT_TRUE(queue.push(RS_PACKET_MESSAGES, {half}));
}

TEST(FrameQueue, SendsAgainFromANumberOn) {
    Sending end;
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(end.push(100));
    EXPECT_EQ(end.send(), (Numbers{0, 1, 2, 3, 4}));
    EXPECT_TRUE(end.queue.resend_from(2));
    EXPECT_FALSE(end.queue.is_drained());
    EXPECT_EQ(end.queue.unsent(), 3 * (100 + sizeof(rs_packet)));
    ASSERT_TRUE(end.push(100));
    EXPECT_EQ(end.send(), (Numbers{2, 3, 4, 5}));
    EXPECT_TRUE(end.queue.resend_from(6)) << "the next one: nothing to do";
    EXPECT_TRUE(end.queue.is_drained());
    EXPECT_FALSE(end.queue.resend_from(7)) << "there is no such frame";
    EXPECT_FALSE(end.queue.resend_from(0xffff'ffff));
    EXPECT_TRUE(end.queue.is_drained());
    EXPECT_TRUE(end.queue.resend_from(0));
    EXPECT_EQ(end.send(), (Numbers{0, 1, 2, 3, 4, 5}));
}

TEST(FrameQueue, NeverSkipsAFrameThatWasNotSent) {
    Sending end;
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(end.push(100));
    EXPECT_TRUE(end.queue.resend_from(3));
    EXPECT_EQ(end.send(), (Numbers{0, 1, 2, 3, 4}));
    EXPECT_TRUE(end.queue.resend_from(1));
    EXPECT_TRUE(end.queue.resend_from(3)) << "the earlier of the two is still wanted";
    EXPECT_EQ(end.send(), (Numbers{1, 2, 3, 4}));
}

TEST(FrameQueue, ForgetsTheOldestFramesFirst) {
    Sending end;
    for (u32 i = 0; i < 100; ++i) {
        ASSERT_TRUE(end.push(1001));
        EXPECT_EQ(end.send(), (Numbers{i}));
    }
    EXPECT_EQ(end.queue.oldest_sequence(), 97u);  // four of 1025 bytes are more than the buffer
    EXPECT_FALSE(end.queue.resend_from(96));
    EXPECT_TRUE(end.queue.resend_from(97));
    EXPECT_EQ(end.queue.room(), kBuffer - 3 * 1025 - sizeof(rs_packet));
    EXPECT_EQ(end.send(), (Numbers{97, 98, 99}));
}

TEST(FrameQueue, FinishesAHalfSentFrameBeforeItSetsBack) {
    Sending end;
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(end.push(100));
    end.pipe.window = 124 + 124 + 50;  // into frame 2
    end.pipe.capacity = 124 + 124 + 50;
    end.queue.pump(end.pipe);
    EXPECT_TRUE(end.queue.resend_from(2)) << "it is on its way";
    EXPECT_EQ(end.queue.unsent(), 74u);
    EXPECT_TRUE(end.queue.resend_from(1));
    EXPECT_EQ(end.queue.unsent(), 74u + 2 * 124u);
    end.pipe.window = end.pipe.capacity = ~usize{0};
    EXPECT_EQ(end.send(), (Numbers{0, 1, 2, 1, 2}));
}

TEST(FrameQueue, BeginsAgainWithNumberZero) {
    Sending end;
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(end.push(100));
    end.pipe.window = 50;
    end.queue.pump(end.pipe);
    (void)end.pipe.take_all();
    end.queue.restart();
    EXPECT_TRUE(end.queue.is_drained());
    EXPECT_FALSE(end.queue.resend_from(1));
    EXPECT_TRUE(end.queue.resend_from(0));
    EXPECT_TRUE(end.queue.is_drained());
    end.pipe.window = ~usize{0};
    ASSERT_TRUE(end.push(48));
    EXPECT_EQ(end.send(), (Numbers{0}));
}

TEST(FrameQueue, NothingUnsentIsEverOverwritten) {
    // Against a model: frames by number, and what a receiver that sees every byte gets.
    Random random{11};
    for (int round = 0; round < rounds(); ++round) {
        Sending end;
        std::map<u32, Bytes> pushed;
        Bytes memory(8192);
        FrameReceiver receiver{memory};
        for (int step = 0; step < 300; ++step) {
            const usize room = end.queue.room();
            const usize size = number(random, sizeof(rs_msg), 1500);
            const Bytes payload = noise(random, size);
            const u32 sequence = end.queue.next_sequence();
            const bool is_pushed = end.queue.push(RS_PACKET_MESSAGES, {payload});
            ASSERT_EQ(is_pushed, size <= room);
            if (is_pushed)
                pushed[sequence] = payload;
            if (number(random, 0, 5) == 0) {
                const u32 wanted =
                    end.queue.next_sequence() - static_cast<u32>(number(random, 0, 8));
                const bool is_there = wanted - end.queue.oldest_sequence() <=
                                      end.queue.next_sequence() - end.queue.oldest_sequence();
                ASSERT_EQ(end.queue.resend_from(wanted), is_there);
            }
            end.pipe.window = number(random, 0, 1500);
            end.pipe.capacity = end.pipe.window;
            end.queue.pump(end.pipe);
            while (receiver.poll(end.pipe)) {
                const auto got = receiver.payload();
                ASSERT_EQ(Bytes(got.begin(), got.end()), pushed.at(receiver.header().sequence));
                receiver.consume();
            }
        }
        ASSERT_EQ(receiver.counts().garbage_bytes, 0u);
    }
}

/// A line that loses, changes and adds bytes.
class BadLine final : public ByteStream {
public:
    BadLine(Random& random, usize mean) : random_{random}, mean_{mean} {}
    bool is_good = false;

    usize write(const u8* from, usize count) override {
        const usize taken = std::min<usize>(count, number(random_, 0, 300));
        for (usize i = 0; i < taken; ++i) {
            u8 byte = from[i];
            if (!is_good && number(random_, 0, mean_) == 0) {
                const usize what = number(random_, 0, 2);
                if (what == 0)
                    continue;
                if (what == 1)
                    byte ^= static_cast<u8>(number(random_, 1, 255));
                else
                    bytes_.push_back(static_cast<u8>(random_()));
            }
            bytes_.push_back(byte);
        }
        return taken;
    }
    usize read(u8* to, usize count) override {
        const usize given = std::min({count, bytes_.size(), number(random_, 0, 300)});
        std::copy_n(bytes_.begin(), given, to);
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(given));
        return given;
    }

private:
    Random& random_;
    usize mean_;
    std::deque<u8> bytes_;
};

TEST(FrameQueue, GetsEverythingOverABadLineInOrder) {
    // Go-back-N as packet.h describes it: the receiver names the first frame it misses, again and
    // again, since that may be lost as well; PINGs fill the line when nothing else does.
    Random random{12};
    for (int round = 0; round < rounds() / 20; ++round) {
        Bytes buffer(16 * 1024);
        Bytes back_buffer(1024);
        Bytes receiver_memory(4096);
        Bytes back_memory(4096);
        FrameQueue queue{buffer};
        FrameQueue requests{back_buffer};
        FrameReceiver receiver{receiver_memory};
        FrameReceiver back_receiver{back_memory};
        BadLine there{random, 400};
        BadLine back{random, 400};
        std::vector<Bytes> sent;
        std::vector<Bytes> got;
        u32 confirmed = 0;  // the receiver has everything before it
        int steps = 0;
        constexpr usize kFrames = 200;
        while (got.size() < kFrames) {
            ASSERT_LT(++steps, 200000) << got.size();
            // As many as stay in the history until they are confirmed.
            while (sent.size() < kFrames && queue.next_sequence() - confirmed < 10) {
                const Bytes payload = noise(random, number(random, sizeof(rs_msg), 1000));
                if (!queue.push(RS_PACKET_MESSAGES, {payload}))
                    break;
                sent.push_back(payload);
            }
            queue.pump(there);
            while (receiver.poll(there)) {
                const auto payload = receiver.payload();
                if (receiver.header().sequence == got.size())
                    got.emplace_back(payload.begin(), payload.end());
                receiver.consume();
            }
            if (steps % 50 == 0) {
                rs_packet_resend wanted{.sequence = static_cast<u32>(got.size()), .reserved = 0};
                (void)requests.push(RS_PACKET_RESEND,
                                    {{reinterpret_cast<const u8*>(&wanted), sizeof(wanted)}});
            }
            requests.pump(back);
            while (back_receiver.poll(back)) {
                rs_packet_resend wanted{};
                std::memcpy(&wanted, back_receiver.payload().data(), sizeof(wanted));
                back_receiver.consume();
                confirmed = wanted.sequence;
                ASSERT_TRUE(queue.resend_from(wanted.sequence));
            }
        }
        ASSERT_EQ(got, sent);
    }
}

}  // namespace
}  // namespace ringside::link
