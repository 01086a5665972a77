// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/frame_codec.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

namespace ringside::transport {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_from(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

Bytes bytes_from(const std::vector<std::uint8_t>& values) {
    const auto bytes = std::as_bytes(std::span{values});
    return {bytes.begin(), bytes.end()};
}

/// A payload of a REQUEST or MESSAGES frame: long enough for both.
Bytes payload_of(std::size_t size, std::uint8_t seed) {
    Bytes payload(std::max(size, sizeof(rs_msg)));
    for (std::size_t index = 0; index < payload.size(); ++index)
        payload[index] = static_cast<std::byte>(seed + index * 7);
    return payload;
}

void append(Bytes& to, std::span<const std::byte> what) {
    to.insert(to.end(), what.begin(), what.end());
}

std::vector<Frame> decode_all(FrameDecoder& decoder) {
    std::vector<Frame> frames;
    while (auto frame = decoder.next())
        frames.push_back(std::move(*frame));
    return frames;
}

/// The bytes of a header with its checksum made right, whatever it claims.
Bytes sealed(rs_packet header) {
    header.header_crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(&header), offsetof(rs_packet, header_crc)));
    const auto bytes = std::as_bytes(std::span{&header, 1});
    return {bytes.begin(), bytes.end()};
}

// Written down by hand from packet.h; checksums from another implementation of CRC-32.
const std::vector<std::uint8_t> kPing = {0x52, 0x53, 0x4c, 0x4b, 0x01, 0x00, 0x08, 0x00, 0x04, 0x00,
                                         0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0xfd, 0x3d, 0xd5, 0x25,
                                         0x58, 0x2f, 0x87, 0xd8, 'p',  'i',  'n',  'g'};

TEST(FrameCodec, WritesTheBytesOfThePacketHeader) {
    const auto payload = bytes_from("ping");
    EXPECT_EQ(encode_frame(RS_PACKET_PING, 7, {payload}), bytes_from(kPing));
    const auto front = std::span{payload}.first(1);
    const auto back = std::span{payload}.subspan(1);
    EXPECT_EQ(encode_frame(RS_PACKET_PING, 7, {front, back}), bytes_from(kPing));
    const std::span<const std::byte> nothing;
    EXPECT_EQ(encode_frame(RS_PACKET_PING, 7, {nothing, payload, nothing}), bytes_from(kPing));
}

TEST(FrameCodec, ReadsTheBytesOfThePacketHeader) {
    FrameDecoder decoder;
    decoder.feed(bytes_from(kPing));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->type, RS_PACKET_PING);
    EXPECT_EQ(frame->version, 1u);
    EXPECT_EQ(frame->sequence, 7u);
    EXPECT_EQ(frame->payload, bytes_from("ping"));
    EXPECT_FALSE(decoder.next());
    EXPECT_EQ(decoder.buffered(), 0u);
}

RC_GTEST_PROP(FrameCodec, AnySplitGivesTheSameFrames, (std::vector<std::uint16_t> sizes)) {
    Bytes stream;
    std::vector<Bytes> payloads;
    std::uint32_t sequence = *rc::gen::arbitrary<std::uint32_t>();
    for (const std::uint16_t size : sizes) {
        payloads.push_back(payload_of(size % 3000, static_cast<std::uint8_t>(size)));
        append(stream, encode_frame(RS_PACKET_MESSAGES, sequence++, {payloads.back()}));
    }
    FrameDecoder decoder;
    std::vector<Frame> frames;
    std::span<const std::byte> rest{stream};
    while (!rest.empty()) {
        const auto count =
            *rc::gen::inRange<std::size_t>(1, std::min<std::size_t>(rest.size(), 700) + 1);
        decoder.feed(rest.first(count));
        rest = rest.subspan(count);
        std::ranges::move(decode_all(decoder), std::back_inserter(frames));
    }
    RC_ASSERT(frames.size() == payloads.size());
    for (std::size_t index = 0; index < frames.size(); ++index)
        RC_ASSERT(frames[index].payload == payloads[index]);
    RC_ASSERT(decoder.counts().garbage_bytes == 0u);
    RC_ASSERT(decoder.counts().missing_frames == 0u);
    RC_ASSERT(decoder.buffered() == 0u);
}

RC_GTEST_PROP(FrameCodec, GarbageBetweenFramesIsCountedAndPassedOver, ()) {
    Bytes stream;
    std::size_t garbage = 0;
    const auto count = *rc::gen::inRange<std::uint32_t>(1, 10);
    for (std::uint32_t sequence = 0; sequence < count; ++sequence) {
        const auto noise = bytes_from(*rc::gen::arbitrary<std::vector<std::uint8_t>>());
        garbage += noise.size();
        append(stream, noise);
        append(stream, encode_frame(RS_PACKET_PONG, sequence, {noise.empty() ? noise : Bytes(8)}));
    }
    FrameDecoder decoder;
    decoder.feed(stream);
    RC_ASSERT(decode_all(decoder).size() == count);
    RC_ASSERT(decoder.counts().garbage_bytes == garbage);
}

RC_GTEST_PROP(FrameCodec, ADamagedByteCostsOneFrame, ()) {
    constexpr std::uint32_t kCount = 6;
    Bytes stream;
    std::vector<std::size_t> starts;
    for (std::uint32_t sequence = 0; sequence < kCount; ++sequence) {
        starts.push_back(stream.size());
        append(stream, encode_frame(RS_PACKET_MESSAGES, sequence,
                                    {payload_of(*rc::gen::inRange<std::size_t>(48, 300),
                                                static_cast<std::uint8_t>(sequence))}));
    }
    const auto place = *rc::gen::inRange<std::size_t>(0, stream.size());
    stream[place] ^= static_cast<std::byte>(*rc::gen::inRange(1, 256));
    const auto hit =
        static_cast<std::uint32_t>(std::ranges::upper_bound(starts, place) - starts.begin() - 1);
    FrameDecoder decoder;
    decoder.feed(stream);
    const auto frames = decode_all(decoder);
    RC_ASSERT(frames.size() == kCount - 1);
    for (const Frame& frame : frames)
        RC_ASSERT(frame.sequence != hit);
    RC_ASSERT(decoder.counts().garbage_bytes > 0u);
}

RC_GTEST_PROP(FrameCodec, LostBytesCostTheFramesTheyBelongTo, ()) {
    constexpr std::uint32_t kCount = 6;
    Bytes stream;
    for (std::uint32_t sequence = 0; sequence < kCount; ++sequence)
        append(stream, encode_frame(RS_PACKET_MESSAGES, sequence, {payload_of(100, 1)}));
    const std::size_t frame_size = stream.size() / kCount;
    const auto hit = *rc::gen::inRange<std::size_t>(0, kCount - 2);
    const auto offset = *rc::gen::inRange<std::size_t>(0, frame_size);
    const auto lost = *rc::gen::inRange<std::size_t>(1, frame_size - offset + 1);
    const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(hit * frame_size + offset);
    stream.erase(begin, begin + static_cast<std::ptrdiff_t>(lost));
    FrameDecoder decoder;
    decoder.feed(stream);
    RC_ASSERT(decode_all(decoder).size() == kCount - 1);
}

RC_GTEST_PROP(FrameCodec, AnyBytesAreFramesOrGarbage, (std::vector<std::uint8_t> values)) {
    FrameDecoder decoder;
    // Half of the time let it look like the beginning of a frame.
    if (*rc::gen::arbitrary<bool>()) {
        const auto start = *rc::gen::inRange<std::size_t>(0, kPing.size());
        values.insert(values.begin(), kPing.begin(),
                      kPing.begin() + static_cast<std::ptrdiff_t>(start));
    }
    decoder.feed(bytes_from(values));
    std::size_t in_frames = 0;
    for (const Frame& frame : decode_all(decoder))
        in_frames += sizeof(rs_packet) + frame.payload.size();
    RC_ASSERT(in_frames + decoder.counts().garbage_bytes + decoder.buffered() == values.size());
}

TEST(FrameCodec, CountsMissingFramesAcrossTheWrapOfTheSequence) {
    FrameDecoder decoder;
    for (const std::uint32_t sequence : {0xffff'fffeu, 0xffff'ffffu, 0u, 3u})
        decoder.feed(encode_frame(RS_PACKET_PING, sequence, {}));
    EXPECT_EQ(decode_all(decoder).size(), 4u);
    EXPECT_EQ(decoder.counts().missing_frames, 2u);
}

TEST(FrameCodec, TakesFramesOfOtherVersions) {
    // So that the two sides can say that their versions differ.
    FrameDecoder decoder;
    decoder.feed(sealed({.magic = RS_PACKET_MAGIC, .version = 77, .type = RS_PACKET_PING}));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->version, 77u);
}

struct BadLength {
    rs_packet_type type;
    std::size_t length;
};
class FrameLengths : public testing::TestWithParam<BadLength> {};

TEST_P(FrameLengths, OutsideTheTableAreGarbage) {
    const Bytes payload(GetParam().length);
    const auto bytes = encode_frame(GetParam().type, 0, {payload});
    FrameDecoder decoder;
    decoder.feed(bytes);
    EXPECT_FALSE(decoder.next());
    EXPECT_EQ(decoder.counts().frames, 0u);
    EXPECT_GT(decoder.counts().garbage_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    FrameCodec, FrameLengths,
    testing::Values(BadLength{RS_PACKET_HELLO, 79}, BadLength{RS_PACKET_HELLO, 257},
                    BadLength{RS_PACKET_AUTH, 31}, BadLength{RS_PACKET_AUTH, 33},
                    BadLength{RS_PACKET_REQUEST, 15}, BadLength{RS_PACKET_REPLY, 15},
                    BadLength{RS_PACKET_MESSAGES, 47},
                    BadLength{RS_PACKET_REQUEST, RS_MAX_PACKET_BYTES + 1},
                    BadLength{RS_PACKET_PING, 65}, BadLength{static_cast<rs_packet_type>(0), 8},
                    BadLength{static_cast<rs_packet_type>(12), 8}));

TEST(FrameCodec, TakesTheLargestRequest) {
    const Bytes payload(RS_MAX_PACKET_BYTES, std::byte{0x52});
    FrameDecoder decoder;
    decoder.feed(encode_frame(RS_PACKET_REQUEST, 0, {payload}));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->payload, payload);
}

TEST(FrameCodec, ALimitMakesLargeFramesGarbage) {
    const Bytes payload(300);
    FrameDecoder decoder;
    decoder.set_limit(256);
    decoder.feed(encode_frame(RS_PACKET_REQUEST, 0, {payload}));
    EXPECT_FALSE(decoder.next());
    EXPECT_LT(decoder.buffered(), sizeof(rs_packet));
}

TEST(FrameCodec, AStreamOfNoiseIsNotKept) {
    FrameDecoder decoder;
    const Bytes noise(64 * 1024, std::byte{0x52});
    for (int round = 0; round < 100; ++round) {
        decoder.feed(noise);
        EXPECT_FALSE(decoder.next());
        EXPECT_LT(decoder.buffered(), sizeof(rs_packet));
    }
}

TEST(FrameCodec, HeadersInsideHeadersCostBoundedWork) {
    // Each header claims the rest of the buffer as its payload, with a wrong checksum. Summing the
    // rest again for each of them would take hours; the bound on rescanned bytes keeps it short.
    const auto header = sealed({.magic = RS_PACKET_MAGIC,
                                .version = RS_LINK_VERSION,
                                .type = RS_PACKET_MESSAGES,
                                .length = 1'900'000,
                                .payload_crc = 1});
    Bytes stream;
    for (int count = 0; count < 80'000; ++count)
        append(stream, header);
    const Bytes tail(2'000'000);
    append(stream, tail);
    FrameDecoder decoder;
    decoder.feed(stream);
    EXPECT_TRUE(decode_all(decoder).empty());
    EXPECT_GT(decoder.counts().damaged_frames, 0u);
    EXPECT_LT(decoder.counts().damaged_frames, 10u);
}

/// A HELLO's bytes; the codec looks at no more of it than its length.
Bytes hello_frame() {
    return encode_frame(RS_PACKET_HELLO, 0, {payload_of(sizeof(rs_packet_hello), 9)});
}

TEST(FrameDecoder, AHelloEndsAFrameThatIsNotThereYetOnALine) {
    FrameDecoder decoder;
    decoder.let_hello_interrupt();
    Bytes half = encode_frame(RS_PACKET_REQUEST, 5, {payload_of(50'000, 1)});
    half.resize(20'000);
    decoder.feed(half);
    EXPECT_FALSE(decoder.next());
    // Byte by byte: it is found when it is whole, and not before.
    const Bytes hello = hello_frame();
    for (std::size_t at = 0; at < hello.size(); ++at) {
        decoder.feed(std::span{hello}.subspan(at, 1));
        const auto frame = decoder.next();
        ASSERT_EQ(frame.has_value(), at == hello.size() - 1);
        if (frame) {
            EXPECT_EQ(frame->type, RS_PACKET_HELLO);
        }
    }
    EXPECT_EQ(decoder.buffered(), 0u);
    EXPECT_EQ(decoder.counts().garbage_bytes, half.size());
}

TEST(FrameDecoder, AHelloInsideAFrameIsPayloadElsewhere) {
    FrameDecoder decoder;
    Bytes half = encode_frame(RS_PACKET_REQUEST, 5, {payload_of(50'000, 1)});
    half.resize(20'000);
    append(half, hello_frame());
    decoder.feed(half);
    EXPECT_FALSE(decoder.next());
}

TEST(FrameDecoder, OtherFramesAndDamagedHellosDoNotEndAFrame) {
    FrameDecoder decoder;
    decoder.let_hello_interrupt();
    Bytes damaged = hello_frame();
    damaged.back() ^= std::byte{1};
    Bytes payload = payload_of(100, 1);
    append(payload, damaged);
    append(payload, encode_frame(RS_PACKET_PING, 3, {}));
    append(payload, bytes_from("RSLK"));
    append(payload, payload_of(50, 2));
    const Bytes frame = encode_frame(RS_PACKET_REQUEST, 5, {payload});
    for (const std::byte byte : std::span{frame}.first(frame.size() - 1)) {
        decoder.feed(std::span{&byte, 1});
        ASSERT_FALSE(decoder.next());
    }
    decoder.feed(std::span{frame}.last(1));
    const auto whole = decoder.next();
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->payload, payload);
}

}  // namespace
}  // namespace ringside::transport
