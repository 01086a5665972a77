// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/root_pointer.hpp"

#include <gtest/gtest.h>

namespace ringside {
namespace {

TEST(RootPointer, StoresTheAddressOfRootMode) {
    int values[8] = {};
    constexpr s64 kDelta = 4 * sizeof(int);
    const auto pointer = RootPointer<int>::from_guest(&values[1], kDelta);
    EXPECT_EQ(pointer.in_root(), &values[5]);
    EXPECT_EQ(pointer.in_guest(kDelta), &values[1]);
    EXPECT_EQ(RootPointer<int>::from_root(&values[5]).value(), pointer.value());
    EXPECT_EQ(RootPointer<int>::from_value(pointer.value()).in_guest(kDelta), &values[1]);
}

TEST(RootPointer, TakesANegativeDelta) {
    int values[8] = {};
    const auto pointer = RootPointer<int>::from_guest(&values[5], -16);
    EXPECT_EQ(pointer.in_root(), &values[1]);
    EXPECT_EQ(pointer.in_guest(-16), &values[5]);
}

TEST(RootPointer, IsNullInBothContexts) {
    const auto pointer = RootPointer<int>::from_guest(nullptr, 4096);
    EXPECT_FALSE(pointer);
    EXPECT_EQ(pointer.in_root(), nullptr);
    EXPECT_EQ(pointer.in_guest(4096), nullptr);
}

}  // namespace
}  // namespace ringside
