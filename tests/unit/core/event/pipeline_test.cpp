// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/pipeline.hpp"

#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::ScriptBuilder;

/// Prints $context, $event_id, $core and $event_stage.
ScriptBuilder telling_context() {
    return ScriptBuilder{}
        .op(RS_OP_READ_PSEUDO, 0, RS_PSEUDO_CONTEXT)
        .op(RS_OP_READ_PSEUDO, 1, RS_PSEUDO_EVENT_ID)
        .op(RS_OP_READ_PSEUDO, 2, RS_PSEUDO_CORE)
        .op(RS_OP_READ_PSEUDO, 3, RS_PSEUDO_EVENT_STAGE)
        .printf("%x %x %x %x", 4);
}

/// Calls a function of the script surface with an event id.
ScriptBuilder calling(rs_script_builtin builtin, u32 id) {
    return ScriptBuilder{}.immediate(0, id).call(builtin);
}

TEST(Pipeline, DeliversWhatNoEventMatches) {
    Fixture fixture;
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
    EXPECT_EQ(fixture.engine->stats(0).arrivals.get(), 1u);
    EXPECT_EQ(fixture.engine->stats(1).arrivals.get(), 0u);
    EXPECT_EQ(fixture.guests[0]->clock, 0u);
    EXPECT_EQ(fixture.guests[0]->task_questions, 0u);
}

TEST(Pipeline, RunsTheScriptOfAMatchingEvent) {
    for (const auto view : {Fixture::View::kOne, Fixture::View::kTwo}) {
        Fixture fixture{2, view};
        fixture.guests[1]->task[script::TaskValue::kPid] = 490;
        ImageBuilder image;
        image.detail.cookie = 0xabc;
        const u64 tag = fixture.add(image.script(telling_context()));
        EXPECT_EQ(fixture.arrive(1, 0x25), Verdict::kDeliver);
        const auto message = fixture.receive();
        EXPECT_EQ(message.header.kind, RS_MSG_TEXT);
        EXPECT_EQ(message.payload, "25 0 1 0");
        EXPECT_EQ(message.header.tag, tag);
        EXPECT_EQ(message.header.cookie, 0xabcu);
        EXPECT_EQ(message.header.core, 1u);
        EXPECT_EQ(message.header.pid, 490u);
        EXPECT_GT(message.header.time_ns, 0u);
        EXPECT_EQ(fixture.receive().header.kind, 0);
        const rs_event_stat stat = fixture.stat(tag);
        EXPECT_EQ(stat.arrivals, 1u);
        EXPECT_EQ(stat.triggers_pre, 1u);
        EXPECT_EQ(stat.messages, 1u);
        EXPECT_GT(stat.cycles_total, 0u);
        EXPECT_EQ(stat.cycles_max, stat.cycles_total);
    }
}

TEST(Pipeline, GlobalsAreSharedByEventsAndCores) {
    Fixture fixture{2, Fixture::View::kTwo};
    const auto counting =
        ScriptBuilder{}.add_to_global("n", 1).op(RS_OP_LOAD_GLOBAL, 0, 0).printf("%x", 1);
    fixture.add(ImageBuilder{}.script(counting));
    fixture.add(ImageBuilder{}.script(counting));
    fixture.arrive(0, 0x25);
    fixture.guests[1]->clock = fixture.guests[0]->clock;
    fixture.arrive(1, 0x25);
    EXPECT_EQ(fixture.texts(), "1|2|3|4|");
}

TEST(Pipeline, FollowsIdsAndTheOrderOfActions) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("a")).script(printing("b")));
    fixture.add(ImageBuilder{}.vector(RS_VECTOR_ALL).script(printing("c")));
    fixture.add(ImageBuilder{}.core(0).script(printing("d")));
    fixture.add(ImageBuilder{}.vector(0x26).script(printing("e")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "a|b|c|d|");
    fixture.arrive(0, 0x26);
    EXPECT_EQ(fixture.texts(), "c|e|");
    fixture.arrive(1, 0x25);
    EXPECT_EQ(fixture.texts(), "a|b|c|");
    fixture.arrive(1, 0xff);
    EXPECT_EQ(fixture.texts(), "c|");
}

TEST(Pipeline, AsksForThePidOnceAndOnlyIfAnEventFilters) {
    Fixture fixture;
    const auto silent = ScriptBuilder{};
    fixture.add(ImageBuilder{}.script(silent));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.guests[0]->task_questions, 0u);
    const u64 wanted = fixture.add(ImageBuilder{}.pid(490).script(printing("in 490")));
    const u64 other = fixture.add(ImageBuilder{}.pid(1).script(printing("in 1")));
    fixture.guests[0]->task[script::TaskValue::kPid] = 490;
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.guests[0]->task_questions, 1u);
    EXPECT_EQ(fixture.texts(), "in 490|");
    EXPECT_EQ(fixture.stat(wanted).triggers_pre, 1u);
    EXPECT_EQ(fixture.stat(other).arrivals, 1u);
    EXPECT_EQ(fixture.stat(other).triggers_pre, 0u);
}

TEST(Pipeline, PidZeroIsTheIdleTask) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.pid(0).script(printing("idle")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    fixture.guests[0]->task[script::TaskValue::kPid] = 0;
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "idle|");
}

TEST(Pipeline, SkipsDisabledEvents) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.script(printing("x")));
    fixture.modify(tag, RS_MODIFY_DISABLE);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    fixture.modify(tag, RS_MODIFY_ENABLE);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "x|");
    EXPECT_EQ(fixture.stat(tag).arrivals, 1u);
}

TEST(Pipeline, RegisterWritesOfOneEventAreSeenByTheNext) {
    Fixture fixture;
    fixture.guests[0]->registers[RS_FULL_RAX] = 1;
    fixture.add(ImageBuilder{}.script(
        ScriptBuilder{}.immediate(0, 0x77).op(RS_OP_WRITE_REGISTER, RS_REG_RAX, 0)));
    fixture.add(ImageBuilder{}.script(
        ScriptBuilder{}.op(RS_OP_READ_REGISTER, 0, RS_REG_RAX).printf("%x", 1)));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "77|");
    EXPECT_EQ(fixture.guests[0]->registers[RS_FULL_RAX], 0x77u);
}

TEST(Pipeline, AScriptDisablesAnotherEvent) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(calling(RS_BUILTIN_EVENT_DISABLE, 1)));
    const u64 other = fixture.add(ImageBuilder{}.script(printing("never")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    u32 is_enabled = 9;
    EXPECT_EQ(fixture.modify(other, RS_MODIFY_QUERY, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 0u);
}

TEST(Pipeline, AScriptThatDisablesOrClearsItsOwnEventFinishesTheOccurrence) {
    for (const auto builtin : {RS_BUILTIN_EVENT_DISABLE, RS_BUILTIN_EVENT_CLEAR}) {
        Fixture fixture;
        fixture.add(ImageBuilder{}
                        .script(calling(builtin, 0).printf("same action"))
                        .script(printing("next action")));
        fixture.arrive(0, 0x25);
        fixture.arrive(0, 0x25);
        fixture.arrive(1, 0x25);
        EXPECT_EQ(fixture.texts(), "same action|next action|");
    }
}

TEST(Pipeline, AScriptEnablesAnEventAndAsksForTheOtherCores) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(calling(RS_BUILTIN_EVENT_ENABLE, 1)));
    fixture.add(ImageBuilder{}
                    .vector(0x26)
                    .core(1)
                    .flags(RS_EVF_START_DISABLED)
                    .script(printing("enabled")));
    fixture.adopt_all();
    EXPECT_FALSE(take_kick_request(fixture.core(0)));
    fixture.arrive(0, 0x25);
    EXPECT_TRUE(take_kick_request(fixture.core(0)));
    EXPECT_FALSE(take_kick_request(fixture.core(0)));
    EXPECT_TRUE(needs_adoption(fixture.core(1)));
    fixture.arrive(1, 0x26);
    EXPECT_EQ(fixture.texts(), "enabled|");
    fixture.adopt_all();
    fixture.arrive(0, 0x25);  // nothing changes any more
    EXPECT_FALSE(take_kick_request(fixture.core(0)));
    EXPECT_FALSE(needs_adoption(fixture.core(1)));
}

TEST(Pipeline, WarnsOnceAboutAnUnknownEvent) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(calling(RS_BUILTIN_EVENT_DISABLE, 0x12ab)));
    fixture.arrive(0, 0x25);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "warn, no such event 0x12ab\n|");
}

TEST(Pipeline, ReportsARunTimeError) {
    Fixture fixture;
    const u64 tag =
        fixture.add(ImageBuilder{}
                        .script(printing("first"))
                        .script(ScriptBuilder{}.immediate(0, 0x1234).op(RS_OP_STORE64, 0, 0)));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.receive().payload, "first");
    const auto message = fixture.receive();
    EXPECT_EQ(message.header.kind, RS_MSG_DIAGNOSTIC);
    EXPECT_EQ(message.header.tag, tag);
    rs_diagnostic diagnostic;
    ASSERT_EQ(message.payload.size(), sizeof diagnostic);
    std::memcpy(&diagnostic, message.payload.data(), sizeof diagnostic);
    EXPECT_EQ(diagnostic.code, static_cast<u32>(RS_SCRIPT_INVALID_ADDRESS));
    EXPECT_EQ(diagnostic.action, 1u);
    EXPECT_EQ(diagnostic.pc, 1u);
    EXPECT_EQ(diagnostic.value, 0x1234u);
    EXPECT_EQ(diagnostic.suppressed, 0u);
    EXPECT_EQ(diagnostic.disabled, 0u);
    EXPECT_EQ(fixture.stat(tag).script_errors, 1u);
}

std::vector<rs_diagnostic> diagnostics(Fixture& fixture) {
    std::vector<rs_diagnostic> all;
    for (auto message = fixture.receive(); message.header.kind != 0; message = fixture.receive()) {
        rs_diagnostic diagnostic;
        EXPECT_EQ(message.payload.size(), sizeof diagnostic);
        std::memcpy(&diagnostic, message.payload.data(), sizeof diagnostic);
        all.push_back(diagnostic);
    }
    return all;
}

TEST(Pipeline, ReportsTenErrorsASecondAndCountsTheRest) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(ScriptBuilder{}.fail()));
    fixture.guests[0]->clock = 5'000'000'000;
    for (u32 i = 0; i < 25; ++i)
        fixture.arrive(0, 0x25);
    EXPECT_EQ(diagnostics(fixture).size(), 10u);
    fixture.guests[0]->clock += 1'000'000'000;  // 1 GHz: a second
    fixture.arrive(0, 0x25);
    const auto later = diagnostics(fixture);
    ASSERT_EQ(later.size(), 1u);
    EXPECT_EQ(later[0].suppressed, 15u);
}

TEST(Pipeline, DisablesAnEventAfterAThousandErrorsInARow) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.script(ScriptBuilder{}.fail()));
    for (u32 i = 0; i < 1100; ++i)
        fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.stat(tag).script_errors, 1000u);
    const auto reports = diagnostics(fixture);
    ASSERT_EQ(reports.size(), 11u);
    EXPECT_EQ(reports.back().disabled, 1u);
    EXPECT_EQ(reports.back().suppressed, 989u);
    EXPECT_TRUE(needs_adoption(fixture.core(1)));
    EXPECT_FALSE(adopt(fixture.core(1)));

    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_ENABLE), RS_OK);
    for (u32 i = 0; i < 999; ++i)
        fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.stat(tag).script_errors, 1999u);
    u32 is_enabled = 0;
    fixture.modify(tag, RS_MODIFY_QUERY, &is_enabled);
    EXPECT_EQ(is_enabled, 1u);
}

TEST(Pipeline, AGoodRunEndsARowOfErrors) {
    Fixture fixture;
    // Fails while rax is not mapped.
    const u64 tag = fixture.add(ImageBuilder{}.script(
        ScriptBuilder{}.op(RS_OP_READ_REGISTER, 0, RS_REG_RAX).op(RS_OP_LOAD64, 1, 0)));
    fixture.guests[0]->map(0x5000, std::vector<u8>(8));
    for (u32 i = 0; i < 1500; ++i) {
        fixture.guests[0]->registers[RS_FULL_RAX] = i == 800 ? 0x5000 : 0;
        fixture.arrive(0, 0x25);
    }
    EXPECT_EQ(fixture.stat(tag).script_errors, 1499u);
}

TEST(Pipeline, GuestContextStopsALoopingScript) {
    for (const u32 action : {RS_MODIFY_DISABLE, RS_MODIFY_CLEAR}) {
        Fixture fixture{1,
                        Fixture::View::kOne,
                        {.limits = {.script_budget = ~u64{0} / 2, .script_time_us = ~u64{0}}}};
        const u64 tag = fixture.add(
            ImageBuilder{}.script(ScriptBuilder{}.loop()).script(printing("not reached")));
        u32 looks = 0;
        fixture.guests[0]->on_tsc = [&] {
            if (++looks == 20)
                fixture.modify(tag, action);
        };
        fixture.arrive(0, 0x25);
        EXPECT_GE(looks, 20u);
        EXPECT_EQ(fixture.receive().header.kind, 0) << "stopping is not an error of the script";
    }
}

TEST(Pipeline, BudgetAndTimeEndAScript) {
    Fixture budget{1, Fixture::View::kOne, {.limits = {.script_budget = 1000}}};
    budget.add(ImageBuilder{}.script(ScriptBuilder{}.loop()));
    budget.arrive(0, 0x25);
    EXPECT_EQ(diagnostics(budget).at(0).code, static_cast<u32>(RS_SCRIPT_BUDGET));

    Fixture time{
        1, Fixture::View::kOne, {.limits = {.script_budget = ~u64{0} / 2, .script_time_us = 10}}};
    time.guests[0]->ticks_a_look = 1000;
    time.add(ImageBuilder{}.script(ScriptBuilder{}.loop()));
    time.arrive(0, 0x25);
    EXPECT_EQ(diagnostics(time).at(0).code, static_cast<u32>(RS_SCRIPT_TIME));
}

TEST(Pipeline, EachPrintIsOneMessageAndLossesAddUp) {
    Fixture fixture;
    const u64 tag = fixture.add(
        ImageBuilder{}.script(ScriptBuilder{}.printf("one").printf(std::string(500, 'x'))));
    constexpr u64 kRuns = 1000;
    for (u64 i = 0; i < kRuns; ++i)
        fixture.arrive(0, 0x25);
    // What was lost last is announced when the cores adopt the change.
    fixture.modify(tag, RS_MODIFY_DISABLE);
    fixture.adopt_all();
    u64 read = 0;
    u64 lost = 0;
    for (auto message = fixture.receive(); message.header.kind != 0; message = fixture.receive()) {
        u64 count = 0;
        if (message.header.kind == RS_MSG_LOST)
            std::memcpy(&count, message.payload.data(), sizeof count);
        else
            ++read;
        lost += count;
    }
    const rs_event_stat stat = fixture.stat(tag);
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(stat.messages, read);
    EXPECT_EQ(stat.lost_messages, lost);
    EXPECT_EQ(read + lost, 2 * kRuns);
}

TEST(Pipeline, WakesAReaderThatSleeps) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("x")));
    fixture.arrive(0, 0x25);
    EXPECT_FALSE(should_wake_reader(fixture.core(0), 1)) << "nobody sleeps";
    fixture.texts();
    EXPECT_FALSE(fixture.reader.prepare_to_wait());
    fixture.arrive(0, 0x25);
    EXPECT_TRUE(should_wake_reader(fixture.core(0), 2));
    EXPECT_FALSE(should_wake_reader(fixture.core(0), 3));
    fixture.arrive(0, 0x25);
    EXPECT_FALSE(should_wake_reader(fixture.core(0), 4)) << "too early";
    EXPECT_TRUE(should_wake_reader(fixture.core(0), 2 + 5'000'000)) << "5 ms at 1 GHz";
    EXPECT_EQ(fixture.engine->stats(0).self_wakes.get(), 2u);
    fixture.reader.finish_waiting();
}

TEST(Pipeline, RefusesRunsNestedTooDeeply) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("x")));
    fixture.core(0).depth = CoreState::kFrames;
    fixture.arrive(0, 0x25);
    EXPECT_EQ(diagnostics(fixture).at(0).code, static_cast<u32>(RS_SCRIPT_NESTED));
    EXPECT_EQ(fixture.engine->stats(0).refused_runs.get(), 1u);
    fixture.core(0).depth = 0;
}

TEST(Pipeline, DropsTheTextOfEventsWithoutAnOwner) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.flags(RS_EVF_PERSIST).script(printing("x")));
    fixture.registry->remove_client(Fixture::kClient);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.stat(tag).triggers_pre, 1u);
    EXPECT_EQ(fixture.stat(tag).lost_messages, 1u);
    EXPECT_EQ(fixture.core(0).producer.written(), 0u);
}

TEST(Evaluation, KeepsItsTextToItself) {
    for (const auto view : {Fixture::View::kOne, Fixture::View::kTwo}) {
        Fixture fixture{1, view};
        const auto script = ScriptBuilder{}.immediate(0, 0x42).printf("%x", 1).printf("!").call(
            RS_BUILTIN_TEST_STATEMENT);
        const auto evaluation = fixture.registry->prepare_evaluation(script.build(), 16);
        ASSERT_TRUE(evaluation);
        Evaluation& in_guest = **evaluation;
        evaluate(
            fixture.core(0),
            *RootPointer<Evaluation>::from_guest(&in_guest, fixture.memory.root_delta()).in_root(),
            *fixture.guests[0]);
        EXPECT_EQ(in_guest.result.error, RS_SCRIPT_OK);
        EXPECT_EQ(in_guest.result.last_value, 0x42u);
        EXPECT_EQ(std::string(in_guest.text_in_guest, in_guest.text_len), "42!");
        EXPECT_EQ(in_guest.is_text_cut, 0u);
        EXPECT_EQ(fixture.core(0).producer.written(), 0u);
        fixture.registry->release_evaluation(&in_guest);
    }
}

TEST(Evaluation, CutsTextAtItsRoom) {
    Fixture fixture{1};
    const auto evaluation = fixture.registry->prepare_evaluation(
        ScriptBuilder{}.printf("abcdef").printf("g").build(), 4);
    ASSERT_TRUE(evaluation);
    evaluate(fixture.core(0), **evaluation, *fixture.guests[0]);
    EXPECT_EQ(std::string((*evaluation)->text_in_guest, (*evaluation)->text_len), "abcd");
    EXPECT_EQ((*evaluation)->is_text_cut, 1u);
    fixture.registry->release_evaluation(*evaluation);
}

TEST(Evaluation, ReportsErrorsAndFlipsEvents) {
    Fixture fixture{1};
    fixture.add(ImageBuilder{}.script(printing("x")));
    const auto evaluation =
        fixture.registry->prepare_evaluation(calling(RS_BUILTIN_EVENT_DISABLE, 0)
                                                 .immediate(0, 5)
                                                 .call(RS_BUILTIN_EVENT_CLEAR)
                                                 .call(RS_BUILTIN_EVENT_CLEAR)
                                                 .fail()
                                                 .build(),
                                             100);
    ASSERT_TRUE(evaluation);
    evaluate(fixture.core(0), **evaluation, *fixture.guests[0]);
    EXPECT_EQ((*evaluation)->result.error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(std::string((*evaluation)->text_in_guest, (*evaluation)->text_len),
              "warn, no such event\n");
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    fixture.core(0).depth = CoreState::kFrames;
    evaluate(fixture.core(0), **evaluation, *fixture.guests[0]);
    EXPECT_EQ((*evaluation)->result.error, RS_SCRIPT_NESTED);
    fixture.core(0).depth = 0;
    fixture.registry->release_evaluation(*evaluation);
}

TEST(Evaluation, RefusesABadProgram) {
    Fixture fixture{1};
    auto program = printing("x").build();
    program[0] ^= 1;
    const auto evaluation = fixture.registry->prepare_evaluation(program, 4);
    ASSERT_FALSE(evaluation);
    EXPECT_EQ(evaluation.error().code, RS_ERR_BAD_ACTION);
}

}  // namespace
}  // namespace ringside::event
