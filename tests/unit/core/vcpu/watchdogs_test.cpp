// SPDX-License-Identifier: GPL-3.0-or-later
// BRK-6: who stood for long is told by one NMI ahead of everything that waits, and RCU's reports
// are held back by a word of the kernel's.
#include "vcpu/watchdogs.hpp"

#include <gtest/gtest.h>

#include "support/fake_machine.hpp"
#include "vcpu/halt.hpp"

namespace ringside::vcpu {
namespace {

constexpr u64 kTicksPerMs = 1000;

struct WatchedMachine : test::FakeMachine {
    WatchedMachine() : FakeMachine{2} {
        machine->short_circuit.ticks_per_ms = kTicksPerMs;
        machine->ram = {.count = 1, .ranges = {{0x1000, 0x2000}}};
        machine->window = {reinterpret_cast<u64>(page.data()) - 0x1000, &machine->ram};
        machine->stall_suppression = 0x1040;
        machine->vcpus[1]->is_virtualized = false;
    }
    /// Stands for that long more, and goes on.
    void stand(u64 ms) {
        vcpu().stood_ticks += ms * kTicksPerMs;
        tell_watchdogs(vcpu());
    }
    u32& word() { return page[0x40 / 4]; }
    alignas(4096) std::vector<u32> page = std::vector<u32>(1024);
};

TEST(Watchdogs, AreToldByAnNmiAheadOfAnInterrupt) {
    WatchedMachine machine;
    machine.stand(600'000);
    EXPECT_EQ(machine.machine->wakeups[0], kTellWatchdogs);
    machine.arrive(0xec);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
    EXPECT_TRUE(machine.backend().windows.interrupt_window);
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(machine.backend().injected.size(), 2u);
    EXPECT_EQ(machine.backend().injected[1].vector, 0xec);
}

TEST(Watchdogs, AreToldBehindADeliveryThatWasCutShort) {
    WatchedMachine machine;
    machine.stand(600'000);
    machine.backend().next_in_flight =
        PendingEvent{.type = EventType::kExternalInterrupt, .vector = 0xec, .valid = true};
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0xec);
    EXPECT_TRUE(
        machine.backend().windows.nmi_window);  // exits before the handler's first instruction
}

TEST(Watchdogs, AreToldWhenTheHandlerTheMachineWasHaltedInReturns) {
    WatchedMachine machine;
    machine.vcpu().waiting.nmi_blocked = true;
    machine.backend().guest.interrupt_flag = false;
    machine.stand(600'000);
    machine.arrive(0xec);
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_TRUE(machine.backend().windows.nmi_window);
    machine.exit(ExitReason::kNmiUnblocked);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
}

TEST(Watchdogs, AreToldOnceOfManyShortHalts) {
    WatchedMachine machine;
    for (u32 i = 0; i < 199; ++i)
        machine.stand(1);
    EXPECT_FALSE(machine.vcpu().waiting.nmi);
    machine.stand(1);
    EXPECT_TRUE(machine.vcpu().waiting.nmi);
    machine.vcpu().waiting.nmi = false;
    machine.stand(199);
    EXPECT_FALSE(machine.vcpu().waiting.nmi);
}

TEST(Watchdogs, KeepTheReadersWakeUp) {
    WatchedMachine machine;
    machine.machine->wakeups[0] = kWakeReaders;
    machine.stand(1000);
    EXPECT_EQ(machine.machine->wakeups[0], kWakeReaders | kTellWatchdogs);
}

TEST(Watchdogs, AreToldWhenAHaltEndsAndNotWhenOneCoreStepsAlone) {
    WatchedMachine machine;
    HaltReason reason{.reason = RS_HALT_REQUEST};
    machine.vcpu().stood_ticks = kLongHaltMs * kTicksPerMs;  // as if it had stood for long
    machine.machine->exits.operate = [](Vcpu& vcpu) { end_halt(vcpu, true); };
    EXPECT_TRUE(halt_machine(machine.vcpu(), reason));
    EXPECT_EQ(machine.word(), kHeldBackByUs);
    EXPECT_FALSE(machine.vcpu().waiting.nmi);

    machine.machine->exits.operate = [](Vcpu& vcpu) { end_halt(vcpu, false); };
    EXPECT_TRUE(halt_machine(machine.vcpu(), reason));
    EXPECT_TRUE(machine.vcpu().waiting.nmi);
    EXPECT_EQ(machine.word(), kHeldBackByUs);
    EXPECT_NE(machine.machine->halt.resumed_tsc, 0u);
}

TEST(StallReports, AreHeldBackForAWhileBehindTheLastHalt) {
    WatchedMachine machine;
    Halt& halt = machine.machine->halt;
    hold_stall_reports_back(*machine.machine);
    EXPECT_EQ(machine.word(), kHeldBackByUs);
    halt.resumed_tsc = 5000;
    const u64 end = 5000 + kStallGraceMs * kTicksPerMs;
    reconsider_stall_reports(*machine.machine, end - 1);
    EXPECT_EQ(machine.word(), kHeldBackByUs);
    halt.is_taken = 1;  // by another core, just now
    reconsider_stall_reports(*machine.machine, end);
    EXPECT_EQ(machine.word(), kHeldBackByUs);
    halt.is_taken = 0;
    reconsider_stall_reports(*machine.machine, end);
    EXPECT_EQ(machine.word(), 0u);
}

TEST(StallReports, StayAsTheUserHasSetThem) {
    WatchedMachine machine;
    machine.word() = 1;
    hold_stall_reports_back(*machine.machine);
    EXPECT_EQ(machine.word(), 1u);
    let_stalls_be_reported(*machine.machine);
    EXPECT_EQ(machine.word(), 1u);
}

TEST(StallReports, AreLeftAloneWhereTheWordIsUnknown) {
    WatchedMachine machine;
    for (const u64 address : {u64{0}, u64{0x5000}}) {  // not there; no RAM
        machine.machine->stall_suppression = address;
        hold_stall_reports_back(*machine.machine);
        let_stalls_be_reported(*machine.machine);
    }
    EXPECT_EQ(machine.word(), 0u);
}

}  // namespace
}  // namespace ringside::vcpu
