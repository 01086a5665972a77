// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/format.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <string_view>

namespace ringside::script {
namespace {

u32 arguments_of(std::string_view format) {
    return count_arguments(format.data(), static_cast<u32>(format.size()));
}

/// The first conversion of the format applied to a number.
std::string print_number(std::string_view format, u64 value) {
    FormatParser parser{format.data(), static_cast<u32>(format.size())};
    Conversion piece;
    EXPECT_TRUE(parser.next(piece));
    char buffer[128];
    TextWriter out{buffer, sizeof buffer};
    out.number(piece, value);
    return {buffer, out.finish()};
}

TEST(ScriptFormat, CountsArguments) {
    EXPECT_EQ(arguments_of("plain"), 0u);
    EXPECT_EQ(arguments_of("%d %s %ws %llx %c %p"), 6u);
    EXPECT_EQ(arguments_of("100%% %d"), 1u);
    EXPECT_EQ(arguments_of("100%"), 0u);
    EXPECT_EQ(arguments_of("%q %lls %hs %ll"), 0u);
    EXPECT_EQ(arguments_of("%65d %0-5d"), 1u) << "a width above 64 is no conversion";
}

TEST(ScriptFormat, SplitsTextAndConversions) {
    const std::string_view format = "a%%b%5dc%";
    FormatParser parser{format.data(), static_cast<u32>(format.size())};
    Conversion piece;
    std::string text;
    while (parser.next(piece))
        if (piece.kind == ConversionKind::kText)
            text += format.substr(piece.start, piece.length);
        else
            text += '#';
    EXPECT_EQ(text, "a%b#c%");
}

TEST(ScriptFormat, PrintsNumbersLikeTheCLibrary) {
    const char* const formats[] = {"%llx",  "%lld",  "%llu",   "%llo",   "%#llx",   "%#llo",
                                   "%+lld", "% lld", "%20llx", "%-9lld", "%030lld", "%#20llX"};
    const u64 values[] = {0, 1, 9, 0xff, 0x7fff'ffff, 0x8000'0000'0000'0000, ~u64{0}, 12345678901};
    for (const char* format : formats)
        for (const u64 value : values) {
            char expected[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            std::snprintf(expected, sizeof expected, format, value);
#pragma GCC diagnostic pop
            EXPECT_EQ(print_number(format, value), expected) << format << ' ' << value;
        }
}

TEST(ScriptFormat, CutsNumbersToTheirLength) {
    EXPECT_EQ(print_number("%x", 0x1'2345'6789), "23456789");
    EXPECT_EQ(print_number("%d", 0xffff'ffff), "-1");
    EXPECT_EQ(print_number("%hd", 0xffff), "-1");
    EXPECT_EQ(print_number("%hx", 0x12345), "2345");
    EXPECT_EQ(print_number("%p", 0x1234), "0000000000001234");
}

TEST(ScriptFormat, PadsText) {
    char buffer[16];
    TextWriter out{buffer, sizeof buffer};
    Conversion piece;
    piece.width = 4;
    out.padded(piece, "ab", 2);
    piece.left = true;
    out.padded(piece, "cd", 2);
    EXPECT_EQ(std::string(buffer, out.finish()), "  abcd  ");
}

TEST(ScriptFormat, MarksTextThatWasCut) {
    char buffer[8];
    TextWriter out{buffer, sizeof buffer};
    out.put("0123456789", 10);
    EXPECT_TRUE(out.is_full());
    EXPECT_EQ(std::string(buffer, out.finish()), "01234...");
    TextWriter exact{buffer, sizeof buffer};
    exact.fill('x', 8);
    EXPECT_EQ(std::string(buffer, exact.finish()), "xxxxxxxx");
}

}  // namespace
}  // namespace ringside::script
