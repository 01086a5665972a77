// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of specification section 8.1, "What happens on arrival with verdict deliver".
#include <gtest/gtest.h>

#include "vcpu/injection.hpp"

namespace ringside::vcpu {
namespace {

constexpr PendingEvent kPageFault{.type = EventType::kException,
                                  .vector = 14,
                                  .valid = true,
                                  .has_error_code = true,
                                  .error_code = 2,
                                  .address = 0x1234};

Interruptibility open() {
    return {.interrupt_flag = true, .shadow = false, .nmi_shadow = false, .task_priority = 0};
}
Interruptibility closed() {
    return {};
}
Interruptibility shadowed() {
    return {.interrupt_flag = true, .shadow = true, .nmi_shadow = true, .task_priority = 0};
}
WaitingEvents with(std::initializer_list<u8> vectors) {
    WaitingEvents waiting;
    for (const u8 vector : vectors)
        waiting.interrupts.add(vector);
    return waiting;
}

void expect_interrupt(const EntryPlan& plan, u8 vector) {
    EXPECT_TRUE(plan.inject.valid);
    EXPECT_EQ(plan.inject.type, EventType::kExternalInterrupt);
    EXPECT_EQ(plan.inject.vector, vector);
    EXPECT_FALSE(plan.inject.has_error_code);
}

void expect_no_window(const EntryPlan& plan) {
    EXPECT_FALSE(plan.interrupt_window);
    EXPECT_FALSE(plan.priority_window);
    EXPECT_FALSE(plan.nmi_window);
}

TEST(PrepareEntry, DoesNothingWhenNothingWaits) {
    WaitingEvents waiting;
    const EntryPlan plan = prepare_entry(waiting, open());
    EXPECT_FALSE(plan.inject.valid);
    expect_no_window(plan);
}

TEST(PrepareEntry, CommitsAnInterruptTheGuestCanTake) {
    WaitingEvents waiting = with({0x31});
    const EntryPlan plan = prepare_entry(waiting, open());
    expect_interrupt(plan, 0x31);
    expect_no_window(plan);
    EXPECT_TRUE(waiting.interrupts.empty());
}

TEST(PrepareEntry, ArmsTheWindowWhileInterruptsAreDisabled) {
    WaitingEvents waiting = with({0x31});
    const EntryPlan plan = prepare_entry(waiting, closed());
    EXPECT_FALSE(plan.inject.valid);
    EXPECT_TRUE(plan.interrupt_window);
    EXPECT_FALSE(plan.priority_window);
    EXPECT_TRUE(waiting.interrupts.contains(0x31));
}

TEST(PrepareEntry, ArmsTheWindowInAShadow) {
    WaitingEvents waiting = with({0x31});
    const EntryPlan plan = prepare_entry(waiting, shadowed());
    EXPECT_FALSE(plan.inject.valid);
    EXPECT_TRUE(plan.interrupt_window);
    EXPECT_TRUE(waiting.interrupts.contains(0x31));
}

TEST(PrepareEntry, LetsAnExceptionGoFirst) {
    WaitingEvents waiting = with({0x31});
    waiting.exception = kPageFault;

    const EntryPlan plan = prepare_entry(waiting, open());

    EXPECT_TRUE(plan.inject.valid);
    EXPECT_EQ(plan.inject.type, EventType::kException);
    EXPECT_EQ(plan.inject.vector, 14);
    EXPECT_TRUE(plan.inject.has_error_code);
    EXPECT_EQ(plan.inject.error_code, 2u);
    EXPECT_EQ(plan.inject.address, 0x1234u);
    EXPECT_TRUE(plan.interrupt_window);
    EXPECT_TRUE(waiting.interrupts.contains(0x31));
    EXPECT_FALSE(waiting.exception.valid);
}

TEST(PrepareEntry, LetsAnNmiGoFirst) {
    WaitingEvents waiting = with({0xef});
    waiting.nmi = true;

    const EntryPlan plan = prepare_entry(waiting, open());

    EXPECT_EQ(plan.inject.type, EventType::kNmi);
    EXPECT_EQ(plan.inject.vector, 2);
    EXPECT_TRUE(plan.interrupt_window);
    EXPECT_TRUE(plan.nmi_window);  // to see the guest leave its handler
    EXPECT_TRUE(waiting.interrupts.contains(0xef));
    EXPECT_FALSE(waiting.nmi);
    EXPECT_TRUE(waiting.nmi_blocked);
}

TEST(PrepareEntry, GivesAnNmiWhetherInterruptsAreEnabledOrNot) {
    WaitingEvents waiting;
    waiting.nmi = true;
    EXPECT_EQ(prepare_entry(waiting, closed()).inject.type, EventType::kNmi);
}

TEST(PrepareEntry, HoldsAnNmiInAShadow) {
    WaitingEvents waiting;
    waiting.nmi = true;
    const EntryPlan plan = prepare_entry(waiting, shadowed());
    EXPECT_FALSE(plan.inject.valid);
    EXPECT_TRUE(plan.nmi_window);
    EXPECT_TRUE(waiting.nmi);
}

TEST(PrepareEntry, GivesAnNmiBehindStiWhereTheProcessorDoes) {
    // Some processors take NMIs there, and open their window: held back, it would open for ever.
    WaitingEvents waiting = with({0x31});
    waiting.nmi = true;
    Interruptibility behind_sti = shadowed();
    behind_sti.nmi_shadow = false;
    const EntryPlan plan = prepare_entry(waiting, behind_sti);
    EXPECT_EQ(plan.inject.type, EventType::kNmi);
    EXPECT_TRUE(plan.interrupt_window);
}

TEST(PrepareEntry, HoldsOneNmiWhileTheGuestIsInItsHandler) {
    WaitingEvents waiting = with({0x31});
    waiting.nmi = waiting.nmi_blocked = true;

    const EntryPlan plan = prepare_entry(waiting, open());

    expect_interrupt(plan, 0x31);  // an NMI handler that enabled interrupts gets them
    EXPECT_TRUE(plan.nmi_window);
    EXPECT_TRUE(waiting.nmi);

    waiting.nmi_blocked = false;
    EXPECT_EQ(prepare_entry(waiting, open()).inject.type, EventType::kNmi);
}

TEST(PrepareEntry, ArmsThePriorityWindowWhileCr8Blocks) {
    for (const u8 blocking : {u8{3}, u8{4}, u8{15}}) {
        WaitingEvents waiting = with({0x3f});
        Interruptibility guest = open();
        guest.task_priority = blocking;
        const EntryPlan plan = prepare_entry(waiting, guest);
        EXPECT_FALSE(plan.inject.valid);
        EXPECT_TRUE(plan.priority_window);
        EXPECT_FALSE(plan.interrupt_window);
        EXPECT_TRUE(waiting.interrupts.contains(0x3f));
    }
}

TEST(PrepareEntry, CommitsWhatIsAboveCr8) {
    WaitingEvents waiting = with({0x31, 0x40});
    Interruptibility guest = open();
    guest.task_priority = 3;

    expect_interrupt(prepare_entry(waiting, guest), 0x40);

    // The rest is blocked by CR8 as soon as it is looked at again.
    const EntryPlan next = prepare_entry(waiting, guest);
    EXPECT_FALSE(next.inject.valid);
    EXPECT_TRUE(next.priority_window);
}

TEST(PrepareEntry, CommitsTheHighestFirstAndKeepsTheWindowArmed) {
    WaitingEvents waiting = with({0x31, 0xef, 0x80});

    EntryPlan plan = prepare_entry(waiting, open());
    expect_interrupt(plan, 0xef);
    EXPECT_TRUE(plan.interrupt_window);
    plan = prepare_entry(waiting, open());
    expect_interrupt(plan, 0x80);
    EXPECT_TRUE(plan.interrupt_window);
    plan = prepare_entry(waiting, open());
    expect_interrupt(plan, 0x31);
    EXPECT_FALSE(plan.interrupt_window);
}

TEST(PrepareEntry, RedeliversWhatWasCutShortExactlyAsReported) {
    WaitingEvents waiting = with({0xef});
    waiting.in_flight = {.type = EventType::kExternalInterrupt, .vector = 0x31, .valid = true};
    waiting.nmi = true;

    // Even though the guest could not take it by these: it has been taken already.
    EntryPlan plan = prepare_entry(waiting, closed());
    expect_interrupt(plan, 0x31);
    EXPECT_TRUE(plan.interrupt_window);
    EXPECT_FALSE(waiting.in_flight.valid);
    EXPECT_TRUE(waiting.nmi);

    plan = prepare_entry(waiting, closed());
    EXPECT_EQ(plan.inject.type, EventType::kNmi);
}

TEST(PrepareEntry, RedeliversAnNmiWithoutOpeningItsWindowTooEarly) {
    WaitingEvents waiting;
    waiting.in_flight = {.type = EventType::kNmi, .vector = 2, .valid = true};
    waiting.nmi_blocked = true;  // since its first injection
    const EntryPlan plan = prepare_entry(waiting, open());
    EXPECT_EQ(plan.inject.type, EventType::kNmi);
    EXPECT_TRUE(waiting.nmi_blocked);
    EXPECT_TRUE(plan.nmi_window);
}

TEST(PrepareEntry, NeverOverwritesAnEventWithAnother) {
    // All at once: each entry gives one of them, nothing gets lost.
    WaitingEvents waiting = with({0x31, 0x32});
    waiting.in_flight = {.type = EventType::kSoftwareInterrupt, .vector = 0x80, .valid = true};
    waiting.exception = kPageFault;
    waiting.nmi = true;

    EXPECT_EQ(prepare_entry(waiting, open()).inject.type, EventType::kSoftwareInterrupt);
    EXPECT_EQ(prepare_entry(waiting, open()).inject.type, EventType::kException);
    EXPECT_EQ(prepare_entry(waiting, open()).inject.type, EventType::kNmi);
    expect_interrupt(prepare_entry(waiting, open()), 0x32);
    expect_interrupt(prepare_entry(waiting, open()), 0x31);
    EXPECT_FALSE(prepare_entry(waiting, open()).inject.valid);
}

TEST(PrepareEntry, GivesTheEventsOfScriptsOneAnEntry_EVT11) {
    WaitingEvents waiting = with({0x31});
    EXPECT_TRUE(
        waiting.injections.push({.type = EventType::kException, .vector = 3, .valid = true}));
    EXPECT_TRUE(
        waiting.injections.push({.type = EventType::kException, .vector = 6, .valid = true}));
    EntryPlan plan = prepare_entry(waiting, open());
    EXPECT_EQ(plan.inject.vector, 3);
    EXPECT_TRUE(plan.interrupt_window);
    plan = prepare_entry(waiting, open());
    EXPECT_EQ(plan.inject.vector, 6);
    plan = prepare_entry(waiting, open());
    expect_interrupt(plan, 0x31);
    EXPECT_FALSE(plan.interrupt_window);
}

TEST(DeliverableInterrupt, IsWhatTheEntryWouldDeliver) {
    for (u32 bits = 0; bits < 1u << 10; ++bits) {
        const auto is_set = [bits](u32 bit) { return (bits >> bit & 1) != 0; };
        WaitingEvents waiting = is_set(0) ? with({0x31, 0x52}) : with({});
        waiting.in_flight = is_set(1) ? kPageFault : PendingEvent{};
        waiting.exception = is_set(2) ? kPageFault : PendingEvent{};
        if (is_set(3))
            waiting.injections.push(kPageFault);
        waiting.nmi = is_set(4);
        waiting.nmi_blocked = is_set(5);
        const Interruptibility guest{.interrupt_flag = is_set(6),
                                     .shadow = is_set(7),
                                     .nmi_shadow = is_set(8),
                                     .task_priority = u8(is_set(9) ? 5 : 0)};
        const s32 vector = deliverable_interrupt(waiting, guest);
        const EntryPlan plan = prepare_entry(waiting, guest);
        const bool is_interrupt =
            plan.inject.valid && plan.inject.type == EventType::kExternalInterrupt;
        EXPECT_EQ(vector, is_interrupt ? s32{plan.inject.vector} : -1) << bits;
    }
}

TEST(InjectionQueue, RefusesMoreThanItHolds) {
    InjectionQueue queue;
    for (u32 round = 0; round < 3; ++round) {
        for (u32 i = 0; i < InjectionQueue::kCapacity; ++i)
            EXPECT_TRUE(queue.push({.vector = u8(i), .valid = true}));
        EXPECT_FALSE(queue.push({.vector = 99, .valid = true}));
        for (u32 i = 0; i < InjectionQueue::kCapacity; ++i)
            EXPECT_EQ(queue.pop().vector, i);
        EXPECT_TRUE(queue.empty());
        EXPECT_TRUE(queue.push({.vector = 1, .valid = true}));
        EXPECT_EQ(queue.pop().vector, 1);
    }
}

}  // namespace
}  // namespace ringside::vcpu
