// SPDX-License-Identifier: GPL-3.0-or-later
// x, lm, .sym and the names of addresses.
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "commands/symbol_names.hpp"
#include "support/look_session.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Symbols, AreReadAsTheKernelWritesThem) {
    const SymbolPlace place = parse_symbol("irq+0x10/0x40 [nvme]");
    EXPECT_EQ(place.name, "nvme!irq");
    EXPECT_EQ(place.offset, 0x10u);
    EXPECT_EQ(place.size, 0x40u);
    EXPECT_EQ(place.text(), "nvme!irq+0x10");
    EXPECT_EQ(parse_symbol("schedule+0x0/0x120").text(), "vmlinux!schedule");
    EXPECT_EQ(parse_symbol("schedule").text(), "vmlinux!schedule");
    EXPECT_EQ(kernel_name("jiffies"), "jiffies");
    EXPECT_EQ(kernel_name("vmlinux!jiffies"), "jiffies");
    EXPECT_EQ(kernel_name("nt!jiffies"), "jiffies");
    EXPECT_EQ(kernel_name("nvme!irq"), "nvme:irq");
}

class SymbolCommands : public test::LookSession {
protected:
    SymbolCommands() {
        EXPECT_TRUE(session_.debuggee().connect_local(machine_.opener(module_.opener())).ok());
    }
};

TEST_F(SymbolCommands, AreFoundByPattern) {
    EXPECT_EQ(run("x schedule"), "ffffffff`81000000  vmlinux!schedule\n");
    EXPECT_EQ(run("x vmlinux!*i?l*"), "ffffffff`81000040  vmlinux!default_idle\n");
    EXPECT_EQ(run("x *!*irq*"), "ffffffff`c0001000  nvme!nvme_irq\n");
    EXPECT_EQ(fail("x Schedule"),
              "err, no symbol matches 'Schedule'\nx Schedule\n  ^\n"
              "hint: '*' stands for anything, '?' for one character; names keep their case\n");
    EXPECT_THAT(fail("x nosuch!*"), HasSubstr("hint: 'lm' lists the modules"));
    EXPECT_THAT(fail("x vmlinux!"), HasSubstr("bad pattern 'vmlinux!'"));
    EXPECT_THAT(fail("x !a"), HasSubstr("bad pattern"));
    EXPECT_THAT(fail("x a!b!c"), HasSubstr("bad pattern"));
    EXPECT_THAT(fail("x " + std::string(300, 'a')), HasSubstr("bad pattern"));
    EXPECT_THAT(fail("x"), StartsWith("err, wrong use of 'x'"));
}

TEST_F(SymbolCommands, ModulesAreListed) {
    machine_.symbols.push_back({0x1000, "vmlinux!cpu_info", 8, 'A'});  // per CPU: lies nowhere
    machine_.symbols.push_back({0xffff'ffff'c000'1200, "nvme!nvme_exit", 0x10, 't'});
    EXPECT_EQ(run("lm"),
              "kernel mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n"
              "ffffffff`81000000\t1a06c00\tvmlinux                 \t-\n"
              "ffffffff`c0001000\t200\tnvme                    \t-\n");
    EXPECT_EQ(run("lm km m NV"),
              "kernel mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n"
              "ffffffff`c0001000\t200\tnvme                    \t-\n");
    EXPECT_EQ(fail("lm m ext4"),
              "err, no module is called that\nlm m ext4\n     ^\nhint: 'lm' lists them all\n");
    EXPECT_THAT(fail("lm km pid 1"), StartsWith("err, 'pid' goes with 'um'"));
    EXPECT_THAT(fail("lm xx"), StartsWith("err, wrong use of 'lm'\nlm xx\n   ^\n"));
    EXPECT_THAT(fail("lm m"), StartsWith("err, wrong use of 'lm'\n"));
}

TEST_F(SymbolCommands, FilesOfAProcessAreListed) {
    machine_.mappings = {{0x40'0000, 0x40'1000, "/usr/bin/busybox", 0x100},
                         {0x40'1000, 0x50'0000, "/usr/bin/busybox", 0x100},
                         {0x7f00'0000'0000, 0x7f00'0000'2000, "/usr/lib/libc.so.6", 0x200},
                         {0x7f00'0001'0000, 0x7f00'0001'1000, "memfd:\x1b[1m", 0x300},
                         {0x7f00'0002'0000, 0x7f00'0002'1000, "/usr/lib/libc.so.6", 0x400},
                         {0x7f00'0003'0000, 0x7f00'0003'1000, "/usr/lib/libc.so.6", 0x200},
                         {0x7f00'0004'0000, 0x7f00'0004'1000, "", 0x500}};
    EXPECT_EQ(fail("lm um"), "err, vmm not loaded; use 'load vmm'\n");
    run("load vmm");
    EXPECT_EQ(run("lm um"),
              "user mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n"
              "00000000`00400000\t100000\tbusybox                 \t/usr/bin/busybox\n"
              "00007f00`00000000\t31000\tlibc.so.6               \t/usr/lib/libc.so.6\n"
              "00007f00`00010000\t1000\tmemfd:?[1m              \t-\n"
              "00007f00`00020000\t1000\tlibc.so.6               \t/usr/lib/libc.so.6\n"
              "00007f00`00040000\t1000\t-                       \t-\n");
    EXPECT_EQ(machine_.last_pid, RS_ANY);
    EXPECT_EQ(run("lm um m BUSY pid 1"),
              "user mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n"
              "00000000`00400000\t100000\tbusybox                 \t/usr/bin/busybox\n");
    EXPECT_EQ(machine_.last_pid, 1u);
    EXPECT_EQ(fail("lm um m ext4"),
              "err, no module is called that\nlm um m ext4\n        ^\n"
              "hint: 'lm um' lists them all\n");
    EXPECT_EQ(fail("lm um pid 2"),
              "err, no such process; pids are hex, prefix 0n for decimal (c000001e)\n"
              "lm um pid 2\n          ^\n");
    EXPECT_THAT(fail("lm um pid 1 2"), StartsWith("err, wrong use of 'lm'\n"));
    EXPECT_THAT(fail("lm um pid x"), StartsWith("err, "));
    // Halted as well: the process is named all the same.
    session_.set_halted(true);
    EXPECT_THAT(run("lm um m libc pid 1"), HasSubstr("libc.so.6"));
    EXPECT_EQ(machine_.last_pid, 1u);
    machine_.mappings.clear();
    EXPECT_EQ(fail("lm um pid 1"),
              "err, this process has no user memory: it is the kernel's, or has ended (c000103e)\n"
              "lm um pid 1\n          ^\nhint: 'lm km' lists the kernel's modules\n");
}

TEST_F(SymbolCommands, AreCounted) {
    EXPECT_EQ(run(".sym table"), "nvme                     1\nvmlinux                  3\n");
    EXPECT_EQ(run(".sym load"), "4 symbols of 2 modules\n");
    EXPECT_EQ(run(".sym reload"), "4 symbols of 2 modules\n");
    EXPECT_EQ(fail(".sym unload"),
              "err, no symbols were added\nhint: '.sym add' adds those of a file\n");
    EXPECT_THAT(fail(".sym table all"), StartsWith("err, wrong use of '.sym'"));
    EXPECT_THAT(fail(".sym"), StartsWith("err, wrong use of '.sym'"));
}

/// A file with code where the kernel has no names, and where it has one.
TEST_F(SymbolCommands, OfFilesAreAdded) {
    const std::string path = testing::TempDir() + "my module-" + std::to_string(getpid());
    std::ofstream{path + ".s"} << ".globl f\nf: .skip 8\n.size f, 8\nlast: ret\n";
    ASSERT_EQ(std::system(("as -o '" + path + ".ko' '" + path + ".s'").c_str()), 0);
    const std::string module = symbols::module_name(path + ".ko");
    const std::string add = " path \"" + path + ".ko\"";
    EXPECT_EQ(run(".sym add base 400000" + add),
              "2 symbols of " + module + " at 00000000`00400000\n");
    EXPECT_EQ(run("x " + module + "!*"),
              "00000000`00400000  " + module + "!f\n00000000`00400008  " + module + "!last\n");
    EXPECT_THAT(run("x *!f"), HasSubstr(module + "!f"));
    AddressNames names{session_};
    EXPECT_EQ(names.text(0x40'0004), module + "!f+0x4");
    EXPECT_EQ(names.text(0x40'0008), module + "!last");
    EXPECT_EQ(names.text(0x3f'ffff), "");
    EXPECT_EQ(names.text(0x50'0000), "");
    EXPECT_THAT(run(".sym table"), HasSubstr(module));
    EXPECT_EQ(run(".sym load"), "6 symbols of 3 modules\n");
    run("load vmm");
    EXPECT_THAT(run("print " + module + "!last+2"), HasSubstr("40000a"));
    EXPECT_THAT(run("? print(" + module + "!f);"), HasSubstr("400000"));
    // Anew at another place, given by an expression; theirs comes before the kernel's.
    run(".sym add" + add + " base vmlinux!schedule");
    EXPECT_EQ(run("x " + module + "!f"), "ffffffff`81000000  " + module + "!f\n");
    EXPECT_EQ(AddressNames{session_}.text(0xffff'ffff'8100'0004), module + "!f+0x4");
    EXPECT_EQ(run(".sym unload"), "2 symbols of 1 modules unloaded\n");
    EXPECT_EQ(AddressNames{session_}.text(0xffff'ffff'8100'0004), "vmlinux!schedule+0x4");
    EXPECT_THAT(fail("x " + module + "!*"), StartsWith("err, no symbol matches"));
    for (const char* ending : {".s", ".ko"})
        unlink((path + ending).c_str());
}

TEST_F(SymbolCommands, OfFilesThatAreNoneAreRefused) {
    EXPECT_EQ(fail(".sym add base 0 path /nonexistent/file"),
              "err, cannot open /nonexistent/file: No such file or directory\n"
              ".sym add base 0 path /nonexistent/file\n                     ^\n");
    EXPECT_THAT(fail(".sym add base 0 path /etc/passwd"),
                StartsWith("err, /etc/passwd is no ELF file\n"));
    for (const char* command :
         {".sym add", ".sym add base 0", ".sym add path /etc/passwd", ".sym add base 0 path",
          ".sym add now base 0 path /etc/passwd", ".sym add base 0 path /etc/passwd /etc/group"})
        EXPECT_THAT(fail(command), StartsWith("err, wrong use of '.sym'")) << command;
    EXPECT_THAT(fail(".sym add base nonsense path /etc/passwd"),
                StartsWith("err, no such symbol 'nonsense'"));
}

TEST(Patterns, StandForWhatTheyMean) {
    EXPECT_TRUE(matches_pattern("*", ""));
    EXPECT_TRUE(matches_pattern("a*c?", "abcbcd"));
    EXPECT_TRUE(matches_pattern("*irq*", "free_irq"));
    EXPECT_FALSE(matches_pattern("irq", "irqs"));
    EXPECT_FALSE(matches_pattern("?", ""));
    EXPECT_FALSE(matches_pattern("a*b", "acd"));
}

TEST_F(SymbolCommands, NeedAConnection) {
    session_.disconnect();
    for (const char* command : {"x schedule", "lm", ".sym table"})
        EXPECT_THAT(fail(command), StartsWith("err, not connected to a debuggee\n"));
}

}  // namespace
}  // namespace ringside::commands
