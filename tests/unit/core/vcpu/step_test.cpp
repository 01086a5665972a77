// SPDX-License-Identifier: GPL-3.0-or-later
// Steps by the trap flag over a guest that is carried out instruction by instruction: what it sees
// of them (nothing), and where they end (BRK-4; 14 't', 'p', 'i').
#include "vcpu/step.hpp"

#include "support/stepped_guest.hpp"

namespace ringside::vcpu {
namespace {

using test::SteppedCpu;
using test::SteppedMachine;
using x86::rflags::IF;
using x86::rflags::TF;
using enum StepKind;

constexpr u8 kNop = 0x90, kPushf = 0x9c, kPopf = 0x9d, kCli = 0xfa, kSti = 0xfb, kHlt = 0xf4,
             kInt3 = 0xcc;
constexpr u64 kFlags = 0x202;  // IF

struct Step : testing::Test {
    /// The one instruction at RIP, stepped.
    u64 code() const { return SteppedMachine::kCode.value(); }
    u64 user() const { return SteppedMachine::kUserCode.value(); }
    /// Nothing of a step is left in the guest, or with root mode.
    void expect_clean() {
        EXPECT_FALSE(machine.vcpu().step.is_active);
        EXPECT_EQ(machine.machine->debug_exceptions, 0u);
        EXPECT_EQ(cpu.msrs[x86::IA32_FMASK], TF | IF);
        EXPECT_EQ(cpu.registers[RS_FULL_DR6] & SteppedCpu::kTrap, 0u);
    }

    SteppedMachine machine;
    SteppedCpu& cpu = machine.cpu;
    WaitingEvents& waiting = machine.vcpu().waiting;
    GuestRegisters& general = *machine.registers[0];
};

// ---- instructions ----

TEST_F(Step, OneInstructionAfterTheOther) {
    for (const StepKind kind : {kOver, kEnter, kHold}) {
        cpu.rip() = code();
        machine.set_code({kNop, kNop, kNop});
        const auto places = machine.step({kind, kind, kind});
        for (u64 i = 0; i < 3; ++i) {
            EXPECT_EQ(places[i].rip, code() + 1 + i);
            EXPECT_EQ(places[i].flags, kFlags);
            EXPECT_EQ(places[i].reason, u32{RS_HALT_STEP});
        }
        expect_clean();
    }
    EXPECT_EQ(cpu.executed, 9u);
    EXPECT_EQ(machine.machine->halt.halts, 12u);
    EXPECT_TRUE(cpu.handled.empty());
}

TEST_F(Step, PushedFlagsAreTheGuestsOwn) {
    for (const StepKind kind : {kOver, kHold})
        for (const u64 flags : {u64{0x202}, u64{0x2}, u64{0xa97}}) {
            cpu.rip() = code();
            cpu.flags() = flags & ~TF;
            machine.set_code({kPushf});
            EXPECT_EQ(machine.step(kind).flags, flags & ~TF);
            EXPECT_EQ(cpu.stack(0), flags & ~TF);
            expect_clean();
        }
}

TEST_F(Step, LoadedFlagsAreWhatTheGuestLoaded) {
    for (const StepKind kind : {kOver, kHold})
        for (const u64 flags : {u64{0x2}, u64{0x202}, u64{0xad7}, u64{0x302}}) {
            cpu.rip() = code();
            cpu.flags() = kFlags;
            machine.memory_of_guest.set(Gva{cpu.rsp()}, flags);
            machine.set_code({kPopf});
            EXPECT_EQ(machine.step(kind).flags, flags) << std::hex << flags;
            cpu.rsp() -= 8;
        }
}

/// POPF does not load IF in user mode: what was hidden from it must not be lost.
TEST_F(Step, UserModeKeepsItsInterruptFlagOverPopf) {
    machine.enter_user();
    machine.memory_of_guest.set(Gva{cpu.rsp()}, u64{0x246});
    machine.set_code({kPopf});
    const auto place = machine.step(kHold);
    EXPECT_EQ(place.rip, user() + 1);
    EXPECT_EQ(place.flags, 0x246u);
    expect_clean();
}

/// The guest steps itself: it gets its own trap as well, with its own flag in the frame.
TEST_F(Step, AGuestThatStepsItselfGetsItsTrap) {
    cpu.flags() = kFlags | TF;
    machine.set_code({kPushf, kNop});
    EXPECT_EQ(machine.step(kOver).flags, kFlags | TF);
    EXPECT_EQ(cpu.stack(0), kFlags | TF);
    EXPECT_EQ(cpu.registers[RS_FULL_DR6] & SteppedCpu::kTrap, SteppedCpu::kTrap);
    ASSERT_EQ(cpu.injected.size(), 1u);
    EXPECT_EQ(cpu.injected[0].vector, 1);
    cpu.rip() = code();
    machine.set_code({kCli, kNop});  // this one is not carried out for it
    EXPECT_EQ(machine.step(kOver).flags, 0x2 | TF);
    EXPECT_EQ(cpu.injected.size(), 2u);
}

TEST_F(Step, InterruptsAreSwitchedOnAndOff) {
    for (const StepKind kind : {kOver, kHold}) {
        cpu.rip() = code();
        machine.set_code({kCli, kSti, kNop});
        const auto places = machine.step({kind, kind, kind});
        EXPECT_EQ(places[0].rip, code() + 1);
        EXPECT_EQ(places[0].flags, 0x2u);
        EXPECT_EQ(places[1].rip, code() + 2);
        EXPECT_EQ(places[1].flags, kFlags);
        EXPECT_EQ(places[2].rip, code() + 3);
        EXPECT_EQ(places[2].flags, kFlags);
        expect_clean();
    }
}

/// Behind CPUID, whose length the exit told, and which is not CLI's.
TEST_F(Step, AnInstructionThatExitsIsOne) {
    machine.set_code({0x0f, 0xa2, kCli, 0x0f, 0xa2, kHlt, kNop});
    const auto places = machine.step({kOver, kOver, kOver, kOver, kOver});
    EXPECT_EQ(places[0].rip, code() + 2);
    EXPECT_EQ(places[0].flags, kFlags);
    EXPECT_EQ(places[1].rip, code() + 3);
    EXPECT_EQ(places[1].flags, 0x2u);
    EXPECT_EQ(places[2].rip, code() + 5);
    EXPECT_EQ(places[3].rip, code() + 6);
    EXPECT_EQ(places[4].rip, code() + 7);
    expect_clean();
}

TEST_F(Step, AHaltWakesAtOnce) {
    for (const StepKind kind : {kOver, kHold}) {
        cpu.rip() = code();
        machine.set_code({kHlt, kNop});
        EXPECT_EQ(machine.step(kind).rip, code() + 1);
        EXPECT_EQ(cpu.executed, 0u);
        expect_clean();
    }
}

/// 'i' waits for nothing either, while interrupts are kept back.
TEST_F(Step, AHaltWithAnInterruptKeptBackWakesToo) {
    waiting.interrupts.add(0x31);
    machine.set_code({kHlt, kNop});
    const auto place = machine.step(kHold);
    EXPECT_EQ(place.rip, code() + 1);
    EXPECT_EQ(place.flags, kFlags);
    EXPECT_EQ(cpu.executed, 0u);
}

/// The processor traps behind the instruction after MOV SS.
TEST_F(Step, BehindMovSsTwoInstructionsAreOneStep) {
    machine.set_code({0x8e, 0xd0, kNop, kNop});
    EXPECT_EQ(machine.step(kOver).rip, code() + 3);
    for (const StepKind kind : {kOver, kHold}) {
        cpu.rip() = code();
        machine.set_code({0x8e, 0xd0, kPushf});
        EXPECT_EQ(machine.step(kind).rip, code() + 3);
        EXPECT_EQ(cpu.stack(0), kFlags);
        cpu.rip() = code();
        machine.memory_of_guest.set(Gva{cpu.rsp()}, u64{0x2});
        machine.set_code({0x8e, 0xd0, kPopf});
        EXPECT_EQ(machine.step(kind).flags, 0x2u);
        cpu.flags() = kFlags;
        expect_clean();
    }
}

TEST_F(Step, AStepBeginsInTheShadowOfSti) {
    cpu.has_shadow = true;
    machine.set_code({kNop, kNop});
    EXPECT_EQ(machine.step(kOver).rip, code() + 1);
    EXPECT_FALSE(cpu.has_shadow);
}

TEST_F(Step, ASystemCallIsEnteredAndLeft) {
    for (const StepKind kind : {kOver, kHold}) {
        machine.enter_user();
        machine.set_code({0x0f, 0x05, kNop});
        cpu.set_code(SteppedCpu::kSystemCall, {kNop, 0x48, 0x0f, 0x07});
        const auto places = machine.step({kind, kind, kind, kind});
        EXPECT_EQ(places[0].rip, SteppedCpu::kSystemCall);
        EXPECT_EQ(places[0].flags, 0x2u);  // as FMASK says
        EXPECT_EQ(places[1].rip, SteppedCpu::kSystemCall + 1);
        EXPECT_EQ(places[2].rip, user() + 2);
        EXPECT_EQ(places[2].flags, kFlags);
        EXPECT_EQ(general.r11, kFlags);
        EXPECT_EQ(places[3].rip, user() + 3);
        EXPECT_EQ(places[3].flags, kFlags);
        expect_clean();
    }
}

/// A kernel that leaves IF alone finds it as it was.
TEST_F(Step, ASystemCallLeavesWhatItsMaskDoesNotTake) {
    cpu.msrs[x86::IA32_FMASK] = 0;
    machine.enter_user();
    machine.set_code({0x0f, 0x05});
    EXPECT_EQ(machine.step(kHold).flags, kFlags);
    EXPECT_EQ(general.r11, kFlags);
    EXPECT_EQ(cpu.msrs[x86::IA32_FMASK], 0u);
}

TEST_F(Step, Sysenter) {
    machine.enter_user();
    for (const StepKind kind : {kOver, kHold}) {
        machine.enter_user();
        cpu.flags() = kFlags;
        machine.set_code({0x0f, 0x34});
        const auto place = machine.step(kind);
        EXPECT_EQ(place.rip, SteppedCpu::kSystemCall);
        EXPECT_EQ(place.flags, 0x2u);
    }
}

TEST_F(Step, AReturnFromAnInterruptLoadsTheFlags) {
    for (const StepKind kind : {kOver, kHold})
        for (const u64 flags : {u64{0x2}, u64{0x202}, u64{0x302}}) {
            const u64 stack = SteppedCpu::kKernelStack.value() + 0x600;
            cpu.level = 0;
            cpu.flags() = 0x2;
            cpu.rip() = code();
            cpu.rsp() = stack;
            machine.set_code({0x48, 0xcf});
            const u64 frame[] = {user(), SteppedCpu::kUserCode, flags, 0x7000, 0x2b};
            machine.memory_of_guest.set(Gva{stack}, frame);
            const auto place = machine.step(kind);
            EXPECT_EQ(place.rip, user());
            EXPECT_EQ(place.flags, flags);
            EXPECT_EQ(cpu.level, 3);
        }
}

TEST_F(Step, AStringInstructionIsSteppedByIteration) {
    const Gva target{SteppedCpu::kKernelStack.value()};
    general.rdi = target.value();
    general.rcx = 3;
    cpu.registers[RS_FULL_RAX] = 0x5a;
    machine.set_code({0xf3, 0xaa, kNop});
    const auto places = machine.step({kOver, kOver, kOver, kOver});
    EXPECT_EQ(places[0].rip, code());
    EXPECT_EQ(places[1].rip, code());
    EXPECT_EQ(places[2].rip, code() + 2);
    EXPECT_EQ(places[3].rip, code() + 3);
    EXPECT_EQ(machine.memory_of_guest.get<u32>(target), 0x5a'5a5au);
    expect_clean();
}

// ---- exceptions ----

/// The handler runs, and the instruction again: one step.
TEST_F(Step, AFaultsHandlerRunsWithinAStep) {
    const Gva absent{0xffff'ffff'9000'0000};
    cpu.registers[RS_FULL_RAX] = absent.value();
    machine.set_code({0x8a, 0x00, kNop});
    cpu.on_handler = [&] { machine.memory_of_guest.map(absent); };
    EXPECT_EQ(machine.step(kOver).rip, code() + 2);
    EXPECT_EQ(cpu.handled, std::vector<u8>{14});
    EXPECT_EQ(cpu.flags(), kFlags);
    expect_clean();
}

/// 'i' goes where the processor goes, and the frame is the guest's own.
TEST_F(Step, InstrumentedAFaultIsFollowed) {
    cpu.registers[RS_FULL_RAX] = 0xffff'ffff'9000'0000;
    machine.set_code({0x8a, 0x00, kNop});
    EXPECT_EQ(machine.step(kHold).rip, SteppedCpu::handler(14));
    EXPECT_EQ(cpu.stack(0), code());
    EXPECT_EQ(cpu.stack(2), kFlags);
    expect_clean();
}

TEST_F(Step, InstrumentedAnInt3OfTheGuestsIsFollowed) {
    machine.set_code({kInt3, kNop});
    EXPECT_EQ(machine.step(kHold).rip, SteppedCpu::handler(3));
    EXPECT_EQ(cpu.stack(0), code() + 1);
    EXPECT_EQ(cpu.stack(2), kFlags);
}

TEST_F(Step, AMissingPageOfCodeIsAFaultLikeAnyOther) {
    cpu.rip() = 0xffff'ffff'9000'0000;
    EXPECT_EQ(machine.step(kHold).rip, SteppedCpu::handler(14));
    EXPECT_EQ(cpu.stack(0), 0xffff'ffff'9000'0000);
}

TEST_F(Step, TheLastInstructionOfAPageIsDecoded) {
    cpu.rip() = code() + kPageSize - 1;
    machine.set_code({kPushf});
    EXPECT_EQ(machine.step({kOver, kHold})[0].rip, code() + kPageSize);
    EXPECT_EQ(cpu.handled, std::vector<u8>{14});
}

// ---- interrupts ----

struct Interrupted : Step {
    /// @param executed  instructions before it, none of them of the interrupted code
    void expect_at_handler(u8 vector, const SteppedMachine::Place& place, u64 executed = 0) {
        EXPECT_EQ(place.rip, SteppedCpu::handler(vector));
        EXPECT_EQ(place.flags, 0x2u);
        EXPECT_EQ(place.reason, u32{RS_HALT_STEP});
        EXPECT_EQ(cpu.stack(0), code());
        EXPECT_EQ(cpu.stack(2), kFlags);
        EXPECT_EQ(cpu.executed, executed);
        expect_clean();
    }
};

/// BRK-4: 't' stops at the handler's first instruction.
TEST_F(Interrupted, AStepEntersTheHandler) {
    for (const bool at_once : {false, true}) {
        cpu.rip() = code();
        cpu.flags() = kFlags;
        cpu.delivery_is_at_once = at_once;
        machine.set_code({kCli, kNop});
        waiting.interrupts.add(0x31);
        expect_at_handler(0x31, machine.step(kEnter));
        EXPECT_TRUE(waiting.interrupts.empty());
        cpu.rsp() += 40;
    }
}

/// The machine was halted by an exit in the middle of a delivery, which is done first.
TEST_F(Interrupted, ADeliveryThatWasCutShortIsEntered) {
    machine.set_code({kNop});
    waiting.in_flight = {.type = EventType::kExternalInterrupt, .vector = 0x31, .valid = true};
    expect_at_handler(0x31, machine.step(kEnter));
    cpu.rsp() += 40;
    cpu.rip() = code();
    cpu.flags() = kFlags;
    waiting.in_flight = {.type = EventType::kException, .vector = 13, .valid = true};
    expect_at_handler(13, machine.step(kHold));
}

/// Until the guest can take it the guest runs, and then the step ends all the same.
TEST_F(Interrupted, AStepRunsToTheHandlerOfAnInterruptThatHasToWait) {
    cpu.flags() = 0x2;
    waiting.interrupts.add(0x31);
    machine.set_code({kPushf, kSti, kNop, kNop});
    EXPECT_EQ(machine.step(kEnter).rip, SteppedCpu::handler(0x31));
    EXPECT_EQ(cpu.stack(0), code() + 3);  // behind the shadow of STI
    EXPECT_EQ(cpu.stack(2), kFlags);
    EXPECT_EQ(cpu.stack(5), 0x2u);
    expect_clean();
}

/// An NMI that comes before it does not end the step.
TEST_F(Interrupted, AStepRunsThroughAnNmiToTheHandler) {
    waiting.nmi = true;
    waiting.interrupts.add(0x31);
    machine.set_code({kNop});
    expect_at_handler(0x31, machine.step(kEnter), 1);  // IRET of the NMI's
    EXPECT_EQ(cpu.handled, (std::vector<u8>{2, 0x31}));
}

/// BRK-4: 'p' lets the handler run, and stops one instruction further in the interrupted code,
/// also where that turns interrupts off.
TEST_F(Interrupted, AStepOverLetsTheHandlerRun) {
    for (const u8 opcode : {kNop, kCli, kSti, kPushf}) {
        cpu.rip() = code();
        cpu.flags() = kFlags;
        cpu.handled.clear();
        machine.set_code({opcode, kNop});
        waiting.interrupts.add(0x31);
        const auto place = machine.step(kOver);
        EXPECT_EQ(cpu.handled, std::vector<u8>{0x31}) << u32(opcode);
        EXPECT_EQ(place.rip, code() + 1);
        EXPECT_EQ(place.flags, opcode == kCli ? 0x2u : kFlags);
        if (opcode == kPushf) {
            EXPECT_EQ(cpu.stack(0), kFlags);
        }
        EXPECT_TRUE(waiting.interrupts.empty());
        expect_clean();
    }
}

/// BRK-4: 'i' keeps them back; they come when the machine goes on.
TEST_F(Interrupted, AnInstrumentedStepKeepsThemBack) {
    waiting.interrupts.add(0x31);
    cpu.interrupts = {0x41};  // another one at the local APIC
    machine.set_code({kNop, kPushf, kCli, kSti, kNop, kNop});
    const auto places = machine.step({kHold, kHold, kHold, kHold, kHold});
    for (u64 i = 0; i < 5; ++i)
        EXPECT_EQ(places[i].rip, code() + 1 + i);
    EXPECT_EQ(places[4].flags, kFlags);
    EXPECT_EQ(cpu.stack(0), kFlags);
    EXPECT_TRUE(cpu.handled.empty());
    cpu.set_code(code() + 5, {kNop, kNop, kInt3});
    cpu.exceptions = 1u << 3;
    cpu.run();
    EXPECT_EQ(cpu.handled, (std::vector<u8>{0x31, 0x41}));
}

/// An NMI goes first, and the step goes on behind it.
TEST_F(Interrupted, AnNmiIsTakenBeforeTheStep) {
    for (const StepKind kind : {kOver, kEnter, kHold}) {
        cpu.rip() = code();
        cpu.handled.clear();
        waiting.nmi = true;
        waiting.nmi_blocked = false;
        machine.set_code({kPushf, kNop});
        EXPECT_EQ(machine.step(kind).rip, code() + 1);
        EXPECT_EQ(cpu.handled, std::vector<u8>{2});
        EXPECT_EQ(cpu.stack(0), kFlags);
        expect_clean();
    }
}

/// A handler that exits runs on without the flag, and what it finds in registers is its own.
TEST_F(Interrupted, ExitsInTheHandlerChangeNothing) {
    cpu.set_code(SteppedCpu::handler(0x31), {0x0f, 0xa2, kPushf, kPopf, 0x48, 0xcf});
    for (const u8 opcode : {kNop, kPushf}) {
        cpu.rip() = code();
        machine.set_code({opcode, kNop});
        waiting.interrupts.add(0x31);
        const auto place = machine.step(kOver);
        EXPECT_EQ(place.rip, code() + 1);
        EXPECT_EQ(place.flags, kFlags);
        expect_clean();
    }
}

/// R11, which holds the flags SYSRET is going to load, belongs to the handler meanwhile.
TEST_F(Interrupted, TheHandlerOfAnNmiBeforeSysretHasItsOwnR11) {
    cpu.flags() = 0x2;
    general.rcx = user();
    general.r11 = kFlags;
    machine.set_code({0x48, 0x0f, 0x07});
    waiting.nmi = true;
    u64 saved = 0;
    cpu.on_handler = [&] { saved = std::exchange(general.r11, 0x77); };
    cpu.set_code(SteppedCpu::handler(2), {0x0f, 0xa2, 0x48, 0xcf});
    cpu.on_return = [&] {
        EXPECT_EQ(general.r11, 0x77u);
        general.r11 = saved;
        general.rcx = user();
    };
    const auto place = machine.step(kOver);
    EXPECT_EQ(place.rip, user());
    EXPECT_EQ(place.flags, kFlags);
    EXPECT_EQ(general.r11, kFlags);
    expect_clean();
}

/// Without a task in between the step ends at the call's entry, whatever the handler exits for.
TEST_F(Interrupted, ASystemCallIsEnteredBehindAHandler) {
    machine.enter_user();
    waiting.interrupts.add(0x31);
    machine.set_code({0x0f, 0x05});
    cpu.set_code(SteppedCpu::handler(0x31), {0x0f, 0xa2, 0x48, 0xcf});
    EXPECT_EQ(machine.step(kOver).rip, SteppedCpu::kSystemCall);
    EXPECT_EQ(general.r11, kFlags);
    expect_clean();
}

// ---- other tasks ----

struct Scheduled : Step {
    static constexpr u64 kOther = 0xffff'8880'0456'0000;

    /// While the handler of `vector` runs the kernel goes over to another task, which asks root
    /// mode for something before it comes back.
    void switch_in_handler(u8 vector) {
        cpu.set_code(SteppedCpu::handler(vector), {0x0f, 0xa2, 0x48, 0xcf});
        cpu.on_handler = [this] { mine = std::exchange(machine.current, kOther); };
        cpu.on_return = [this] {
            in_other();
            machine.current = mine;
        };
    }
    u64 mine = 0;
    std::function<void()> in_other = [] {};
};

TEST_F(Scheduled, AStepWaitsForItsTask) {
    waiting.interrupts.add(0x31);
    machine.set_code({kPushf, kNop});
    switch_in_handler(0x31);
    in_other = [&] { EXPECT_EQ(cpu.flags() & TF, 0u); };
    const auto place = machine.step(kOver);
    EXPECT_EQ(place.rip, code() + 1);
    EXPECT_EQ(place.flags, kFlags);
    expect_clean();
}

/// The mask of system calls is every task's. That the call is stepped over then is the price.
TEST_F(Scheduled, AnotherTaskFindsItsSystemCallsMaskAsItWas) {
    machine.enter_user();
    waiting.interrupts.add(0x31);
    machine.set_code({0x0f, 0x05});
    cpu.set_code(SteppedCpu::kSystemCall, {0x48, 0x0f, 0x07});
    switch_in_handler(0x31);
    in_other = [&] { EXPECT_EQ(cpu.msrs[x86::IA32_FMASK], TF | IF); };
    const auto place = machine.step(kOver);
    EXPECT_EQ(place.rip, user() + 2);
    EXPECT_EQ(place.flags, kFlags);
    EXPECT_EQ(general.r11, kFlags);
    expect_clean();
}

/// What is halted for another reason while a handler runs has given its step up. The trap that the
/// frame still holds is nobody's then: the guest must not get it.
TEST_F(Scheduled, TheTrapOfAStepThatWasGivenUpIsSwallowed) {
    waiting.interrupts.add(0x31);
    machine.set_code({kNop, kNop, 0x0f, 0xa2});
    cpu.set_code(SteppedCpu::handler(0x31), {0x0f, 0xa2, 0x48, 0xcf});
    machine.machine->exits.handlers[u32(ExitReason::kCpuid)] = [](Vcpu& core, const Exit&) {
        core.backend->skip_instruction(2);
        HaltReason reason{.reason = RS_HALT_EVENT};
        (void)halt_machine(core, reason);
        return After::kResume;
    };
    const auto place = machine.step(kOver);
    EXPECT_EQ(place.rip, SteppedCpu::handler(0x31) + 2);
    EXPECT_EQ(place.reason, u32{RS_HALT_EVENT});
    EXPECT_NE(machine.machine->debug_exceptions & 1u << 1, 0u);  // it still is to come
    machine.run_until([&] { return cpu.next_exit.reason == ExitReason::kException; });
    EXPECT_EQ(cpu.rip(), code() + 1);
    EXPECT_EQ(cpu.flags(), kFlags);
    EXPECT_TRUE(cpu.injected.size() == 1) << "the guest has got a trap";
    EXPECT_EQ(machine.machine->step_tasks.stale[0], 0u);
    EXPECT_EQ(cpu.registers[RS_FULL_DR6] & SteppedCpu::kTrap, 0u);
}

/// A task whose flag is in a frame goes on on another core: the step ends there.
TEST(StepOnTwoCores, EndsWhereItsTaskGoesOn) {
    SteppedMachine machine{2};
    Vcpu& other = machine.vcpu(1);
    test::FakeBackend& backend = machine.backend(1);
    machine.vcpu(1).is_virtualized = false;  // it does not stand, and nobody waits for it
    u64 there = 0xffff'8880'0456'0000;
    other.current_slot = &there;
    machine.set_code({0x0f, 0xa2});
    HaltReason reason{.reason = RS_HALT_REQUEST};
    machine.orders = {kOver};
    EXPECT_TRUE(halt_machine(machine.vcpu(), reason));
    const u64 task = std::exchange(machine.current, there);
    there = task;
    backend.registers[RS_FULL_RIP] = 0x1234;
    backend.registers[RS_FULL_RFLAGS] = kFlags | TF;
    backend.exception = {
        .type = EventType::kException, .vector = 1, .valid = true, .address = SteppedCpu::kTrap};
    machine.exit(ExitReason::kException, 1);
    ASSERT_TRUE(machine.is_over);
    EXPECT_EQ(machine.places.back().rip, 0x1234u);
    EXPECT_EQ(machine.places.back().flags, kFlags);
    EXPECT_EQ(machine.places.back().reason, u32{RS_HALT_STEP});
    EXPECT_TRUE(backend.injected.empty());
    EXPECT_FALSE(machine.vcpu(0).step.is_active);
    EXPECT_EQ(machine.machine->debug_exceptions, 0u);
}

// ---- what is no step's ----

TEST_F(Step, OtherDebugExceptionsAreTheGuests) {
    machine.machine->step_tasks.current = machine.current;
    const PendingEvent breakpoint{
        .type = EventType::kException, .vector = 1, .valid = true, .address = 1};
    EXPECT_EQ(take_step_trap(machine.vcpu(), breakpoint), StepTrap::kNone);
    machine.machine->step_tasks.current = 0xffff'8880'0456'0000;  // another task's
    const PendingEvent trap{
        .type = EventType::kException, .vector = 1, .valid = true, .address = SteppedCpu::kTrap};
    EXPECT_EQ(take_step_trap(machine.vcpu(), trap), StepTrap::kNone);
    EXPECT_EQ(machine.machine->halt.halts, 0u);
}

/// As long as a trap can come it exits, breakpoints or not.
TEST_F(Step, DebugExceptionsExitForWhatIsStillToCome) {
    constexpr u32 kDebug = 1u << 1, kBreakpoint = 1u << 3;
    Machine& all = *machine.machine;
    const auto exceptions = [&] {
        update_debug_exceptions(all);
        return all.debug_exceptions;
    };
    EXPECT_EQ(exceptions(), 0u);
    all.breakpoint_count = 1;
    EXPECT_EQ(exceptions(), kDebug | kBreakpoint);
    all.step_tasks.stale[7] = machine.current;
    EXPECT_EQ(exceptions(), kDebug | kBreakpoint);
    all.breakpoint_count = 0;
    EXPECT_EQ(exceptions(), kDebug);
    all.step_tasks.stale[7] = 0;
    EXPECT_EQ(exceptions(), 0u);
    all.step_tasks.current = machine.current;
    EXPECT_EQ(exceptions(), kDebug);
}

// ---- below a breakpoint ----

struct Hidden : Step {
    void begin() {
        begin_hidden_step(machine.vcpu());
        settle_entry(machine.vcpu());
    }
    void run_hidden() {
        begin();
        machine.run_until([&] { return machine.hidden_done != 0; });
        EXPECT_EQ(machine.hidden_done, 1u);
        EXPECT_EQ(machine.machine->halt.halts, 0u);
    }
};

TEST_F(Hidden, NobodyIsToldOfIt) {
    machine.set_code({kPushf, kNop, 0x0f, 0xa2});
    run_hidden();
    EXPECT_EQ(cpu.rip(), code() + 1);
    EXPECT_EQ(cpu.flags(), kFlags);
    EXPECT_EQ(cpu.stack(0), kFlags);
    EXPECT_EQ(cpu.executed, 1u);
    expect_clean();
    machine.run_until([&] { return cpu.rip() == code() + 4; });
    EXPECT_EQ(machine.vcpu().intercepted_exceptions, 0u);
}

TEST_F(Hidden, InterruptsWaitUntilItIsOver) {
    waiting.interrupts.add(0x31);
    cpu.interrupts = {0x41};
    machine.set_code({kNop, 0x0f, 0xa2});
    run_hidden();
    EXPECT_EQ(cpu.rip(), code() + 1);
    EXPECT_TRUE(cpu.handled.empty());
    machine.run_until([&] { return cpu.rip() == code() + 3; });
    EXPECT_EQ(cpu.handled, (std::vector<u8>{0x31, 0x41}));
}

/// The handler must not run without the breakpoint.
TEST_F(Hidden, IsOverWhenItsInstructionFaults) {
    cpu.registers[RS_FULL_RAX] = 0xffff'ffff'9000'0000;
    machine.set_code({0x8a, 0x00});
    run_hidden();
    EXPECT_EQ(cpu.rip(), SteppedCpu::handler(14));
    EXPECT_EQ(cpu.stack(2), kFlags);
}

TEST_F(Hidden, InstructionsCarriedOutForTheGuestEndIt) {
    for (const std::vector<u8>& code_of :
         {std::vector<u8>{kHlt}, std::vector<u8>{kCli}, std::vector<u8>{0x0f, 0xa2}}) {
        machine.hidden_done = 0;
        cpu.rip() = code();
        machine.set_code({kNop, kNop, kNop, 0x0f, 0xa2});
        for (usize i = 0; i < code_of.size(); ++i)
            cpu.set_code(code() + i, {code_of[i]});
        begin();
        machine.run_until([&] { return machine.hidden_done == 1; });
        EXPECT_EQ(cpu.rip(), code() + code_of.size());
    }
}

/// A user's step that meets a breakpoint meant for somebody else ends where it would have.
TEST_F(Hidden, IsTakenWithinAStep) {
    machine.set_code({kInt3, kNop, kNop});
    machine.machine->exits.debug_exception = [](Vcpu& core, const PendingEvent& exception) {
        if (exception.vector != 3)
            return take_step_trap(core, exception) == StepTrap::kTaken;
        auto& self = *static_cast<SteppedMachine*>(core.machine->debugger);
        self.cpu.set_code(SteppedMachine::kCode.value(), {kPushf});  // lifted
        begin_hidden_step(core);
        return true;
    };
    machine.machine->debug_exceptions = 1u << 3;
    const auto places = machine.step({kOver, kOver});
    EXPECT_EQ(places[0].rip, code() + 1);
    EXPECT_EQ(places[0].flags, kFlags);
    EXPECT_EQ(places[1].rip, code() + 2);
    EXPECT_EQ(cpu.stack(0), kFlags);
    EXPECT_EQ(machine.hidden_done, 1u);
}

}  // namespace
}  // namespace ringside::vcpu
