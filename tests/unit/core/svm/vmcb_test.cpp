// SPDX-License-Identifier: GPL-3.0-or-later
#include "svm/vmcb.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace ringside::svm {
namespace {

/// The bytes of the map that are not zero after intercepting one MSR, as (offset, value).
std::vector<std::pair<usize, u8>> intercepting(u32 msr) {
    auto map = std::make_unique<MsrPermissionMap>();
    EXPECT_TRUE(map->intercept(msr));
    std::vector<std::pair<usize, u8>> set;
    for (usize i = 0; i < sizeof map->bytes; ++i)
        if (map->bytes[i])
            set.emplace_back(i, map->bytes[i]);
    return set;
}

using Bytes = std::vector<std::pair<usize, u8>>;

TEST(MsrPermissionMap, CoversThreeRanges) {
    // AMD APM vol. 2 §15.11: 0 to 1fff at byte 0, c0000000 on at 0x800, c0010000 on at 0x1000;
    // two bits each, the lower one for reads.
    EXPECT_EQ(intercepting(0), (Bytes{{0, 3}}));
    EXPECT_EQ(intercepting(0x1b), (Bytes{{0x6, 0xc0}}));
    EXPECT_EQ(intercepting(0x1fff), (Bytes{{0x7ff, 0xc0}}));
    EXPECT_EQ(intercepting(0xc0000080), (Bytes{{0x820, 3}}));
    EXPECT_EQ(intercepting(0xc0000000), (Bytes{{0x800, 3}}));
    EXPECT_EQ(intercepting(0xc0001fff), (Bytes{{0xfff, 0xc0}}));
    EXPECT_EQ(intercepting(0xc0010000), (Bytes{{0x1000, 3}}));
    EXPECT_EQ(intercepting(0xc0010117), (Bytes{{0x1045, 0xc0}}));
    EXPECT_EQ(intercepting(0xc0011fff), (Bytes{{0x17ff, 0xc0}}));
}

TEST(MsrPermissionMap, SaysWhichMsrsItDoesNotCover) {
    MsrPermissionMap map{};
    for (const u32 msr : {0x2000u, 0xbfffffffu, 0xc0002000u, 0xc000ffffu, 0xc0012000u, 0xffffffffu})
        EXPECT_FALSE(map.intercept(msr)) << std::hex << msr;
    for (const u8 byte : map.bytes)
        ASSERT_EQ(byte, 0);
}

TEST(MsrPermissionMap, KeepsWhatWasInterceptedBefore) {
    MsrPermissionMap map{};
    map.intercept(0x10);
    map.intercept(0x11);
    EXPECT_EQ(map.bytes[4], 0x0f);
}

TEST(EventInjection, EncodesAsTheManual) {
    EXPECT_EQ(EventInjection::exception_with_code(14, 2), 0x0000'0002'8000'0b0eu);
    EXPECT_EQ(EventInjection::exception_with_code(8, 0), 0x8000'0b08u);
    EXPECT_EQ(EventInjection::exception_with_code(13, 0xffff'ffff) >> 32, 0xffff'ffffu);
}

}  // namespace
}  // namespace ringside::svm
