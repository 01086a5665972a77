// SPDX-License-Identifier: GPL-3.0-or-later
#include "link/frame_receiver.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <new>

#include "support/scale.hpp"
#include "unit/core/link/frames.hpp"

namespace ringside::link {
namespace {

constexpr usize kLimit = 1000;  // payload bytes of the receivers here

int rounds() {
    return test::is_full_run() ? 2000 : 200;
}

/// A receiver, its buffer and what it has given so far.
struct Receiving {
    explicit Receiving(usize limit = kLimit) : buffer(sizeof(rs_packet) + limit) {
        receiver.init(buffer);
    }

    struct Frame {
        u8 type;
        u32 sequence;
        Bytes payload;
        bool operator==(const Frame&) const = default;
    };

    /// Polls until the pipe is empty and no frame is ready.
    std::vector<Frame> receive() {
        std::vector<Frame> frames;
        while (receiver.poll(pipe) || !pipe.bytes.empty()) {
            if (!receiver.is_ready())
                continue;
            const auto payload = receiver.payload();
            frames.push_back({receiver.header().type,
                              receiver.header().sequence,
                              {payload.begin(), payload.end()}});
            receiver.consume();
        }
        return frames;
    }
    std::vector<Frame> receive(std::span<const u8> bytes) {
        pipe.add(bytes);
        return receive();
    }

    Bytes buffer;
    FrameReceiver receiver;
    BytePipe pipe;
};

Bytes payload_of(usize count, u8 seed) {
    Bytes payload(count);
    for (usize i = 0; i < count; ++i)
        payload[i] = static_cast<u8>(seed + i * 7);
    return payload;
}

rs_packet_hello some_hello() {
    rs_packet_hello hello{};
    hello.link_version = RS_LINK_VERSION;
    hello.nonce[0] = 5;
    return hello;
}

Bytes hello_frame(u32 sequence = 0) {
    const rs_packet_hello hello = some_hello();
    return frame(RS_PACKET_HELLO, sequence, {reinterpret_cast<const u8*>(&hello), sizeof(hello)});
}

// Written down by hand from packet.h; checksums from another implementation of CRC-32.
const Bytes kPing = {0x52, 0x53, 0x4c, 0x4b, 0x01, 0x00, 0x08, 0x00, 0x04, 0x00,
                     0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0xfd, 0x3d, 0xd5, 0x25,
                     0x58, 0x2f, 0x87, 0xd8, 'p',  'i',  'n',  'g'};

TEST(FrameReceiver, ReadsTheBytesOfThePacketHeader) {
    Receiving end;
    end.pipe.add(kPing);
    ASSERT_TRUE(end.receiver.poll(end.pipe));
    EXPECT_EQ(end.receiver.header().type, RS_PACKET_PING);
    EXPECT_EQ(end.receiver.header().sequence, 7u);
    const auto payload = end.receiver.payload();
    EXPECT_EQ(Bytes(payload.begin(), payload.end()), (Bytes{'p', 'i', 'n', 'g'}));
    EXPECT_TRUE(end.receiver.poll(end.pipe)) << "it stays until it is consumed";
    end.receiver.consume();
    EXPECT_FALSE(end.receiver.poll(end.pipe));
    EXPECT_EQ(end.receiver.buffered(), 0u);
    EXPECT_EQ(end.receiver.counts().frames, 1u);
    end.receiver.consume();  // nothing is ready: nothing happens
    EXPECT_EQ(end.receive(kPing).size(), 1u);
}

TEST(FrameReceiver, IsUsableFromZeroedMemory) {
    alignas(FrameReceiver) unsigned char memory[sizeof(FrameReceiver)] = {};
    auto& receiver = *std::launder(reinterpret_cast<FrameReceiver*>(memory));
    Bytes buffer(64);
    receiver.init(buffer);
    BytePipe pipe;
    pipe.add(kPing);
    EXPECT_TRUE(receiver.poll(pipe));
}

TEST(FrameReceiver, GivesTheSameFramesForAnyCut) {
    Random random{3};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        std::vector<Receiving::Frame> sent;
        u32 sequence = static_cast<u32>(random());
        std::vector<Receiving::Frame> got;
        for (usize count = number(random, 1, 20); count != 0; --count) {
            const Bytes payload =
                payload_of(number(random, sizeof(rs_msg), kLimit), static_cast<u8>(count));
            sent.push_back({RS_PACKET_MESSAGES, sequence, payload});
            end.pipe.add(frame(RS_PACKET_MESSAGES, sequence++, payload));
        }
        while (!end.pipe.bytes.empty()) {
            end.pipe.piece = number(random, 1, 700);
            for (usize polls = number(random, 1, 5); polls != 0; --polls)
                if (end.receiver.poll(end.pipe)) {
                    const auto payload = end.receiver.payload();
                    got.push_back({end.receiver.header().type,
                                   end.receiver.header().sequence,
                                   {payload.begin(), payload.end()}});
                    end.receiver.consume();
                }
        }
        std::ranges::copy(end.receive(), std::back_inserter(got));
        ASSERT_EQ(got, sent);
        ASSERT_EQ(end.receiver.counts().garbage_bytes, 0u);
        ASSERT_EQ(end.receiver.buffered(), 0u);
    }
}

TEST(FrameReceiver, PassesOverGarbageBetweenFramesAndCountsIt) {
    Random random{4};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        Bytes stream;
        usize garbage = 0;
        const auto count = static_cast<u32>(number(random, 1, 10));
        for (u32 sequence = 0; sequence < count; ++sequence) {
            const Bytes bytes = noise(random, number(random, 0, 300));
            garbage += bytes.size();
            append(stream, bytes);
            append(stream, frame(RS_PACKET_PONG, sequence, Bytes(8)));
        }
        end.pipe.piece = number(random, 1, 100);
        ASSERT_EQ(end.receive(stream).size(), count);
        ASSERT_EQ(end.receiver.counts().garbage_bytes, garbage);
    }
}

TEST(FrameReceiver, LosesOneFrameForADamagedByte) {
    Random random{5};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        Bytes stream;
        std::vector<usize> starts;
        for (u32 sequence = 0; sequence < 6; ++sequence) {
            starts.push_back(stream.size());
            append(stream,
                   frame(RS_PACKET_MESSAGES, sequence, payload_of(number(random, 48, 300), 1)));
        }
        const usize place = number(random, 0, stream.size() - 1);
        stream[place] ^= static_cast<u8>(number(random, 1, 255));
        const auto hit =
            static_cast<u32>(std::ranges::upper_bound(starts, place) - starts.begin() - 1);
        end.pipe.piece = number(random, 1, 1000);
        const auto frames = end.receive(stream);
        ASSERT_EQ(frames.size(), 5u);
        for (const auto& each : frames)
            ASSERT_NE(each.sequence, hit);
        ASSERT_GT(end.receiver.counts().garbage_bytes, 0u);
        const bool is_payload = place - starts[hit] >= sizeof(rs_packet);
        ASSERT_EQ(end.receiver.counts().damaged_frames, is_payload ? 1u : 0u);
    }
}

TEST(FrameReceiver, FindsTheFrameThatBeginsInsideADamagedOne) {
    Random random{6};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        Bytes stream;
        for (u32 sequence = 0; sequence < 6; ++sequence)
            append(stream, frame(RS_PACKET_MESSAGES, sequence, payload_of(100, 1)));
        const usize frame_bytes = stream.size() / 6;
        const usize hit = number(random, 0, 3);
        const usize offset = number(random, 0, frame_bytes - 1);
        const usize lost = number(random, 1, frame_bytes - offset);
        const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(hit * frame_bytes + offset);
        stream.erase(begin, begin + static_cast<std::ptrdiff_t>(lost));
        end.pipe.piece = number(random, 1, 1000);
        ASSERT_EQ(end.receive(stream).size(), 5u);
    }
}

TEST(FrameReceiver, TakesAnyBytesForFramesOrGarbage) {
    Random random{7};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        Bytes stream;
        for (usize pieces = number(random, 1, 20); pieces != 0; --pieces) {
            Bytes piece = number(random, 0, 1) == 0 ? noise(random, number(random, 0, 200))
                          : number(random, 0, 1) == 0
                              ? hello_frame()
                              : frame(RS_PACKET_REQUEST, 1, payload_of(number(random, 16, 900), 2));
            piece.resize(number(random, 0, piece.size()));
            append(stream, piece);
        }
        end.pipe.piece = number(random, 1, 300);
        usize in_frames = 0;
        for (const auto& each : end.receive(stream))
            in_frames += sizeof(rs_packet) + each.payload.size();
        ASSERT_EQ(in_frames + end.receiver.counts().garbage_bytes + end.receiver.buffered(),
                  stream.size());
    }
}

TEST(FrameReceiver, TakesTheLargestFrameOfItsBufferAndNoLarger) {
    Receiving end;
    EXPECT_EQ(end.receive(frame(RS_PACKET_REQUEST, 0, Bytes(kLimit))).size(), 1u);
    EXPECT_TRUE(end.receive(frame(RS_PACKET_REQUEST, 0, Bytes(kLimit + 1))).empty());
    EXPECT_EQ(end.receive(kPing).size(), 1u);
    EXPECT_EQ(end.receiver.counts().garbage_bytes, sizeof(rs_packet) + kLimit + 1);
    EXPECT_EQ(end.receiver.counts().damaged_frames, 0u);
}

TEST(FrameReceiver, TakesLengthsOutsideTheTableForGarbage) {
    struct Bad {
        int type;
        usize length;
    };
    for (const Bad bad :
         {Bad{RS_PACKET_HELLO, 79}, Bad{RS_PACKET_HELLO, 257}, Bad{RS_PACKET_REQUEST, 15},
          Bad{RS_PACKET_RESEND, 7}, Bad{RS_PACKET_RESEND, 65}, Bad{RS_PACKET_PING, 65}, Bad{0, 8},
          Bad{15, 8}, Bad{255, 0}}) {
        Receiving end;
        const auto type = static_cast<rs_packet_type>(bad.type);
        EXPECT_TRUE(end.receive(frame(type, 0, Bytes(bad.length))).empty()) << bad.type;
        EXPECT_EQ(end.receive(kPing).size(), 1u);
    }
}

TEST(FrameReceiver, LetsAHelloEndAnUnfinishedFrame) {
    Random random{8};
    for (int round = 0; round < rounds(); ++round) {
        Receiving end;
        Bytes stream = frame(RS_PACKET_REQUEST, 9, payload_of(kLimit, 3));
        // What is left of it has less than it takes to hide the HELLO.
        stream.resize(number(random, 1, kLimit - 200));
        append(stream, hello_frame(4));
        end.pipe.piece = number(random, 1, 200);
        const auto frames = end.receive(stream);
        ASSERT_EQ(frames.size(), 1u);
        ASSERT_EQ(frames[0].type, RS_PACKET_HELLO);
        ASSERT_EQ(frames[0].sequence, 4u);
    }
}

TEST(FrameReceiver, KeepsAHelloThatIsThePayloadOfAWholeFrame) {
    Receiving end;
    const auto frames = end.receive(frame(RS_PACKET_REQUEST, 0, hello_frame()));
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].type, RS_PACKET_REQUEST);
}

TEST(FrameReceiver, DoesNotStopAtWhatOnlyLooksLikeAHello) {
    Receiving end;
    Bytes stream = frame(RS_PACKET_REQUEST, 9, payload_of(kLimit, 3));
    stream.resize(100);
    Bytes damaged = hello_frame();
    damaged.back() ^= 1;
    append(stream, damaged);
    append(stream, hello_frame(6));
    const auto frames = end.receive(stream);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].sequence, 6u);
}

TEST(FrameReceiver, TakesABoundedNumberOfBytesInOnePoll) {
    Receiving end;
    end.pipe.add(Bytes(10 * FrameReceiver::kBytesPerPoll));
    EXPECT_FALSE(end.receiver.poll(end.pipe));
    EXPECT_EQ(end.pipe.bytes.size(), 9 * FrameReceiver::kBytesPerPoll);
}

TEST(FrameReceiver, ForgetsWhatItHasReceived) {
    Receiving end;
    end.pipe.add(std::span{kPing}.first(20));
    EXPECT_FALSE(end.receiver.poll(end.pipe));
    end.receiver.forget();
    EXPECT_EQ(end.receiver.buffered(), 0u);
    end.pipe.add(kPing);
    EXPECT_TRUE(end.receiver.poll(end.pipe));
    end.receiver.forget();
    EXPECT_FALSE(end.receiver.is_ready());
    EXPECT_EQ(end.receiver.counts().frames, 1u);
}

/// A stream of sound headers, each claiming as much as the receiver takes.
Bytes nested_headers(usize count, usize limit, bool with_hello) {
    Bytes stream;
    const Bytes header = sealed({.magic = RS_PACKET_MAGIC,
                                 .version = 1,
                                 .type = RS_PACKET_REQUEST,
                                 .length = static_cast<u32>(limit),
                                 .payload_crc = 1});
    while (stream.size() < count) {
        append(stream, header);
        if (with_hello)
            append(stream, hello_frame());
    }
    return stream;
}

TEST(FrameReceiver, TakesTimeForBytesAndNotForWhatTheyClaim) {
    // With 1 MiB for each of 4 MiB / 24 headers this would take minutes.
    constexpr usize kLarge = 1024 * 1024;
    for (const bool with_hello : {false, true}) {
        Receiving end{kLarge};
        const auto started = std::chrono::steady_clock::now();
        (void)end.receive(nested_headers(4 * kLarge, kLarge, with_hello));
        EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds{10});
        // And it is usable afterwards.
        (void)end.receive(Bytes(kLarge + sizeof(rs_packet)));
        EXPECT_EQ(end.receive(kPing).size(), 1u);
    }
}

}  // namespace
}  // namespace ringside::link
