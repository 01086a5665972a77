// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_scripts.hpp"

#include <gtest/gtest.h>

#include "commands/hex_dump.hpp"

namespace ringside::commands {
namespace {

std::string told(rs_diagnostic diagnostic) {
    rs_msg message{};
    message.tag = RS_TAG_BASE + 3;
    message.core = 0xa;
    return EventScripts{}.describe(message, diagnostic);
}

TEST(EventScripts, TellsWhereCodeFaulted_CTX9) {
    EXPECT_EQ(told({.code = 14,
                    .action = 1,
                    .pc = 2,
                    .value = 0x1234,
                    .disabled = 1,
                    .kind = RS_DIAG_CODE}),
              "err, event 0x3: #PF in its code, action 2, offset 0x2, address 0x1234 (core a)\n"
              "notice: event 0x3 was disabled; 'events e 3' enables it again");
    EXPECT_EQ(told({.code = 3, .action = RS_DIAG_CONDITION, .disabled = 1, .kind = RS_DIAG_CODE}),
              "err, event 0x3: #BP in its condition, offset 0x0 (core a)\n"
              "notice: event 0x3 was disabled; 'events e 3' enables it again");
    EXPECT_EQ(told({.code = 13, .pc = ~u32{0}, .kind = RS_DIAG_CODE}),
              "err, event 0x3: #GP in its code, action 1, outside of it (core a)");
    EXPECT_EQ(told({.code = RS_CODE_TIMEOUT, .pc = 0, .kind = RS_DIAG_CODE}),
              "err, event 0x3: time-out in its code, action 1, offset 0x0 (core a)");
    EXPECT_EQ(told({.code = 31, .kind = RS_DIAG_CODE}),
              "err, event 0x3: exception 0x1f in its code, action 1, offset 0x0 (core a)");
}

TEST(EventScripts, TellsNotices_SC5_SC9) {
    EXPECT_EQ(told({.code = RS_NOTICE_SC_IN_POST, .kind = RS_DIAG_NOTICE}),
              "warn, event 0x3: event_sc() does nothing in stage post; the interrupt is delivered");
    EXPECT_EQ(told({.code = RS_NOTICE_LEVEL_THROTTLED, .value = 0x2b, .kind = RS_DIAG_NOTICE}),
              "notice: vector 0x2b is level-triggered and still asserted; throttled");
}

TEST(HexDump, ShowsOffsetsBytesAndText) {
    const char bytes[] = "0123456789abcdef\x7f~";
    EXPECT_EQ(hex_dump(std::as_bytes(std::span{bytes, sizeof bytes})),
              "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n"
              "00000010  7f 7e 00                                         .~.\n");
    EXPECT_EQ(hex_dump({}), "");
}

}  // namespace
}  // namespace ringside::commands
