// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/formats.hpp"

#include <gtest/gtest.h>

namespace ringside::commands {
namespace {

TEST(Formats, ShowEveryNotation) {
    EXPECT_EQ(formats_of(0x41424344),
              "Hex:      00000000`41424344\n"
              "Decimal:  1094861636\n"
              "Octal:    0000000000010120441504\n"
              "Binary:   00000000 00000000 00000000 00000000 01000001 01000010 01000011 01000100\n"
              "Chars:    ....ABCD\n"
              "Time:     Sat Sep 11 00:13:56 2004\n"
              "Float:    low 12.1414 high 0\n"
              "Double:   5.40934e-315\n");
}

TEST(Formats, ShowNegativeNumbersAndWhatIsNoTime) {
    const std::string text = formats_of(~u64{0});
    EXPECT_NE(text.find("Decimal:  18446744073709551615 (-1)\n"), std::string::npos);
    EXPECT_NE(text.find("Time:     none\n"), std::string::npos);
    EXPECT_NE(text.find("Double:   -nan\n"), std::string::npos);
}

}  // namespace
}  // namespace ringside::commands
