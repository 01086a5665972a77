// SPDX-License-Identifier: GPL-3.0-or-later
#include "vcpu/rendezvous.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/fake_machine.hpp"

namespace ringside::vcpu {
namespace {

constexpr u64 kTicksPerMs = 1'000'000;  // generous, whatever the machine's clock

struct Cores : test::FakeMachine {
    explicit Cores(u32 cores) : FakeMachine{cores} {
        machine->short_circuit.ticks_per_ms = kTicksPerMs;
    }
    bool meet(u32 core = 0) {
        return while_others_stand(
            vcpu(core), [](void* count) { ++*static_cast<u32*>(count); }, &runs);
    }
    u32 runs = 0;
};

TEST(Rendezvous, OneCoreIsAlone) {
    Cores machine{1};
    EXPECT_TRUE(machine.meet());
    EXPECT_EQ(machine.runs, 1u);
}

TEST(Rendezvous, CoresOutsideOfRootModeAreNotWaitedFor) {
    Cores machine{2};
    machine.vcpu(1).is_virtualized = false;
    EXPECT_TRUE(machine.meet());
}

TEST(Rendezvous, NothingRunsIfACoreDoesNotCome) {
    Cores machine{2};
    machine.machine->short_circuit.ticks_per_ms = 100;
    EXPECT_FALSE(machine.meet());
    EXPECT_EQ(machine.runs, 0u);
    EXPECT_TRUE(machine.take_nmi_command());
    stand_if_asked(machine.vcpu(1));  // comes too late, and goes on
    EXPECT_FALSE(machine.meet());     // is not taken for one that stands
}

TEST(Rendezvous, NothingRunsWhileAnotherCoreMeets) {
    Cores machine{2};
    machine.machine->rendezvous.is_taken = 1;
    EXPECT_FALSE(machine.meet());
}

TEST(Rendezvous, OthersDoNothingMeanwhile) {
    Cores machine{3};
    machine.machine->short_circuit.ticks_per_ms = 100 * kTicksPerMs;
    std::atomic<bool> has_ended = false;
    std::atomic<u32> steps[3] = {};
    std::vector<std::thread> others;
    for (u32 core : {1u, 2u})
        others.emplace_back([&, core] {
            while (!has_ended) {
                stand_if_asked(machine.vcpu(core));
                ++steps[core];
            }
        });
    struct Work {
        std::atomic<u32>* steps;
        bool moved = false;
    } work{steps};
    u32 done = 0;
    for (u32 round = 0; round < 200; ++round)
        done += while_others_stand(
            machine.vcpu(0),
            [](void* argument) {
                Work& at = *static_cast<Work*>(argument);
                const u32 before = at.steps[1] + at.steps[2];
                for (u32 i = 0; i < 1000; ++i)
                    at.moved |= at.steps[1] + at.steps[2] != before;
            },
            &work);
    has_ended = true;
    for (std::thread& other : others)
        other.join();
    EXPECT_EQ(done, 200u);
    EXPECT_FALSE(work.moved);
}

}  // namespace
}  // namespace ringside::vcpu
