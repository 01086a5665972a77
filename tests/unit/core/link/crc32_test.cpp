// SPDX-License-Identifier: GPL-3.0-or-later
#include "link/crc32.hpp"

#include <gtest/gtest.h>

#include <string_view>

#include "unit/core/link/frames.hpp"

namespace ringside::link {
namespace {

std::span<const u8> bytes_of(std::string_view text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

TEST(Crc32, GivesTheKnownValues) {
    EXPECT_EQ(crc32({}), 0u);
    EXPECT_EQ(crc32(bytes_of("123456789")), 0xcbf43926u);
    EXPECT_EQ(crc32(bytes_of("The quick brown fox jumps over the lazy dog")), 0x414fa339u);
}

TEST(Crc32, IsThatOfZlibAtEveryLengthAndAlignment) {
    Random random{1};
    const Bytes bytes = noise(random, 300);
    for (usize at = 0; at < 9; ++at)
        for (usize count = 0; count <= bytes.size() - at; ++count) {
            const auto part = std::span{bytes}.subspan(at, count);
            ASSERT_EQ(link::crc32(part), zlib_crc(part)) << at << ' ' << count;
        }
}

TEST(Crc32, GoesOnWhereItStopped) {
    Random random{2};
    const Bytes bytes = noise(random, 100);
    for (usize cut = 0; cut <= bytes.size(); ++cut) {
        const auto all = std::span<const u8>{bytes};
        EXPECT_EQ(link::crc32(all.subspan(cut), link::crc32(all.first(cut))), zlib_crc(bytes));
    }
    EXPECT_EQ(link::crc32({}, 0x1234u), 0x1234u);
}

}  // namespace
}  // namespace ringside::link
