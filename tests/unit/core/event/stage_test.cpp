// SPDX-License-Identifier: GPL-3.0-or-later
// Stages and verdicts: specification sections 6 "Short-circuiting" and 7 "Calling stages".
#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::FakeCode;
using test::ScriptBuilder;

/// Prints the stage, with a letter in front.
ScriptBuilder telling_stage(const std::string& name) {
    return ScriptBuilder{}.op(RS_OP_READ_PSEUDO, 0, RS_PSEUDO_EVENT_STAGE).printf(name + "%x", 1);
}

/// telling_stage(), and a vote.
ScriptBuilder voting(const std::string& name, u32 skip) {
    return telling_stage(name).immediate(0, skip).call(RS_BUILTIN_EVENT_SC);
}

const std::vector<u8> kTrue = {0x90};
const std::vector<u8> kFalse = {FakeCode::kZero};

TEST(Stage, DefaultIsPre_INT7) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(telling_stage("s")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
    EXPECT_EQ(fixture.texts(), "s0|");
}

TEST(Stage, PreEventsNeverRunInPost_TRG2) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(telling_stage("pre")));
    fixture.add(ImageBuilder{}.stage(RS_STAGE_POST).script(telling_stage("post")));
    fixture.add(ImageBuilder{}.stage(RS_STAGE_ALL).script(telling_stage("all")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliverWithPost);
    EXPECT_EQ(fixture.texts(), "pre0|all0|");
    fixture.commit(0, 0x25);
    EXPECT_EQ(fixture.texts(), "post1|all1|");
}

TEST(Stage, CountersOfEachStage_EVT14) {
    Fixture fixture;
    const u64 all = fixture.add(ImageBuilder{}.stage(RS_STAGE_ALL).script(printing("x")));
    const u64 post = fixture.add(ImageBuilder{}.stage(RS_STAGE_POST).script(printing("x")));
    fixture.pass(0, 0x25);
    fixture.pass(0, 0x25);
    EXPECT_EQ(fixture.stat(all).arrivals, 2u);
    EXPECT_EQ(fixture.stat(all).triggers_pre, 2u);
    EXPECT_EQ(fixture.stat(all).triggers_post, 2u);
    EXPECT_EQ(fixture.stat(post).arrivals, 2u);
    EXPECT_EQ(fixture.stat(post).triggers_pre, 0u);
    EXPECT_EQ(fixture.stat(post).triggers_post, 2u);
}

TEST(Stage, FiltersAndConditionsOfPostLookAtTheCommit_D9) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.stage(RS_STAGE_ALL).pid(490).script(telling_stage("s")));
    fixture.guests[0]->task[script::TaskValue::kPid] = 1;
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliverWithPost);
    fixture.guests[0]->task[script::TaskValue::kPid] = 490;
    fixture.commit(0, 0x25);
    EXPECT_EQ(fixture.texts(), "s1|");
}

TEST(Stage, AnEventDisabledMeanwhileDoesNotRunInPost) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.stage(RS_STAGE_POST).script(telling_stage("s")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliverWithPost);
    fixture.modify(tag, RS_MODIFY_DISABLE);
    fixture.commit(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
}

/// The rows of section 6.1, one event on the vector.
TEST(Verdict, OutcomeTable_SC1_SC2_SC5) {
    const struct {
        const char* name;
        bool is_sc;
        u32 stage;
        const std::vector<u8>* condition;
        const char* vote;  // "1", "0" or none
        const char* texts;
        bool is_delivered;
    } rows[] = {
        {"off pre", false, RS_STAGE_PRE, nullptr, "", "s0|", true},
        {"off pre true", false, RS_STAGE_PRE, &kTrue, "", "s0|", true},
        {"off pre false", false, RS_STAGE_PRE, &kFalse, "", "", true},
        {"off pre true sc(1)", false, RS_STAGE_PRE, &kTrue, "1", "s0|", false},
        {"off post true sc(1)", false, RS_STAGE_POST, &kTrue, "1", "s1|", true},
        {"off all true sc(1)", false, RS_STAGE_ALL, &kTrue, "1", "s0|", false},
        {"on pre true", true, RS_STAGE_PRE, &kTrue, "", "s0|", false},
        {"on pre false", true, RS_STAGE_PRE, &kFalse, "", "", true},
        {"on pre true sc(0)", true, RS_STAGE_PRE, &kTrue, "0", "s0|", true},
    };
    for (const auto& row : rows) {
        Fixture fixture;
        ImageBuilder image;
        image.stage(row.stage).flags(row.is_sc ? RS_EVF_SHORT_CIRCUIT : 0);
        if (row.condition != nullptr)
            image.condition(*row.condition);
        image.script(*row.vote == '\0' ? telling_stage("s") : voting("s", *row.vote - '0'));
        const u64 tag = fixture.add(image);
        EXPECT_EQ(fixture.pass(0, 0x25) != Verdict::kIgnore, row.is_delivered) << row.name;
        EXPECT_EQ(fixture.texts(), row.texts) << row.name;
        EXPECT_EQ(fixture.stat(tag).ignored, row.is_delivered ? 0u : 1u) << row.name;
        EXPECT_EQ(fixture.stat(0x25, RS_STAT_VECTOR).ignored, row.is_delivered ? 0u : 1u)
            << row.name;
        EXPECT_EQ(fixture.stat(0x26, RS_STAT_VECTOR).ignored, 0u);
    }
}

TEST(Verdict, AConditionFalseAtCommitLeavesPostOut) {
    Fixture fixture;
    const u64 tag =
        fixture.add(ImageBuilder{}.stage(RS_STAGE_ALL).condition(kTrue).script(telling_stage("s")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliverWithPost);
    fixture.code.returns_zero = true;
    fixture.commit(0, 0x25);
    EXPECT_EQ(fixture.texts(), "s0|");
    EXPECT_EQ(fixture.stat(tag).condition_false, 1u);
    EXPECT_EQ(fixture.stat(tag).triggers_post, 0u);
}

TEST(Verdict, TheVoteHoldsForOneOccurrence_SC2) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(
        ScriptBuilder{}.op(RS_OP_READ_REGISTER, 0, RS_REG_RAX).call(RS_BUILTIN_EVENT_SC)));
    fixture.guests[0]->registers[RS_FULL_RAX] = 1;
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kIgnore);
    fixture.guests[0]->registers[RS_FULL_RAX] = 0;
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
}

TEST(Verdict, TheLastCallWins_SC2) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(voting("a", 1)).script(voting("b", 0)));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
    fixture.add(ImageBuilder{}.script(voting("c", 0)).script(voting("d", 1)));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kIgnore);
}

TEST(Verdict, OneEventThatSaysIgnoreIsEnough_SC3) {
    Fixture fixture;
    const u64 first = fixture.add(ImageBuilder{}.flags(RS_EVF_SHORT_CIRCUIT).script(printing("a")));
    const u64 second = fixture.add(ImageBuilder{}.script(voting("b", 0)));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kIgnore);
    EXPECT_EQ(fixture.texts(), "a|b0|");
    EXPECT_EQ(fixture.stat(first).ignored, 1u);
    EXPECT_EQ(fixture.stat(second).ignored, 0u);
}

TEST(Verdict, WhatIsIgnoredHasNoPostStage_SC4) {
    Fixture fixture;
    fixture.add(
        ImageBuilder{}.flags(RS_EVF_SHORT_CIRCUIT).condition(kTrue).script(telling_stage("a")));
    fixture.add(ImageBuilder{}.stage(RS_STAGE_POST).script(telling_stage("b")));
    EXPECT_EQ(fixture.pass(0, 0x25), Verdict::kIgnore);
    EXPECT_EQ(fixture.texts(), "a0|");
    fixture.code.returns_zero = true;  // E0 with a false condition: E1 runs after the commit
    EXPECT_EQ(fixture.pass(0, 0x25), Verdict::kDeliverWithPost);
    EXPECT_EQ(fixture.texts(), "b1|");
}

TEST(Verdict, EventScInPostWarnsOnceAnEvent_SC5) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.stage(RS_STAGE_POST).script(voting("s", 1)));
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(fixture.pass(0, 0x25), Verdict::kDeliverWithPost);
    u32 notices = 0;
    for (auto got = fixture.receive(); got.header.kind != 0; got = fixture.receive()) {
        if (got.header.kind != RS_MSG_DIAGNOSTIC)
            continue;
        rs_diagnostic diagnostic;
        std::memcpy(&diagnostic, got.payload.data(), sizeof diagnostic);
        EXPECT_EQ(diagnostic.kind, u32{RS_DIAG_NOTICE});
        EXPECT_EQ(diagnostic.code, u32{RS_NOTICE_SC_IN_POST});
        EXPECT_EQ(got.header.tag, tag);
        ++notices;
    }
    EXPECT_EQ(notices, 1u);
}

TEST(Exception, EventsAreOfTheirOwnKind) {
    Fixture fixture;
    ImageBuilder page_fault;
    page_fault.vector(14).detail.event_type = RS_EVENT_EXCEPTION;
    fixture.add(page_fault.script(printing("fault")));
    ImageBuilder every;
    every.vector(RS_VECTOR_ALL).detail.event_type = RS_EVENT_EXCEPTION;
    fixture.add(every.script(printing("any")));
    fixture.add(ImageBuilder{}.vector(RS_VECTOR_ALL).script(printing("interrupt")));
    fixture.adopt_all();
    EXPECT_EQ(fixture.core(0).wants_exceptions, ~u32{0});
    EXPECT_TRUE(fixture.core(0).wants_interrupts);
    test::FakeGuest& guest = *fixture.guests[0];
    EXPECT_EQ(run_pre_stage(fixture.core(0), 14, guest, fixture.code), Verdict::kDeliver);
    EXPECT_EQ(fixture.texts(), "fault|any|");
    EXPECT_EQ(run_pre_stage(fixture.core(0), 3, guest, fixture.code), Verdict::kDeliver);
    EXPECT_EQ(fixture.texts(), "any|");
    EXPECT_EQ(fixture.engine->stats(0).arrivals.get(), 0u);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "interrupt|");
}

TEST(Exception, OneAloneAsksForItsEntryAndForNoInterrupts_TRG8) {
    Fixture fixture;
    ImageBuilder breakpoint;
    breakpoint.vector(3).core(1).detail.event_type = RS_EVENT_EXCEPTION;
    fixture.add(breakpoint.script(printing("x")));
    fixture.adopt_all();
    EXPECT_EQ(fixture.core(0).wants_exceptions, 0u);
    EXPECT_EQ(fixture.core(1).wants_exceptions, 1u << 3);
    EXPECT_FALSE(fixture.core(1).wants_interrupts);
}

}  // namespace
}  // namespace ringside::event
