// SPDX-License-Identifier: GPL-3.0-or-later
// SC-8, SC-9, SC-11 on one core, against the controllers' manuals.
#include "apic/short_circuit.hpp"

#include <gtest/gtest.h>

#include <map>

#include "support/fake_controllers.hpp"

namespace ringside::apic {
namespace {

using test::FakeControllers;

constexpr u64 kMs = 1000;
constexpr u8 kLine = 0x45, kDevice = 0x51, kTimer = 0xec, kIpi = 0xf1;
constexpr u32 kPin = 10, kEvent = 7;

/// A core whose interrupts an event ignores.
struct Core {
    explicit Core(u32 version = 0x20) {
        hardware.io_apics.resize(1);
        hardware.io_apics[0].version = version;
        hardware.io_apics[0].index = 0x17;  // the guest is between its two accesses
        hardware.route(0, kPin, kLine);
        settings.ticks_per_ms = kMs;
        settings.pic_base = 0x30;
        for (u32 vector = 0x20; vector < 0xec; ++vector)
            settings.replayed.add(u8(vector));
    }
    ~Core() {
        EXPECT_EQ(hardware.io_apics[0].index, 0x17u);
        if (!may_index_alone) {
            EXPECT_EQ(hardware.indexed_alone, 0u);
        }
    }

    /// Accepts what is requested and ignores it; kDeliver leaves it in service.
    Outcome ignore_next(u64 rip = 0x1000) {
        const s32 vector = hardware.accept();
        EXPECT_GE(vector, 0);
        hardware.now += 1;
        return state.on_ignored(hardware, settings,
                                {.vector = u8(vector), .event = kEvent, .rip = rip});
    }
    void ignore_edge(u8 vector) {
        hardware.send_edge(vector);
        EXPECT_EQ(ignore_next(), Outcome::kRetired);
        EXPECT_TRUE(hardware.in_service.empty());
    }
    /// Ignores until the source is held; how many arrivals it took.
    u32 ignore_until_held() {
        for (u32 count = 1; count <= 100; ++count)
            if (ignore_next() == Outcome::kHeld)
                return count;
        return 0;
    }
    void pass(u64 ms) {
        hardware.now += ms * kMs;
        state.end_due_holds(hardware, [this](u32 event) { ++ended[event]; });
    }
    void end_event() {
        state.reconsider(
            hardware, settings, [](u32) { return false; }, [this](u32 event) { ++ended[event]; });
    }
    bool is_requested(u8 vector) { return hardware.requested.contains(vector); }

    FakeControllers hardware;
    Settings settings;
    ShortCircuit state;
    std::map<u32, u32> ended;
    bool may_index_alone = false;
};

// ---- SC-8 ----

TEST(IgnoredLevel, TheBroadcastReachesTheIoApic) {
    Core core;
    core.hardware.assert_line(0, kPin);
    core.hardware.io_apics[0].pins[kPin].is_asserted = false;
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_FALSE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_TRUE(core.hardware.register_eois.empty());
}

TEST(IgnoredLevel, ASuppressedBroadcastIsReplacedByTheEoiRegister) {
    Core core;
    core.hardware.spurious |= 1 << 12;
    core.hardware.assert_line(0, kPin);
    core.hardware.io_apics[0].pins[kPin].is_asserted = false;
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_FALSE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_EQ(core.hardware.register_eois, std::vector<u8>{kLine});
}

TEST(IgnoredLevel, OrByTheTriggerModeOnAnOldIoApic) {
    Core core{0x11};
    core.hardware.spurious |= 1 << 12;
    core.hardware.assert_line(0, kPin);
    core.hardware.io_apics[0].pins[kPin].is_asserted = false;
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_FALSE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_EQ(core.hardware.entry(0, kPin), FakeControllers::kLevelEntry | kLine);
}

TEST(IgnoredLevel, ARemappedEntryIsEndedByItsOwnVectorField) {
    Core core;
    core.hardware.entry(0, kPin) = u64{1} << 48 | FakeControllers::kLevelEntry | kPin;
    core.hardware.assert_line(0, kPin);
    core.hardware.io_apics[0].pins[kPin].is_asserted = false;
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_FALSE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_EQ(core.hardware.register_eois, std::vector<u8>{u8(kPin)});
}

TEST(IgnoredLevel, IsEndedLaterWhenTheOthersDoNotStandStill) {
    Core core{0x11};
    core.hardware.spurious |= 1 << 12;
    core.hardware.assert_line(0, kPin);
    core.hardware.io_apics[0].pins[kPin].is_asserted = false;
    core.hardware.others_come = false;
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_TRUE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_TRUE(core.state.has_holds());
    core.pass(0);
    EXPECT_TRUE(core.hardware.has_remote_irr(0, kPin));
    core.hardware.others_come = true;
    core.pass(0);
    EXPECT_FALSE(core.hardware.has_remote_irr(0, kPin));
    EXPECT_FALSE(core.state.has_holds());
    EXPECT_TRUE(core.ended.empty());  // nobody was told of a hold
}

// ---- SC-9 ----

/// How a source is held: version of the IO-APIC, whether the local APIC can keep an EOI to itself.
struct Way {
    const char* name;
    u32 version;
    bool can_suppress;
    bool guest_suppresses;
};
class LevelStorm : public testing::TestWithParam<Way> {
protected:
    LevelStorm() : core{GetParam().version} {
        core.hardware.can_suppress = GetParam().can_suppress;
        if (GetParam().guest_suppresses)
            core.hardware.spurious |= 1 << 12;
        spurious = core.hardware.spurious;
        core.hardware.assert_line(0, kPin);
    }
    Core core;
    u32 spurious = 0;
};

TEST_P(LevelStorm, IsHeldAtThe17thAndQuietMeanwhile) {
    EXPECT_EQ(core.ignore_until_held(), 17u);
    EXPECT_TRUE(core.state.has_holds());
    EXPECT_TRUE(core.hardware.requested.empty());
    EXPECT_TRUE(core.hardware.in_service.empty());
    EXPECT_EQ(core.hardware.spurious, spurious);
    EXPECT_EQ(core.hardware.local_eois, 17u);
}

TEST_P(LevelStorm, HoldsForOneMillisecondAndThenTwiceAsLongUpTo256) {
    EXPECT_EQ(core.ignore_until_held(), 17u);
    u64 expected = 1;
    for (u32 hold = 0; hold < 12; ++hold) {
        core.pass(expected - 1);
        EXPECT_FALSE(core.is_requested(kLine)) << expected;
        core.pass(1);
        ASSERT_TRUE(core.is_requested(kLine)) << expected;
        EXPECT_FALSE(core.state.has_holds());
        EXPECT_EQ(core.ignore_next(), Outcome::kHeld);
        expected = expected < 256 ? expected * 2 : 256;
    }
    EXPECT_EQ(expected, 256u);
    EXPECT_EQ(core.ended[kEvent], 12u);
}

TEST_P(LevelStorm, EndsAtOnceWithTheEventAndReachesTheGuest) {
    core.ignore_until_held();
    core.end_event();
    EXPECT_TRUE(core.is_requested(kLine));
    EXPECT_FALSE(core.hardware.is_masked(0, kPin));
    EXPECT_EQ(core.ended[kEvent], 1u);
    EXPECT_TRUE(core.hardware.raised.empty());  // the line does so by itself
}

TEST_P(LevelStorm, AnotherStormStartsWithOneMillisecondAgain) {
    core.ignore_until_held();
    core.pass(1);
    core.hardware.assert_line(0, kPin, false);
    core.ignore_next();  // what was on its way; may still find it held or not
    core.pass(1000);
    core.pass(1000);
    core.hardware.assert_line(0, kPin);
    EXPECT_EQ(core.ignore_until_held(), 17u);
    core.pass(1);
    EXPECT_TRUE(core.is_requested(kLine));
}

TEST_P(LevelStorm, ADeliveredInterruptEndsTheRow) {
    core.ignore_until_held();
    core.pass(1);
    ASSERT_EQ(core.hardware.accept(), kLine);
    core.state.on_delivered(kLine);
    core.hardware.in_service.clear();  // the guest's handler ends it everywhere
    core.hardware.entry(0, kPin) &= ~(u64{1} << 14);
    core.hardware.assert_line(0, kPin);
    ASSERT_TRUE(core.is_requested(kLine));
    EXPECT_EQ(core.ignore_until_held(), 17u);
}

INSTANTIATE_TEST_SUITE_P(, LevelStorm,
                         testing::Values(Way{"masked", 0x20, false, false},
                                         Way{"masked_old", 0x11, false, false},
                                         Way{"silent", 0x20, true, false},
                                         Way{"old_io_apic", 0x11, true, false},
                                         Way{"guest_suppresses", 0x20, true, true},
                                         Way{"guest_suppresses_old", 0x11, true, true}),
                         [](const auto& test) { return test.param.name; });

TEST(LevelStormOfTwo, BothAreHeld) {
    Core core;
    core.hardware.route(0, kPin + 1, kLine + 0x10);
    core.hardware.assert_line(0, kPin);
    core.hardware.assert_line(0, kPin + 1);
    u32 held = 0;
    for (u32 i = 0; i < 60 && core.hardware.requested.size() > 0; ++i)
        held += core.ignore_next() == Outcome::kHeld;
    EXPECT_EQ(held, 2u);
    core.end_event();
    EXPECT_TRUE(core.is_requested(kLine) && core.is_requested(kLine + 0x10));
}

TEST(LevelStormUnheld, IsDeliveredWhenAskedForSo) {
    Core core;
    core.settings.delivers_storms = true;
    core.hardware.assert_line(0, kPin);
    for (u32 i = 0; i < 16; ++i)
        EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    EXPECT_EQ(core.ignore_next(), Outcome::kDeliver);
    EXPECT_EQ(core.hardware.in_service, std::set<u8>{kLine});  // its EOI is the guest's
    EXPECT_EQ(core.hardware.local_eois, 16u);
}

TEST(LevelStormUnheld, IsDeliveredWhereNoIoApicIsKnown) {
    Core core;
    core.hardware.assert_line(0, kPin);
    for (u32 i = 0; i < 17; ++i) {
        const std::vector<FakeControllers::IoApic> hidden = std::move(core.hardware.io_apics);
        core.hardware.io_apics.clear();
        const s32 vector = core.hardware.accept();
        const Outcome outcome = core.state.on_ignored(
            core.hardware, core.settings, {.vector = u8(vector), .event = kEvent, .rip = 1});
        core.hardware.io_apics = hidden;
        EXPECT_EQ(outcome, i < 16 ? Outcome::kRetired : Outcome::kDeliver) << i;
        core.hardware.entry(0, kPin) &= ~(u64{1} << 14);
        core.hardware.assert_line(0, kPin);
    }
}

TEST(LevelStormUnheld, WaitsForTheOthersToStandStill) {
    Core core{0x11};
    core.hardware.assert_line(0, kPin);
    core.hardware.others_come = false;
    for (u32 i = 0; i < 20; ++i)
        EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    core.hardware.others_come = true;
    EXPECT_EQ(core.ignore_next(), Outcome::kHeld);
    core.hardware.others_come = false;
    core.pass(1);
    EXPECT_TRUE(core.hardware.is_masked(0, kPin));
    core.hardware.others_come = true;
    core.pass(0);
    EXPECT_FALSE(core.hardware.is_masked(0, kPin));
}

TEST(LevelStormUnheld, LeavingRootModeEndsHoldsAtAnyCost) {
    Core core{0x11};
    core.hardware.assert_line(0, kPin);
    core.ignore_until_held();
    core.hardware.others_come = false;
    core.may_index_alone = true;
    core.state.give_up(core.hardware, core.settings, [&](u32 event) { ++core.ended[event]; });
    EXPECT_FALSE(core.hardware.is_masked(0, kPin));
    EXPECT_TRUE(core.is_requested(kLine));
    EXPECT_EQ(core.ended[kEvent], 1u);
}

TEST(LevelStormUnheld, AnEntryTheGuestUnmasksIsMaskedAgain) {
    Core core{0x11};
    core.hardware.assert_line(0, kPin);
    core.ignore_until_held();
    core.hardware.entry(0, kPin) &= ~u64{1 << 16};
    core.hardware.assert_line(0, kPin);
    while (core.is_requested(kLine))
        EXPECT_EQ(core.ignore_next(), Outcome::kRetired);  // held already: no second time
    EXPECT_TRUE(core.hardware.is_masked(0, kPin));
    core.pass(512);
    EXPECT_FALSE(core.hardware.is_masked(0, kPin));
    EXPECT_EQ(core.ended[kEvent], 1u);
}

// ---- SC-11 ----

TEST(Replay, ADeviceIsRaisedOnceWhenItsEventEnds) {
    Core core;
    core.ignore_edge(kDevice);
    core.ignore_edge(kDevice);
    core.end_event();
    core.end_event();
    EXPECT_EQ(core.hardware.raised, std::vector<u8>{kDevice});
}

TEST(Replay, NotWhileItsEventIgnoresOn) {
    Core core;
    core.ignore_edge(kDevice);
    core.state.reconsider(
        core.hardware, core.settings, [](u32 event) { return event == kEvent; }, [](u32) {});
    EXPECT_TRUE(core.hardware.raised.empty());
}

TEST(Replay, NotWhenTheLastArrivalWasDelivered) {
    Core core;
    core.ignore_edge(kDevice);
    core.state.on_delivered(kDevice);
    core.end_event();
    EXPECT_TRUE(core.hardware.raised.empty());
}

TEST(Replay, NoIpi) {
    Core core;
    core.ignore_edge(kIpi);
    core.end_event();
    EXPECT_TRUE(core.hardware.raised.empty());
}

TEST(Replay, NothingWhenSwitchedOff) {
    Core core;
    core.settings.replays = false;
    core.ignore_edge(kDevice);
    core.end_event();
    EXPECT_TRUE(core.hardware.raised.empty());
}

TEST(Replay, ALevelLineIsOfferedAnewAndNotRaised) {
    Core core;
    core.hardware.assert_line(0, kPin);
    EXPECT_EQ(core.ignore_next(), Outcome::kRetired);
    // As in Bochs: the EOI alone does not have the line served again.
    core.hardware.requested.clear();
    core.hardware.entry(0, kPin) &= ~(u64{1} << 14);
    core.end_event();
    EXPECT_TRUE(core.is_requested(kLine));
    EXPECT_TRUE(core.hardware.raised.empty());
    EXPECT_EQ(core.hardware.entry(0, kPin), FakeControllers::kLevelEntry | 1 << 14 | kLine);
}

TEST(Replay, NoSpuriousVector) {
    Core core;
    core.settings.replayed.add(0xff);
    EXPECT_EQ(core.state.on_ignored(core.hardware, core.settings, {.vector = 0xff}),
              Outcome::kRetired);
    core.end_event();
    EXPECT_TRUE(core.hardware.raised.empty());
}

TEST(Replay, ALineOfThe8259) {
    Core core;
    core.hardware.master.in_service = 1 << 4;
    core.state.on_ignored(core.hardware, core.settings, {.vector = 0x34, .event = kEvent});
    EXPECT_EQ(core.hardware.master.in_service, 0);
    core.end_event();
    EXPECT_EQ(core.hardware.raised, std::vector<u8>{0x34});
}

TEST(Replay, LeavingRootModeEndsAllEvents) {
    Core core;
    core.ignore_edge(kDevice);
    core.ignore_edge(kDevice + 1);
    core.state.give_up(core.hardware, core.settings, [](u32) {});
    EXPECT_EQ(core.hardware.raised, (std::vector<u8>{kDevice, kDevice + 1}));
    EXPECT_FALSE(core.state.remembers());
}

struct Timer {
    const char* name;
    u32 lvt;
    u32 count;
    u64 deadline;
    bool is_raised;
};
class TimerReplay : public testing::TestWithParam<Timer> {};

TEST_P(TimerReplay, OnlyOfATimerThatIsOver) {
    Core core;
    core.hardware.lvt_timer = GetParam().lvt;
    core.hardware.timer_count = GetParam().count;
    core.hardware.deadline = GetParam().deadline;
    core.ignore_edge(kTimer);
    core.end_event();
    EXPECT_EQ(core.hardware.raised.size(), GetParam().is_raised ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(, TimerReplay,
                         testing::Values(Timer{"one_shot_over", kTimer, 0, 0, true},
                                         Timer{"one_shot_set_again", kTimer, 5, 0, false},
                                         Timer{"periodic", 1 << 17 | kTimer, 0, 0, false},
                                         Timer{"deadline_over", 2 << 17 | kTimer, 0, 0, true},
                                         Timer{"deadline_set_again", 2 << 17 | kTimer, 0, 99,
                                               false},
                                         Timer{"masked", 1 << 16 | kTimer, 0, 0, false}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ringside::apic
