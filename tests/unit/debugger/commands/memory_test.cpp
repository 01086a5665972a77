// SPDX-License-Identifier: GPL-3.0-or-later
// d*, e*, s*: what the user types and sees.
#include "commands/memory_dump.hpp"
#include "support/look_session.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr u64 kBanner = 0xffff'ffff'8200'0000;

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

TEST(MemoryDump, HasHyperDbgsColumns) {
    const auto bytes = bytes_of("Linux version 6.1.0-49-amd64\n\x01\xff");
    EXPECT_EQ(
        memory_dump(DumpStyle::kBytes, kBanner, bytes, bytes.size(), false),
        "ffffffff`82000000  4C 69 6E 75 78 20 76 65 72 73 69 6F 6E 20 36 2E  Linux version 6.\n"
        "ffffffff`82000010  31 2E 30 2D 34 39 2D 61 6D 64 36 34 0A 01 FF     1.0-49-amd64...\n");
    EXPECT_EQ(memory_dump(DumpStyle::kDoublesCharacters, kBanner, bytes, 16, false).substr(0, 72),
              "ffffffff`82000000  756E694C 65762078 6F697372 2E36206E  Linux version 6.");
    const auto words = std::span{bytes}.first(16);
    EXPECT_EQ(memory_dump(DumpStyle::kDoubles, kBanner, words, 16, false),
              "ffffffff`82000000  756E694C 65762078 6F697372 2E36206E\n");
    EXPECT_EQ(memory_dump(DumpStyle::kQuads, kBanner, words, 16, false),
              "ffffffff`82000000  65762078`756e694c 2e36206e`6f697372\n");
    EXPECT_EQ(memory_dump(DumpStyle::kQuads, 0x1000, words, 16, true),
              "#\t00000000`00001000  65762078`756e694c 2e36206e`6f697372\n");
}

TEST(MemoryDump, ShowsWhatCouldNotBeRead) {
    const auto bytes = bytes_of("Linux");
    EXPECT_EQ(memory_dump(DumpStyle::kBytes, 0x1000, bytes, 0x80, false),
              "00000000`00001000  4C 69 6E 75 78 ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ??  Linux\n");
    EXPECT_EQ(memory_dump(DumpStyle::kDoubles, 0x1000, bytes, 12, false),
              "00000000`00001000  756E694C ???????? ????????\n");
    EXPECT_EQ(memory_dump(DumpStyle::kQuads, 0x1000, bytes, 16, false),
              "00000000`00001000  ????????`???????? ????????`????????\n");
    EXPECT_EQ(memory_dump(DumpStyle::kQuads, 0x1000, {}, 16, false), "");
}

class MemoryCommands : public test::LookSession {
protected:
    MemoryCommands() {
        std::string page;
        for (int i = 0; i < 0x200; ++i)
            page.push_back(static_cast<char>(i));
        machine_.put(kBanner, page);
        machine_.put(0xffff'ffff'82a0'6c00, "\x11\x22\x33\x44\x55\x66\x77\x88");
        machine_.physical[0x1000] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    }
};

TEST_F(MemoryCommands, DumpNumbersSymbolsAndSums) {  // LEX-6
    connect_and_load();
    EXPECT_EQ(run("dq ffffffff`82000000 l 10"),
              "ffffffff`82000000  07060504`03020100 0f0e0d0c`0b0a0908\n");
    const std::string jiffies = "ffffffff`82a06c00  44332211 88776655\n";
    EXPECT_EQ(run("dd vmlinux!jiffies l 8"), jiffies);
    EXPECT_EQ(run("dd nt!jiffies l 8"), jiffies);
    EXPECT_EQ(run("dd jiffies l 8"), jiffies);
    EXPECT_EQ(run("dd jiffies+4 l 4"), "ffffffff`82a06c04  88776655\n");
    EXPECT_EQ(run("dd vmlinux!jiffies + 2 * 2 l 4"), "ffffffff`82a06c04  88776655\n");
    EXPECT_EQ(run("dd (jiffies + 4) l 4"), "ffffffff`82a06c04  88776655\n");
    run("? @rax = ffffffff82000000; @rbx = 8;");
    EXPECT_EQ(run("db @rax+@rbx l 2"), "ffffffff`82000008  08 09" + std::string(44, ' ') + "..\n");
}

TEST_F(MemoryCommands, DumpEightLinesWithoutALength) {
    connect_and_load();
    const std::string text = run("DB ffffffff82000000");
    EXPECT_EQ(std::ranges::count(text, '\n'), 8);
    EXPECT_THAT(text, StartsWith("ffffffff`82000000  00 01 02"));
}

TEST_F(MemoryCommands, PlainNumbersRunNothing) {
    connect_and_load();
    run("db ffffffff82000000 l 1");
    const unsigned before = machine_.requests;
    run("db ffffffff82000000 l 1");
    EXPECT_EQ(machine_.requests - before, 2u);  // whether the vmm is loaded, and the memory
}

TEST_F(MemoryCommands, GoOnWhereTheyEnded) {  // LEX-10
    connect_and_load();
    EXPECT_THAT(fail("db"), StartsWith("err, an address is needed\nhint: as in 'db "));
    run("db ffffffff82000000 l 10");
    EXPECT_THAT(run("db l 10"), StartsWith("ffffffff`82000010  10 11"));
    recorder_.printed.clear();
    EXPECT_EQ(session_.execute_at_prompt("  "), Outcome::kOk);
    EXPECT_THAT(recorder_.printed, StartsWith("ffffffff`82000020  20 21"));
    EXPECT_EQ(session_.execute_at_prompt(""), Outcome::kOk);
    EXPECT_THAT(recorder_.printed, HasSubstr("ffffffff`82000030  30 31"));
    run("");  // '-c' and files: an empty command is nothing
    EXPECT_EQ(recorder_.printed, "");
    run("print 1");
    recorder_.printed.clear();
    EXPECT_EQ(session_.execute_at_prompt(""), Outcome::kOk);  // another command ended it
    EXPECT_EQ(recorder_.printed, "");
    EXPECT_THAT(run("dd l 4"), StartsWith("ffffffff`82000040  43424140"));
    EXPECT_THAT(fail("!db"), StartsWith("err, an address is needed"));
    session_.disconnect();
    ASSERT_TRUE(session_.debuggee().connect_local(machine_.opener(module_.opener())).ok());
    EXPECT_THAT(fail("db"), StartsWith("err, an address is needed"));
}

TEST_F(MemoryCommands, DumpWhereTheDebuggeeWasHalted) {
    halt();
    machine_.registers.value[RS_FULL_RIP] = kBanner + 0x20;
    EXPECT_THAT(run("db l 2"), StartsWith("ffffffff`82000020  20 21"));
}

TEST_F(MemoryCommands, SayWhereMemoryEnds) {
    connect_and_load();
    EXPECT_EQ(fail("db ffffffff820001f8 l 20"),
              "err, cannot read ffffffff`82000200: no page table entry at level 2 (entry 0)\n");
    EXPECT_EQ(recorder_.printed,
              "ffffffff`820001f8  F8 F9 FA FB FC FD FE FF ?? ?? ?? ?? ?? ?? ?? ??  ........\n");
    EXPECT_EQ(fail("dq 1000"),
              "err, cannot read 00000000`00001000: no page table entry at level 2 (entry 0)\n");
    EXPECT_EQ(recorder_.printed, "");
    EXPECT_EQ(fail("!db 1008 l 2"),
              "err, cannot read 00000000`00001009: there is no memory of the debuggee\n");
    EXPECT_EQ(recorder_.printed, "#\t00000000`00001008  09 ??" + std::string(44, ' ') + ".\n");
}

TEST_F(MemoryCommands, PhysicalMemoryHasItsOwnMark) {
    connect_and_load();
    EXPECT_EQ(run("!dd 1000 l 8"), "#\t00000000`00001000  04030201 08070605\n");
    EXPECT_THAT(fail("!dd 1000 pid 1"), StartsWith("err, wrong use of '!dd'\n"));
}

TEST_F(MemoryCommands, MeanAProcessesMemory) {
    connect_and_load();
    run("db ffffffff82000000 l 1");
    EXPECT_EQ(machine_.last_pid, RS_ANY);
    run("db ffffffff82000000 l 1 pid 1");
    EXPECT_EQ(machine_.last_pid, 1u);
    EXPECT_EQ(fail("db ffffffff82000000 pid 7"),
              "err, no such process; pids are hex, prefix 0n for decimal (c000001e)\n"
              "db ffffffff82000000 pid 7\n"
              "                        ^\n");
    run(".attach pid 1");
    run("eb ffffffff82000000 0");
    EXPECT_EQ(machine_.last_pid, 1u);
    session_.set_halted(true);
    run("db ffffffff82000000 l 1");
    EXPECT_EQ(machine_.last_pid, RS_ANY);
    run("db ffffffff82000000 l 1 pid 1");
    EXPECT_EQ(machine_.last_pid, RS_ANY);
    EXPECT_EQ(recorder_.told,
              "notice: 'pid' is ignored in Debugger Mode: the halted process is meant\n");
}

TEST_F(MemoryCommands, WrongWordsAreShown) {
    EXPECT_EQ(fail("db 1000"),
              "err, not connected to a debuggee\n"
              "hint: type '.connect local' or '.connect IP [PORT]'\n");
    connect_and_load();
    EXPECT_EQ(fail("db nosuch+10"),
              "err, no such symbol 'nosuch'\ndb nosuch+10\n   ^\n"
              "hint: 'x *nosuch*' looks for names that contain it; registers begin with @\n");
    EXPECT_EQ(fail("db 1000+nvme!nosuch"),
              "err, no such symbol 'nvme!nosuch'\ndb 1000+nvme!nosuch\n        ^\n"
              "hint: 'x *nosuch*' looks for names that contain it; registers begin with @\n");
    EXPECT_EQ(fail("db 11112222333344445"),
              "err, number too large: '11112222333344445'\ndb 11112222333344445\n   ^\n");
    EXPECT_EQ(fail("db 1000 l 0"),
              "err, length must be 0x1 to 0x100000, not '0'\ndb 1000 l 0\n          ^\n");
    EXPECT_EQ(fail("db 1000 l zz"),
              "err, bad length 'zz'\ndb 1000 l zz\n          ^\n"
              "hint: numbers are hex, prefix 0n for decimal\n");
    EXPECT_THAT(fail("db 1000 l"), StartsWith("err, wrong use of 'db'\ndb 1000 l\n        ^\n"));
    EXPECT_THAT(fail("db 1000 l 1 l 2"), StartsWith("err, wrong use of 'db'\n"));
    EXPECT_THAT(fail("db 1000 l 1 2"), StartsWith("err, wrong use of 'db'\n"));
    EXPECT_THAT(fail("db \"text\""), StartsWith("err, wrong use of 'db'\n"));
    EXPECT_THAT(fail("db 1000 +"), HasSubstr("script not accepted"));
    EXPECT_THAT(fail("db poi(8)"), StartsWith("err, script stopped: invalid address"));
}

TEST_F(MemoryCommands, EditAllOrNothing) {
    connect_and_load();
    EXPECT_EQ(run("eb ffffffff82000000 aa 0n255 1"), "");
    EXPECT_EQ(run("ed jiffies+4 deadbeef"), "");
    EXPECT_EQ(run("eq ffffffff82000008 0 ffffffff`81000000 pid 1"), "");
    EXPECT_EQ(run("dq ffffffff82000000 l 18"),
              "ffffffff`82000000  07060504`0301ffaa 00000000`00000000\n"
              "ffffffff`82000010  ffffffff`81000000\n");
    EXPECT_EQ(run("dd jiffies l 8"), "ffffffff`82a06c00  44332211 DEADBEEF\n");
    EXPECT_EQ(fail("eb ffffffff820001fe 1 2 3"),
              "err, cannot write ffffffff`82000200: no page table entry at level 2 (entry 0)\n"
              "eb ffffffff820001fe 1 2 3\n   ^\nhint: nothing was changed\n");
    EXPECT_THAT(run("db ffffffff820001fe l 2"), HasSubstr("FE FF"));
    run("!eb 1000 77");
    EXPECT_THAT(run("!db 1000 l 1"), HasSubstr("77"));
}

TEST_F(MemoryCommands, EditChecksEachValue) {
    connect_and_load();
    EXPECT_EQ(fail("eb ffffffff82000000 1 100 2"),
              "err, value '100' does not fit in 1 byte\neb ffffffff82000000 1 100 2\n"
              "                      ^\n");
    EXPECT_EQ(fail("ed ffffffff82000000 100000000"),
              "err, value '100000000' does not fit in 4 bytes\ned ffffffff82000000 100000000\n"
              "                    ^\n");
    EXPECT_THAT(fail("eq ffffffff82000000 10000000000000000"), HasSubstr("does not fit in 8"));
    EXPECT_EQ(fail("eb ffffffff82000000 zz"),
              "err, bad value 'zz'\neb ffffffff82000000 zz\n                    ^\n"
              "hint: values are hex, prefix 0n for decimal\n");
    EXPECT_THAT(fail("eb ffffffff82000000"), StartsWith("err, wrong use of 'eb'\n"));
    EXPECT_THAT(fail("eb"), StartsWith("err, wrong use of 'eb'\n"));
    EXPECT_EQ(machine_.mem_requests, 0u);
}

TEST_F(MemoryCommands, SearchPrintsWhereItIs) {
    connect_and_load();
    EXPECT_EQ(run("sb ffffffff82000000 l 200 10 11"), "ffffffff`82000010\nffffffff`82000110\n");
    EXPECT_EQ(run("sd ffffffff82000000 l 100 13121110"), "ffffffff`82000010\n");
    EXPECT_EQ(run("sd ffffffff82000001 l 100 13121110"), "not found\n");  // on no multiple
    EXPECT_EQ(run("sq ffffffff82000000 l 100 1716151413121110 1f1e1d1c1b1a1918 pid 1"),
              "ffffffff`82000010\n");
    EXPECT_EQ(run("!sb 1000 l 9 3 4"), "#\t00000000`00001002\n");
    EXPECT_EQ(fail("sb ffffffff820001f0 l 100 f1"),
              "err, cannot read ffffffff`82000200: no page table entry at level 2 (entry 0)\n");
    EXPECT_EQ(recorder_.printed, "ffffffff`820001f1\n");
}

TEST_F(MemoryCommands, SearchSaysWhenItWasCut) {
    machine_.memory[0x10000].assign(0x1800, 0);
    connect_and_load();
    const std::string text = run("sb 10000 l 1800 0");
    EXPECT_EQ(std::ranges::count(text, '\n'), 0x1000);
    EXPECT_EQ(recorder_.told, "notice: cut at 0x1000 hits; it goes on at 00000000`00011000\n");
}

TEST_F(MemoryCommands, SearchRefusesWhatItCannotDo) {
    connect_and_load();
    EXPECT_THAT(fail("sb ffffffff82000000 l 10"), StartsWith("err, wrong use of 'sb'\n"));
    EXPECT_THAT(fail("sb l 10 1"), StartsWith("err, wrong use of 'sb'\n"));
    EXPECT_THAT(fail("sb ffffffff82000000 10 1"), StartsWith("err, wrong use of 'sb'\n"));
    EXPECT_THAT(fail("sb ffffffff82000000 l 10 100"), HasSubstr("does not fit in 1 byte"));
    std::string command = "sb ffffffff82000000 l 10";
    for (int i = 0; i < 0x101; ++i)
        command += " 1";
    EXPECT_THAT(fail(command), StartsWith("err, at most 0x100 values\n"));
}

TEST_F(MemoryCommands, NeedTheHypervisor) {
    ASSERT_TRUE(session_.debuggee().connect_local(machine_.opener(module_.opener())).ok());
    EXPECT_EQ(fail("db 1000"), "err, vmm not loaded; use 'load vmm'\n");
    EXPECT_EQ(fail("eb 1000 1"), "err, vmm not loaded; use 'load vmm'\n");
}

TEST_F(MemoryCommands, ScriptsKnowSymbols) {
    connect_and_load();
    EXPECT_EQ(run("print vmlinux!jiffies"), "ffffffff82a06c00\n");
    EXPECT_EQ(run("print nvme!nvme_irq+4"), "ffffffffc0001004\n");
    EXPECT_THAT(fail("print vmlinux!nosuch"), HasSubstr("nosuch"));
    run("!interrupt 30 script { print(vmlinux!jiffies); }");
}

}  // namespace
}  // namespace ringside::commands
