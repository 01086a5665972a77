// SPDX-License-Identifier: GPL-3.0-or-later
#include "vcpu/exit_loop.hpp"

#include <gtest/gtest.h>

#include "support/fake_machine.hpp"
#include "unit/core/event/fixture.hpp"
#include "vcpu/hypercall.hpp"

namespace ringside::vcpu {
namespace {

using test::FakeBackend;
using test::FakeMachine;

constexpr PendingEvent kStackFault{.type = EventType::kException,
                                   .vector = 14,
                                   .valid = true,
                                   .has_error_code = true,
                                   .error_code = 2,
                                   .address = 0xffff'c900'0000'0fd8};

/// Every arrival is somewhere, DLV-1.
void expect_no_loss(FakeMachine& machine) {
    const event::CoreStats& stats = machine.stats();
    EXPECT_EQ(stats.arrivals.get(),
              stats.delivered.get() + stats.ignored.get() + stats.pending.get());
    EXPECT_EQ(stats.pending.get(), machine.vcpu().waiting.interrupts.count());
    EXPECT_EQ(stats.sequence.get() % 2, 0u);
}

TEST(HandleExit, DeliversAnArrivalAtOnce) {
    FakeMachine machine;

    EXPECT_TRUE(machine.arrive(0x31));

    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0x31);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kExternalInterrupt);
    EXPECT_TRUE(machine.backend().nmis_are_blocked);
    EXPECT_EQ(machine.stats().arrivals.get(), 1u);
    EXPECT_EQ(machine.stats().delivered.get(), 1u);
    EXPECT_EQ(machine.stats().interrupt_exits.get(), 1u);
    EXPECT_EQ(machine.stats().exits.get(), 1u);
    expect_no_loss(machine);
}

TEST(HandleExit, KeepsAnArrivalUntilItsWindowOpens) {
    FakeMachine machine;
    FakeBackend& backend = machine.backend();
    backend.guest.interrupt_flag = false;

    machine.arrive(0x31);
    EXPECT_TRUE(backend.injected.empty());
    EXPECT_TRUE(backend.windows.interrupt_window);
    EXPECT_EQ(machine.stats().pending.get(), 1u);
    expect_no_loss(machine);

    backend.guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(backend.injected.size(), 1u);
    EXPECT_EQ(backend.injected[0].vector, 0x31);
    EXPECT_FALSE(backend.windows.interrupt_window);
    EXPECT_EQ(machine.stats().pending.get(), 0u);
    expect_no_loss(machine);
}

TEST(HandleExit, DeliversTheHigherOfTwoFirst) {
    FakeMachine machine;
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    machine.arrive(0xef);
    machine.backend().guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(machine.backend().injected.size(), 2u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0xef);
    EXPECT_EQ(machine.backend().injected[1].vector, 0x31);
    expect_no_loss(machine);
}

TEST(HandleExit, WaitsInTheGuestsSteadAndDeliversBehindTheHalt) {
    FakeMachine machine;
    machine.backend().interrupts.push_back(0xec);
    machine.exit(ExitReason::kHalt);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0xec);
    EXPECT_EQ(machine.backend().skipped_bytes, 1u);
    EXPECT_EQ(machine.stats().interrupt_exits.get(), 1u);
    EXPECT_EQ(machine.stats().sequence.get() % 2, 0u);
    expect_no_loss(machine);
}

TEST(HandleExit, HaltsAgainWhenOnlyAnNmiOfOursCame) {
    FakeMachine machine;
    machine.exit(ExitReason::kHalt);
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.backend().skipped_bytes, 0u);
}

TEST(HandleExit, GoesOnWhenTheInterruptHasVanished) {
    FakeMachine machine;
    EXPECT_TRUE(machine.exit(ExitReason::kExternalInterrupt));
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.stats().arrivals.get(), 0u);
}

TEST(HandleExit, KeepsARefusedInterruptAndGivesTheFault) {
    FakeMachine machine;
    FakeBackend& backend = machine.backend();
    backend.next_refusal = kStackFault;

    machine.arrive(0x31);

    ASSERT_EQ(backend.injected.size(), 1u);
    EXPECT_EQ(backend.injected[0].vector, 14);
    EXPECT_EQ(backend.injected[0].error_code, 2u);
    EXPECT_EQ(backend.injected[0].address, kStackFault.address);
    EXPECT_TRUE(backend.windows.interrupt_window);
    EXPECT_EQ(machine.stats().delivered.get(), 0u);
    expect_no_loss(machine);

    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(backend.injected.size(), 2u);
    EXPECT_EQ(backend.injected[1].vector, 0x31);
    expect_no_loss(machine);
}

TEST(HandleExit, CountsARedeliveryThatIsRefusedOnlyWhenItSucceeds) {
    FakeMachine machine;
    FakeBackend& backend = machine.backend();
    machine.arrive(0x31);
    EXPECT_EQ(machine.stats().delivered.get(), 1u);
    backend.next_in_flight =
        PendingEvent{.type = EventType::kExternalInterrupt, .vector = 0x31, .valid = true};
    backend.next_refusal = kStackFault;
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(machine.stats().delivered.get(), 0u);
    expect_no_loss(machine);
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.stats().delivered.get(), 1u);
    expect_no_loss(machine);
}

TEST(HandleExit, RedeliversAnInterruptCutShortWithoutCountingItTwice) {
    FakeMachine machine;
    machine.arrive(0x31);
    machine.backend().next_in_flight = machine.backend().injected[0];
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 2u);
    EXPECT_EQ(machine.backend().injected[1].vector, 0x31);
    EXPECT_EQ(machine.stats().delivered.get(), 1u);
    expect_no_loss(machine);
}

TEST(HandleExit, GivesAForeignNmiToTheGuest) {
    FakeMachine machine;
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
    EXPECT_EQ(machine.stats().nmi_exits.get(), 1u);
}

TEST(HandleExit, KeepsAnOwedNmiToItself) {
    FakeMachine machine;
    machine.vcpu().owed_nmi = 1;
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.vcpu().owed_nmi, 0u);

    // The debt is paid: the next one is the guest's.
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
}

TEST(HandleExit, GivesAForeignNmiBesideAnOwedOneToTheGuest) {
    FakeMachine machine;
    machine.vcpu().owed_nmi = 1;
    machine.take_nmi();
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
}

TEST(HandleExit, TakesTwoForeignNmisForOneAsTheHardwareDoes) {
    FakeMachine machine;
    machine.take_nmi();
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    machine.exit(ExitReason::kNmiUnblocked);
    EXPECT_EQ(machine.backend().injected.size(), 1u);
}

TEST(HandleExit, HoldsASecondNmiUntilTheGuestLeavesItsHandler) {
    FakeMachine machine;
    FakeBackend& backend = machine.backend();
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(backend.injected.size(), 1u);
    EXPECT_TRUE(backend.windows.nmi_window);

    machine.exit(ExitReason::kNmiUnblocked);
    EXPECT_EQ(backend.injected.size(), 2u);
    machine.exit(ExitReason::kNmiUnblocked);
    EXPECT_EQ(backend.injected.size(), 2u);
    EXPECT_FALSE(backend.windows.nmi_window);
}

TEST(HandleExit, LooksAgainWhenAnNmiComesBeforeTheLastLook) {
    FakeMachine machine;
    machine.backend().on_block_nmis = [&] { machine.take_nmi(); };
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.backend().last_looks, 2u);
    EXPECT_TRUE(machine.backend().nmis_are_blocked);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].type, EventType::kNmi);
}

TEST(HandleExit, AdoptsWhatIsPublishedBeforeTheLastLook) {
    // The NMI that tells of a publication lands between the first look and the last.
    FakeMachine machine;
    machine.backend().on_block_nmis = [&] {
        machine.engine->announce();
        machine.vcpu().owed_nmi = 1;
        machine.take_nmi();
    };
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_TRUE(machine.engine->all_adopted(machine.engine->generation()));
    EXPECT_TRUE(machine.backend().injected.empty());
}

/// An event for one vector that all cores adopt; and its registry.
struct OneEvent {
    explicit OneEvent(FakeMachine& machine) : machine_{machine} {
        EXPECT_TRUE(registry->open(*machine.engine, facts));
        machine.engine->rings().add_owner(kClient);
    }
    ~OneEvent() { registry->close(); }
    void add(u32 core = RS_ANY) {
        const auto image =
            event::ImageBuilder{}.vector(0x31).core(core).script(event::printing("hit")).build();
        const auto tag = registry->add(image, kClient);
        ASSERT_TRUE(tag) << std::hex << tag.error().code;
    }
    void clear() { registry->clear_all(); }

    static constexpr u32 kClient = 7;
    event::FakeMachine facts;
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();
    FakeMachine& machine_;
};

TEST(HandleExit, InterceptsInterruptsOnlyWhileAnEventWantsThem) {
    FakeMachine machine;
    OneEvent event{machine};
    const auto& calls = machine.backend().intercept_calls;

    machine.exit(ExitReason::kNmi);
    EXPECT_TRUE(calls.empty());
    event.add();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(calls, (std::vector<bool>{true}));
    event.add();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(calls, (std::vector<bool>{true}));  // wanted already
    event.clear();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(calls, (std::vector<bool>{true, false}));
    machine.engine->announce();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(calls, (std::vector<bool>{true, false}));
}

TEST(HandleExit, InterceptsNothingOnACoreNoEventNames) {
    FakeMachine machine{2};
    OneEvent event{machine};
    event.add(1);
    machine.exit(ExitReason::kNmi, 0);
    machine.exit(ExitReason::kNmi, 1);
    EXPECT_TRUE(machine.backend(0).intercept_calls.empty());
    EXPECT_EQ(machine.backend(1).intercept_calls, (std::vector<bool>{true}));
}

TEST(HandleExit, KeepsInterceptingUntilWhatWaitsIsDelivered) {
    FakeMachine machine;
    OneEvent event{machine};
    event.add();
    machine.exit(ExitReason::kNmi);
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    event.clear();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(machine.backend().intercept_calls, (std::vector<bool>{true}));
    machine.backend().guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.backend().intercept_calls, (std::vector<bool>{true, false}));
}

TEST(HandleExit, NeverDropsAPendingInterruptWhenTheEventGoes) {
    FakeMachine machine;
    OneEvent event{machine};
    event.add();
    machine.exit(ExitReason::kNmi);
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    event.clear();
    machine.exit(ExitReason::kNmi);
    machine.backend().guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0x31);
    expect_no_loss(machine);
}

TEST(HandleExit, LeavesWhenTheVeryFirstEntryFails) {
    FakeMachine machine;
    EXPECT_FALSE(machine.exit(ExitReason::kEntryFailed));
    EXPECT_TRUE(machine.backend().has_left);
    EXPECT_TRUE(machine.backend().nmis_are_blocked);
    EXPECT_FALSE(machine.vcpu().is_virtualized);
    EXPECT_EQ(machine.backend().registers[RS_FULL_RAX], kLeft);  // what the launch code returns
    EXPECT_EQ(machine.stats().sequence.get() % 2, 0u);
}

/// A hypercall with which the kernel asks root mode to leave this core.
bool leave(FakeMachine& machine) {
    machine.backend().registers[RS_FULL_RAX] = kHypercallMagic;
    machine.registers[0]->rcx = u64(Hypercall::kDevirtualize);
    machine.registers[0]->rdx = 0;
    return !machine.exit(ExitReason::kHypercall);
}

TEST(HandleExit, SendsTheKernelAnNmiThatCameWhileItLeft) {
    FakeMachine machine;
    machine.backend().on_block_nmis = [&] { machine.take_nmi(); };
    EXPECT_TRUE(leave(machine));
    EXPECT_TRUE(machine.take_nmi_command());
}

TEST(HandleExit, SendsTheKernelNoNmiOfItsOwn) {
    FakeMachine machine;
    machine.backend().on_block_nmis = [&] {
        machine.vcpu().owed_nmi = 1;
        machine.take_nmi();
    };
    EXPECT_TRUE(leave(machine));
    EXPECT_FALSE(machine.take_nmi_command());
}

/// VMX accepts interrupts whenever they come. While the handler of 0x41 runs, 0xfd is accepted; the
/// handler's EOI takes 0xfd out of service, as it is the highest there, and 0xfd comes once more.
/// Both stand in service now as 0x41 and 0xfd: if the guest got one 0xfd, 0x41 would stay in
/// service for ever, and with it every interrupt of its class and below would be held back.
TEST(HandleExit, GivesAVectorAsOftenAsItWasAccepted) {
    FakeMachine machine;
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0xfd);
    machine.arrive(0xfd);
    expect_no_loss(machine);
    machine.backend().guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_TRUE(machine.backend().windows.interrupt_window);
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(machine.backend().injected.size(), 2u);
    EXPECT_EQ(machine.backend().injected[0].vector, 0xfd);
    EXPECT_EQ(machine.backend().injected[1].vector, 0xfd);
    EXPECT_FALSE(machine.backend().windows.interrupt_window);
    expect_no_loss(machine);
}

TEST(HandleExit, LeavesTheGuestToItselfWhenALaterEntryFails) {
    FakeMachine machine;
    machine.backend().guest.interrupt_flag = false;
    machine.arrive(0x31);
    machine.arrive(0x82);
    EXPECT_FALSE(machine.exit(ExitReason::kEntryFailed));
    EXPECT_TRUE(machine.backend().has_left);
    EXPECT_FALSE(machine.vcpu().is_virtualized);
    EXPECT_EQ(machine.machine->abandoned[0], 1u);
    // Accepted interrupts are raised anew, the last one sent is the lowest.
    EXPECT_TRUE(machine.vcpu().waiting.interrupts.empty());
    EXPECT_EQ(machine.apic_registers[0x300 / 4], 0x4031u);
    const std::string report = machine.machine->report.text;
    EXPECT_NE(report.find("VM entry refused on core 0"), std::string::npos);
    EXPECT_NE(report.find("the state\n"), std::string::npos);
}

TEST(HandleExit, StopsTheMachineWhenAnEntryFailsOnTablesWithoutTheKernel) {
    FakeMachine machine;
    machine.machine->page_table_isolation = 1;
    machine.exit(ExitReason::kNmi);
    machine.backend().level = 3;
    EXPECT_DEATH(machine.exit(ExitReason::kEntryFailed), "the machine was stopped");
}

TEST(SignalOtherCores, OwesEachAnNmiOnce) {
    FakeMachine machine{3};
    signal_other_cores(machine.vcpu(0));
    EXPECT_TRUE(machine.take_nmi_command());
    EXPECT_EQ(machine.vcpu(0).owed_nmi, 0u);
    EXPECT_EQ(machine.vcpu(1).owed_nmi, 1u);
    EXPECT_EQ(machine.vcpu(2).owed_nmi, 1u);

    signal_other_cores(machine.vcpu(0));  // both are on their way still
    EXPECT_FALSE(machine.take_nmi_command());
}

TEST(SignalOtherCores, LeavesOutCoresThatAreNotVirtualized) {
    FakeMachine machine{3};
    machine.vcpu(1).is_virtualized = false;
    machine.machine->vcpus[2] = nullptr;
    signal_other_cores(machine.vcpu(0));
    EXPECT_FALSE(machine.take_nmi_command());
    EXPECT_EQ(machine.vcpu(1).owed_nmi, 0u);
}

TEST(QueueException, DescribesTheFault) {
    FakeMachine machine;
    queue_general_protection(machine.vcpu());
    const PendingEvent& fault = machine.vcpu().waiting.exception;
    EXPECT_TRUE(fault.valid);
    EXPECT_EQ(fault.type, EventType::kException);
    EXPECT_EQ(fault.vector, 13);
    EXPECT_TRUE(fault.has_error_code);
    EXPECT_EQ(fault.error_code, 0u);

    queue_undefined_instruction(machine.vcpu());
    EXPECT_EQ(fault.vector, 6);
    EXPECT_FALSE(fault.has_error_code);
}

/// What the post stage saw and did; the handler is a plain function.
struct PostStage {
    std::vector<u8> vectors;
    bool were_nmis_held = false;
    bool clears_if = false;
} post_stage;

void note_commit(Vcpu& vcpu, u8 vector) {
    auto& backend = static_cast<FakeBackend&>(*vcpu.backend);
    post_stage.vectors.push_back(vector);
    post_stage.were_nmis_held |= backend.nmis_are_blocked;
    if (post_stage.clears_if)
        backend.guest.interrupt_flag = false;
}

TEST(PostStage, RunsBeforeTheEntryThatDeliversAndWithNmisTaken_STG2) {
    FakeMachine machine;
    post_stage = {};
    machine.machine->exits.commit = note_commit;
    FakeBackend& backend = machine.backend();
    backend.guest.interrupt_flag = false;
    machine.vcpu().waiting.posts.add(0x31);
    machine.arrive(0x31);
    EXPECT_TRUE(post_stage.vectors.empty()) << "merely queued";
    backend.guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(post_stage.vectors, std::vector<u8>{0x31});
    EXPECT_FALSE(post_stage.were_nmis_held);
    ASSERT_EQ(backend.injected.size(), 1u);
    EXPECT_EQ(backend.injected[0].vector, 0x31);
    machine.arrive(0x32);
    EXPECT_EQ(post_stage.vectors.size(), 1u) << "nobody asked for this one";
}

TEST(PostStage, WhatItDoesToTheGuestIsLookedAtAgainButItIsNotRepeated_STG4) {
    FakeMachine machine;
    post_stage = {.clears_if = true};
    machine.machine->exits.commit = note_commit;
    FakeBackend& backend = machine.backend();
    machine.vcpu().waiting.posts.add(0x31);
    machine.arrive(0x31);
    EXPECT_EQ(post_stage.vectors.size(), 1u);
    EXPECT_TRUE(backend.injected.empty());
    EXPECT_TRUE(backend.windows.interrupt_window);
    expect_no_loss(machine);
    backend.guest.interrupt_flag = true;
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(backend.injected.size(), 1u);
    EXPECT_EQ(post_stage.vectors.size(), 1u);
    expect_no_loss(machine);
}

}  // namespace
}  // namespace ringside::vcpu
