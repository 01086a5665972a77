// SPDX-License-Identifier: GPL-3.0-or-later
// Exits VMX has whether one asks for them or not: CPUID, XSETBV, INVD, writes of control registers,
// INIT, and entries the processor refuses. Source: Intel SDM vol. 2A "CPUID", vol. 2D "XSETBV",
// vol. 3C §25.1.2 "Instructions That Cause VM Exits Unconditionally".
#include <gtest/gtest.h>

#include <string>

#include "support/fake_machine.hpp"
#include "support/fake_processor.hpp"
#include "x86/instructions.hpp"

namespace ringside::monitor {
namespace {

using test::FakeMachine;
using vcpu::ExitReason;

constexpr u64 kGarbage = 0xdead'beef'0000'0000;

void expect_general_protection(FakeMachine& machine) {
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, vcpu::EventType::kException);
    EXPECT_EQ(machine.backend().injected[0].vector, 13);
    EXPECT_TRUE(machine.backend().injected[0].has_error_code);
    EXPECT_EQ(machine.backend().injected[0].error_code, 0u);
    EXPECT_EQ(machine.backend().skipped_bytes, 0u);
}

x86::CpuidResult ask(FakeMachine& machine, u32 leaf, u32 subleaf = 0) {
    machine.backend().registers[RS_FULL_RAX] = kGarbage | leaf;
    *machine.registers[0] = {.rcx = kGarbage | subleaf, .rdx = kGarbage, .rbx = kGarbage};
    EXPECT_TRUE(machine.exit(ExitReason::kCpuid));
    const u64 rax = machine.backend().registers[RS_FULL_RAX];
    const vcpu::GuestRegisters& r = *machine.registers[0];
    EXPECT_EQ((rax | r.rbx | r.rcx | r.rdx) >> 32, 0u);  // the upper halves are cleared
    return {u32(rax), u32(r.rbx), u32(r.rcx), u32(r.rdx)};
}

TEST(OnCpuid, TellsWhatTheProcessorSays) {
    FakeMachine machine;
    for (const auto& [leaf, subleaf] :
         {std::pair{0u, 0u}, std::pair{0x8000'0000u, 0u}, std::pair{0x8000'0002u, 0u},
          std::pair{0xdu, 0u}, std::pair{0xdu, 1u}, std::pair{7u, 1u}}) {
        const x86::CpuidResult wanted = x86::cpuid(leaf, subleaf);
        const x86::CpuidResult told = ask(machine, leaf, subleaf);
        EXPECT_EQ(told.eax, wanted.eax) << leaf;
        EXPECT_EQ(told.ebx, wanted.ebx) << leaf;
        EXPECT_EQ(told.ecx, wanted.ecx) << leaf;
        EXPECT_EQ(told.edx, wanted.edx) << leaf;
    }
    EXPECT_EQ(machine.backend().skipped_bytes, 6 * 2u);  // 0F A2
}

TEST(OnCpuid, RepeatsOsxsaveOfTheGuestsCr4) {
    FakeMachine machine;
    constexpr u32 kOsxsave = 1u << 27;
    const u32 others = x86::cpuid(1).ecx & ~kOsxsave;
    machine.backend().registers[RS_FULL_CR4] = 0x37'06f0;
    EXPECT_EQ(ask(machine, 1).ecx, others | kOsxsave);
    machine.backend().registers[RS_FULL_CR4] = 0x33'06f0;
    EXPECT_EQ(ask(machine, 1).ecx, others);
    EXPECT_EQ(ask(machine, 1, 5).ecx, others);  // leaf 1 has no subleaves
}

TEST(OnCpuid, RepeatsOspkeOfTheGuestsCr4) {
    FakeMachine machine;
    constexpr u32 kOspke = 1u << 4;
    const u32 others = x86::cpuid(7).ecx & ~kOspke;
    machine.backend().registers[RS_FULL_CR4] = 0x77'06f0;
    EXPECT_EQ(ask(machine, 7).ecx, others | kOspke);
    EXPECT_EQ(ask(machine, 7, 1).ecx, x86::cpuid(7, 1).ecx);  // bit 4 there is something else
    machine.backend().registers[RS_FULL_CR4] = 0x37'06f0;
    EXPECT_EQ(ask(machine, 7).ecx, others);
}

TEST(OnWriteControlRegister, WritesAndGoesOn) {
    FakeMachine machine;
    machine.backend().control_registers[4] = 0;
    machine.backend().next_exit = {
        .reason = ExitReason::kWriteControlRegister, .address = 4, .detail = 0x37'26f0};
    EXPECT_EQ(vcpu::handle_exit(machine.vcpu()), nullptr);
    EXPECT_EQ(machine.backend().control_registers[4], 0x37'26f0u);
    EXPECT_EQ(machine.backend().skipped_bytes, 3u);  // 0F 22 /r
    EXPECT_TRUE(machine.backend().injected.empty());
}

TEST(OnWriteControlRegister, RaisesGeneralProtectionWhenRefused) {
    FakeMachine machine;
    machine.backend().next_exit = {
        .reason = ExitReason::kWriteControlRegister, .address = 4, .detail = 0};
    EXPECT_EQ(vcpu::handle_exit(machine.vcpu()), nullptr);
    expect_general_protection(machine);
}

bool set_extended_control(FakeMachine& machine, u64 index, u64 value) {
    machine.backend().registers[RS_FULL_RAX] = kGarbage | (value & 0xffff'ffff);
    *machine.registers[0] = {.rcx = kGarbage | index, .rdx = kGarbage | value >> 32};
    return machine.exit(ExitReason::kSetExtendedControl);
}

TEST(OnSetExtendedControl, IsLeftToTheProcessor) {
    test::FakeProcessor processor;
    processor.xcr0_allowed = 0x4'0000'0007;
    FakeMachine machine;
    EXPECT_TRUE(set_extended_control(machine, 0, 0x4'0000'0007));
    EXPECT_EQ(processor.xcr0, 0x4'0000'0007u);
    EXPECT_EQ(machine.backend().skipped_bytes, 3u);  // 0F 01 D1
    EXPECT_TRUE(machine.backend().injected.empty());
}

TEST(OnSetExtendedControl, RaisesGeneralProtectionWhereTheProcessorDoes) {
    test::FakeProcessor processor;
    for (const auto& [index, value] :
         {std::pair{0, 0x6}, std::pair{0, 0x1007}, std::pair{1, 0x7}}) {
        FakeMachine machine;
        EXPECT_TRUE(set_extended_control(machine, u64(index), u64(value)));
        expect_general_protection(machine);
        EXPECT_EQ(processor.xcr0, 1u);
    }
}

TEST(OnSetExtendedControl, IsForTheKernelOnly) {
    test::FakeProcessor processor;
    FakeMachine machine;
    machine.backend().level = 3;
    EXPECT_TRUE(set_extended_control(machine, 0, 7));
    expect_general_protection(machine);
    EXPECT_EQ(processor.xcr0, 1u);
}

TEST(OnInvalidateCaches, WritesEverythingBackFirst) {
    test::FakeProcessor processor;
    FakeMachine machine;
    EXPECT_TRUE(machine.exit(ExitReason::kInvalidateCaches));
    EXPECT_EQ(processor.cache_write_backs, 1u);
    EXPECT_EQ(machine.backend().skipped_bytes, 2u);  // 0F 08
    EXPECT_TRUE(machine.backend().injected.empty());
}

TEST(OnInvalidateCaches, IsForTheKernelOnly) {
    test::FakeProcessor processor;
    FakeMachine machine;
    machine.backend().level = 3;
    EXPECT_TRUE(machine.exit(ExitReason::kInvalidateCaches));
    expect_general_protection(machine);
    EXPECT_EQ(processor.cache_write_backs, 0u);
}

TEST(FatalExits, SayWhatHappenedToThePort) {
    test::FakeProcessor processor;
    FakeMachine machine;
    machine.machine->emergency_log = 1;
    machine.backend().registers[RS_FULL_RIP] = 0xffff'ffff'8110'0000;
    machine.backend().registers[RS_FULL_CR3] = 0x10'2000;
    EXPECT_DEATH(machine.exit(ExitReason::kTripleFault),
                 "ringside: triple fault of the guest, core 0 rip ffffffff81100000 cr3 102000\n"
                 "the machine was reset");
    EXPECT_DEATH(machine.exit(ExitReason::kInit),
                 "ringside: INIT for a virtualized core, 0\nthe machine was stopped");
    machine.backend().next_exit = {.code = 0x4b, .address = 0x1234, .detail = 0x83};
    EXPECT_DEATH(vcpu::handle_exit(machine.vcpu()),
                 "ringside: unexpected exit 4b core 0 address 1234 detail 83 rip "
                 "ffffffff81100000\nthe machine was stopped");
}

TEST(OnEntryFailed, SaysOnWhichCoreAndWhatTheProcessorSaid) {
    FakeMachine machine{2};
    machine.exit(ExitReason::kNmi, 1);
    machine.backend(1).next_exit = {
        .reason = ExitReason::kEntryFailed, .code = 0x8000'0021, .detail = 4};
    EXPECT_NE(vcpu::handle_exit(machine.vcpu(1)), nullptr);
    EXPECT_STREQ(machine.machine->report.text,
                 "ringside: VM entry refused on core 1, code 80000021, qualification 4\n"
                 "the state\n");
    EXPECT_EQ(machine.machine->abandoned[1], 1u);
    EXPECT_EQ(machine.machine->abandoned[0], 0u);
}

TEST(OnEntryFailed, IsTheLaunchsBusinessTheFirstTime) {
    FakeMachine machine;
    machine.backend().level = 0;
    machine.machine->page_table_isolation = 1;
    EXPECT_FALSE(machine.exit(ExitReason::kEntryFailed));
    EXPECT_EQ(machine.machine->abandoned[0], 0u);
    EXPECT_EQ(machine.machine->report.is_taken, 1u);
}

}  // namespace
}  // namespace ringside::monitor
