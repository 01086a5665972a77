// SPDX-License-Identifier: GPL-3.0-or-later
// The property: whatever arrives and whatever the program does, root mode's real exit loop gives
// the guest what bare hardware would have given, in the same order, nothing lost, nothing doubled
// (DLV-1 to DLV-11). tests/support/lockstep.hpp says exactly what is compared.
//
//   RINGSIDE_STEPS=N  steps for each scheme, instead of 100,000, or 10 million with --full
//   RINGSIDE_SEED=N   where the numbers begin; a failure prints its own, and the shortest sequence
//                     of steps that still fails with all that happens in it
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "support/fake_machine.hpp"
#include "support/lockstep.hpp"
#include "support/scale.hpp"
#include "unit/core/event/fixture.hpp"

namespace ringside::vcpu {
namespace {

using test::Cause;
using test::Fault;
using test::Lockstep;
using test::ModelCounts;
using test::Scheme;

/// A vCPU with the real handlers, and an event that can be switched on and off.
struct Rig {
    Rig() {
        EXPECT_TRUE(registry->open(*machine.engine, facts));
        machine.engine->rings().add_owner(kClient);
        const auto tag = registry->add(
            event::ImageBuilder{}.vector(0x31).script(test::ScriptBuilder{}).build(), kClient);
        EXPECT_TRUE(tag) << std::hex << tag.error().code;
        // The page that was missing when an event was delivered is there now.
        machine.machine->exits.handlers[u32(ExitReason::kNestedPageFault)] =
            [](Vcpu&, const Exit&) { return After::kResume; };
        set_events(false);
    }
    ~Rig() { registry->close(); }
    void set_events(bool on) {
        rs_modify_event request = {.size = sizeof request,
                                   .action = on ? RS_MODIFY_ENABLE : RS_MODIFY_DISABLE,
                                   .tag = RS_TAG_ALL,
                                   .is_enabled = 0,
                                   .error = 0};
        EXPECT_TRUE(registry->modify(request));
    }

    static constexpr u32 kClient = 7;
    test::FakeMachine machine;
    event::FakeMachine facts;
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();
};

using Steps = std::vector<u64>;

struct Outcome {
    std::string failure;  ///< empty: none
    u64 steps = 0;        ///< done before it
    ModelCounts counts;
};

/// One guest from its first instruction to its last.
Outcome run(Rig& rig, Scheme scheme, u64 variety, const Steps& steps, Fault fault,
            std::string* trace = nullptr) {
    Lockstep lockstep{rig.machine.vcpu(), scheme, variety, [&](bool on) { rig.set_events(on); }};
    lockstep.processor.fault = fault;
    lockstep.processor.trace = trace;
    lockstep.processor.apic_command = &rig.machine.apic_registers[0x300 / 4];
    u64 done = 0;
    for (; done < steps.size() && lockstep.failure().empty(); ++done)
        lockstep.step(steps[done]);
    lockstep.drain();
    return {lockstep.failure(), done, lockstep.processor.counts};
}

/// The same on a vCPU of its own, which nothing has been through before.
std::string failure_of(Scheme scheme, u64 variety, const Steps& steps, Fault fault,
                       std::string* trace = nullptr) {
    Rig rig;
    return run(rig, scheme, variety, steps, fault, trace).failure;
}

/// Leaves out steps as long as it still fails the same way: halves, quarters, single ones.
Steps shrink(Scheme scheme, u64 variety, Steps steps, Fault fault) {
    const std::string failure = failure_of(scheme, variety, steps, fault);
    for (usize chunk = steps.size(); chunk > 0; chunk /= 2)
        for (usize at = 0; at < steps.size();) {
            Steps fewer = steps;
            fewer.erase(fewer.begin() + long(at),
                        fewer.begin() + long(std::min(at + chunk, steps.size())));
            if (failure_of(scheme, variety, fewer, fault) == failure)
                steps = fewer;
            else
                at += chunk;
        }
    return steps;
}

std::string explain(Scheme scheme, u64 variety, Steps steps, Fault fault) {
    steps = shrink(scheme, variety, steps, fault);
    std::string trace;
    failure_of(scheme, variety, steps, fault, &trace);
    return std::to_string(steps.size()) + " steps are enough, variety " + std::to_string(variety) +
           ":\n" + trace;
}

struct Found {
    Outcome outcome;  ///< sums, or up to the failure
    u64 variety = 0;  ///< of the last guest
    Steps sequence;   ///< of the last guest
};

/// Guest after guest, until one of them differs.
Found search(Scheme scheme, u64 seed, u64 steps, Fault fault) {
    constexpr u64 kStepsOfAGuest = 1000;
    test::Random numbers{seed};
    Rig rig;
    Found found;
    Outcome& sum = found.outcome;
    while (sum.steps < steps && sum.failure.empty()) {
        found.variety = numbers.next();
        found.sequence.resize(std::min(kStepsOfAGuest, steps - sum.steps));
        for (u64& number : found.sequence)
            number = numbers.next();
        const Outcome outcome = run(rig, scheme, found.variety, found.sequence, fault);
        sum.failure = outcome.failure;
        sum.steps += outcome.steps;
        sum.counts += outcome.counts;
    }
    return found;
}

/// Whether all the things happened that are worth the name of random.
void expect_all_happened(Scheme scheme, const ModelCounts& counts) {
    for (const ExitReason reason :
         {ExitReason::kExternalInterrupt, ExitReason::kNmi, ExitReason::kInterruptWindow,
          ExitReason::kNmiUnblocked, ExitReason::kHypercall, ExitReason::kWriteMsr,
          ExitReason::kVirtualizationInstruction, ExitReason::kNestedPageFault})
        EXPECT_GT(counts.by_reason[u32(reason)], 0u) << u32(reason);
    for (const u64 given : counts.given)
        EXPECT_GT(given, 0u);
    EXPECT_GT(counts.windows, 0u);
    EXPECT_GT(counts.nmi_windows, 0u);
    EXPECT_GT(counts.priority_windows, 0u);
    EXPECT_GT(counts.left, 0u);
    EXPECT_EQ(counts.early > 0, scheme == Scheme::kVmx);
    EXPECT_EQ(counts.deferred > 0, scheme == Scheme::kVmxAtWindow);
}

class DeliveryOrder : public testing::TestWithParam<Scheme> {};

TEST_P(DeliveryOrder, IsThatOfBareHardware) {
    const Scheme scheme = GetParam();
    const bool is_full = test::is_full_run();
    const u64 steps = test::number_from("RINGSIDE_STEPS", is_full ? 10'000'000 : 100'000);
    const u64 seed = test::number_from("RINGSIDE_SEED", is_full ? std::random_device{}() : 1);
    const Found found = search(scheme, seed, steps, Fault::kNone);
    const ModelCounts& counts = found.outcome.counts;
    std::cout << to_text(scheme) << ": " << found.outcome.steps << " steps"
              << (is_full ? "" : " (10 million with ./test.sh --full)") << ", seed " << seed << ": "
              << counts.exits << " exits, " << counts.given[u32(Cause::kInterrupt)]
              << " interrupts, " << counts.given[u32(Cause::kNmi)] << " NMIs, "
              << counts.given[u32(Cause::kException)] << " exceptions; " << counts.early
              << " accepted early, " << counts.deferred << " put off, " << counts.delayed
              << " behind another one, " << counts.cut << " deliveries cut short, " << counts.left
              << " departures\n";
    ASSERT_EQ(found.outcome.failure, "")
        << "RINGSIDE_SEED=" << seed << ", after " << found.outcome.steps << " steps\n"
        << explain(scheme, found.variety, found.sequence, Fault::kNone);
    if (steps >= 100'000)
        expect_all_happened(scheme, counts);
}

std::string name_of(const testing::TestParamInfo<Scheme>& scheme) {
    constexpr const char* kNames[] = {"Vmx", "VmxAtWindow", "Svm"};
    return kNames[u32(scheme.param)];
}
INSTANTIATE_TEST_SUITE_P(Schemes, DeliveryOrder,
                         testing::Values(Scheme::kVmx, Scheme::kVmxAtWindow, Scheme::kSvm),
                         name_of);

struct Mistake {
    Fault fault;
    Scheme scheme;
};

/// The property is worth what it notices.
class DeliveryOrderNotices : public testing::TestWithParam<Mistake> {};

TEST_P(DeliveryOrderNotices, AMistake) {
    constexpr u64 kSteps = 100'000;
    const auto [fault, scheme] = GetParam();
    const Outcome outcome = search(scheme, 1, kSteps, fault).outcome;
    EXPECT_NE(outcome.failure, "") << to_text(fault) << ", " << to_text(scheme);
    std::cout << to_text(fault) << ", " << to_text(scheme) << ": noticed after " << outcome.steps
              << " steps: " << outcome.failure << '\n';
}

/// Each where interrupts are accepted early; elsewhere so little waits that some are never seen.
std::vector<Mistake> mistakes() {
    std::vector<Mistake> list;
    for (u32 fault = 1; fault < u32(Fault::kCount); ++fault)
        list.push_back({Fault(fault), Scheme::kVmx});
    for (const Scheme scheme : {Scheme::kVmxAtWindow, Scheme::kSvm})
        for (const Fault fault :
             {Fault::kDropPending, Fault::kIgnoreFlag, Fault::kForgetInFlight,
              Fault::kRedeliverTwice, Fault::kForgetNmiBlocking, Fault::kDropNmi,
              Fault::kForgetInterruptWindow, Fault::kForgetNmiWindow})
            list.push_back({fault, scheme});
    return list;
}
INSTANTIATE_TEST_SUITE_P(Faults, DeliveryOrderNotices, testing::ValuesIn(mistakes()));

}  // namespace
}  // namespace ringside::vcpu
