// SPDX-License-Identifier: GPL-3.0-or-later
// u, u2, !u: what the user types and sees.
#include "support/look_session.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class UnassembleTest : public test::LookSession {
protected:
    UnassembleTest() {
        std::vector<u8>& code = machine_.memory[0xffff'ffff'8100'0000];
        code.assign(0x60, 0x90);
        // schedule: call default_idle; at its end a long one
        const u8 call[] = {0xe8, 0x3b, 0, 0, 0};
        std::ranges::copy(call, code.begin());
        const u8 last[] = {0x48, 0x83, 0xec, 0x28};
        std::ranges::copy(last, code.begin() + 0x3c);
        code[0x40] = 0xfa;
        machine_.physical[0x1000] = {0xfa, 0x40, 0x90, 0xc3};
    }
};

TEST_F(UnassembleTest, ShowsFunctionsAndWhereTheyBegin) {
    connect_and_load();
    EXPECT_EQ(run("u schedule l 6"),
              "vmlinux!schedule:\n"
              "ffffffff`81000000    E83B000000                          call vmlinux!default_idle "
              "(0xffffffff81000040)\n"
              "ffffffff`81000005    90                                  nop\n");
    EXPECT_EQ(run("u vmlinux!schedule+3b l 7"),
              "vmlinux!schedule+0x3b:\n"
              "ffffffff`8100003b    90                                  nop\n"
              "ffffffff`8100003c    4883EC28                            sub rsp, 0x28\n"
              "vmlinux!default_idle:\n"
              "ffffffff`81000040    FA                                  cli\n"
              "ffffffff`81000041    90                                  nop\n");
    run("settings addressconversion off");
    EXPECT_EQ(run("u64 schedule l 1"),
              "ffffffff`81000000    E83B000000                          call 0xffffffff81000040\n");
    run("settings syntax att");
    EXPECT_THAT(run("u schedule+3c l 1"), HasSubstr("sub $0x28, %rsp\n"));
    run("settings syntax masm");
    EXPECT_THAT(run("u schedule+3c l 1"), HasSubstr("sub rsp, 28h\n"));
}

TEST_F(UnassembleTest, GoesOnWhereItEnded) {
    connect_and_load();
    EXPECT_THAT(fail("u"), StartsWith("err, an address is needed\n"));
    run("u schedule l 1");
    EXPECT_THAT(run("u l 1"), StartsWith("vmlinux!schedule+0x5:\nffffffff`81000005    90"));
    recorder_.printed.clear();
    EXPECT_EQ(session_.execute_at_prompt(""), Outcome::kOk);
    EXPECT_THAT(recorder_.printed, StartsWith("vmlinux!schedule+0x6:\nffffffff`81000006    90"));
}

TEST_F(UnassembleTest, BeginsWhereTheDebuggeeWasHalted) {
    halt();
    machine_.registers.value[RS_FULL_RIP] = 0xffff'ffff'8100'0040;
    EXPECT_THAT(run("u l 1"), StartsWith("vmlinux!default_idle:\nffffffff`81000040    FA"));
}

TEST_F(UnassembleTest, ShowsPhysicalMemoryAnd32BitCode) {
    connect_and_load();
    EXPECT_EQ(run("!u 1000 l 1"),
              "#\t00000000`00001000    FA                                  cli\n");
    EXPECT_EQ(run("!u2 1001 l 2"),
              "#\t00000000`00001001    40                                  inc eax\n"
              "#\t00000000`00001002    90                                  nop\n");
    EXPECT_THAT(run("u32 schedule+40 l 1"), HasSubstr("cli"));
    EXPECT_THAT(fail("!u 1000 pid 1"), StartsWith("err, wrong use of '!u'\n"));
}

TEST_F(UnassembleTest, SaysWhereCodeEnds) {
    connect_and_load();
    EXPECT_EQ(fail("u ffffffff8100005f l 4"),
              "err, cannot read ffffffff`81000060: no page table entry at level 2 (entry 0)\n");
    EXPECT_THAT(recorder_.printed, HasSubstr("ffffffff`8100005f    90"));
    EXPECT_THAT(fail("u 1000"), StartsWith("err, cannot read 00000000`00001000: "));
    EXPECT_THAT(run("u ffffffff8100005f l 1"), HasSubstr("nop"));  // what is behind is not needed
}

TEST_F(UnassembleTest, RefusesWrongWords) {
    connect_and_load();
    EXPECT_THAT(fail("u schedule l"), StartsWith("err, wrong use of 'u'\n"));
    EXPECT_THAT(fail("u schedule l 1 2"), StartsWith("err, wrong use of 'u'\n"));
    EXPECT_THAT(fail("u schedule l 20000"), StartsWith("err, length must be 0x1 to 0x10000"));
    EXPECT_THAT(fail("u nosuch"), StartsWith("err, no such symbol 'nosuch'\nu nosuch\n  ^\n"));
    EXPECT_THAT(fail("u schedule pid 7"), StartsWith("err, no such process"));
}

}  // namespace
}  // namespace ringside::commands
