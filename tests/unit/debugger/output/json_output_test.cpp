// SPDX-License-Identifier: GPL-3.0-or-later
// NDJSON: the escape function byte by byte, and the shape of each kind of line (docs/json.md).
// Lines are read back with a JSON library in tests/session/json_test.py.
#include "output/json_output.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringside::output {
namespace {

class Lines final : public Output {
public:
    void text(std::string_view bytes) override { lines.emplace_back(bytes); }
    void diagnostic(std::string_view message) override {
        lines.push_back("?" + std::string{message});
    }
    std::vector<std::string> lines;
};

struct Escape {
    std::string_view bytes;
    const char* json;
    bool is_utf8;
};
constexpr Escape kEscapes[] = {
    {"", R"("")", true},
    {"plain /text", R"("plain /text")", true},
    {"\"\\\n\t\r", R"("\"\\\n\t\u000d")", true},
    {std::string_view{"\0\x1f\x7f", 3}, R"("\u0000\u001f\u007f")", true},
    // Shortest and longest of each length, and the edges of what is no character.
    {"\xc2\x80 \xdf\xbf", "\"\xc2\x80 \xdf\xbf\"", true},
    {"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf",
     "\"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"", true},
    {"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", "\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"", true},
    {"\x80", R"("\u0080")", false},
    {"a\xff\"z", R"("a\u00ff\"z")", false},
    {"\xc0\x80", R"("\u00c0\u0080")", false},                        // overlong
    {"\xe0\x9f\xbf", R"("\u00e0\u009f\u00bf")", false},              // overlong
    {"\xf0\x8f\xbf\xbf", R"("\u00f0\u008f\u00bf\u00bf")", false},    // overlong
    {"\xed\xa0\x80", R"("\u00ed\u00a0\u0080")", false},              // surrogate
    {"\xf4\x90\x80\x80", R"("\u00f4\u0090\u0080\u0080")", false},    // beyond U+10FFFF
    {"\xc3\xa4 \xe2\x82", R"("\u00c3\u00a4 \u00e2\u0082")", false},  // cut at the end
};

TEST(JsonString, EscapesWhatJsonWantsAndWhatIsNoUtf8) {
    for (const Escape& row : kEscapes) {
        std::string line = "x";
        EXPECT_EQ(append_json_string(line, row.bytes), row.is_utf8) << row.json;
        EXPECT_EQ(line, std::string{"x"} + row.json);
    }
}

TEST(JsonString, LosesNoByte) {
    // Every pair of bytes: what is UTF-8 reads back as itself, the rest byte by byte.
    for (unsigned first = 0; first < 256; ++first)
        for (unsigned second = 0; second < 256; ++second) {
            const std::string bytes{static_cast<char>(first), static_cast<char>(second)};
            std::string line;
            (void)append_json_string(line, bytes);
            std::string read;
            for (std::size_t i = 1; i + 1 < line.size(); ++i) {
                if (line[i] != '\\') {
                    read.push_back(line[i]);
                    continue;
                }
                ++i;
                if (line[i] == 'u') {
                    read.push_back(
                        static_cast<char>(std::stoi(line.substr(i + 1, 4), nullptr, 16)));
                    i += 4;
                } else {
                    read.push_back(line[i] == 'n' ? '\n' : line[i] == 't' ? '\t' : line[i]);
                }
            }
            ASSERT_EQ(read, bytes) << line;
        }
}

class JsonOutputTest : public testing::Test {
protected:
    std::string last() const { return lines_.lines.empty() ? "" : lines_.lines.back(); }
    Lines lines_;
    JsonOutput json_{lines_};
};

TEST_F(JsonOutputTest, ResultsAreTextVerbatim) {
    json_.text("");
    EXPECT_TRUE(lines_.lines.empty());
    json_.text("a\nb");
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"result","text":"a\nb"})"
                      "\n");
    json_.text("\xff");
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"result","text":"\u00ff",)"
                      R"("text_encoding":"latin-1"})"
                      "\n");
}

TEST_F(JsonOutputTest, DiagnosticsAreSortedByTheirFirstWord) {
    json_.diagnostic("err, no\nhint: try");
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"error","text":"no","command":null,)"
                      R"("column":null,"hint":"try"})"
                      "\n");
    json_.diagnostic("warn, careful");
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"warning","text":"careful","command":null,)"
                      R"("column":null,"hint":null})"
                      "\n");
    json_.diagnostic("notice: by the way");
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"notice","text":"by the way"})"
                      "\n");
}

TEST_F(JsonOutputTest, HaltsSayWhereAndWhy) {
    json_.halt({.reason = "event",
                .core = 1,
                .pid = 42,
                .tid = 43,
                .event = 3,
                .stage = "post",
                .breakpoint = {},
                .rip = 0xffffffff81c3a2cb,
                .symbol = "vmlinux!default_idle+0xb",
                .instruction = "cli",
                .text = "event\n"});
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"halt","reason":"event","core":1,"pid":42,)"
                      R"("tid":43,"event":3,"stage":"post","breakpoint":null,)"
                      R"("rip":"0xffffffff81c3a2cb","symbol":"vmlinux!default_idle+0xb",)"
                      R"("instruction":"cli","text":"event\n"})"
                      "\n");
    json_.halt({.reason = "breakpoint",
                .event = {},
                .stage = {},
                .breakpoint = 0,
                .rip = 0x401000,
                .symbol = {},
                .instruction = {},
                .text = "x"});
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"halt","reason":"breakpoint","core":0,)"
                      R"("pid":0,"tid":0,"event":null,"stage":null,"breakpoint":0,)"
                      R"("rip":"0x0000000000401000","symbol":null,"instruction":null,"text":"x"})"
                      "\n");
}

TEST_F(JsonOutputTest, ErrorsSayWhere) {
    json_.finding({.is_warning = false,
                   .text = "no such command: 'xyz'",
                   .command = "xyz",
                   .column = 0,
                   .hint = "see '.help'",
                   .rendered = "never shown"});
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"error","text":"no such command: 'xyz'",)"
                      R"("command":"xyz","column":1,"hint":"see '.help'"})"
                      "\n");
}

TEST_F(JsonOutputTest, EventsSayWhereTheyCameFrom) {
    EventRecord record{.core = 2,
                       .pid = 490,
                       .tag = 0x1000003,
                       .event = 3,
                       .time_ns = 18446744073709551615u,
                       .seq = 7,
                       .text = "tick\n"};
    const std::string origin =
        R"("core":2,"pid":490,"tag":16777219,"event":3,"time_ns":18446744073709551615,"seq":7,)";
    json_.event(record);
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"message",)" + origin +
                          R"("text":"tick\n"})"
                          "\n");
    record.kind = EventRecord::Kind::kLost;
    record.count = 5;
    record.text = "warn, 5 messages lost";
    json_.event(record);
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"lost",)" + origin +
                          R"("count":5,"text":"warn, 5 messages lost"})"
                          "\n");
    record.kind = EventRecord::Kind::kDiagnostic;
    record.text = "err, x";
    json_.event(record);
    EXPECT_EQ(last(), R"({"schema":"ringside/1","kind":"diagnostic",)" + origin +
                          R"("text":"err, x"})"
                          "\n");
}

}  // namespace
}  // namespace ringside::output
