// SPDX-License-Identifier: GPL-3.0-or-later
// rdmsr, wrmsr, !apic, !ioapic, !pte, !va2pa, !pa2va, .process, .thread: what the user types and
// sees.
#include "commands/interrupt_controllers.hpp"
#include "support/look_session.hpp"

#include <array>
#include <cstring>

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class MachineCommands : public test::LookSession {};

TEST_F(MachineCommands, ReadMsrsOfAllCoresOrOne) {
    machine_.msrs = {{{0, 0xc000'0082}, 0xffff'ffff'81c0'0080}, {{1, 0xc000'0082}, 0x10}};
    connect_and_load();
    EXPECT_EQ(run("rdmsr c0000082"),
              "core : 0x0 - msr[c0000082] = ffffffff`81c00080\n"
              "core : 0x1 - msr[c0000082] = 00000000`00000010\n");
    EXPECT_EQ(run("rdmsr c0000082 core 1"), "core : 0x1 - msr[c0000082] = 00000000`00000010\n");
    machine_.cores = 1;  // the other is offline
    EXPECT_EQ(run("rdmsr c0000082"), "core : 0x0 - msr[c0000082] = ffffffff`81c00080\n");
    EXPECT_EQ(fail("rdmsr c0000082 core 1"),
              "err, no such core (c0000006)\nrdmsr c0000082 core 1\n                    ^\n"
              "hint: 'status' tells how many there are\n");
    EXPECT_EQ(fail("rdmsr 1234"), "err, msr 1234 not readable (c0001030)\nrdmsr 1234\n      ^\n");
    EXPECT_EQ(fail("rdmsr 100000000"),
              "err, msr must be 0x0 to 0xffffffff, not '100000000'\nrdmsr 100000000\n      ^\n");
    EXPECT_THAT(fail("rdmsr zz"), StartsWith("err, bad msr 'zz'\n"));
    EXPECT_THAT(fail("rdmsr"), StartsWith("err, wrong use of 'rdmsr'\n"));
    EXPECT_THAT(fail("rdmsr 10 11"), StartsWith("err, wrong use of 'rdmsr'\nrdmsr 10 11\n"));
    EXPECT_THAT(fail("rdmsr 10 core"), StartsWith("err, wrong use of 'rdmsr'\n"));
}

TEST_F(MachineCommands, WriteMsrs) {
    machine_.msrs = {{{0, 0x38d}, 1}, {{1, 0x38d}, 1}};
    connect_and_load();
    EXPECT_EQ(run("wrmsr 38d 5 core 1"), "");
    EXPECT_EQ((machine_.msrs[{0, 0x38d}]), 1u);
    EXPECT_EQ((machine_.msrs[{1, 0x38d}]), 5u);
    run("wrmsr 38d jiffies");
    EXPECT_EQ((machine_.msrs[{0, 0x38d}]), 0xffff'ffff'82a0'6c00);
    EXPECT_EQ((machine_.msrs[{1, 0x38d}]), 0xffff'ffff'82a0'6c00);
    EXPECT_EQ(fail("wrmsr 1234 5"),
              "err, msr 1234 not writable with this value (c0001030)\nwrmsr 1234 5\n      ^\n");
    EXPECT_THAT(fail("wrmsr 38d"), StartsWith("err, wrong use of 'wrmsr'\n"));
    EXPECT_THAT(fail("wrmsr 38d 1 2"), StartsWith("err, wrong use of 'wrmsr'\n"));
}

TEST_F(MachineCommands, ShowTheProcessor) {
    const auto four = [](const char* text) {
        std::array<u32, 4> words{};
        std::memcpy(words.data(), text, sizeof words);
        return words;
    };
    machine_.leaves[{0, 0}] = {1, 0x6874'7541, 0x444d'4163, 0x6974'6e65};  // "AuthenticAMD"
    // Family 0xf + 8, model 3 << 4 | 1; fpu, tsc; pni, hypervisor.
    machine_.leaves[{1, 0}] = {0x0083'0f10, 0, 1u << 31 | 1, 1 << 4 | 1};
    machine_.leaves[{7, 0}] = {0, ~0u, ~0u, ~0u};  // above the highest leaf
    machine_.leaves[{0x8000'0000, 0}] = {0x8000'0004, 0, 0, 0};
    machine_.leaves[{0x8000'0001, 0}] = {0, 0, 1 << 2, 1 << 29};
    machine_.leaves[{0x8000'0002, 0}] = four("   A processor o");
    machine_.leaves[{0x8000'0003, 0}] = four("f the test's\0\0\0");
    machine_.leaves[{0x8000'0004, 0}] = {};
    connect_and_load();
    EXPECT_EQ(run("cpu"),
              "vendor: AuthenticAMD\n"
              "brand: A processor of the test's\n"
              "family 0x17 (23), model 0x31 (49), stepping 0x0 (0)\n"
              "features: fpu tsc lm pni hypervisor svm\n");
    EXPECT_THAT(fail("cpu 1"), StartsWith("err, "));
    // A processor without a brand, and with a list that takes more than a line.
    machine_.leaves[{0x8000'0000, 0}] = {};
    machine_.leaves[{1, 0}] = {0x652, 0, ~0u, ~0u};
    const std::string text = run("cpu");
    EXPECT_THAT(
        text,
        StartsWith("vendor: AuthenticAMD\nfamily 0x6 (6), model 0x5 (5), stepping 0x2 (2)\n"));
    EXPECT_THAT(text, HasSubstr("\n    "));
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        EXPECT_LE(end - begin, 100u);
}

TEST_F(MachineCommands, ShowTheLocalApic) {
    machine_.lapic.value[0x02] = 0x0100'0000;
    machine_.lapic.value[0x03] = 0x0105'0014;
    machine_.lapic.value[0x0f] = 0x1ff;
    machine_.lapic.value[0x10 + 7] = 1u << 12;            // 0xec in service
    machine_.lapic.value[0x20 + 1] = 1u << 16 | 1u << 3;  // 0x23, 0x30 pending
    machine_.lapic.value[0x32] = 0x400ec;
    connect_and_load();
    EXPECT_EQ(run("!apic"),
              "***  (XAPIC Mode) PHYSICAL LAPIC ID = 1, Ver = 0x1050014, MaxLvtEntry = 5, "
              "DirectedEOI = P1/E0, (SW: 'Enabled')\n"
              "     -> TPR = 0x00000000,  PPR = 0x00000000\n"
              "     -> LDR = 0x00000000,  SVR = 0x000001ff,  Err = 0x00000000\n"
              "     -> LVT_INT0 = 0x00000000,  LVT_INT1 = 0x00000000\n"
              "     -> LVT_CMCI = 0x00000000,  LVT_PMCR = 0x00000000\n"
              "     -> LVT_TMR  = 0x000400ec,  LVT_TSR  = 0x00000000\n"
              "     -> LVT_ERR  = 0x00000000\n"
              "     -> InitialCount = 0x00000000, CurrentCount = 0x00000000, "
              "DivideConfig = 0x00000000\n"
              "ISR : 0xec\nTMR :\nIRR : 0x23 0x30\n");
    machine_.lapic.is_x2apic = 1;
    machine_.lapic.value[0x02] = 0x101;
    EXPECT_THAT(run("!LAPIC"), StartsWith("***  (X2APIC Mode) PHYSICAL LAPIC ID = 257,"));
    EXPECT_THAT(fail("!apic 1"), StartsWith("err, wrong use of '!apic'\n"));
}

TEST_F(MachineCommands, ShowEveryIoApic) {
    connect_and_load();
    EXPECT_EQ(fail("!ioapic"), "err, this machine has no IO-APIC\n");
    rs_io_apic apic{};
    apic.address = 0xfec0'0000;
    apic.version = 0x0001'0011;  // two inputs
    apic.entry[0] = 0x1'0000;
    apic.entry[1] = 0x0200'0000'0000'a163;
    machine_.io_apics.push_back(apic);
    apic.address = 0xfec0'1000;
    apic.id = 0x0100'0000;
    apic.version = 0x0000'0020;
    apic.entry[0] = 0xff00'0000'0000'5830;
    machine_.io_apics.push_back(apic);
    EXPECT_EQ(run("!ioapic"),
              "IoApic @ fec00000  ID:0 (11)\n"
              "Inti00.: 00000000`00010000  Vec:00  FixedDel  PhysDest:00       edge         "
              "masked\n"
              "Inti01.: 02000000`0000a163  Vec:63  LowestDl  PhysDest:02       level\n"
              "IoApic @ fec01000  ID:1 (20)\n"
              "Inti00.: ff000000`00005830  Vec:30  FixedDel  Lg:FF      -Pend  edge   rirr\n");
}

TEST_F(MachineCommands, ShowHowAnAddressIsTranslated) {
    rs_page_walk& walk = machine_.walk;
    walk.depth = 4;
    walk.levels = 4;
    walk.is_present = 1;
    walk.physical = 0x7654'3123;
    for (u32 i = 0; i < 4; ++i) {
        walk.entry_address[i] = 0x1000 * (i + 1);
        walk.entry[i] = 0x1000 * (i + 2) + 0x63;
    }
    connect_and_load();
    EXPECT_EQ(run("!pte schedule"),
              "VA ffffffff81000000\n"
              "PML4E (PXE) at 0000000000001000\tcontains 0000000000002063\n"
              "PDPTE (PPE) at 0000000000002000\tcontains 0000000000003063\n"
              "PDE at 0000000000003000\tcontains 0000000000004063\n"
              "PTE at 0000000000004000\tcontains 0000000000005063\n");
    EXPECT_EQ(run("!va2pa schedule + 123"), "00000000`76543123\n");
    walk.depth = 3;
    EXPECT_THAT(run("!pte schedule pid 1"),
                testing::EndsWith("PDE at 0000000000003000\tcontains 0000000000004063\n"
                                  "PDE is a large page, so it doesn't have a PTE\n"));
    walk.is_present = 0;
    EXPECT_THAT(run("!pte 1000"), testing::EndsWith("PDE is not present\n"));
    EXPECT_EQ(fail("!va2pa 1000"),
              "err, nothing is mapped at 00000000`00001000\n!va2pa 1000\n       ^\n"
              "hint: '!pte' shows how far its translation goes\n");
    EXPECT_THAT(fail("!pte 1000 pid 7"), StartsWith("err, no such process; "));
    EXPECT_THAT(fail("!pte"), StartsWith("err, wrong use of '!pte'\n"));
    EXPECT_THAT(fail("!va2pa pid 1"), StartsWith("err, wrong use of '!va2pa'\n"));
    EXPECT_THAT(fail("!pa2va 1000"), StartsWith("err, the kernel does not map "));
    EXPECT_THAT(fail("!pa2va"), StartsWith("err, wrong use of '!pa2va'\n"));
    walk.is_present = 1;
    walk.physical = 0x1000;
    EXPECT_THAT(run("!pa2va 1000"), HasSubstr("`"));
}

rs_task task(u64 address, u64 leader, u32 pid, u32 tgid, const char* name, u64 page_table) {
    rs_task task{};
    task.task = address;
    task.leader = leader;
    task.pid = pid;
    task.tgid = tgid;
    task.page_table = page_table;
    std::strncpy(task.name, name, sizeof(task.name) - 1);
    return task;
}

class TaskCommands : public test::LookSession {
protected:
    TaskCommands() {
        constexpr u64 kBash = 0xffff'8880'0123'4000, kTable = 0xffff'8880'0a00'0000;
        machine_.tasks = {task(kBash + 0x1000, kBash, 0x1ddd, 0x1ddc, "worker", kTable),
                          task(kBash, kBash, 0x1ddc, 0x1ddc, "ba\x1bsh", kTable),
                          task(0xffff'8880'0100'0000, 0xffff'8880'0100'0000, 2, 2, "kthreadd", 0)};
        machine_.known_pid = 0x1ddc;
    }
};

TEST_F(TaskCommands, ShowWhatRuns) {
    connect_and_load();
    EXPECT_EQ(run(".process"),
              "process id: 1ddc\nprocess (task_struct): ffff8880`01234000\n"
              "process name (16-Byte): worker\n");
    EXPECT_EQ(run(".thread"),
              "thread id: 1ddd (pid: 1ddc)\nthread (task_struct): ffff8880`01235000\n"
              "process (task_struct): ffff8880`01234000\nprocess name (16-Byte): worker\n");
}

TEST_F(TaskCommands, ListProcessesAndThreads) {
    connect_and_load();
    EXPECT_EQ(run(".process list"),
              "PROCESS\tffff8880`01234000\n"
              "\tProcess Id: 1ddc\tPage Table: ffff8880`0a000000\tImage: ba?sh\n\n"
              "PROCESS\tffff8880`01000000\n"
              "\tProcess Id: 0002\tPage Table: 00000000`00000000\tImage: kthreadd\n\n");
    const std::string threads =
        "PROCESS\tffff8880`01234000\tIMAGE\tworker\n"
        "\tTHREAD\tffff8880`01235000 (1ddc.1ddd)\tworker\n"
        "\tTHREAD\tffff8880`01234000 (1ddc.1ddc)\tba?sh\n";
    EXPECT_EQ(run(".thread list"), threads);
    EXPECT_EQ(run(".thread list process ffff888001234000"), threads);
    EXPECT_EQ(fail(".thread list process 1000"),
              "err, no process has its task_struct at 00000000`00001000\n"
              ".thread list process 1000\n                     ^\n"
              "hint: '.process list' shows them\n");
}

TEST_F(TaskCommands, AreInTheTaskThatRuns) {
    halt();
    // It stands there already: nothing has to run.
    EXPECT_THAT(run(".process pid 1ddc"), StartsWith("now in process 1ddc\n"));
    EXPECT_THAT(run(".process process ffff8880`01234000"), StartsWith("now in process 1ddc\n"));
    EXPECT_THAT(run(".thread tid 1ddd"), StartsWith("now in thread 1ddd of process 1ddc\n"));
    EXPECT_THAT(run(".thread thread ffff8880`01234000+1000"),
                StartsWith("now in thread 1ddd of process 1ddc\n"));
}

TEST_F(TaskCommands, FindWhoIsToRun) {
    halt();
    EXPECT_EQ(fail(".process pid 5"),
              "err, no such process\n.process pid 5\n             ^\n"
              "hint: '.process list' shows them; numbers are hex, prefix 0n for decimal\n");
    EXPECT_EQ(fail(".process pid 1ddd"),
              "err, no such process\n.process pid 1ddd\n             ^\n"
              "hint: it is a thread of process 1ddc: '.thread tid 1ddd'\n");
    EXPECT_EQ(fail(".process process ffff888001235000"),
              "err, no process has its task_struct at ffff8880`01235000\n"
              ".process process ffff888001235000\n                 ^\n"
              "hint: it is a thread of process 1ddc: '.thread tid 1ddd'\n");
    EXPECT_EQ(fail(".thread tid 5"),
              "err, no such thread\n.thread tid 5\n            ^\n"
              "hint: '.thread list' shows them; numbers are hex, prefix 0n for decimal\n");
    EXPECT_EQ(fail(".thread thread 0"),
              "err, no thread has its task_struct at 00000000`00000000\n"
              ".thread thread 0\n               ^\n"
              "hint: '.thread list' shows where each has its task_struct\n");
    EXPECT_THAT(fail(".process pid xyz"), StartsWith("err, bad pid 'xyz'\n"));
    EXPECT_THAT(fail(".thread tid 100000000"), StartsWith("err, "));
    // This kernel's symbols do not have what every switch goes through.
    EXPECT_THAT(fail(".process pid 2"),
                StartsWith("err, this kernel does not tell where it switches tasks\n"));
}

TEST_F(TaskCommands, RefuseWrongWords) {
    connect_and_load();
    EXPECT_THAT(fail(".process all"), StartsWith("err, wrong use of '.process'\n"));
    EXPECT_THAT(fail(".thread all"), StartsWith("err, wrong use of '.thread'\n"));
    EXPECT_THAT(fail(".thread list all"), StartsWith("err, wrong use of '.thread'\n"));
    EXPECT_THAT(fail(".thread process 1000"), StartsWith("err, wrong use of '.thread'\n"));
    EXPECT_THAT(fail(".thread list process"), StartsWith("err, wrong use of '.thread'\n"));
    EXPECT_THAT(fail(".process list all"), StartsWith("err, wrong use of '.process'\n"));
    EXPECT_THAT(fail(".process list pid 2"), StartsWith("err, wrong use of '.process'\n"));
    EXPECT_THAT(fail(".thread tid 2 process 3"), StartsWith("err, wrong use of '.thread'\n"));
    for (const char* command :
         {".process pid 2", ".process process 1000", ".thread tid 2", ".thread thread 1000"})
        EXPECT_EQ(fail(command), "err, only in Debugger Mode, while the debuggee is halted\n")
            << command;
    EXPECT_THAT(fail(".process pid"), StartsWith("err, wrong use of '.process'\n"));
    session_.set_halted(true);
    EXPECT_THAT(fail(".process pid 2 3"), StartsWith("err, wrong use of '.process'\n"));
    EXPECT_THAT(fail(".process pid 2 process 3"), StartsWith("err, wrong use of '.process'\n"));
    session_.set_halted(false);
    run("unload");
    for (const char* command : {".process", ".process list", ".thread", "rdmsr 10", "wrmsr 10 1",
                                "!apic", "!ioapic", "!pte 1000", "!va2pa 1000", "!pa2va 1000"})
        EXPECT_EQ(fail(command), "err, vmm not loaded; use 'load vmm'\n") << command;
}

}  // namespace
}  // namespace ringside::commands
