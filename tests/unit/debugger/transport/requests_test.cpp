// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/requests.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace ringside::transport {
namespace {

using Bytes = std::vector<std::byte>;

Bytes image(std::size_t size, std::uint64_t total_length) {
    Bytes bytes(size);
    if (size >= 16)
        std::memcpy(bytes.data() + 8, &total_length, sizeof(total_length));
    return bytes;
}

TEST(Requests, KnowsEveryRequestAndNoOther) {
    for (const std::uint32_t request :
         {RS_IOC_VERSION,    RS_IOC_LOAD,         RS_IOC_UNLOAD,        RS_IOC_REGISTER_EVENT,
          RS_IOC_ADD_ACTION, RS_IOC_MODIFY_EVENT, RS_IOC_FLUSH,         RS_IOC_LIST_EVENTS,
          RS_IOC_EVENT_STAT, RS_IOC_EVAL,         RS_IOC_MEM,           RS_IOC_MSR,
          RS_IOC_LAPIC,      RS_IOC_IO_APIC,      RS_IOC_REGISTERS,     RS_IOC_PAGE_WALK,
          RS_IOC_TASKS,      RS_IOC_SYMBOL_LIST,  RS_IOC_SHORT_CIRCUIT, RS_IOC_PREALLOC,
          RS_IOC_PREPARE,    RS_IOC_RUN,          RS_IOC_PAUSE,         RS_IOC_SWITCH_CORE,
          RS_IOC_HALT_STATE}) {
        const RequestSpec* spec = find_request(request);
        ASSERT_TRUE(spec) << std::hex << request;
        EXPECT_EQ(spec->size, (request >> 16) & 0x3fff) << "the size in the number";
    }
    EXPECT_FALSE(find_request(0));
    EXPECT_FALSE(find_request(RS_IOC_VERSION ^ 0x100)) << "another magic";
    EXPECT_FALSE(find_request(RS_IOC_VERSION ^ 0x10000)) << "another size";
    EXPECT_FALSE(find_request(0x5401)) << "TCGETS";
}

TEST(Requests, StructuresHaveTheirSize) {
    EXPECT_EQ(check_request(RS_IOC_LOAD, Bytes(sizeof(rs_load))), 0);
    EXPECT_EQ(check_request(RS_IOC_LOAD, Bytes(sizeof(rs_load) - 1)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_LOAD, Bytes(sizeof(rs_load) + 1)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_LOAD, {}), EINVAL);
    EXPECT_EQ(check_request(0x5401, Bytes(64)), ENOTTY);
}

TEST(Requests, ImagesFitTheirBuffer) {
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(0x100, 0x100)), 0);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(0x100, 0x48)), 0);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(0x100, 0x101)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(0x100, ~0ull)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(sizeof(rs_eval) - 1, 0)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(4, 0)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(RS_MAX_REQUEST_BYTES, RS_MAX_REQUEST_BYTES)), 0);
    EXPECT_EQ(check_request(RS_IOC_EVAL, image(RS_MAX_REQUEST_BYTES + 1, 0x48)), E2BIG);
}

/// API-4: an action has no total length; its header and payload tell it.
TEST(Requests, ActionsFitTheirBuffer) {
    const auto action = [](std::size_t room, std::uint32_t size, std::uint32_t payload) {
        Bytes bytes(room);
        const rs_action header{.size = size, .payload_len = payload};
        std::memcpy(bytes.data(), &header, std::min(room, sizeof(header)));
        return bytes;
    };
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x28, 0x20, 3)), 0);
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x20, 0x20, 0)), 0);
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x20, 0x20, 1)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x28, 0x20, 9)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x28, 0xffffffff, 0xffffffff)), EINVAL);
    EXPECT_EQ(check_request(RS_IOC_ADD_ACTION, action(0x18, 0x18, 0)), EINVAL);
}

TEST(Requests, ZeroesAtTheEndDoNotCount) {
    EXPECT_EQ(length_without_zeroes({}), 0u);
    EXPECT_EQ(length_without_zeroes(Bytes(100)), 0u);
    Bytes bytes(100);
    bytes[41] = std::byte{1};
    EXPECT_EQ(length_without_zeroes(bytes), 42u);
    bytes[99] = std::byte{1};
    EXPECT_EQ(length_without_zeroes(bytes), 100u);
}

TEST(Requests, EqualArgumentsHaveNoChangedRange) {
    EXPECT_EQ(changed_range({}, {}).length, 0u);
    EXPECT_EQ(changed_range(Bytes(10), Bytes(10)).length, 0u);
}

RC_GTEST_PROP(Requests, TheChangedRangeIsEnoughToRepeatTheChange,
              (std::vector<std::uint8_t> values)) {
    Bytes before;
    for (const std::uint8_t value : values)
        before.push_back(static_cast<std::byte>(value));
    Bytes after = before;
    const auto changes = *rc::gen::inRange(0, 4);
    for (int change = 0; change < changes && !after.empty(); ++change)
        after[*rc::gen::inRange<std::size_t>(0, after.size())] ^= std::byte{0x80};
    const auto range = changed_range(before, after);
    RC_ASSERT(range.offset + range.length <= before.size());
    Bytes repeated = before;
    std::copy_n(after.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length,
                repeated.begin() + static_cast<std::ptrdiff_t>(range.offset));
    RC_ASSERT(repeated == after);
    if (range.length != 0) {
        RC_ASSERT(before[range.offset] != after[range.offset]);
        const auto last = range.offset + range.length - 1;
        RC_ASSERT(before[last] != after[last]);
    }
}

}  // namespace
}  // namespace ringside::transport
