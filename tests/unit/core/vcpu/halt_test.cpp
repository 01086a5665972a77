// SPDX-License-Identifier: GPL-3.0-or-later
// A halted guest, on a processor that keeps HLT as a state of the guest over an exit, as VMX does.
// Bochs always reports an active guest, and QEMU's SVM has no such state (docs/emulators.md), so
// this is where it is held. DLV-8.
#include <gtest/gtest.h>

#include <vector>

#include "support/fake_machine.hpp"
#include "support/model_processor.hpp"

namespace ringside::vcpu {
namespace {

using test::Cause;
using test::Given;
using test::Op;
using test::Scheme;

class Recorder final : public test::Watcher {
public:
    std::vector<Given> seen;
    void in_root() override {}
    void at_boundary() override {}
    void accepted(u8) override {}
    void looks_again() override {}
    void committed() override {}
    void given(const Given& given) override { seen.push_back(given); }
};

/// What an event with short-circuiting does: accepted, ended, not given.
After ignore_interrupt(Vcpu& vcpu, const Exit&) {
    auto& processor = *static_cast<test::ModelProcessor*>(vcpu.backend);
    if (processor.take_interrupt() >= 0)
        processor.apic.end_of_interrupt();
    return After::kResume;
}

struct Halted {
    explicit Halted(Scheme scheme) : processor{machine.vcpu(), scheme, {}, recorder} {
        machine.vcpu().backend = &processor;
        machine.vcpu().wants_interrupts = machine.vcpu().intercepts_interrupts = true;
        processor.intercept_interrupts(true);
        processor.execute({Op::kHalt, 0});
    }
    ~Halted() { EXPECT_EQ(processor.failure(), ""); }
    /// An interrupt arrives, and whatever follows from it happens.
    void arrive(u8 vector) {
        processor.apic.requested.add(vector);
        processor.run_to_instruction();
    }
    void take_nmi() {
        processor.send_nmi();
        processor.run_to_instruction();
    }

    test::FakeMachine machine;
    Recorder recorder;
    test::ModelProcessor processor;
};

class HaltedGuest : public testing::TestWithParam<Scheme> {};

TEST_P(HaltedGuest, IsWokenByAnInterruptItIsGiven) {
    Halted guest{GetParam()};
    guest.arrive(0xec);
    EXPECT_EQ(guest.recorder.seen, (std::vector<Given>{{Cause::kInterrupt, 0xec}}));
    EXPECT_FALSE(guest.processor.cpu.halted);
}

TEST_P(HaltedGuest, StaysHaltedWhenTheInterruptIsIgnored) {
    Halted guest{GetParam()};
    guest.machine.machine->exits.handlers[u32(ExitReason::kExternalInterrupt)] = ignore_interrupt;
    guest.arrive(0xec);
    EXPECT_GT(guest.processor.counts.exits, 0u);
    EXPECT_TRUE(guest.recorder.seen.empty());
    EXPECT_TRUE(guest.processor.cpu.halted);

    guest.machine.machine->exits.handlers[u32(ExitReason::kExternalInterrupt)] =
        monitor::on_external_interrupt;
    guest.arrive(0xec);
    EXPECT_FALSE(guest.processor.cpu.halted);
}

TEST_P(HaltedGuest, StaysHaltedWhileInterruptsAreOff) {
    Halted guest{GetParam()};
    guest.processor.cpu.interrupt_flag = false;
    guest.arrive(0xec);
    EXPECT_GT(guest.processor.counts.exits, 0u);
    EXPECT_TRUE(guest.recorder.seen.empty());
    EXPECT_TRUE(guest.processor.cpu.halted);

    // Only an NMI ends this; the interrupt follows when the guest lets it.
    guest.take_nmi();
    EXPECT_EQ(guest.recorder.seen, (std::vector<Given>{{Cause::kNmi, 2}}));
    EXPECT_FALSE(guest.processor.cpu.halted);
    guest.processor.execute({Op::kReturn, 0});
    guest.processor.execute({Op::kSti, 0});
    guest.processor.run_to_instruction();
    EXPECT_EQ(guest.recorder.seen.size(), 1u);  // the shadow
    guest.processor.execute({Op::kNop, 0});
    guest.processor.run_to_instruction();
    ASSERT_EQ(guest.recorder.seen.size(), 2u);
    EXPECT_EQ(guest.recorder.seen[1], (Given{Cause::kInterrupt, 0xec}));
}

TEST_P(HaltedGuest, StaysHaltedWhileItsTaskPriorityHoldsTheInterruptBack) {
    Halted guest{GetParam()};
    guest.processor.apic.task_priority = 15;
    guest.arrive(0xec);
    EXPECT_TRUE(guest.recorder.seen.empty());
    EXPECT_TRUE(guest.processor.cpu.halted);
}

TEST_P(HaltedGuest, StaysHaltedOverAnNmiOfOurs) {
    Halted guest{GetParam()};
    guest.machine.vcpu().owed_nmi = 1;
    guest.take_nmi();
    EXPECT_EQ(guest.processor.counts.exits, 1u);
    EXPECT_TRUE(guest.recorder.seen.empty());
    EXPECT_TRUE(guest.processor.cpu.halted);
}

TEST_P(HaltedGuest, IsWokenOnceByADeliveryThatIsCutShort) {
    Halted guest{GetParam()};
    guest.machine.machine->exits.handlers[u32(ExitReason::kNestedPageFault)] =
        [](Vcpu&, const Exit&) { return After::kResume; };
    guest.processor.cut_deliveries(2);
    guest.arrive(0xec);
    EXPECT_EQ(guest.processor.counts.cut, 2u);
    EXPECT_EQ(guest.recorder.seen, (std::vector<Given>{{Cause::kInterrupt, 0xec}}));
    EXPECT_EQ(guest.machine.stats().delivered.get(), 1u);
}

std::string name_of(const testing::TestParamInfo<Scheme>& scheme) {
    return scheme.param == Scheme::kVmx ? "Vmx" : "VmxAtWindow";
}
INSTANTIATE_TEST_SUITE_P(Schemes, HaltedGuest, testing::Values(Scheme::kVmx, Scheme::kVmxAtWindow),
                         name_of);

/// A VMCB holds no such state: the exit is behind the HLT. To Linux that is one more turn of its
/// idle loop.
TEST(HaltedGuestOfSvm, GoesOnAfterAnExit) {
    Halted guest{Scheme::kSvm};
    guest.machine.vcpu().owed_nmi = 1;
    guest.take_nmi();
    EXPECT_TRUE(guest.recorder.seen.empty());
    EXPECT_FALSE(guest.processor.cpu.halted);
}

}  // namespace
}  // namespace ringside::vcpu
