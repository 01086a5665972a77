// SPDX-License-Identifier: GPL-3.0-or-later
// Events that halt the machine (specification 5.1), over a debugger that only notes it.
#include "event/pipeline.hpp"
#include "ringside/debug.h"
#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::ScriptBuilder;

constexpr u64 kHaltTicks = 1'000'000'000'000;

/// What was halted for, and what the user said of it.
class FakeHalter final : public Halter {
public:
    explicit FakeHalter(Fixture& fixture) : fixture_{fixture} {
        for (u32 core = 0; core < fixture.engine->core_count(); ++core)
            fixture.core(core).halter = this;
        fixture.registry->exchange(
            {.memory = &fixture.memory, .machine = &fixture.machine, .offers_breaks = true});
    }
    bool halt(Occasion& occasion) override {
        if (!is_there)
            return false;
        said += fixture_.texts();
        said += occasion.reason == RS_HALT_SCRIPT ? "script " : "event ";
        said += std::to_string(occasion.event.id);
        said += occasion.stage == RS_STAGE_PRE ? " pre|" : " post|";
        fixture_.guests[0]->clock += kHaltTicks;
        if (occasion.takes_verdict())
            occasion.verdict = verdict;
        return true;
    }

    bool is_there = true;
    UserVerdict verdict = UserVerdict::kNone;
    std::string said;

private:
    Fixture& fixture_;
};

ImageBuilder breaking() {
    return ImageBuilder{}.action(RS_ACT_BREAK, {});
}

ScriptBuilder pausing_between(const std::string& before, const std::string& behind) {
    return ScriptBuilder{}.printf(before).call(RS_BUILTIN_PAUSE).printf(behind);
}

u32 notices_of(Fixture& fixture, u32 code) {
    u32 count = 0;
    for (auto message = fixture.receive(); message.header.kind != 0; message = fixture.receive()) {
        rs_diagnostic diagnostic = {};
        if (message.header.kind != RS_MSG_DIAGNOSTIC || message.payload.size() < sizeof diagnostic)
            continue;
        std::memcpy(&diagnostic, message.payload.data(), sizeof diagnostic);
        count += diagnostic.kind == RS_DIAG_NOTICE && diagnostic.code == code;
    }
    return count;
}

TEST(Break, HaltsInTheStagesOfItsEvent) {
    Fixture fixture;
    FakeHalter halter{fixture};
    fixture.add(breaking().stage(RS_STAGE_ALL));
    EXPECT_EQ(fixture.pass(0, 0x25), Verdict::kDeliverWithPost);
    EXPECT_EQ(halter.said, "event 0 pre|event 0 post|");
    EXPECT_EQ(fixture.pass(0, 0x26), Verdict::kDeliver);
    EXPECT_EQ(halter.said, "event 0 pre|event 0 post|");
}

TEST(Break, ComesInItsPlaceAmongTheActions) {
    Fixture fixture;
    FakeHalter halter{fixture};
    fixture.add(
        ImageBuilder{}.script(printing("a")).action(RS_ACT_BREAK, {}).script(printing("b")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(halter.said, "a|event 0 pre|");
    EXPECT_EQ(fixture.texts(), "b|");
}

TEST(Break, TheUsersWordIsFinal) {
    // SC-6: over a short-circuiting event and one that is none.
    struct {
        u32 flags;
        UserVerdict word;
        Verdict verdict;
    } const cases[] = {{0, UserVerdict::kNone, Verdict::kDeliver},
                       {0, UserVerdict::kIgnore, Verdict::kIgnore},
                       {RS_EVF_SHORT_CIRCUIT, UserVerdict::kNone, Verdict::kIgnore},
                       {RS_EVF_SHORT_CIRCUIT, UserVerdict::kDeliver, Verdict::kDeliver}};
    for (const auto& one : cases) {
        Fixture fixture;
        FakeHalter halter{fixture};
        halter.verdict = one.word;
        const u64 tag = fixture.add(breaking().flags(one.flags));
        EXPECT_EQ(fixture.arrive(0, 0x25), one.verdict);
        EXPECT_EQ(fixture.stat(tag).ignored, one.verdict == Verdict::kIgnore ? 1u : 0u);
    }
}

TEST(Break, WithoutADebuggerDoesNothingAndSaysSoOnce) {
    // BRK-7.
    Fixture fixture;
    FakeHalter halter{fixture};
    halter.is_there = false;
    fixture.add(breaking());
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
    EXPECT_EQ(notices_of(fixture, RS_NOTICE_BREAK_LOST), 1u);
    EXPECT_EQ(halter.said, "");
}

TEST(Pause, HaltsWhenTheScriptHasRun) {
    Fixture fixture;
    FakeHalter halter{fixture};
    fixture.add(ImageBuilder{}.script(pausing_between("a", "b")).script(printing("c")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(halter.said, "a|b|script 0 pre|");
    EXPECT_EQ(fixture.texts(), "c|");
    halter.said.clear();
    fixture.arrive(1, 0x25);
    EXPECT_EQ(halter.said, "a|b|script 0 pre|");
}

TEST(Pause, AHaltCountsNeitherAsTimeOfTheScriptNorAsItsCost) {
    Fixture fixture;
    FakeHalter halter{fixture};
    const u64 tag = fixture.add(ImageBuilder{}
                                    .script(pausing_between("a", "b"))
                                    .action(RS_ACT_BREAK, {})
                                    .script(printing("c")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(halter.said, "a|b|script 0 pre|event 0 pre|");
    EXPECT_EQ(fixture.texts(), "c|");
    const rs_event_stat stat = fixture.stat(tag);
    EXPECT_EQ(stat.script_errors, 0u);
    EXPECT_LT(stat.cycles_max, kHaltTicks);
}

TEST(Pause, WithoutADebuggerWarnsOnce) {
    Fixture fixture;
    FakeHalter halter{fixture};
    halter.is_there = false;
    fixture.add(ImageBuilder{}.script(ScriptBuilder{}.call(RS_BUILTIN_PAUSE)));
    fixture.arrive(0, 0x25);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(notices_of(fixture, RS_NOTICE_NO_PAUSE), 1u);
}

}  // namespace
}  // namespace ringside::event
