// SPDX-License-Identifier: GPL-3.0-or-later
// An entry that has to be prepared anew because an NMI was taken behind its preparation (VMX, which
// cannot hold NMIs back), and cores that leave at once with something still to give.
#include <gtest/gtest.h>

#include "support/fake_machine.hpp"
#include "support/fake_processor.hpp"

namespace ringside::vcpu {
namespace {

using test::FakeBackend;
using test::FakeMachine;

/// What the entry code does: takes back what was placed, then settles.
void reconsider(FakeMachine& machine) {
    auto& injected = machine.backend().injected;
    machine.vcpu().waiting.in_flight = injected.empty() ? PendingEvent{} : injected.back();
    injected.clear();
    settle_entry(machine.vcpu());
}

void expect_one_injected(FakeMachine& machine, EventType type, u8 vector) {
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, type);
    EXPECT_EQ(machine.backend().injected[0].vector, vector);
}

TEST(SettleEntry, KeepsTheEventThatWasPlacedAndLatchesAForeignNmi) {
    FakeMachine machine;
    machine.arrive(0x31);
    machine.vcpu().owed_nmi = 1;
    machine.take_nmi();
    machine.take_nmi();
    reconsider(machine);
    expect_one_injected(machine, EventType::kExternalInterrupt, 0x31);
    EXPECT_EQ(machine.stats().delivered.get(), 1u);
    EXPECT_EQ(machine.stats().exits.get(), 1u);
    EXPECT_EQ(machine.stats().sequence.get() % 2, 0u);
    EXPECT_EQ(machine.vcpu().owed_nmi, 0u);
    EXPECT_EQ(machine.vcpu().nmi_seen, machine.vcpu().nmi_count);
    EXPECT_TRUE(machine.vcpu().waiting.nmi);
    EXPECT_TRUE(machine.backend().windows.nmi_window);
    EXPECT_FALSE(machine.vcpu().waiting.in_flight.valid);

    machine.backend().injected.clear();
    machine.exit(ExitReason::kNmiUnblocked);
    expect_one_injected(machine, EventType::kNmi, 2);
}

TEST(SettleEntry, GivesTheGuestNothingForAnNmiOfOurs) {
    FakeMachine machine;
    machine.exit(ExitReason::kInterruptWindow);
    machine.vcpu().owed_nmi = 1;
    machine.take_nmi();
    reconsider(machine);
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_FALSE(machine.vcpu().waiting.nmi);
    EXPECT_FALSE(machine.backend().windows.nmi_window);
}

TEST(SettleEntry, AdoptsWhatTheNmiTellsOf) {
    FakeMachine machine;
    machine.arrive(0x31);
    machine.engine->announce();
    machine.vcpu().owed_nmi = 1;
    machine.take_nmi();
    EXPECT_FALSE(machine.engine->all_adopted(machine.engine->generation()));
    reconsider(machine);
    EXPECT_TRUE(machine.engine->all_adopted(machine.engine->generation()));
    expect_one_injected(machine, EventType::kExternalInterrupt, 0x31);
}

TEST(SettleEntry, GivesAForeignNmiWhereNothingWasPlaced) {
    FakeMachine machine;
    machine.exit(ExitReason::kInterruptWindow);
    machine.take_nmi();
    reconsider(machine);
    expect_one_injected(machine, EventType::kNmi, 2);
    EXPECT_TRUE(machine.vcpu().waiting.nmi_blocked);
}

TEST(SettleEntry, KeepsOneNmiPlacedAndOneLatched) {
    FakeMachine machine;
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    machine.take_nmi();
    reconsider(machine);
    expect_one_injected(machine, EventType::kNmi, 2);
    EXPECT_TRUE(machine.vcpu().waiting.nmi);
    EXPECT_TRUE(machine.vcpu().waiting.nmi_blocked);
}

TEST(SettleEntry, KeepsAnInterruptThatWaitsWaiting) {
    FakeMachine machine;
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    machine.take_nmi();
    reconsider(machine);
    expect_one_injected(machine, EventType::kNmi, 2);
    EXPECT_TRUE(machine.backend().windows.interrupt_window);
    EXPECT_EQ(machine.stats().pending.get(), 1u);
    EXPECT_EQ(machine.stats().delivered.get(), 0u);
}

/// A machine whose local APIC is reached by MSRs, all of them written down.
struct X2apicMachine : FakeMachine {
    X2apicMachine() {
        machine->apic = {true, 0};
        processor.msrs = {{kEoi, 0}, {kIcr, 0}};
        processor.on_write_msr = [this](u32 msr, u64 value) { writes.emplace_back(msr, value); };
    }
    static constexpr u32 kEoi = 0x80b, kIcr = 0x830;
    static constexpr u64 kSelf = u64{0x10} << 32 | 0x4000;  // FakeMachine's APIC id; level assert
    using Writes = std::vector<std::pair<u32, u64>>;
    test::FakeProcessor processor;
    Writes writes;
};

TEST(ReturnInterrupts, EndsAllThatWaitAndSendsThemAnew) {
    X2apicMachine machine;
    WaitingEvents& waiting = machine.vcpu().waiting;
    waiting.interrupts.add(0x31);
    waiting.interrupts.add(0xec);
    waiting.in_flight = {.type = EventType::kExternalInterrupt, .vector = 0x82, .valid = true};
    return_interrupts(machine.vcpu());
    using M = X2apicMachine;
    EXPECT_EQ(machine.writes, (M::Writes{{M::kEoi, 0},
                                         {M::kEoi, 0},
                                         {M::kEoi, 0},
                                         {M::kIcr, M::kSelf | 0xec},
                                         {M::kIcr, M::kSelf | 0x82},
                                         {M::kIcr, M::kSelf | 0x31}}));
    EXPECT_TRUE(waiting.interrupts.empty());
    EXPECT_FALSE(waiting.in_flight.valid);
}

TEST(ReturnInterrupts, EndsAVectorAsOftenAsItWasAccepted) {
    X2apicMachine machine;
    machine.vcpu().waiting.interrupts.add(0xfd);
    machine.vcpu().waiting.interrupts.add(0xfd);
    return_interrupts(machine.vcpu());
    using M = X2apicMachine;
    ASSERT_EQ(machine.writes.size(), 4u);
    EXPECT_EQ(machine.writes[1].first, M::kEoi);
    EXPECT_EQ(machine.writes[2], (std::pair<u32, u64>{M::kIcr, M::kSelf | 0xfd}));
}

TEST(ReturnInterrupts, SendsNothingForAnExceptionInFlight) {
    X2apicMachine machine;
    machine.vcpu().waiting.in_flight = {
        .type = EventType::kException, .vector = 13, .valid = true, .has_error_code = true};
    return_interrupts(machine.vcpu());
    EXPECT_TRUE(machine.writes.empty());
    EXPECT_FALSE(machine.vcpu().waiting.nmi);
}

/// An interrupted entry of an NMI: the guest never saw it.
TEST(Abandon, SendsAnNmiInFlightAnew) {
    X2apicMachine machine;
    machine.exit(ExitReason::kNmi);
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    machine.backend().next_in_flight = machine.backend().injected[0];
    EXPECT_FALSE(machine.exit(ExitReason::kEntryFailed));
    using M = X2apicMachine;
    EXPECT_EQ(machine.writes, (M::Writes{{M::kIcr, u64{0x10} << 32 | 0x4400}}));
}

TEST(Abandon, SaysSoAndLeaves) {
    X2apicMachine machine;
    machine.vcpu().waiting.interrupts.add(0x31);
    EXPECT_EQ(abandon(machine.vcpu()), &machine.backend());
    EXPECT_TRUE(machine.backend().has_left);
    EXPECT_FALSE(machine.vcpu().is_virtualized);
    EXPECT_EQ(machine.machine->abandoned[0], 1u);
    EXPECT_EQ(machine.writes.size(), 2u);
}

}  // namespace
}  // namespace ringside::vcpu
