// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/result.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ringside {
namespace {

Result<int> half(int value) {
    if (value % 2)
        return Error{RS_ERR_BAD_CORE, static_cast<u64>(value)};
    return value / 2;
}

Result<void> passes_on(int value) {
    RS_TRY(half(value));
    return {};
}

TEST(Result, HoldsAValue) {
    const Result<int> result = half(8);
    ASSERT_TRUE(result);
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(*result, 4);
    EXPECT_EQ(result.value(), 4);
}

TEST(Result, HoldsAnErrorWithItsValueAndPlace) {
    const Result<int> result = half(7);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, RS_ERR_BAD_CORE);
    EXPECT_EQ(result.error().detail, 7u);
    EXPECT_NE(std::string{result.error().file}.find("result_test.cpp"), std::string::npos);
    EXPECT_EQ(result.error().line, 13);
}

TEST(Result, PassesAnErrorUpWithThePlaceOfItsBirth) {
    EXPECT_TRUE(passes_on(2));
    const Result<void> result = passes_on(3);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().detail, 3u);
    EXPECT_EQ(result.error().line, 13);
}

}  // namespace
}  // namespace ringside
