// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's pure parts: archive, console, machine, module information, monitor's table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lab/console.hpp"
#include "lab/cpio.hpp"
#include "lab/files.hpp"
#include "lab/kernel.hpp"
#include "lab/machine.hpp"
#include "lab/monitor.hpp"

namespace ringside::lab {
namespace {

using namespace std::string_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Offsets in a newc header (buffer-format.rst): mode at 14, file size at 54, name size at 94, name
// at 110; header and name, then the content, are padded to 4 bytes.
TEST(CpioArchive, WritesHeaderNameAndContentPadded) {
    CpioArchive archive;
    archive.add_file("init", "hello", 0755);
    const std::string bytes = archive.finish();
    EXPECT_EQ(bytes.substr(0, 6), "070701");
    EXPECT_EQ(bytes.substr(14, 8), "000081ED");  // S_IFREG | 0755
    EXPECT_EQ(bytes.substr(54, 8), "00000005");
    EXPECT_EQ(bytes.substr(94, 8), "00000005");
    EXPECT_EQ(bytes.substr(110, 6), "init\0\0"s);
    EXPECT_EQ(bytes.substr(116, 8), "hello\0\0\0"s);
    EXPECT_EQ(bytes.substr(124, 6), "070701");
    EXPECT_THAT(bytes, HasSubstr("TRAILER!!!"));
    EXPECT_EQ(bytes.size() % 4, 0U);
}

TEST(CpioArchive, MakesParentFoldersOnceAndFirst) {
    CpioArchive archive;
    archive.add_file("a/b/x", "", 0644);
    archive.add_file("a/b/y", "", 0644);
    const std::string bytes = archive.finish();
    const auto folder = bytes.find("a/b\0"s);
    EXPECT_LT(folder, bytes.find("a/b/x"));
    EXPECT_EQ(bytes.find("a/b\0"s, folder + 1), std::string::npos);
}

TEST(CpioArchive, IsEmptyAgainAfterFinish) {
    CpioArchive archive;
    const std::string empty = archive.finish();
    archive.add_link("bin/sh", "busybox");
    archive.add_character_device("dev/console", 5, 1);
    archive.finish();
    EXPECT_EQ(archive.finish(), empty);
}

TEST(BootProgress, NamesEachStageOnceAndOnlyOfWholeLines) {
    BootProgress boot;
    EXPECT_THAT(boot.advance("noise\nringside-lab: ini"), IsEmpty());
    EXPECT_EQ(boot.awaited(), "the kernel to start its first process");
    EXPECT_THAT(boot.advance("noise\nringside-lab: init\r\n"), ElementsAre("kernel"));
    EXPECT_THAT(boot.advance("noise\nringside-lab: init\r\nringside-lab: module refused\n"),
                ElementsAre("ringside.ko refused"));
    EXPECT_EQ(boot.awaited(), "the drivers");
    EXPECT_FALSE(boot.ready());
}

TEST(BootProgress, IsReadyAtTheLastMarker) {
    BootProgress boot;
    boot.advance("ringside-lab: agent\nringside-lab: ready\n");
    EXPECT_TRUE(boot.ready());
    EXPECT_TRUE(boot.agent());
    EXPECT_FALSE(boot.defeat());
}

TEST(BootProgress, GivesUpOnAPanicAndOnAnAgentThatEnds) {
    BootProgress panic;
    panic.advance("[    1.0] Kernel panic - not syncing: VFS\n");
    EXPECT_THAT(panic.defeat().value_or(""), HasSubstr("Kernel panic - not syncing: VFS"));
    BootProgress agent;
    agent.advance("ringside-lab: agent ended with status 2\n");
    EXPECT_EQ(agent.defeat(), "inside the debuggee the agent ended with status 2");
    EXPECT_FALSE(agent.agent());
}

TEST(TroubleIn, FindsWhatAHealthyKernelDoesNotPrint) {
    const std::string console =
        "[ 1.0] Speculative Return Stack Overflow: WARNING: See documentation\n"
        "[ 2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!\r\n"
        "[ 3.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "[ 4.0] all is well\n"
        "[ 5.0] WARNING: CPU: 1 PID: 3 at kernel/x.c:1\n";
    EXPECT_THAT(trouble_in(console),
                ElementsAre("[ 2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
                            "[ 3.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                            "[ 5.0] WARNING: CPU: 1 PID: 3 at kernel/x.c:1"));
}

TEST(ModuleInfo, ReadsWholeKeysOnly) {
    const std::string module =
        "ELF\0xdepends=no\0depends=virtio,virtio-ring\0vermagic=6.1.0-56-amd64 SMP\0"s;
    EXPECT_EQ(module_info(module, "depends"), "virtio,virtio-ring");
    EXPECT_EQ(module_info(module, "alias"), "");
    EXPECT_EQ(module_release(module), "6.1.0-56-amd64");
    EXPECT_EQ(module_release(""), "");
}

TEST(Check, RefusesMachinesThatCannotBeMade) {
    EXPECT_TRUE(check(Options{}));
    EXPECT_FALSE(check(Options{.name = ""}));
    EXPECT_FALSE(check(Options{.name = "a/b"}));
    EXPECT_FALSE(check(Options{.name = std::string(41, 'a')}));
    EXPECT_FALSE(check(Options{.smp = 0}));
    EXPECT_FALSE(check(Options{.smp = 65}));
    EXPECT_FALSE(check(Options{.memory_mb = 127}));
    EXPECT_FALSE(check(Options{.smp = 2, .icount = true}));
    EXPECT_TRUE(check(Options{.smp = 1, .icount = true}));
    EXPECT_EQ(check(Options{.smp = 0}).failure().code, ExitCode::kWrongOptions);
}

TEST(MachineCommand, SaysWhatTheOptionsAsk) {
    const Options options{.smp = 4, .memory_mb = 512, .append = "nokaslr", .disk_mb = 0};
    const auto words = machine_command(options, false, BootMode::kBare, "/k", "/i");
    const auto after = [&](const char* word) {
        const auto at = std::find(words.begin(), words.end(), word);
        return at == words.end() || at + 1 == words.end() ? std::string{} : *(at + 1);
    };
    EXPECT_EQ(after("-smp"), "4");
    EXPECT_EQ(after("-m"), "512");
    EXPECT_EQ(after("-accel"), "tcg,thread=multi");
    EXPECT_THAT(after("-cpu"), HasSubstr("+svm"));
    EXPECT_THAT(after("-append"), HasSubstr("lab.mode=bare nokaslr"));
    EXPECT_EQ(after("-drive"), "");
    EXPECT_THAT(words, Contains("-no-reboot"));
}

TEST(MachineCommand, ForInstructionCountingRunsOneThread) {
    const auto words =
        machine_command(Options{.smp = 1, .icount = true}, false, BootMode::kAgent, "/k", "/i");
    EXPECT_THAT(words, Contains("tcg,thread=single"));
    EXPECT_THAT(words, Contains("shift=0,sleep=off"));
}

TEST(MachineCommand, ForAProbeHasNoNetworkAndNoMonitor) {
    const auto words = machine_command(Options{}, true, BootMode::kProbe, "/k", "/i");
    EXPECT_THAT(words, Contains("kvm"));
    EXPECT_THAT(words, ::testing::Not(Contains("-qmp")));
    EXPECT_THAT(words, ::testing::Not(Contains("-netdev")));
    EXPECT_THAT(words, ::testing::Not(Contains(HasSubstr("debuglink"))));
}

TEST(MachineCommand, HasTheTwoLinesOfDebuggerMode) {
    const auto words = machine_command(Options{}, false, BootMode::kAgent, "/k", "/i");
    EXPECT_THAT(words, Contains("memory-backend-file,id=debuglink,share=on,mem-path=debug.memory,"
                                "size=4M"));
    EXPECT_THAT(words, Contains("ivshmem-plain,memdev=debuglink"));
    // The order makes COM1 and COM2 of them.
    const auto console = std::find(words.begin(), words.end(), "file:console.log");
    const auto line = std::find(words.begin(), words.end(), "unix:debug,server=on,wait=off");
    ASSERT_NE(line, words.end());
    EXPECT_LT(console, line);
    EXPECT_EQ(*(line - 1), "-serial");
}

TEST(ParseForwardedPorts, ReadsTheMonitorsTable) {
    const auto ports = parse_forwarded_ports(
        "Hub -1 (net0):\r\n"
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[HOST_FORWARD]  11       127.0.0.1 41613       10.0.2.15 50000     0     0\r\n"
        "  TCP[ESTABLISHED]   12       127.0.0.1 41999       10.0.2.15 50000     0     0\r\n"
        "  TCP[HOST_FORWARD]  10       127.0.0.1 39999       10.0.2.15 50001     0     0\r\n");
    EXPECT_EQ(ports.agent, 41613);
    EXPECT_EQ(ports.shell, 39999);
    EXPECT_EQ(parse_forwarded_ports("").agent, 0);
}

TEST(ContentHash, IsFnv1a) {
    // The published test vectors of 64-bit FNV-1a.
    EXPECT_EQ(content_hash(""), 0xcbf29ce484222325);
    EXPECT_EQ(content_hash("a"), 0xaf63dc4c8601ec8c);
    EXPECT_EQ(content_hash("foobar"), 0x85944171f73967e8);
    EXPECT_EQ(content_hash("bar", content_hash("foo")), content_hash("foobar"));
}

}  // namespace
}  // namespace ringside::lab
