// SPDX-License-Identifier: GPL-3.0-or-later
#include "vcpu/guest_view.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "support/fake_backend.hpp"
#include "support/guest_memory.hpp"

namespace ringside::vcpu {
namespace {

using script::TaskValue;
using test::GuestMemory;

constexpr u64 kDirectMap = 0xffff'8880'0000'0000;
constexpr u64 kInitTask = 0xffff'ffff'8260'0000;
constexpr Gva kFirst{0xffff'c900'0000'1000};
constexpr Gva kSecond{0xffff'c900'0000'2000};

class GuestViewTest : public testing::Test {
protected:
    explicit GuestViewTest(u32 levels = 4) : guest{levels} {
        machine->ram = guest.ram();
        machine->window_base = guest.window_base();
        machine->window = {guest.window_base(), &machine->ram};
        machine->tasks = {.direct_map = kDirectMap,
                          .init_task = kInitTask,
                          .init_task_physical = guest.take_page(),
                          .pid = 0x100,
                          .tgid = 0x104,
                          .comm = 0x200,
                          .group_leader = 0x110,
                          .mm = 0x120,
                          .fs_base = 0x300};
        vcpu.machine = machine.get();
        vcpu.backend = &backend;
        vcpu.registers = &registers;
        vcpu.current_slot = &current;
        backend.registers[RS_FULL_CR3] = guest.paging().cr3;
        backend.registers[RS_FULL_CR4] = levels == 5 ? 0x1020 : 0x20;
    }

    /// Two pages that follow each other, not in memory.
    void map_two(u64 rights_of_second = test::kKernelData) {
        guest.map(kSecond, rights_of_second).map(kFirst);
    }
    void own(Hpa page) {
        if (machine->owned.needs_map(page))
            machine->owned.adopt_map(page, guest.take_page());
        machine->owned.set(page, true, guest.window_base());
    }
    std::string text(Gva at, usize count) {
        std::string bytes;
        for (usize i = 0; i < count; ++i)
            bytes += static_cast<char>(*guest.at(at + i));
        return bytes;
    }

    GuestMemory guest;
    test::FakeBackend backend;
    GuestRegisters registers{};
    u64 current = 0;
    std::unique_ptr<Machine> machine = std::make_unique<Machine>();
    Vcpu vcpu;
    GuestView view{(vcpu.machine = machine.get(), vcpu)};
};

class GuestViewOfFiveLevels : public GuestViewTest {
protected:
    GuestViewOfFiveLevels() : GuestViewTest{5} {}
};

TEST_F(GuestViewTest, ReadsTheRegistersTheEntryCodeSaved) {
    registers = {.rcx = 1,
                 .rdx = 2,
                 .rbx = 3,
                 .rbp = 4,
                 .rsi = 5,
                 .rdi = 6,
                 .r8 = 8,
                 .r9 = 9,
                 .r10 = 10,
                 .r11 = 11,
                 .r12 = 12,
                 .r13 = 13,
                 .r14 = 14,
                 .r15 = 15};
    EXPECT_EQ(view.read_register(RS_FULL_RCX), 1u);
    EXPECT_EQ(view.read_register(RS_FULL_RDX), 2u);
    EXPECT_EQ(view.read_register(RS_FULL_RBX), 3u);
    EXPECT_EQ(view.read_register(RS_FULL_RBP), 4u);
    EXPECT_EQ(view.read_register(RS_FULL_RSI), 5u);
    EXPECT_EQ(view.read_register(RS_FULL_RDI), 6u);
    EXPECT_EQ(view.read_register(RS_FULL_R8), 8u);
    EXPECT_EQ(view.read_register(RS_FULL_R11), 11u);
    EXPECT_EQ(view.read_register(RS_FULL_R15), 15u);
}

TEST_F(GuestViewTest, AsksTheBackendForTheOthers) {
    backend.registers[RS_FULL_RAX] = 0xaa;
    backend.registers[RS_FULL_RSP] = 0xbb;
    EXPECT_EQ(view.read_register(RS_FULL_RAX), 0xaau);
    EXPECT_EQ(view.read_register(RS_FULL_RSP), 0xbbu);
    EXPECT_TRUE(view.write_register(RS_FULL_RAX, 0xcc));
    EXPECT_EQ(backend.registers[RS_FULL_RAX], 0xccu);
}

TEST_F(GuestViewTest, WritesTheRegistersTheEntryCodeLoads) {
    EXPECT_TRUE(view.write_register(RS_FULL_R10, 0x1234));
    EXPECT_EQ(registers.r10, 0x1234u);
    EXPECT_EQ(backend.registers[RS_FULL_R10], 0u);
}

TEST_F(GuestViewTest, ReadsAcrossPages) {
    map_two();
    guest.set(kSecond + (-4), std::array<char, 8>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'});
    char read[9] = {};
    EXPECT_TRUE(view.read_memory(kSecond + (-4), read, 8));
    EXPECT_STREQ(read, "abcdefgh");
}

TEST_F(GuestViewTest, ReadsNothingBehindAHole) {
    guest.map(kFirst);
    char read[8];
    EXPECT_TRUE(view.read_memory(kSecond + (-8), read, 8));
    EXPECT_FALSE(view.read_memory(kSecond + (-7), read, 8));
}

TEST_F(GuestViewTest, ReadsNoBytesAnywhere) {
    EXPECT_TRUE(view.read_memory(Gva{0x0000'8000'0000'0000}, nullptr, 0));
}

TEST_F(GuestViewTest, ReadsUpToTheLastByteButNotAround) {
    const Gva last{0xffff'ffff'ffff'f000};
    guest.map(last).map(Gva{0});
    char read[16];
    EXPECT_TRUE(view.read_memory(last + (kPageSize - 16), read, 16));
    EXPECT_FALSE(view.read_memory(last + (kPageSize - 8), read, 16));
}

TEST_F(GuestViewTest, WritesUpToTheLastByteButNotAround) {
    const Gva last{0xffff'ffff'ffff'f000};
    guest.map(last).map(Gva{0});
    EXPECT_TRUE(view.write_memory(last + (kPageSize - 4), "abcd", 4));
    EXPECT_EQ(text(last + (kPageSize - 4), 4), "abcd");
    EXPECT_FALSE(view.write_memory(last + (kPageSize - 4), "efghijkl", 8));
    EXPECT_EQ(text(last + (kPageSize - 4), 4), "abcd");
    EXPECT_EQ(*guest.at(Gva{0}), 0);
}

TEST_F(GuestViewTest, WritesAcrossPagesAndMarksThemDirty) {
    map_two();
    EXPECT_TRUE(view.write_memory(kSecond + (-3), "abcdefgh", 8));
    EXPECT_EQ(text(kSecond + (-3), 8), "abcdefgh");
    EXPECT_EQ(guest.entry(kFirst, 1) & 0x60, 0x60u);
    EXPECT_EQ(guest.entry(kSecond, 1) & 0x60, 0x60u);
}

TEST_F(GuestViewTest, WritesAllOrNothing) {
    map_two(test::kReadOnly);
    EXPECT_FALSE(view.write_memory(kSecond + (-3), "abcdefgh", 8));
    EXPECT_EQ(text(kSecond + (-3), 8), std::string(8, '\0'));
    guest.unmap(kSecond);
    EXPECT_FALSE(view.write_memory(kSecond + (-3), "abcdefgh", 8));
    EXPECT_EQ(text(kFirst + (kPageSize - 3), 3), std::string(3, '\0'));
}

TEST_F(GuestViewTest, WritesNoReadOnlyPage) {
    guest.map(kFirst, test::kReadOnly);
    EXPECT_FALSE(view.write_memory(kFirst, "a", 1));
    EXPECT_EQ(*guest.at(kFirst), 0);
}

TEST_F(GuestViewTest, WritesNoBytesAnywhereThatIsMapped) {
    guest.map(kFirst);
    EXPECT_TRUE(view.write_memory(kFirst, nullptr, 0));
}

TEST_F(GuestViewTest, ReachesNoPageOfRootMode) {
    map_two();
    own(guest.physical(kSecond));
    char read[8];
    EXPECT_TRUE(view.read_memory(kFirst, read, 8));
    EXPECT_FALSE(view.read_memory(kSecond, read, 8));
    EXPECT_FALSE(view.read_memory(kSecond + (-4), read, 8));
    EXPECT_FALSE(view.write_memory(kSecond, "a", 1));
    EXPECT_FALSE(view.write_memory(kSecond + (-4), "abcdefgh", 8));
    EXPECT_FALSE(view.read_physical(Gpa{guest.physical(kSecond).value()}, read, 8));
    EXPECT_FALSE(view.write_physical(Gpa{guest.physical(kSecond).value()}, "a", 1));
    u64 expected = 0;
    EXPECT_FALSE(view.compare_exchange(kSecond, 8, expected, 1));
    EXPECT_EQ(*guest.at(kSecond), 0);
    EXPECT_EQ(text(kFirst + (kPageSize - 4), 4), std::string(4, '\0'));
}

TEST_F(GuestViewTest, SetsNoBitsInATableThatIsAPageOfRootMode) {
    guest.map(kFirst);
    const u64 leaf = guest.entry(kFirst, 1);
    own(machine->window.address_of(&guest.entry(kFirst, 1)));
    EXPECT_FALSE(view.write_memory(kFirst, "a", 1));
    u64 expected = 0;
    EXPECT_FALSE(view.compare_exchange(kFirst, 8, expected, 1));
    EXPECT_EQ(guest.entry(kFirst, 1), leaf);
}

TEST_F(GuestViewTest, ReachesNoDeviceRegister) {
    guest.map(kFirst, Hpa{0xfee0'0000}, test::kKernelData);
    char read[8];
    EXPECT_FALSE(view.read_memory(kFirst, read, 4));
    EXPECT_FALSE(view.write_memory(kFirst, "a", 1));
    EXPECT_FALSE(view.read_physical(Gpa{0xfee0'0000}, read, 4));
}

TEST_F(GuestViewTest, CopiesPhysicalMemory) {
    const Gpa page{guest.take_page().value()};
    guest.take_page();
    EXPECT_TRUE(view.write_physical(page + (kPageSize - 4), "abcdefgh", 8));
    char read[9] = {};
    EXPECT_TRUE(view.read_physical(page + (kPageSize - 4), read, 8));
    EXPECT_STREQ(read, "abcdefgh");
}

TEST_F(GuestViewTest, CopiesNoPhysicalMemoryBeyondRam) {
    char read[8] = {};
    EXPECT_TRUE(view.read_physical(Gpa{guest.ram_end() - 8}, read, 8));
    EXPECT_FALSE(view.read_physical(Gpa{guest.ram_end() - 7}, read, 8));
    EXPECT_FALSE(view.write_physical(Gpa{guest.ram_end() - 7}, read, 8));
    EXPECT_FALSE(view.read_physical(Gpa{GuestMemory::kRamStart - 1}, read, 8));
    EXPECT_FALSE(view.read_physical(Gpa{~u64{0} - 3}, read, 8));
    EXPECT_FALSE(view.write_physical(Gpa{~u64{0}}, read, 1));
}

TEST_F(GuestViewTest, ExchangesEightBytes) {
    guest.map(kFirst).set(kFirst + 8, u64{0x1122'3344'5566'7788});
    u64 expected = 0x1122'3344'5566'7788;
    EXPECT_TRUE(view.compare_exchange(kFirst + 8, 8, expected, 5));
    EXPECT_EQ(expected, 0x1122'3344'5566'7788u);
    EXPECT_EQ(guest.get<u64>(kFirst + 8), 5u);
    EXPECT_EQ(guest.entry(kFirst, 1) & 0x60, 0x60u);
}

TEST_F(GuestViewTest, ExchangesFourBytesAndLeavesTheNextAlone) {
    guest.map(kFirst).set(kFirst, u64{0xffff'ffff'0000'0007});
    u64 expected = 7;
    EXPECT_TRUE(view.compare_exchange(kFirst, 4, expected, 9));
    EXPECT_EQ(expected, 7u);
    EXPECT_EQ(guest.get<u64>(kFirst), 0xffff'ffff'0000'0009u);
}

TEST_F(GuestViewTest, GivesTheOldValueWhenItExchangesNothing) {
    guest.map(kFirst).set(kFirst, u64{0xffff'ffff'0000'0007});
    u64 expected = 8;
    EXPECT_TRUE(view.compare_exchange(kFirst, 4, expected, 9));
    EXPECT_EQ(expected, 7u);
    expected = 8;
    EXPECT_TRUE(view.compare_exchange(kFirst, 8, expected, 9));
    EXPECT_EQ(expected, 0xffff'ffff'0000'0007u);
    EXPECT_EQ(guest.get<u64>(kFirst), 0xffff'ffff'0000'0007u);
}

TEST_F(GuestViewTest, ExchangesNothingThatIsMisalignedOrReadOnly) {
    guest.map(kFirst).map(kSecond, test::kReadOnly);
    u64 expected = 0;
    EXPECT_FALSE(view.compare_exchange(kFirst + 4, 8, expected, 1));
    EXPECT_FALSE(view.compare_exchange(kFirst + 2, 4, expected, 1));
    EXPECT_TRUE(view.compare_exchange(kFirst + 4, 4, expected, 1));
    expected = 0;
    EXPECT_FALSE(view.compare_exchange(kSecond, 8, expected, 1));
}

TEST_F(GuestViewTest, TranslatesAddresses) {
    guest.map(kFirst);
    Gpa physical;
    EXPECT_TRUE(view.translate(kFirst + 0x123, physical));
    EXPECT_EQ(physical.value(), guest.physical(kFirst).value() + 0x123);
    EXPECT_FALSE(view.translate(kSecond, physical));
}

TEST_F(GuestViewTest, KnowsTheDirectMap) {
    EXPECT_EQ(view.physical_to_virtual(Gpa{GuestMemory::kRamStart + 5}),
              kDirectMap + GuestMemory::kRamStart + 5);
    EXPECT_EQ(view.physical_to_virtual(Gpa{0xfee0'0000}), 0u);
}

TEST_F(GuestViewOfFiveLevels, WalksFiveLevels) {
    const Gva high{0xff12'3456'789a'b000};
    guest.map(high);
    EXPECT_TRUE(view.write_memory(high, "five", 4));
    EXPECT_EQ(text(high, 4), "five");
}

TEST_F(GuestViewTest, TakesKernelAddressesFromTheKernelsTablesUnderIsolation) {
    // Bit 12 of CR3 chooses user mode's tables, which lie one page behind the kernel's.
    GuestMemory tables;  // page 0: the kernel's top level
    tables.take_page();  // page 1: user mode's, empty
    tables.map(kFirst).map(Gva{0x40'0000}, test::kUserData);
    machine->window = {tables.window_base(), &tables.ram()};
    machine->window_base = tables.window_base();
    ASSERT_EQ(tables.paging().cr3 & 0x1000, 0u);
    backend.registers[RS_FULL_CR3] = tables.paging().cr3 | 0x1000 | 0x805;

    char read[1];
    EXPECT_FALSE(view.read_memory(kFirst, read, 1));
    machine->page_table_isolation = 1;
    EXPECT_TRUE(view.read_memory(kFirst, read, 1));
    // User mode's addresses are taken as user mode sees them.
    EXPECT_FALSE(view.read_memory(Gva{0x40'0000}, read, 1));
}

/// A task_struct as the fixture's layout says, in the direct map.
struct Task {
    static u64 make(GuestMemory& guest, u32 pid, u32 tgid, u64 leader, u64 mm) {
        const Hpa page = guest.take_page();
        fill(guest.host(page), pid, tgid, leader, mm);
        return kDirectMap + page.value();
    }
    static void fill(u8* at, u32 pid, u32 tgid, u64 leader, u64 mm) {
        std::memcpy(at + 0x100, &pid, 4);
        std::memcpy(at + 0x104, &tgid, 4);
        std::memcpy(at + 0x110, &leader, 8);
        std::memcpy(at + 0x120, &mm, 8);
    }
};

TEST_F(GuestViewTest, KnowsTheRunningTask) {
    const u64 leader = Task::make(guest, 490, 490, 0, 0x7777);
    current = Task::make(guest, 495, 490, leader, 0x7777);
    backend.registers[RS_FULL_FSBASE] = 0x7f00'1234'5000;
    EXPECT_EQ(view.task_value(TaskValue::kPid), 490u);
    EXPECT_EQ(view.task_value(TaskValue::kTid), 495u);
    EXPECT_EQ(view.task_value(TaskValue::kTask), current);
    EXPECT_EQ(view.task_value(TaskValue::kLeader), leader);
    EXPECT_EQ(view.task_value(TaskValue::kComm), leader + 0x200);
    EXPECT_EQ(view.task_value(TaskValue::kMm), 0x7777u);
    EXPECT_EQ(view.task_value(TaskValue::kUserFsBase), 0x7f00'1234'5000u);
}

TEST_F(GuestViewTest, GivesKernelThreadsNoUserState) {
    current = Task::make(guest, 12, 12, 0, 0);
    backend.registers[RS_FULL_FSBASE] = 0x7f00'1234'5000;
    EXPECT_EQ(view.task_value(TaskValue::kMm), 0u);
    EXPECT_EQ(view.task_value(TaskValue::kUserFsBase), 0u);
}

TEST_F(GuestViewTest, FindsTheBootIdleTaskInTheKernelImage) {
    current = kInitTask;
    Task::fill(guest.host(machine->tasks.init_task_physical), 0, 0, kInitTask, 0);
    *guest.host(machine->tasks.init_task_physical + 0x104) = 77;
    EXPECT_EQ(view.task_value(TaskValue::kPid), 77u);
    EXPECT_EQ(view.task_value(TaskValue::kTid), 0u);
    EXPECT_EQ(view.task_value(TaskValue::kLeader), kInitTask);
}

TEST_F(GuestViewTest, ReadsNothingThroughABadTaskPointer) {
    for (const u64 bad : {u64{0}, kDirectMap + 0xfee0'0000, u64{0x1234}, ~u64{0}}) {
        current = bad;
        EXPECT_EQ(view.task_value(TaskValue::kPid), 0u) << bad;
        EXPECT_EQ(view.task_value(TaskValue::kMm), 0u) << bad;
        EXPECT_EQ(view.task_value(TaskValue::kTask), bad);
    }
}

TEST_F(GuestViewTest, KnowsItsCoreAndATimeThatGoesOn) {
    vcpu.core = 3;
    EXPECT_EQ(view.core(), 3u);
    const u64 before = view.tsc();
    EXPECT_GE(view.tsc(), before);
}

}  // namespace
}  // namespace ringside::vcpu
