// SPDX-License-Identifier: GPL-3.0-or-later
// Hypercalls, MSR accesses and the exits that only keep the guest in line.
#include <gtest/gtest.h>

#include "inspect/inspect.hpp"
#include "support/fake_machine.hpp"
#include "vcpu/hypercall.hpp"

namespace ringside::monitor {
namespace {

using test::FakeBackend;
using test::FakeMachine;
using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::Hypercall;

/// A call of ours from CPL 0; true if root mode stays.
bool call(FakeMachine& machine, Hypercall operation, u64 rdx = 0) {
    machine.backend().registers[RS_FULL_RAX] = vcpu::kHypercallMagic;
    machine.registers[0]->rcx = u64(operation);
    machine.registers[0]->rdx = rdx;
    return machine.exit(ExitReason::kHypercall);
}
u64 answer(FakeMachine& machine) {
    return machine.backend().registers[RS_FULL_RAX];
}
void expect_only_exception(FakeMachine& machine, u8 vector) {
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kException);
    EXPECT_EQ(machine.backend().injected[0].vector, vector);
    EXPECT_EQ(machine.backend().skipped_bytes, 0u);
}

TEST(OnHypercall, AnswersAPingWithTheCore) {
    FakeMachine machine;
    EXPECT_TRUE(call(machine, Hypercall::kPing));
    EXPECT_EQ(answer(machine), vcpu::kPingAnswer);
    EXPECT_EQ(machine.backend().skipped_bytes, 3u);  // 0F 01 D9
}

TEST(OnHypercall, AnswersAnUnknownOperationWithAllOnes) {
    FakeMachine machine;
    EXPECT_TRUE(call(machine, Hypercall{99}));
    EXPECT_EQ(answer(machine), ~u64{0});
}

TEST(OnHypercall, AnswersALook) {
    FakeMachine machine;
    machine.backend().registers[RS_FULL_RIP] = 0x1234;
    rs_registers registers{.size = sizeof registers, .error = 99};
    inspect::Inspection asked{.number = RS_NR_REGISTERS,
                              .result = 99,
                              .bytes = sizeof registers,
                              .image = reinterpret_cast<u8*>(&registers)};
    EXPECT_TRUE(call(machine, Hypercall::kInspect, reinterpret_cast<u64>(&asked)));
    EXPECT_EQ(asked.result, u32{RS_OK});
    EXPECT_EQ(registers.error, u32{RS_OK});
    EXPECT_EQ(registers.value[RS_FULL_RIP], 0x1237u);  // behind the call
    asked.bytes -= 8;
    EXPECT_TRUE(call(machine, Hypercall::kInspect, reinterpret_cast<u64>(&asked)));
    EXPECT_EQ(asked.result, u32{RS_ERR_BAD_IMAGE});
}

TEST(OnHypercall, IsUndefinedForUserMode) {
    FakeMachine machine;
    machine.backend().level = 3;
    EXPECT_TRUE(call(machine, Hypercall::kDevirtualize));
    expect_only_exception(machine, 6);
    EXPECT_FALSE(machine.backend().has_left);
}

TEST(OnHypercall, IsUndefinedForAnotherHypervisorsCall) {
    FakeMachine machine;
    machine.backend().registers[RS_FULL_RAX] = 1;
    EXPECT_TRUE(machine.exit(ExitReason::kHypercall));
    expect_only_exception(machine, 6);
}

TEST(OnHypercall, AdoptsHereAndTellsTheOthers) {
    FakeMachine machine{2};
    machine.engine->announce();
    EXPECT_TRUE(call(machine, Hypercall::kAdopt));
    EXPECT_TRUE(machine.take_nmi_command());
    EXPECT_FALSE(machine.engine->all_adopted(machine.engine->generation()));
    machine.take_nmi(1);
    machine.exit(ExitReason::kNmi, 1);
    EXPECT_TRUE(machine.engine->all_adopted(machine.engine->generation()));
    EXPECT_TRUE(machine.backend(1).injected.empty());
}

TEST(OnHypercall, LeavesWhenNothingWaits) {
    FakeMachine machine;
    EXPECT_FALSE(call(machine, Hypercall::kDevirtualize));
    EXPECT_TRUE(machine.backend().has_left);
    EXPECT_EQ(answer(machine), vcpu::kLeft);
    EXPECT_FALSE(machine.vcpu().is_virtualized);
}

TEST(OnHypercall, StaysWhileAnInterruptWaits) {
    FakeMachine machine;
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    EXPECT_TRUE(call(machine, Hypercall::kDevirtualize));
    EXPECT_EQ(answer(machine), vcpu::kBusy);
    machine.backend().guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_FALSE(call(machine, Hypercall::kDevirtualize));
}

TEST(OnHypercall, StaysWhileAnNmiWaits) {
    FakeMachine machine;
    machine.vcpu().waiting.nmi = machine.vcpu().waiting.nmi_blocked = true;
    EXPECT_TRUE(call(machine, Hypercall::kDevirtualize));
    EXPECT_EQ(answer(machine), vcpu::kBusy);
}

TEST(OnHypercall, StaysUntilAnNmiTakenMeanwhileIsGivenToTheGuest) {
    FakeMachine machine;
    machine.take_nmi();
    EXPECT_TRUE(call(machine, Hypercall::kDevirtualize));
    EXPECT_EQ(answer(machine), vcpu::kBusy);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_FALSE(call(machine, Hypercall::kDevirtualize));
}

TEST(OnHypercall, StaysWhileAnNmiOfOursIsOnItsWay) {
    FakeMachine machine;
    machine.vcpu().owed_nmi = 1;
    EXPECT_TRUE(call(machine, Hypercall::kDevirtualize));
    EXPECT_EQ(answer(machine), vcpu::kBusy);
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    EXPECT_FALSE(call(machine, Hypercall::kDevirtualize));
}

TEST(OnHypercall, LeavesInAnEmergencyWhateverWaits) {
    FakeMachine machine;
    machine.vcpu().waiting.interrupts.add(0x31);
    machine.vcpu().waiting.nmi = true;
    EXPECT_FALSE(call(machine, Hypercall::kDevirtualize, 1));
    EXPECT_EQ(answer(machine), vcpu::kLeft);
}

TEST(OnMsr, ReadsInTwoHalvesAsRdmsrDoes) {
    FakeMachine machine;
    machine.backend().msrs[0xc0000080] = 0x1122'3344'5566'7788;
    machine.backend().registers[RS_FULL_RAX] = ~u64{0};
    *machine.registers[0] = {.rcx = 0xffff'ffff'c000'0080, .rdx = ~u64{0}};
    EXPECT_TRUE(machine.exit(ExitReason::kReadMsr));
    EXPECT_EQ(answer(machine), 0x5566'7788u);
    EXPECT_EQ(machine.registers[0]->rdx, 0x1122'3344u);
    EXPECT_EQ(machine.backend().skipped_bytes, 2u);
}

TEST(OnMsr, WritesTheTwoHalvesOfWrmsr) {
    FakeMachine machine;
    machine.backend().msrs[0xc0000080] = 0;
    machine.backend().registers[RS_FULL_RAX] = 0xffff'ffff'5566'7788;
    *machine.registers[0] = {.rcx = 0xc000'0080, .rdx = 0xffff'ffff'1122'3344};
    EXPECT_TRUE(machine.exit(ExitReason::kWriteMsr));
    EXPECT_EQ(machine.backend().msrs[0xc0000080], 0x1122'3344'5566'7788u);
    EXPECT_EQ(machine.backend().skipped_bytes, 2u);
}

TEST(OnMsr, RaisesGeneralProtectionAtTheInstruction) {
    for (const ExitReason reason : {ExitReason::kReadMsr, ExitReason::kWriteMsr}) {
        FakeMachine machine;
        machine.registers[0]->rcx = 0xc0010117;
        EXPECT_TRUE(machine.exit(reason));
        expect_only_exception(machine, 13);
        EXPECT_TRUE(machine.backend().injected[0].has_error_code);
        EXPECT_EQ(machine.backend().injected[0].error_code, 0u);
    }
}

TEST(OnMsr, LeavesWithEveryRegisterAsItWasWhenTheKernelTurnsVirtualizationOff) {
    FakeMachine machine;
    machine.backend().msrs[0xc0010117] = 0x1000;
    machine.backend().leaving_msr = 0xc0010117;
    machine.backend().registers[RS_FULL_RAX] = 0;
    machine.registers[0]->rcx = 0xc0010117;
    EXPECT_FALSE(machine.exit(ExitReason::kWriteMsr));
    EXPECT_TRUE(machine.backend().has_left);
    EXPECT_EQ(answer(machine), 0u);
    EXPECT_EQ(machine.backend().skipped_bytes, 2u);
}

TEST(OnVirtualizationInstruction, IsUndefinedForTheGuest) {
    FakeMachine machine;
    EXPECT_TRUE(machine.exit(ExitReason::kVirtualizationInstruction));
    expect_only_exception(machine, 6);
    EXPECT_FALSE(machine.backend().injected[0].has_error_code);
}

TEST(Fill, LeavesNoReasonWithoutHandler) {
    vcpu::ExitTable table;
    fill(table);
    for (const auto handler : table.handlers)
        EXPECT_NE(handler, nullptr);
}

TEST(FatalExits, EndTheMachineAndNotTheInvestigation) {
    FakeMachine machine;
    EXPECT_DEATH(machine.exit(ExitReason::kTripleFault), "the machine was reset");
    EXPECT_DEATH(machine.exit(ExitReason::kUnknown), "the machine was stopped");
    EXPECT_DEATH(machine.exit(ExitReason::kNestedPageFault), "the machine was stopped");
}

}  // namespace
}  // namespace ringside::monitor
