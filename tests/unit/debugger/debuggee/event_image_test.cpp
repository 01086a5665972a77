// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/event_image.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "ringside/version.h"

namespace ringside::debuggee {
namespace {

using namespace std::string_view_literals;

template <class T>
T read_at(const std::vector<std::byte>& bytes, std::size_t offset) {
    T value{};
    EXPECT_LE(offset + sizeof(T), bytes.size());
    if (offset + sizeof(T) <= bytes.size())
        std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

std::string_view text_at(const std::vector<std::byte>& bytes, std::size_t offset,
                         std::size_t length) {
    return {reinterpret_cast<const char*>(bytes.data()) + offset, length};
}

std::span<const std::byte> code(std::string_view text) {
    return std::as_bytes(std::span{text});
}

TEST(EventImage, BeginsWithTheDefaultsOfTheCommand) {
    const auto bytes = EventImage{}.bytes();
    ASSERT_EQ(bytes.size(), 0xc0u);
    const auto detail = read_at<rs_event_detail>(bytes, 0);
    EXPECT_EQ(detail.size, 0xc0u);
    EXPECT_EQ(detail.abi, RS_ABI_VERSION);
    EXPECT_EQ(detail.total_len, 0xc0u);
    EXPECT_EQ(detail.event_type, 17u);
    EXPECT_EQ(detail.stage, static_cast<std::uint32_t>(RS_STAGE_PRE));
    EXPECT_EQ(detail.core_id, RS_ANY);
    EXPECT_EQ(detail.process_id, RS_ANY);
    EXPECT_EQ(detail.optional_param[0], RS_VECTOR_ALL);
    EXPECT_EQ(detail.action_count, 0u);
    EXPECT_EQ(detail.flags, 0u);
}

TEST(EventImage, HoldsTheFieldsItWasGiven) {
    EventImage image{RS_EVENT_EXCEPTION};
    image.vector(0xec).core(1).process(490).stage(RS_STAGE_ALL).flags(RS_EVF_PERSIST);
    image.safe_buffer(64).cookie(0x1122'3344'5566'7788);
    for (std::uint64_t tag = 1; tag <= 7; ++tag)
        image.output(tag);
    const auto detail = read_at<rs_event_detail>(image.bytes(), 0);
    EXPECT_EQ(detail.event_type, RS_EVENT_EXCEPTION);
    EXPECT_EQ(detail.optional_param[0], 0xecu);
    EXPECT_EQ(detail.core_id, 1u);
    EXPECT_EQ(detail.process_id, 490u);
    EXPECT_EQ(detail.stage, static_cast<std::uint32_t>(RS_STAGE_ALL));
    EXPECT_EQ(detail.flags, RS_EVF_PERSIST);
    EXPECT_EQ(detail.safe_buffer_len, 64u);
    EXPECT_EQ(detail.cookie, 0x1122'3344'5566'7788u);
    EXPECT_EQ(detail.output_count, 5u);
    EXPECT_EQ(detail.output_tag[4], 5u);
}

TEST(EventImage, PadsEveryPartOfItsTail) {
    // header | condition 3 -> 8 | action, 5 -> 8 | action, 0 | action, 8 | command 9 -> 16
    const auto bytes = EventImage{}
                           .condition(code("abc"))
                           .add_script(code("12345"), 2)
                           .add_break(false)
                           .add_code(code("87654321"), false)
                           .command("!interrupt"sv.substr(0, 9))
                           .bytes();
    ASSERT_EQ(bytes.size(), 0xc0u + 8 + 0x28 + 0x20 + 0x28 + 16);
    const auto detail = read_at<rs_event_detail>(bytes, 0);
    EXPECT_EQ(detail.total_len, bytes.size());
    EXPECT_EQ(detail.condition_len, 3u);
    EXPECT_EQ(detail.action_count, 3u);
    EXPECT_EQ(detail.command_len, 9u);
    EXPECT_EQ(text_at(bytes, 0xc0, 8), std::string_view("abc\0\0\0\0\0", 8));

    const auto script = read_at<rs_action>(bytes, 0xc8);
    EXPECT_EQ(script.size, 0x20u);
    EXPECT_EQ(script.action_type, static_cast<std::uint32_t>(RS_ACT_SCRIPT));
    EXPECT_EQ(script.flags, RS_ACTF_IMMEDIATE);
    EXPECT_EQ(script.payload_len, 5u);
    EXPECT_EQ(script.script_pointer, 2u);
    EXPECT_EQ(text_at(bytes, 0xe8, 8), std::string_view("12345\0\0\0", 8));

    const auto stop = read_at<rs_action>(bytes, 0xf0);
    EXPECT_EQ(stop.action_type, static_cast<std::uint32_t>(RS_ACT_BREAK));
    EXPECT_EQ(stop.flags, 0u);
    EXPECT_EQ(stop.payload_len, 0u);

    const auto machine_code = read_at<rs_action>(bytes, 0x110);
    EXPECT_EQ(machine_code.action_type, static_cast<std::uint32_t>(RS_ACT_CODE));
    EXPECT_EQ(text_at(bytes, 0x130, 8), "87654321");
    EXPECT_EQ(text_at(bytes, 0x138, 16), std::string_view("!interrup\0\0\0\0\0\0\0", 16));
}

}  // namespace
}  // namespace ringside::debuggee
