// SPDX-License-Identifier: GPL-3.0-or-later
// Source: Intel SDM vol. 3C §24.6.9 "MSR-Bitmap Address".
#include "vmx/msr_bitmap.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace ringside::vmx {
namespace {

/// The bits set in the page, by number.
std::vector<u32> bits_after(u32 msr) {
    auto bitmap = std::make_unique<MsrBitmap>();
    std::memset(bitmap.get(), 0, sizeof *bitmap);
    EXPECT_TRUE(bitmap->intercept_write(msr));
    const auto* bytes = reinterpret_cast<const u8*>(bitmap.get());
    std::vector<u32> found;
    for (u32 bit = 0; bit < 8 * sizeof *bitmap; ++bit)
        if (bytes[bit / 8] >> bit % 8 & 1)
            found.push_back(bit);
    return found;
}

TEST(MsrBitmap, HasWritesOfLowMsrsInItsThirdKib) {
    EXPECT_EQ(bits_after(0), (std::vector<u32>{8 * 0x800}));
    EXPECT_EQ(bits_after(0x1d9), (std::vector<u32>{8 * 0x800 + 0x1d9}));
    EXPECT_EQ(bits_after(0x1fff), (std::vector<u32>{8 * 0x800 + 0x1fff}));
}

TEST(MsrBitmap, HasWritesOfHighMsrsInItsFourthKib) {
    EXPECT_EQ(bits_after(0xc000'0000), (std::vector<u32>{8 * 0xc00}));
    EXPECT_EQ(bits_after(0xc000'0080), (std::vector<u32>{8 * 0xc00 + 0x80}));
    EXPECT_EQ(bits_after(0xc000'1fff), (std::vector<u32>{8 * 0xc00 + 0x1fff}));
}

TEST(MsrBitmap, CoversNoOtherMsr) {
    auto bitmap = std::make_unique<MsrBitmap>();
    std::memset(bitmap.get(), 0, sizeof *bitmap);
    for (const u32 msr : {0x2000u, 0x4000'0000u, 0xbfff'ffffu, 0xc000'2000u, 0xc001'0080u, ~0u})
        EXPECT_FALSE(bitmap->intercept_write(msr)) << msr;
    const MsrBitmap empty{};
    EXPECT_EQ(std::memcmp(bitmap.get(), &empty, sizeof empty), 0);
}

TEST(MsrBitmap, AddsUp) {
    auto bitmap = std::make_unique<MsrBitmap>();
    std::memset(bitmap.get(), 0, sizeof *bitmap);
    bitmap->intercept_write(0x10);
    bitmap->intercept_write(0x17);
    EXPECT_EQ(bitmap->write_low[2], 0x81);
}

}  // namespace
}  // namespace ringside::vmx
