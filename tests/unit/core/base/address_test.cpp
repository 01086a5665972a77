// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/address.hpp"

#include <gtest/gtest.h>

#include <concepts>

namespace ringside {
namespace {

TEST(Address, KnowsItsPage) {
    constexpr Gva address{0x1234'5678};
    EXPECT_EQ(address.page().value(), 0x1234'5000u);
    EXPECT_EQ(address.page_offset(), 0x678u);
    EXPECT_EQ((address + 8).value(), 0x1234'5680u);
    EXPECT_LT(address, address + 1);
    EXPECT_EQ(Gva{}.value(), 0u);
}

TEST(Address, IsNotTakenForOneOfAnotherKind) {
    EXPECT_FALSE((std::convertible_to<Gva, Gpa>));
    EXPECT_FALSE((std::convertible_to<u64, Gva>));
    EXPECT_FALSE((std::convertible_to<Hpa, u64>));
    EXPECT_FALSE((std::constructible_from<Hpa, Gpa>));
}

}  // namespace
}  // namespace ringside
