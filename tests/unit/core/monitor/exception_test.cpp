// SPDX-License-Identifier: GPL-3.0-or-later
// !exception: specification section 14, and what the !interrupt page says of it.
#include <gtest/gtest.h>

#include "support/fake_machine.hpp"
#include "unit/core/event/fixture.hpp"
#include "x86/exception.hpp"

namespace ringside::monitor {
namespace {

using event::ImageBuilder;
using test::FakeBackend;
using test::FakeMachine;
using test::ScriptBuilder;
using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::Meeting;
using vcpu::PendingEvent;

constexpr u32 kClient = 7;

ImageBuilder exception(u64 vector) {
    ImageBuilder image;
    image.vector(vector).detail.event_type = RS_EVENT_EXCEPTION;
    return image;
}

PendingEvent of(u8 vector, u32 error_code = 0, u64 address = 0) {
    return {.type = EventType::kException,
            .vector = vector,
            .valid = true,
            .has_error_code = x86::has_error_code(vector),
            .error_code = error_code,
            .address = address};
}

/// One core with a registry beside its engine.
struct Fixture : FakeMachine {
    Fixture() { EXPECT_TRUE(registry->open(*engine, facts)); }
    ~Fixture() { registry->close(); }

    u64 add(const ImageBuilder& image) {
        const auto tag = registry->add(image.build(), kClient);
        EXPECT_TRUE(tag);
        exit(ExitReason::kInterruptWindow);  // adopts
        return tag ? *tag : 0;
    }
    void raise(PendingEvent event) {
        backend().injected.clear();
        backend().exception = event;
        exit(ExitReason::kException);
    }
    u64 triggers(u64 tag) {
        rs_event_stat request = {};
        request.size = sizeof request;
        request.tag = tag;
        EXPECT_TRUE(registry->stat(request));
        return request.triggers_pre;
    }

    event::FakeMachine facts;
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();
};

TEST(OnException, InterceptsOnlyWhatIsNamed_Row7) {
    Fixture machine;
    const u64 tag = machine.add(exception(3).script(ScriptBuilder{}));
    EXPECT_EQ(machine.backend().exceptions, 1u << 3);
    EXPECT_TRUE(machine.backend().intercept_calls.empty()) << "interrupts stay the guest's";
    rs_modify_event clear = {.size = sizeof clear, .action = RS_MODIFY_CLEAR, .tag = tag};
    EXPECT_TRUE(machine.registry->modify(clear));
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.backend().exceptions, 0u);
}

TEST(OnException, GivesItToTheGuestWithItsErrorCodeAndAddress) {
    Fixture machine;
    const u64 tag = machine.add(exception(14).script(ScriptBuilder{}));
    machine.backend().registers[RS_FULL_CR2] = 0x1111;
    machine.raise(of(14, 6, 0));  // at address 0, too
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 14);
    EXPECT_EQ(machine.backend().injected[0].error_code, 6u);
    EXPECT_TRUE(machine.backend().injected[0].has_error_code);
    EXPECT_EQ(machine.backend().registers[RS_FULL_CR2], 0u);
    EXPECT_EQ(machine.triggers(tag), 1u);
    EXPECT_EQ(machine.stats().arrivals.get(), 0u) << "no interrupt";
    EXPECT_EQ(machine.stats().delivered.get(), 0u);
}

TEST(OnException, IgnoringLeavesTheRegistersAlone) {
    Fixture machine;
    machine.add(exception(14).flags(RS_EVF_SHORT_CIRCUIT).script(ScriptBuilder{}));
    machine.backend().registers[RS_FULL_CR2] = 0x1111;
    machine.raise(of(14, 6, 0x2222));
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.backend().registers[RS_FULL_CR2], 0x1111u);
    EXPECT_EQ(machine.backend().skipped_bytes, 0u) << "the instruction faults again";
}

TEST(OnException, AnIgnoredBreakpointInstructionIsOver) {
    Fixture machine;
    machine.add(exception(3).flags(RS_EVF_SHORT_CIRCUIT).script(ScriptBuilder{}));
    PendingEvent breakpoint = of(3);
    breakpoint.type = EventType::kSoftwareException;
    breakpoint.instruction_length = 1;
    machine.raise(breakpoint);
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.backend().skipped_bytes, 1u);
}

TEST(OnException, AnInterruptWhoseDeliveryFaultsComesBehindTheFault) {
    Fixture machine;
    machine.add(exception(14).script(ScriptBuilder{}));
    machine.backend().next_in_flight =
        PendingEvent{.type = EventType::kExternalInterrupt, .vector = 0x31, .valid = true};
    machine.raise(of(14, 2, 0x5000));
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 14);
    EXPECT_TRUE(machine.backend().windows.interrupt_window);
    machine.exit(ExitReason::kInterruptWindow);
    ASSERT_EQ(machine.backend().injected.size(), 2u);
    EXPECT_EQ(machine.backend().injected[1].vector, 0x31);
}

TEST(OnException, TwoThatMeetAreADoubleFault) {
    Fixture machine;
    const u64 tag = machine.add(exception(14).script(ScriptBuilder{}));
    const u64 other = machine.add(exception(8).script(ScriptBuilder{}));
    machine.backend().next_in_flight = of(14, 2);
    machine.raise(of(14, 2, 0x5000));
    ASSERT_EQ(machine.backend().injected.size(), 1u);
    EXPECT_EQ(machine.backend().injected[0].vector, 8);
    EXPECT_TRUE(machine.backend().injected[0].has_error_code);
    EXPECT_EQ(machine.triggers(tag), 0u);
    EXPECT_EQ(machine.triggers(other), 1u);
}

TEST(OnException, NmisOfTheGuestAreEntry2) {
    Fixture machine;
    const u64 tag = machine.add(exception(2).flags(RS_EVF_SHORT_CIRCUIT).script(ScriptBuilder{}));
    EXPECT_EQ(machine.backend().exceptions, 1u << 2);
    machine.take_nmi();
    machine.exit(ExitReason::kNmi);
    EXPECT_EQ(machine.triggers(tag), 1u);
    EXPECT_TRUE(machine.backend().injected.empty()) << "ignored";
}

TEST(MeetingOf, IsTheManualsTable) {
    EXPECT_EQ(vcpu::meeting_of(0, 13), Meeting::kDoubleFault);
    EXPECT_EQ(vcpu::meeting_of(13, 14), Meeting::kSecond);
    EXPECT_EQ(vcpu::meeting_of(14, 13), Meeting::kDoubleFault);
    EXPECT_EQ(vcpu::meeting_of(14, 14), Meeting::kDoubleFault);
    EXPECT_EQ(vcpu::meeting_of(14, 1), Meeting::kSecond);
    EXPECT_EQ(vcpu::meeting_of(1, 14), Meeting::kSecond);
    EXPECT_EQ(vcpu::meeting_of(3, 13), Meeting::kSecond);
    EXPECT_EQ(vcpu::meeting_of(8, 13), Meeting::kShutdown);
    EXPECT_EQ(vcpu::meeting_of(8, 1), Meeting::kSecond);
}

}  // namespace
}  // namespace ringside::monitor
