// SPDX-License-Identifier: GPL-3.0-or-later
// The whole machine halted for the debugger, with threads as cores (BRK-1, BRK-5, MOD-5).
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ringside/debug.h"
#include "support/fake_machine.hpp"
#include "support/fake_processor.hpp"
#include "vcpu/halt.hpp"
#include "x86/msr.hpp"

namespace ringside::vcpu {
namespace {

constexpr u64 kTicksPerMs = 100'000'000;  // patience of seconds: threads share few processors

/// A machine whose debugger does what the test says, on whichever core operates.
struct Machines : test::FakeMachine {
    explicit Machines(u32 cores) : FakeMachine{cores} {
        machine->short_circuit.ticks_per_ms = kTicksPerMs;
        machine->debugger = this;
        machine->exits.operate = [](Vcpu& vcpu) {
            auto& self = *static_cast<Machines*>(vcpu.machine->debugger);
            if (operates(vcpu))
                self.debugger(vcpu);
        };
    }
    ~Machines() { stop(); }

    /// The core runs its guest: counts, and stands when it is told to.
    void run(u32 core) {
        threads.emplace_back([this, core] {
            while (!has_ended) {
                stand_in_halt(vcpu(core));
                ++steps[core];
                std::this_thread::yield();
            }
        });
    }
    void stop() {
        has_ended = true;
        for (std::thread& thread : threads)
            thread.join();
        threads.clear();
    }
    bool halt(u32 core = 0, u32 reason = RS_HALT_STEP) {
        HaltReason why{.reason = reason};
        return halt_machine(vcpu(core), why);
    }

    std::function<void(Vcpu&)> debugger = [](Vcpu& vcpu) { end_halt(vcpu, false); };
    std::atomic<u64> steps[8] = {};
    std::atomic<bool> has_ended = false;
    std::vector<std::thread> threads;
};

TEST(HaltMachine, OneCoreIsAlone) {
    Machines cores{1};
    u32 times = 0;
    cores.debugger = [&](Vcpu& vcpu) {
        ++times;
        EXPECT_TRUE(is_halted(*cores.machine));
        EXPECT_EQ(vcpu.halt_reason->reason, u32{RS_HALT_STEP});
        end_halt(vcpu, false);
    };
    EXPECT_TRUE(cores.halt());
    EXPECT_EQ(times, 1u);
    EXPECT_FALSE(is_halted(*cores.machine));
    EXPECT_EQ(cores.vcpu().halt_reason, nullptr);
    EXPECT_TRUE(cores.vcpu().has_stood);
    EXPECT_EQ(cores.machine->halt.halts, 1u);
}

/// BRK-1.
TEST(HaltMachine, AllOthersStandUntilTheyAreLetGo) {
    Machines cores{4};
    for (const u32 core : {1u, 2u, 3u})
        cores.run(core);
    u32 rounds = 0;
    cores.debugger = [&](Vcpu& vcpu) {
        ++rounds;
        EXPECT_EQ(vcpu.machine->halt.missing, 0u);
        u64 before[4];
        for (const u32 core : {1u, 2u, 3u}) {
            EXPECT_TRUE(stands(*cores.machine, core));
            before[core] = cores.steps[core];
        }
        for (u32 i = 0; i < 100; ++i)
            std::this_thread::yield();
        for (const u32 core : {1u, 2u, 3u})
            EXPECT_EQ(cores.steps[core], before[core]);
        end_halt(vcpu, false);
    };
    for (u32 round = 0; round < 20; ++round) {
        EXPECT_TRUE(cores.halt());
        u64 before[4];
        for (const u32 core : {1u, 2u, 3u})
            before[core] = cores.steps[core];
        for (const u32 core : {1u, 2u, 3u})
            while (cores.steps[core] == before[core])
                std::this_thread::yield();
    }
    EXPECT_EQ(rounds, 20u);
}

/// BRK-5: none is lost.
TEST(HaltMachine, CoresThatHaltAtTheSameTimeTakeTurns) {
    constexpr u32 kCores = 4, kHalts = 25;
    Machines cores{kCores};
    u32 told[kCores] = {};  // by the operating core alone
    cores.debugger = [&](Vcpu& vcpu) {
        EXPECT_NE(vcpu.halt_reason, nullptr);
        ++told[vcpu.core];
        end_halt(vcpu, false);
    };
    std::atomic<u32> left = kCores;
    std::vector<std::thread> all;
    for (u32 core = 0; core < kCores; ++core)
        all.emplace_back([&, core] {
            for (u32 i = 0; i < kHalts; ++i)
                EXPECT_TRUE(cores.halt(core));
            --left;
            while (left != 0) {
                stand_in_halt(cores.vcpu(core));
                std::this_thread::yield();
            }
        });
    for (std::thread& thread : all)
        thread.join();
    for (const u32 count : told)
        EXPECT_EQ(count, kHalts);
    EXPECT_EQ(cores.machine->halt.halts, kCores * kHalts);
}

/// BRK-5: unless the event was disabled or cleared meanwhile.
TEST(HaltMachine, AnEventThatWasDisabledMeanwhileDoesNotGetItsTurn) {
    for (const bool clears : {false, true}) {
        Machines cores{2};
        event::Event event;
        event.action_count = 1;
        event.enable();
        u32 times = 0;
        cores.debugger = [&](Vcpu& vcpu) {
            ++times;
            while (!stands(*cores.machine, 1))
                std::this_thread::yield();
            clears ? event.request_clear() : event.disable();
            end_halt(vcpu, false);
        };
        std::thread other{[&] {
            while (!is_halted(*cores.machine))
                std::this_thread::yield();
            event::Occasion occasion{.event = event, .reason = RS_HALT_EVENT};
            HaltReason reason{.reason = RS_HALT_EVENT, .occasion = &occasion};
            EXPECT_FALSE(halt_machine(cores.vcpu(1), reason));
        }};
        EXPECT_TRUE(cores.halt(0));
        other.join();
        EXPECT_EQ(times, 1u);
        EXPECT_FALSE(is_halted(*cores.machine));
    }
}

/// A machine that halted for an event while the debugger asked for a halt does not halt again.
TEST(HaltMachine, ARequestIsFulfilledByAnotherCoresHalt) {
    Machines cores{2};
    u32 times = 0;
    cores.debugger = [&](Vcpu& vcpu) {
        ++times;
        while (!stands(*cores.machine, 1))
            std::this_thread::yield();
        end_halt(vcpu, false);
    };
    std::thread other{[&] {
        while (!is_halted(*cores.machine))
            std::this_thread::yield();
        EXPECT_FALSE(cores.halt(1, RS_HALT_REQUEST));
    }};
    EXPECT_TRUE(cores.halt(0));
    other.join();
    EXPECT_EQ(times, 1u);
}

/// One that comes between the last two words of a halt's end was answered, and must be kept.
TEST(HaltMachine, ARequestAtTheEndOfAHaltIsNotFulfilledByIt) {
    Machines cores{1};
    std::atomic_ref<u32> is_taken{cores.machine->halt.is_taken};
    is_taken.store(u32(HaltKind::kDebugger));
    std::atomic<bool> asks = false;
    std::thread other{[&] {
        asks = true;
        EXPECT_TRUE(cores.halt(0, RS_HALT_REQUEST));
    }};
    while (!asks)
        std::this_thread::yield();
    for (int i = 0; i < 1000; ++i)
        std::this_thread::yield();
    is_taken.store(u32(HaltKind::kNone));
    other.join();
    EXPECT_EQ(cores.machine->halt.halts, 1u);
}

/// The others stand while a core is led past a breakpoint, and nobody is told of it; who asked for
/// a halt meanwhile gets one.
TEST(HaltMachine, PassingABreakpointIsNoHaltForTheDebugger) {
    Machines cores{2};
    std::vector<u32> reasons;
    cores.debugger = [&](Vcpu& vcpu) {
        reasons.push_back(vcpu.halt_reason->reason);
        if (vcpu.halt_reason->reason != kPassesBreakpoint)
            return end_halt(vcpu, false);
        EXPECT_TRUE(is_halted(*cores.machine));
        EXPECT_TRUE(is_passing(*cores.machine));
        end_halt_passing(vcpu);
    };
    std::thread other{[&] {
        while (!is_halted(*cores.machine))
            std::this_thread::yield();
        EXPECT_TRUE(cores.halt(1, RS_HALT_REQUEST));
    }};
    EXPECT_TRUE(cores.halt(0, kPassesBreakpoint));
    EXPECT_EQ(stand_in_halt(cores.vcpu(0)), 0u);  // it goes on alone
    while (!stands(*cores.machine, 1))
        std::this_thread::yield();
    EXPECT_EQ(cores.machine->halt.halts, 0u);
    cores.run(0);
    end_halt(cores.vcpu(0), false);
    other.join();
    EXPECT_EQ(reasons, (std::vector<u32>{kPassesBreakpoint, RS_HALT_REQUEST}));
    EXPECT_EQ(cores.machine->halt.halts, 1u);
    EXPECT_FALSE(is_passing(*cores.machine));
}

/// Also when the debugger had halted it before, and lets it go from a breakpoint.
TEST(HaltMachine, AHaltCanEndByPassing) {
    Machines cores{1};
    cores.debugger = [&](Vcpu& vcpu) {
        EXPECT_FALSE(is_passing(*cores.machine));
        end_halt_passing(vcpu);
    };
    EXPECT_TRUE(cores.halt());
    EXPECT_TRUE(is_passing(*cores.machine));
    end_halt(cores.vcpu(), false);
    EXPECT_FALSE(is_halted(*cores.machine));
    EXPECT_FALSE(is_passing(*cores.machine));
    EXPECT_EQ(cores.machine->halt.halts, 1u);
}

/// Nobody else could let them go.
TEST(HaltMachine, WhoIsLetGoAloneAndLeavesRootModeLetsTheOthersGo) {
    Machines cores{2};
    cores.run(1);
    cores.debugger = [&](Vcpu& vcpu) { end_halt(vcpu, true); };
    EXPECT_TRUE(cores.halt());
    EXPECT_TRUE(is_halted(*cores.machine));
    leave_halt(cores.vcpu());
    EXPECT_FALSE(is_halted(*cores.machine));
    leave_halt(cores.vcpu());  // nothing to end
    cores.debugger = [](Vcpu& vcpu) { end_halt(vcpu, false); };
    EXPECT_TRUE(cores.halt());
}

TEST(HaltMachine, ACoreThatDoesNotComeIsCountedInTime) {
    Machines cores{3};
    cores.machine->short_circuit.ticks_per_ms = 1000;
    cores.machine->vcpus[2] = nullptr;  // not there at all
    u32 missing = ~u32{0};
    cores.debugger = [&](Vcpu& vcpu) {
        missing = vcpu.machine->halt.missing;
        EXPECT_FALSE(stands(*cores.machine, 1));
        EXPECT_FALSE(stands(*cores.machine, 2));
        EXPECT_FALSE(stands(*cores.machine, 3));
        end_halt(vcpu, false);
    };
    EXPECT_TRUE(cores.halt());
    EXPECT_EQ(missing, 1u);
    EXPECT_TRUE(cores.take_nmi_command());
    cores.vcpu(1).is_virtualized = false;  // left: nobody waits for it
    EXPECT_TRUE(cores.halt());
    EXPECT_EQ(missing, 0u);
}

TEST(HaltMachine, AnotherCoreOperates) {
    Machines cores{2};
    cores.run(1);
    std::vector<u32> order;
    cores.debugger = [&](Vcpu& vcpu) {
        order.push_back(vcpu.core);
        if (vcpu.core == 0 && order.size() == 1) {
            EXPECT_FALSE(hand_over_operation(vcpu, 7));
            EXPECT_TRUE(hand_over_operation(vcpu, 1));
            EXPECT_FALSE(operates(vcpu));
            return;
        }
        if (vcpu.core == 1) {
            EXPECT_EQ(vcpu.halt_reason, nullptr);
            EXPECT_TRUE(hand_over_operation(vcpu, 0));
            return;
        }
        EXPECT_NE(vcpu.halt_reason, nullptr);  // it is still the halt of this core's making
        end_halt(vcpu, false);
    };
    EXPECT_TRUE(cores.halt());
    cores.stop();
    EXPECT_EQ(order, (std::vector<u32>{0, 1, 0}));
}

/// BRK-4: the others stand on while one core makes a step.
TEST(HaltMachine, ACoreLetGoAloneHaltsAgain) {
    Machines cores{2};
    cores.run(1);
    u32 times = 0;
    cores.debugger = [&](Vcpu& vcpu) {
        ++times;
        end_halt(vcpu, times < 3);
    };
    EXPECT_TRUE(cores.halt());
    const u64 before = cores.steps[1];
    for (u32 step = 0; step < 2; ++step) {
        EXPECT_TRUE(is_halted(*cores.machine));
        EXPECT_FALSE(operates(cores.vcpu()));
        EXPECT_FALSE(stands(*cores.machine, 0));
        EXPECT_TRUE(stands(*cores.machine, 1));
        EXPECT_EQ(stand_in_halt(cores.vcpu()), 0u);
        EXPECT_TRUE(cores.halt());
        if (step == 0) {
            EXPECT_EQ(cores.steps[1], before);
        }
    }
    EXPECT_FALSE(is_halted(*cores.machine));
    EXPECT_EQ(times, 3u);
    EXPECT_EQ(cores.machine->halt.halts, 3u);
    cores.stop();
}

TEST(HaltMachine, NumbersOfHaltsWrapAroundNone) {
    Machines cores{2};
    cores.machine->halt.last_generation = ~u32{0} - 1;
    cores.run(1);
    for (u32 round = 0; round < 3; ++round)
        EXPECT_TRUE(cores.halt());
    EXPECT_EQ(cores.machine->halt.last_generation, 2u);
    cores.stop();
}

/// BRK-3: who is still standing when the next halt begins has no reason of its own any more.
TEST(HaltMachine, AReasonEndsWithItsHalt) {
    Machines cores{2};
    std::atomic<bool> waits = false;
    std::vector<std::pair<u32, bool>> seen;  // core, has a reason
    cores.debugger = [&](Vcpu& vcpu) {
        seen.emplace_back(vcpu.core, vcpu.halt_reason != nullptr);
        if (seen.size() == 1) {
            while (!waits || !stands(*cores.machine, 1))
                std::this_thread::yield();
            end_halt(vcpu, false);
            // The other one halts before this core has looked.
            while (!is_halted(*cores.machine))
                std::this_thread::yield();
        } else if (seen.size() == 2) {
            while (!stands(*cores.machine, 0))
                std::this_thread::yield();
            EXPECT_TRUE(hand_over_operation(vcpu, 0));
        } else {
            end_halt(vcpu, false);
        }
    };
    std::thread other{[&] {
        while (!is_halted(*cores.machine))
            std::this_thread::yield();
        waits = true;
        EXPECT_TRUE(cores.halt(1));
    }};
    EXPECT_TRUE(cores.halt(0));
    other.join();
    const std::vector<std::pair<u32, bool>> wanted{{0, true}, {1, true}, {0, false}};
    EXPECT_EQ(seen, wanted);
}

/// Cores that wait for an NMI, which those that are sent bring to an end.
struct SleepingCores {
    explicit SleepingCores(Machines& of) : cores{of} {
        processor.msrs[x86::IA32_X2APIC_ICR] = 0;
        cores.machine->apic = {true, 0};
        processor.on_write_msr = [this](u32, u64 command) { take_nmi(u32(command >> 32)); };
        processor.on_wait_for_nmi = [this](const u32* nmi_count, u32 nmi_seen) {
            ++waits;
            const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
            while (std::atomic_ref<const u32>(*nmi_count).load() == nmi_seen) {
                if (std::chrono::steady_clock::now() > limit) {
                    ADD_FAILURE() << "nobody woke a core";
                    return;
                }
                std::this_thread::yield();
            }
        };
    }
    void take_nmi(u32 apic_id) {
        for (const auto& vcpu : cores.vcpus)
            if (vcpu->apic_id == apic_id)
                std::atomic_ref<u32>(vcpu->nmi_count).fetch_add(1);
    }

    Machines& cores;
    test::FakeProcessor processor;
    std::atomic<u32> waits = 0;
};

TEST(HaltMachine, CoresThatStandWaitForTheNmiThatEndsIt) {
    constexpr u32 kHalts = 300;
    Machines cores{4};
    SleepingCores sleeping{cores};
    u32 operated[4] = {};
    cores.debugger = [&](Vcpu& vcpu) {
        // Every other time from one core to the next, until the first has it again.
        const bool goes_round = vcpu.machine->halt.halts % 2 == 0;
        ++operated[vcpu.core];
        if (goes_round && (vcpu.core != 0 || vcpu.halt_reason != nullptr)) {
            vcpu.halt_reason = nullptr;
            EXPECT_TRUE(hand_over_operation(vcpu, (vcpu.core + 1) % 4));
        } else {
            end_halt(vcpu, false);
        }
    };
    for (const u32 core : {1u, 2u, 3u})
        cores.run(core);
    for (u32 i = 0; i < kHalts; ++i)
        EXPECT_TRUE(cores.halt());
    cores.stop();
    EXPECT_EQ(operated[0], kHalts + kHalts / 2);
    EXPECT_EQ(operated[3], kHalts / 2);
    EXPECT_GT(sleeping.waits, 0u);
}

/// What woke it is done with; the guest gets what is its own, and the link its interrupt.
TEST(HaltMachine, TheGuestsNmiIsKeptWhileACoreSleeps) {
    static u32 tended = 0;
    tended = 0;
    for (const bool has_own : {false, true}) {
        Machines cores{2};
        SleepingCores sleeping{cores};
        cores.machine->has_link = 1;
        cores.machine->exits.tend_link = [](Vcpu& vcpu, bool has_nmi) {
            tended += vcpu.core == 1 && has_nmi;
            return false;
        };
        std::atomic<bool> has_ended = false;
        std::thread other{[&] {
            while (!has_ended)
                settle_entry(cores.vcpu(1));
        }};
        cores.debugger = [&](Vcpu& vcpu) {
            const u32 before = sleeping.waits;
            if (has_own)
                sleeping.take_nmi(cores.vcpu(1).apic_id);
            while (has_own && sleeping.waits == before)
                std::this_thread::yield();
            end_halt(vcpu, false);
        };
        EXPECT_TRUE(cores.halt());
        has_ended = true;
        other.join();
        settle_entry(cores.vcpu(1));
        EXPECT_EQ(cores.backend(1).injected.size(), has_own ? 1u : 0u);
    }
    EXPECT_GE(tended, 2u);
}

}  // namespace
}  // namespace ringside::vcpu
