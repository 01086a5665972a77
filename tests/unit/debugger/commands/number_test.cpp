// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/number.hpp"

#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

TEST(ParseNumber, ReadsEveryPrefix) {
    const std::pair<std::string_view, u64> cases[] = {
        {"25", 0x25},
        {"0x25", 0x25},
        {"0X25", 0x25},
        {"x25", 0x25},
        {"\\x25", 0x25},
        {"0n37", 37},
        {"0N37", 37},
        {"n37", 37},
        {"0t17", 15},
        {"0y1011", 11},
        {"0", 0},
        {"FFfe", 0xfffe},
        {"fffff807`4a51a000", 0xfffff8074a51a000},
        {"ffffffffffffffff", ~u64{0}},
        {"0n18446744073709551615", ~u64{0}},
        {"000000000000000000000020", 0x20},
    };
    for (const auto& [text, value] : cases) {
        EXPECT_EQ(parse_number(text).status, NumberStatus::kOk) << text;
        EXPECT_EQ(parse_number(text).value, value) << text;
    }
}

TEST(ParseNumber, RefusesWhatIsNoNumber) {
    for (const std::string_view text : {"", "-1", "+1", "25h", "zz", "0x", "0n", "n", "x", "`",
                                        "0nff", "0t8", "0y2", "1.5", "0x-1", " 1", "1 ", "0x0x1"})
        EXPECT_EQ(parse_number(text).status, NumberStatus::kNotANumber) << text;
}

TEST(ParseNumber, TellsOverflowFromNonsense) {
    for (const std::string_view text : {"10000000000000000", "10000000000000020",
                                        "0n18446744073709551616", "fffffffffffffffffffffffff"})
        EXPECT_EQ(parse_number(text).status, NumberStatus::kTooLarge) << text;
    EXPECT_EQ(parse_number("10000000000000000zz").status, NumberStatus::kNotANumber);
}

TEST(ParseDecimal, ReadsPlainDigitsOnly) {
    EXPECT_EQ(parse_decimal("50000").value, 50000u);
    for (const std::string_view text : {"", "0x10", "5a", "-1", "1`0"})
        EXPECT_EQ(parse_decimal(text).status, NumberStatus::kNotANumber) << text;
}

}  // namespace
}  // namespace ringside::commands
