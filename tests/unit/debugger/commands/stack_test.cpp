// SPDX-License-Identifier: GPL-3.0-or-later
// k, kd, kq: what the user types and sees. Unwinding itself: unwind_test.cpp.
#include "support/look_session.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr u64 kText = 0xffff'ffff'8100'0000;
constexpr u64 kStack = 0xffff'c900'0000'3f00;

class StackCommands : public test::LookSession {
protected:
    StackCommands() {
        // schedule+0x10 and default_idle+0x5 call.
        std::vector<u8>& code = machine_.memory[kText];
        code.assign(0x100, 0x90);
        code[0x10] = code[0x45] = 0xe8;
        machine_.registers.value[RS_FULL_RIP] = kText + 0x80;
        machine_.registers.value[RS_FULL_RSP] = kStack;
        machine_.registers.is_long_mode = 1;
        machine_.put_words(kStack, {0x246, 0, kText + 0x15, 0x11, kText + 0x22, kText + 0x4a});
    }

    /// Tables of one function that pushed two words, one that pushed three, and the end.
    void add_tables() {
        constexpr u64 kIps = 0xffff'ffff'8300'0000, kEntries = 0xffff'ffff'8301'0000;
        machine_.symbols.push_back({kIps, "vmlinux!__start_orc_unwind_ip", 0, 'R'});
        machine_.symbols.push_back({kIps + 12, "vmlinux!__stop_orc_unwind_ip", 0, 'R'});
        machine_.symbols.push_back({kEntries, "vmlinux!__start_orc_unwind", 0, 'R'});
        const u64 begins[] = {kText, kText + 0x40, kText + 0x50};
        std::vector<u8>& ips = machine_.memory[kIps];
        for (u64 i = 0; i < 3; ++i) {
            const auto distance = static_cast<u32>(begins[i] - (kIps + i * 4));
            for (int byte = 0; byte < 4; ++byte)
                ips.push_back(static_cast<u8>(distance >> byte * 8));
        }
        machine_.memory[kEntries] = {
            24, 0, 0, 0, 5, 0,  // schedule
            0,  0, 0, 0, 0, 4,  // default_idle: the end
            24, 0, 0, 0, 5, 0,  // what runs
        };
    }
};

TEST_F(StackCommands, FollowsTheKernelsTables) {
    add_tables();
    halt();
    EXPECT_EQ(run("k"),
              "[$+010]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n"
              "[$+028]   ffffffff`81000045    (from vmlinux!default_idle+0x5 "
              "<ffffffff`81000045>)\n");
    EXPECT_EQ(run("k l 18"),
              "[$+010]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n");
    run("settings addressconversion off");
    EXPECT_EQ(run("k l 18"), "[$+010]   ffffffff`81000010    (from <ffffffff`81000010>)\n");
}

TEST_F(StackCommands, SaysWhenThereIsNothingToGoBy) {
    halt();
    EXPECT_EQ(run("k"),
              "[$+010]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n"
              "[$+028]   ffffffff`81000045    (from vmlinux!default_idle+0x5 "
              "<ffffffff`81000045>)\n"
              "(partly guessed from return addresses, for want of unwind information)\n"
              "(ends: no unwind information for this address, and no return address on the "
              "stack)\n");
    machine_.put_words(kStack, {0x246, 0, kText + 0x15});
    machine_.registers.value[RS_FULL_RBP] = kStack + 8;
    EXPECT_EQ(run("k"),
              "[$+010]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n"
              "(partly by frame pointers, for want of unwind information)\n"
              "(ends: no unwind information for this address, and no return address on the "
              "stack)\n");
}

TEST_F(StackCommands, LooksThroughTheStackFromABase) {
    halt();
    EXPECT_EQ(run("k base ffffc90000003f08 l 28"),
              "[$+008]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n"
              "[$+020]   ffffffff`81000045    (from vmlinux!default_idle+0x5 "
              "<ffffffff`81000045>)\n");
}

TEST_F(StackCommands, ShowsWords) {
    halt();
    EXPECT_EQ(run("kq l 30"),
              "[$+000]      00000000`00000246\n"
              "[$+008]      00000000`00000000\n"
              "[$+010]   ffffffff`81000010    (from vmlinux!schedule+0x10 "
              "<ffffffff`81000010>)\n"
              "[$+018]      00000000`00000011\n"
              "[$+020]      ffffffff`81000022 (addr vmlinux!schedule+0x22 "
              "<ffffffff`81000022>)\n"
              "[$+028]   ffffffff`81000045    (from vmlinux!default_idle+0x5 "
              "<ffffffff`81000045>)\n");
    EXPECT_EQ(run("kd l 8"), "[$+000]      00000246\n[$+004]      00000000\n");
    EXPECT_EQ(fail("kq l 40"), "err, cannot read the stack at ffffc900`00003f30\n");
    EXPECT_THAT(recorder_.printed, HasSubstr("[$+028]"));
}

TEST_F(StackCommands, RefuseWrongWords) {
    halt();
    EXPECT_THAT(fail("k 5"), StartsWith("err, wrong use of 'k'\nk 5\n  ^\n"));
    EXPECT_THAT(fail("k base"), StartsWith("err, wrong use of 'k'\n"));
    EXPECT_THAT(fail("kq l 1 2"), StartsWith("err, wrong use of 'kq'\n"));
    EXPECT_THAT(fail("kq l 100000"), StartsWith("err, length must be 0x1 to 0x10000"));
    EXPECT_THAT(fail("k base nosuch"), StartsWith("err, no such symbol 'nosuch'\n"));
}

}  // namespace
}  // namespace ringside::commands
