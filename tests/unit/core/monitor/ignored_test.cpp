// SPDX-License-Identifier: GPL-3.0-or-later
// Short-circuiting from the exit to the EOI, over a local APIC that is only memory. What the
// controllers themselves make of it is in core/apic.
#include <gtest/gtest.h>

#include "event/holding.hpp"
#include "support/fake_guest.hpp"
#include "support/fake_machine.hpp"
#include "support/fake_processor.hpp"
#include "unit/core/event/fixture.hpp"
#include "vcpu/hypercall.hpp"
#include "vcpu/interrupt_controllers.hpp"

namespace ringside::monitor {
namespace {

using event::ImageBuilder;
using test::FakeMachine;
using test::ScriptBuilder;
using vcpu::ExitReason;

constexpr u32 kClient = 7;
constexpr u8 kVector = 0x51;
constexpr u64 kHltAt = 0x1000;

/// One core with an event that ignores kVector, a device's.
struct Fixture : FakeMachine {
    Fixture() {
        EXPECT_TRUE(registry->open(*engine, facts));
        machine->short_circuit.replayed.add(kVector);
        const auto image = ImageBuilder{}
                               .vector(kVector)
                               .flags(RS_EVF_SHORT_CIRCUIT)
                               .stage(RS_STAGE_PRE)
                               .script(ScriptBuilder{})
                               .build();
        const auto added = registry->add(image, kClient);
        EXPECT_TRUE(added);
        tag = added ? *added : 0;
        exit(ExitReason::kInterruptWindow);  // adopts
        apic(0xb0) = 7;
    }
    ~Fixture() { registry->close(); }

    u32& apic(u32 offset) { return apic_registers[offset / 4]; }
    void put_in_service(u8 vector) { apic(0x100 + vector / 32u * 0x10) |= 1u << (vector % 32); }
    void ignore_one() {
        put_in_service(kVector);
        arrive(kVector);
    }
    bool had_eoi() { return apic(0xb0) == 0; }
    void modify(u32 action) {
        rs_modify_event request = {.size = sizeof request, .action = action, .tag = tag};
        EXPECT_TRUE(registry->modify(request));
        exit(ExitReason::kInterruptWindow);
    }
    /// The self-IPI sent last, 0: none.
    u32 raised() { return std::exchange(apic(0x300), 0); }

    event::FakeMachine facts;
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();
    u64 tag = 0;
};

TEST(OnIgnored, EndsItAndGivesTheGuestNothing) {
    Fixture machine;
    machine.ignore_one();
    EXPECT_TRUE(machine.had_eoi());
    EXPECT_TRUE(machine.backend().injected.empty());
    EXPECT_EQ(machine.stats().arrivals.get(), 1u);
    EXPECT_EQ(machine.stats().ignored.get(), 1u);
    EXPECT_EQ(machine.stats().delivered.get(), 0u);
}

TEST(OnIgnored, ASpuriousOneHasNoEoi) {
    Fixture machine;
    machine.apic(0xf0) = 0x100 | kVector;
    machine.arrive(kVector);
    EXPECT_FALSE(machine.had_eoi());
    EXPECT_EQ(machine.stats().ignored.get(), 1u);
}

TEST(OnIgnored, ADeliveredOneHasItsEoiFromTheGuest) {
    Fixture machine;
    machine.put_in_service(kVector + 1);
    machine.arrive(kVector + 1);
    EXPECT_FALSE(machine.had_eoi());
    EXPECT_EQ(machine.backend().injected.size(), 1u);
}

TEST(OnIgnored, DoesNotWakeAHaltedGuest_SC10) {
    Fixture machine;
    machine.backend().registers[RS_FULL_RIP] = kHltAt;
    machine.put_in_service(kVector);
    machine.backend().interrupts.push_back(kVector);
    machine.exit(ExitReason::kHalt);
    EXPECT_EQ(machine.backend().registers[RS_FULL_RIP], kHltAt);
    machine.backend().interrupts.push_back(kVector + 1);
    machine.exit(ExitReason::kHalt);
    EXPECT_EQ(machine.backend().registers[RS_FULL_RIP], kHltAt + 1);
}

TEST(OnIgnored, IsRaisedAnewWhenItsEventIsDisabledOrCleared_SC11) {
    for (const u32 action : {RS_MODIFY_DISABLE, RS_MODIFY_CLEAR}) {
        Fixture machine;
        machine.ignore_one();
        EXPECT_EQ(machine.raised(), 0u);
        machine.modify(action);
        EXPECT_EQ(machine.raised(), 0x4000u | kVector);
        machine.exit(ExitReason::kInterruptWindow);
        EXPECT_EQ(machine.raised(), 0u);
    }
}

TEST(OnIgnored, IsRaisedAnewWhenItsOwnerIsGone_SC11) {
    Fixture machine;
    machine.ignore_one();
    machine.registry->remove_client(kClient);
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.raised(), 0x4000u | kVector);
}

TEST(OnIgnored, IsRaisedAnewWhenTheCoreLeaves_SC11) {
    Fixture machine;
    machine.ignore_one();
    machine.backend().registers[RS_FULL_RAX] = vcpu::kHypercallMagic;
    machine.registers[0]->rcx = u64(vcpu::Hypercall::kDevirtualize);
    EXPECT_FALSE(machine.exit(ExitReason::kHypercall));
    EXPECT_EQ(machine.raised(), 0x4000u | kVector);
}

TEST(OnIgnored, AnotherEventsEndRaisesNothing) {
    Fixture machine;
    const auto other = machine.registry->add(
        ImageBuilder{}.vector(kVector).script(ScriptBuilder{}).build(), kClient);
    machine.ignore_one();
    rs_modify_event clear = {.size = sizeof clear, .action = RS_MODIFY_CLEAR, .tag = *other};
    EXPECT_TRUE(machine.registry->modify(clear));
    machine.exit(ExitReason::kInterruptWindow);
    EXPECT_EQ(machine.raised(), 0u);
}

TEST(OnIgnored, AHoldMarksTheEventAndIsToldOnce_EVT2) {
    Fixture machine;
    event::CoreState& state = *machine.vcpu().core_state;
    const u32 id = u32(machine.tag - RS_TAG_BASE);
    test::FakeGuest guest;
    const auto marks = [&] {
        struct {
            rs_event_list header;
            u8 room[1024];
        } list = {};
        list.header.size = sizeof list.header;
        list.header.total_len = sizeof list;
        EXPECT_TRUE(machine.registry->list(list.header, list.room));
        return reinterpret_cast<rs_event_entry*>(list.room)->marks;
    };
    EXPECT_EQ(marks(), 0u);
    event::begin_hold(state, id, kVector, guest);
    EXPECT_EQ(marks(), RS_MARK_HELD);
    event::end_hold(state, id);
    EXPECT_EQ(marks(), 0u);
    event::begin_hold(state, id, kVector, guest);
    ring::MergedReader reader;
    reader.init(machine.engine->rings(), kClient);
    u32 notices = 0;
    while (const ring::Record record = reader.peek()) {
        const auto& diagnostic = *reinterpret_cast<const rs_diagnostic*>(record.payload());
        notices += diagnostic.kind == RS_DIAG_NOTICE &&
                   diagnostic.code == RS_NOTICE_LEVEL_THROTTLED && diagnostic.value == kVector;
        reader.consume();
    }
    EXPECT_EQ(notices, 1u);
    event::end_hold(state, id + 1);  // one that is gone
}

TEST(InterruptControllers, FollowTheLocalApicsMode) {
    test::FakeProcessor processor;
    FakeMachine machine;
    machine.apic_registers[0xf0 / 4] = 0x1ff;
    processor.msrs = {{0x1b, 0xfee00900}, {0x80b, 7}, {0x80f, 0x1fe}, {0x830, 0}, {0x6e0, 5}};
    vcpu::InterruptControllers xapic{machine.vcpu()};
    EXPECT_TRUE(xapic.has_local_apic());
    EXPECT_EQ(xapic.read_local(x86::LapicRegister::kSpurious, 0), 0x1ffu);

    processor.msrs[0x1b] = 0xfee00d00;
    vcpu::InterruptControllers x2apic{machine.vcpu()};
    EXPECT_EQ(x2apic.read_local(x86::LapicRegister::kSpurious, 0), 0x1feu);
    x2apic.write_local(x86::LapicRegister::kEoi, 0);
    EXPECT_EQ(processor.msrs[0x80b], 0u);
    x2apic.raise(0x45);
    EXPECT_EQ(processor.msrs[0x830], 0x10'0000'4045u);
    EXPECT_EQ(x2apic.tsc_deadline(), 5u);

    processor.msrs[0x1b] = 0xfee00100;
    EXPECT_FALSE(vcpu::InterruptControllers{machine.vcpu()}.has_local_apic());
}

}  // namespace
}  // namespace ringside::monitor
