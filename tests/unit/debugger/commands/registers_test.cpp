// SPDX-License-Identifier: GPL-3.0-or-later
// r: what the user types and sees.
#include "commands/registers.hpp"

#include "support/look_session.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

rs_registers some_registers() {
    rs_registers registers{};
    for (u32 i = 0; i <= RS_FULL_R15; ++i)
        registers.value[i] = 0x1111'1111'1111'1111ull * (i % 15 + 1);
    registers.value[RS_FULL_RIP] = 0xffff'ffff'81c3'a2cb;
    registers.value[RS_FULL_RFLAGS] = 0x246;  // PF, ZF, IF
    registers.value[RS_FULL_CS] = 0x10;
    registers.value[RS_FULL_SS] = 0x18;
    registers.value[RS_FULL_GS] = 0x2b;
    return registers;
}

TEST(RegisterBlock, HasHyperDbgsLines) {
    EXPECT_EQ(register_block(some_registers()),
              "RAX=1111111111111111 RBX=2222222222222222 RCX=3333333333333333\n"
              "RDX=4444444444444444 RSI=5555555555555555 RDI=6666666666666666\n"
              "RIP=ffffffff81c3a2cb RSP=8888888888888888 RBP=7777777777777777\n"
              "R8 =9999999999999999 R9 =aaaaaaaaaaaaaaaa R10=bbbbbbbbbbbbbbbb\n"
              "R11=cccccccccccccccc R12=dddddddddddddddd R13=eeeeeeeeeeeeeeee\n"
              "R14=ffffffffffffffff R15=1111111111111111 IOPL=00\n"
              "OF 0  DF 0  IF 1  SF  0\n"
              "ZF 1  PF 1  CF 0  AXF 0\n"
              "CS 0010 SS 0018 DS 0000 ES 0000 FS 0000 GS 002b\n"
              "RFLAGS=0000000000000246\n");
}

TEST(RegisterText, ShowsPartsAndFlags) {
    const rs_registers registers = some_registers();
    const auto text = [&](std::string_view name) {
        return register_text(registers, register_called(name).value());
    };
    EXPECT_EQ(text("rbx"), "rbx=2222222222222222");
    EXPECT_EQ(text("@EBX"), "ebx=0000000022222222");
    EXPECT_EQ(text("bh"), "bh=0000000000000022");
    EXPECT_EQ(text("zf"), "zf=0000000000000001");
    EXPECT_EQ(text("cf"), "cf=0000000000000000");
    EXPECT_EQ(register_called("rxx"), std::nullopt);
    EXPECT_EQ(nearest_register("@rapx"), "rax");
}

class RegisterCommand : public test::LookSession {};

TEST_F(RegisterCommand, NeedsAHaltedDebuggee) {
    connect_and_load();
    for (const char* command : {"r", "r rax", "r rax = 1", "k", "kd", "kq"})
        EXPECT_EQ(fail(command), "err, only in Debugger Mode, while the debuggee is halted\n");
    session_.set_halted(true);
    session_.disconnect();
    EXPECT_FALSE(session_.is_halted());
}

TEST_F(RegisterCommand, ShowsAllOrOne) {
    halt();
    machine_.registers = some_registers();
    EXPECT_EQ(run("r"), register_block(some_registers()));
    EXPECT_EQ(run("R RIP"), "rip=ffffffff81c3a2cb\n");
    EXPECT_EQ(run("r @rip"), "rip=ffffffff81c3a2cb\n");
}

TEST_F(RegisterCommand, ChangesOne) {
    halt();
    EXPECT_EQ(run("r rax = 55"), "");
    EXPECT_EQ(run("print @rax"), "55\n");
    run("r @rbx=@rax+5");
    EXPECT_EQ(run("print @rbx"), "5a\n");
    run("r al =\t0n17");
    EXPECT_EQ(run("print @rax"), "11\n");
    run("r rcx= jiffies + 8");
    EXPECT_EQ(run("print @rcx"), "ffffffff82a06c08\n");
    run("r zf = 1");
    EXPECT_EQ(run("print @zf"), "1\n");
}

TEST_F(RegisterCommand, RefusesWrongWords) {
    halt();
    EXPECT_EQ(fail("r rxa"),
              "err, no such register: 'rxa'\nr rxa\n  ^\nhint: did you mean 'rax'?\n");
    EXPECT_THAT(fail("r rxa = 5"), StartsWith("err, no such register: 'rxa'\nr rxa = 5\n  ^\n"));
    EXPECT_EQ(fail("r qqqqqqqq"),
              "err, no such register: 'qqqqqqqq'\nr qqqqqqqq\n  ^\nhint: 'r' shows them\n");
    EXPECT_THAT(fail("r rax rbx"), StartsWith("err, wrong use of 'r'\nr rax rbx\n      ^\n"));
    EXPECT_EQ(run("r rip // = 5"), "rip=0000000000000000\n");
    EXPECT_THAT(fail("r rax ="), StartsWith("err, wrong use of 'r'\n"));
    EXPECT_THAT(fail("r = 5"), StartsWith("err, wrong use of 'r'\n"));
    EXPECT_THAT(fail("r rax rbx = 5"), StartsWith("err, wrong use of 'r'\n"));
    EXPECT_EQ(fail("r al = 100"),
              "err, value 100 does not fit in 'al' of 8 bits\nr al = 100\n       ^\n");
    EXPECT_EQ(fail("r efer = 0"), "err, 'efer' cannot be written\nr efer = 0\n  ^\n");
    EXPECT_THAT(fail("r rax = nosuch"), StartsWith("err, no such symbol 'nosuch'\n"));
}

}  // namespace
}  // namespace ringside::commands
