// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/message.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::debuggee {
namespace {

using Bytes = std::vector<std::byte>;

void append(Bytes& records, std::uint16_t kind, std::string_view payload) {
    rs_msg header{};
    header.len = static_cast<std::uint32_t>(payload.size());
    header.kind = kind;
    header.seq = records.size();
    const auto front = std::as_bytes(std::span{&header, 1});
    const auto back = std::as_bytes(std::span{payload});
    records.insert(records.end(), front.begin(), front.end());
    records.insert(records.end(), back.begin(), back.end());
    records.resize((records.size() + 7) / 8 * 8);
}

std::vector<Message> messages_of(const Bytes& records, std::size_t& left) {
    std::vector<Message> messages;
    left = for_each_message(records, [&](const Message& message) { messages.push_back(message); });
    return messages;
}

TEST(Message, RecordsAreTakenApartInOrder) {
    Bytes records;
    append(records, RS_MSG_TEXT, "one");
    append(records, RS_MSG_GATHERED, "");
    append(records, RS_MSG_TEXT, "12345678");
    append(records, RS_MSG_TEXT, "last");
    std::size_t left = 1;
    const auto messages = messages_of(records, left);
    EXPECT_EQ(left, 0u);
    ASSERT_EQ(messages.size(), 4u);
    EXPECT_EQ(messages[0].text(), "one");
    EXPECT_EQ(messages[1].text(), "");
    EXPECT_EQ(messages[1].header.kind, RS_MSG_GATHERED);
    EXPECT_EQ(messages[2].text(), "12345678");
    EXPECT_EQ(messages[3].text(), "last");
}

TEST(Message, TheLastRecordMayLackItsPadding) {
    Bytes records;
    append(records, RS_MSG_TEXT, "abc");
    records.resize(sizeof(rs_msg) + 3);
    std::size_t left = 1;
    EXPECT_EQ(messages_of(records, left).size(), 1u);
    EXPECT_EQ(left, 0u);
}

TEST(Message, WhatIsNoWholeRecordIsLeft) {
    Bytes records;
    append(records, RS_MSG_TEXT, "one");
    const std::size_t first = records.size();
    append(records, RS_MSG_TEXT, "two of them");
    std::size_t left = 0;
    for (std::size_t size = first + 1; size < first + sizeof(rs_msg) + 11; ++size) {
        EXPECT_EQ(messages_of(
                      {records.begin(), records.begin() + static_cast<std::ptrdiff_t>(size)}, left)
                      .size(),
                  1u);
        EXPECT_EQ(left, size - first);
    }
    EXPECT_TRUE(messages_of({}, left).empty());
    EXPECT_EQ(left, 0u);
}

TEST(Message, ALengthBeyondTheBytesIsNotFollowed) {
    rs_msg header{};
    header.len = 0xffff'ffff;
    const auto bytes = std::as_bytes(std::span{&header, 1});
    std::size_t left = 0;
    EXPECT_TRUE(messages_of({bytes.begin(), bytes.end()}, left).empty());
    EXPECT_EQ(left, sizeof(header));
}

RC_GTEST_PROP(Message, AnyBytesAreTakenWithoutHarm, (std::vector<std::uint8_t> values)) {
    const auto raw = std::as_bytes(std::span{values});
    const Bytes bytes{raw.begin(), raw.end()};
    std::size_t seen = 0;
    const auto left = for_each_message(
        bytes, [&](const Message& message) { seen += sizeof(rs_msg) + message.payload.size(); });
    RC_ASSERT(seen + left <= bytes.size());
}

TEST(Message, CountsAndDiagnosticsNeedTheirKindAndSize) {
    const std::uint64_t count = 123;
    const std::string text{reinterpret_cast<const char*>(&count), sizeof(count)};
    rs_diagnostic said{};
    said.pc = 17;
    said.value = 0xdead;
    const std::string body{reinterpret_cast<const char*>(&said), sizeof(said)};
    Bytes records;
    append(records, RS_MSG_LOST, text);
    append(records, RS_MSG_LOST, text.substr(1));
    append(records, RS_MSG_TEXT, text);
    append(records, RS_MSG_DIAGNOSTIC, body);
    append(records, RS_MSG_DIAGNOSTIC, body.substr(1));
    append(records, RS_MSG_TEXT, body);
    std::size_t left = 0;
    const auto messages = messages_of(records, left);
    ASSERT_EQ(messages.size(), 6u);
    EXPECT_EQ(messages[0].lost_count(), 123u);
    EXPECT_FALSE(messages[1].lost_count());
    EXPECT_FALSE(messages[2].lost_count());
    ASSERT_TRUE(messages[3].diagnostic());
    EXPECT_EQ(messages[3].diagnostic()->pc, 17u);
    EXPECT_EQ(messages[3].diagnostic()->value, 0xdeadu);
    EXPECT_FALSE(messages[4].diagnostic());
    EXPECT_FALSE(messages[5].diagnostic());
}

}  // namespace
}  // namespace ringside::debuggee
