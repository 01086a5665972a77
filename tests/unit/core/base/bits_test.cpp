// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/bits.hpp"

#include <gtest/gtest.h>

namespace ringside {
namespace {

using Low = Bits<0, 7>;
using Middle = Bits<8, 10>;
using Top = Bits<63>;
using All = Bits<0, 63>;

TEST(Bits, MasksCoverExactlyTheNamedBits) {
    EXPECT_EQ(Low::kMask, 0xffu);
    EXPECT_EQ(Middle::kMask, 0x700u);
    EXPECT_EQ(Top::kMask, u64{1} << 63);
    EXPECT_EQ(All::kMask, ~u64{0});
}

TEST(Bits, MakeCutsWhatDoesNotFit) {
    EXPECT_EQ(Middle::make(0xff), 0x700u);
    EXPECT_EQ(Top::make(3), u64{1} << 63);
}

TEST(Bits, SetLeavesOtherBitsAlone) {
    EXPECT_EQ(Middle::set(~u64{0}, 0), ~u64{0x700});
    EXPECT_EQ(Middle::get(Middle::set(0x1234, 5)), 5u);
}

}  // namespace
}  // namespace ringside
