// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/registry.hpp"

#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::ScriptBuilder;

ImageBuilder simple() {
    return ImageBuilder{}.script(ScriptBuilder{});
}

/// What list() wrote.
struct Listed {
    rs_event_list header = {};
    std::vector<rs_event_entry> entries;
    std::vector<std::string> commands;
};

Listed list(Fixture& fixture, usize room, u64 first_tag = 0) {
    Listed listed;
    std::vector<u8> bytes(room, 0xaa);
    listed.header.size = sizeof listed.header;
    listed.header.first_tag = first_tag;
    EXPECT_TRUE(fixture.registry->list(listed.header, bytes));
    EXPECT_LE(listed.header.used_len, sizeof listed.header + room);
    usize at = 0;
    for (u32 i = 0; i < listed.header.count; ++i) {
        rs_event_entry entry;
        std::memcpy(&entry, bytes.data() + at, sizeof entry);
        listed.entries.push_back(entry);
        listed.commands.emplace_back(
            reinterpret_cast<const char*>(bytes.data() + at + sizeof entry), entry.command_len);
        at += sizeof entry + align_up(entry.command_len, 8);
        for (usize j = entry.command_len; j % 8 != 0; ++j)
            EXPECT_EQ(bytes[at - align_up(entry.command_len, 8) + j], 0);
    }
    EXPECT_EQ(listed.header.used_len, sizeof listed.header + at);
    return listed;
}

TEST(Registry, NumbersEventsFromZeroAndNeverAgain) {
    Fixture fixture;
    EXPECT_EQ(fixture.add(simple()), RS_TAG_BASE);
    EXPECT_EQ(fixture.add(simple()), RS_TAG_BASE + 1);
    EXPECT_EQ(fixture.refusal(simple().vector(5)), RS_ERR_BAD_INTERRUPT_INDEX);
    EXPECT_EQ(fixture.refusal(simple().pid(99999)), RS_ERR_BAD_PID);
    EXPECT_EQ(fixture.modify(RS_TAG_BASE + 1, RS_MODIFY_CLEAR), RS_OK);
    EXPECT_EQ(fixture.add(simple()), RS_TAG_BASE + 2) << "no id is spent on failure or reused";
    EXPECT_EQ(fixture.registry->count(), 2u);
}

TEST(Registry, RefusesCoresThatAreNotThere) {
    Fixture fixture;
    fixture.machine.cores = 2;
    EXPECT_EQ(fixture.refusal(simple().core(2)), RS_ERR_BAD_CORE);
    EXPECT_EQ(fixture.refusal(simple().core(0xfffffffe)), RS_ERR_BAD_CORE);
    fixture.add(simple().core(1));
}

TEST(Registry, VerifiesScripts) {
    Fixture fixture;
    auto damaged = printing("x").build();
    damaged[8] ^= 0x40;
    EXPECT_EQ(fixture.refusal(ImageBuilder{}.action(RS_ACT_SCRIPT, damaged, 2)), RS_ERR_BAD_ACTION);
    EXPECT_EQ(fixture.refusal(ImageBuilder{}.action(RS_ACT_SCRIPT, printing("x").build(), 3)),
              RS_ERR_BAD_ACTION)
        << "number of instructions";
    EXPECT_EQ(
        fixture.refusal(
            ImageBuilder{}.script(printing("x")).script(ScriptBuilder{}.op(RS_OP_MOVE, 99, 0))),
        RS_ERR_BAD_ACTION);
    EXPECT_EQ(fixture.registry->count(), 0u);
    EXPECT_EQ(fixture.add(simple()), RS_TAG_BASE);
}

TEST(Registry, CountsGlobals) {
    Fixture fixture;
    u32 made = 0;
    rs_error code = RS_OK;
    while (code == RS_OK && made < 5000) {
        ScriptBuilder script;
        for (u32 i = 0; i < 500; ++i)
            script.add_to_global("g" + std::to_string(made + i), 1);
        made += 500;
        const auto tag = fixture.registry->add(ImageBuilder{}.script(script).build(), 1);
        code = tag ? RS_OK : tag.error().code;
    }
    EXPECT_EQ(code, RS_ERR_TOO_MANY_GLOBALS);
    EXPECT_EQ(made, 4500u);
    EXPECT_EQ(fixture.registry->count(), 8u);
}

TEST(Registry, Holds64EventsOnAVector) {
    Fixture fixture;
    for (u32 i = 0; i < RS_MAX_EVENTS_PER_VECTOR - 1; ++i)
        fixture.add(simple());
    const u64 on_all = fixture.add(simple().vector(RS_VECTOR_ALL));
    EXPECT_EQ(fixture.refusal(simple()), RS_ERR_TOO_MANY_ON_VECTOR);
    EXPECT_EQ(fixture.refusal(simple().vector(RS_VECTOR_ALL)), RS_ERR_TOO_MANY_ON_VECTOR);
    fixture.add(simple().vector(0x26));
    fixture.modify(on_all, RS_MODIFY_CLEAR);
    fixture.add(simple());
    EXPECT_EQ(fixture.refusal(simple()), RS_ERR_TOO_MANY_ON_VECTOR);
}

TEST(Registry, Holds1024Events) {
    Fixture fixture{1};
    for (u32 i = 0; i < RS_MAX_EVENTS; ++i)
        fixture.add(simple().vector(RS_VECTOR_FIRST + i / RS_MAX_EVENTS_PER_VECTOR));
    EXPECT_EQ(fixture.registry->count(), RS_MAX_EVENTS);
    EXPECT_EQ(fixture.refusal(simple().vector(0xff)), RS_ERR_TOO_MANY_EVENTS);
    EXPECT_EQ(fixture.modify(RS_TAG_BASE + 500, RS_MODIFY_CLEAR), RS_OK);
    EXPECT_EQ(fixture.add(simple().vector(0xff)), RS_TAG_BASE + 1024);
}

TEST(Registry, KeepsNothingWhenMemoryRunsOut) {
    const auto image = ImageBuilder{}.script(printing("a")).script(printing("b")).command("c");
    bool is_done = false;
    for (int count = 0; !is_done; ++count) {
        ASSERT_LT(count, 20);
        Fixture fixture;
        fixture.add(simple());
        const usize before = fixture.memory.live_blocks();
        fixture.memory.fail_after(count);
        const auto tag = fixture.registry->add(image.build(), Fixture::kClient);
        fixture.memory.fail_after(-1);
        is_done = static_cast<bool>(tag);
        if (is_done) {
            EXPECT_EQ(*tag, RS_TAG_BASE + 1);
            EXPECT_GE(count, 6);  // event, counters, command, two programs, snapshot
            continue;
        }
        EXPECT_EQ(tag.error().code, RS_ERR_CANNOT_CREATE);
        EXPECT_EQ(fixture.memory.live_blocks(), before);
        EXPECT_EQ(fixture.registry->count(), 1u);
        EXPECT_EQ(fixture.add(simple()), RS_TAG_BASE + 1);
    }
}

TEST(Registry, ModifiesOneEvent) {
    Fixture fixture;
    const u64 tag = fixture.add(simple());
    u32 is_enabled = 9;
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_QUERY, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 1u);
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_DISABLE, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 0u);
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_ENABLE, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 1u);
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_CLEAR, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 0u);
    for (const u32 action : {RS_MODIFY_QUERY, RS_MODIFY_ENABLE, RS_MODIFY_DISABLE, RS_MODIFY_CLEAR})
        EXPECT_EQ(fixture.modify(tag, action), RS_ERR_NO_SUCH_EVENT);
    EXPECT_EQ(fixture.modify(tag, 4), RS_ERR_BAD_MODIFY);
}

TEST(Registry, ModifiesAllEvents) {
    Fixture fixture;
    EXPECT_EQ(fixture.modify(RS_TAG_ALL, RS_MODIFY_DISABLE), RS_ERR_NO_SUCH_EVENT);
    fixture.add(simple(), 1);
    fixture.add(simple(), 2);
    u32 is_enabled = 9;
    EXPECT_EQ(fixture.modify(RS_TAG_ALL, RS_MODIFY_DISABLE, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 0u);
    EXPECT_EQ(fixture.modify(RS_TAG_BASE, RS_MODIFY_ENABLE), RS_OK);
    EXPECT_EQ(fixture.modify(RS_TAG_ALL, RS_MODIFY_QUERY, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 1u);
    EXPECT_EQ(fixture.modify(RS_TAG_ALL, RS_MODIFY_CLEAR), RS_OK);
    EXPECT_EQ(fixture.registry->count(), 0u);
}

TEST(Registry, AnEventWithoutActionsStaysDisabled) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{});
    u32 is_enabled = 9;
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_ENABLE, &is_enabled), RS_OK);
    EXPECT_EQ(is_enabled, 0u);
    EXPECT_EQ(list(fixture, 4096).entries.at(0).marks, RS_MARK_NO_ACTION);
}

TEST(Registry, ListsEventsInOrder) {
    Fixture fixture;
    ImageBuilder first = simple().command("!interrupt 25").core(1).pid(490);
    first.detail.cookie = 0x55;
    fixture.add(first);
    fixture.add(simple().vector(RS_VECTOR_ALL).flags(RS_EVF_START_DISABLED));
    fixture.add(ImageBuilder{}.script(ScriptBuilder{}.fail()).command("eight888"));
    for (u32 i = 0; i < 1000; ++i)
        fixture.arrive(0, 0x25);
    const Listed listed = list(fixture, 4096);
    EXPECT_EQ(listed.header.next_tag, 0u);
    ASSERT_EQ(listed.entries.size(), 3u);
    EXPECT_EQ(listed.commands[0], "!interrupt 25");
    EXPECT_EQ(listed.commands[1], "");
    EXPECT_EQ(listed.commands[2], "eight888");
    const rs_event_entry& entry = listed.entries[0];
    EXPECT_EQ(entry.tag, RS_TAG_BASE);
    EXPECT_EQ(entry.cookie, 0x55u);
    EXPECT_EQ(entry.event_type, RS_EVENT_EXTERNAL_INTERRUPT);
    EXPECT_EQ(entry.stage, static_cast<u32>(RS_STAGE_PRE));
    EXPECT_EQ(entry.core_id, 1u);
    EXPECT_EQ(entry.process_id, 490u);
    EXPECT_EQ(entry.vector, 0x25u);
    EXPECT_EQ(entry.is_enabled, 1u);
    EXPECT_EQ(entry.marks, 0u);
    EXPECT_EQ(entry.action_count, 1u);
    EXPECT_EQ(listed.entries[1].vector, RS_VECTOR_ALL);
    EXPECT_EQ(listed.entries[1].is_enabled, 0u);
    EXPECT_EQ(listed.entries[1].flags, RS_EVF_START_DISABLED);
    EXPECT_EQ(listed.entries[2].is_enabled, 0u);
    EXPECT_EQ(listed.entries[2].marks, RS_MARK_FAULTED);
    fixture.modify(RS_TAG_BASE + 2, RS_MODIFY_ENABLE);
    EXPECT_EQ(list(fixture, 4096).entries[2].marks, 0u) << "enabling takes the mark away";
}

TEST(Registry, ListsInPages) {
    Fixture fixture;
    for (u32 i = 0; i < 10; ++i)
        fixture.add(simple().command("command " + std::to_string(i)));
    fixture.modify(RS_TAG_BASE + 4, RS_MODIFY_CLEAR);
    std::vector<u64> tags;
    u64 next = 0;
    do {
        const Listed page = list(fixture, 3 * (sizeof(rs_event_entry) + 16), next);
        EXPECT_LE(page.entries.size(), 3u);
        for (const rs_event_entry& entry : page.entries)
            tags.push_back(entry.tag - RS_TAG_BASE);
        next = page.header.next_tag;
    } while (next != 0);
    EXPECT_EQ(tags, (std::vector<u64>{0, 1, 2, 3, 5, 6, 7, 8, 9}));
    const Listed none = list(fixture, 8);
    EXPECT_EQ(none.header.count, 0u);
    EXPECT_EQ(none.header.next_tag, RS_TAG_BASE);
    rs_event_list bad = {};
    bad.reserved = 1;
    EXPECT_FALSE(fixture.registry->list(bad, {}));
}

TEST(Registry, AddsCountersUp) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.script(printing("x")));
    fixture.guests[0]->ticks_a_look = 10;
    fixture.guests[1]->ticks_a_look = 1000;
    for (u32 i = 0; i < 3; ++i)
        fixture.arrive(0, 0x25);
    fixture.arrive(1, 0x25);
    const rs_event_stat sum = fixture.stat(tag);
    rs_event_stat on_core[2] = {};
    for (u32 core = 0; core < 2; ++core) {
        on_core[core].tag = tag;
        ASSERT_TRUE(fixture.registry->stat_on_core(on_core[core], core));
    }
    EXPECT_EQ(on_core[0].arrivals, 3u);
    EXPECT_EQ(on_core[1].arrivals, 1u);
    EXPECT_EQ(sum.arrivals, 4u);
    EXPECT_EQ(sum.messages, 4u);
    EXPECT_EQ(sum.cycles_total, on_core[0].cycles_total + on_core[1].cycles_total);
    EXPECT_EQ(sum.cycles_max, on_core[1].cycles_max);
    EXPECT_GT(on_core[1].cycles_max, on_core[0].cycles_max);
}

TEST(Registry, TellsTheNumbersOfACore) {
    Fixture fixture;
    CoreStats& stats = *fixture.core(1).stats;
    stats.open();
    stats.arrivals.set(10);
    stats.delivered.set(7);
    stats.ignored.set(1);
    stats.pending.set(2);
    stats.exits.set(100);
    stats.interrupt_exits.set(12);
    stats.nmi_exits.set(3);
    stats.self_wakes.set(4);
    stats.close();
    const rs_event_stat stat = fixture.stat(1, RS_STAT_CORE);
    EXPECT_EQ(stat.arrivals, 10u);
    EXPECT_EQ(stat.delivered, 7u);
    EXPECT_EQ(stat.ignored, 1u);
    EXPECT_EQ(stat.pending, 2u);
    EXPECT_EQ(stat.exits, 100u);
    EXPECT_EQ(stat.interrupt_exits, 12u);
    EXPECT_EQ(stat.nmi_exits, 3u);
    EXPECT_EQ(stat.self_wakes, 4u);
    EXPECT_EQ(stat.is_virtualized, 1u);
    fixture.engine->set_participating(1, false);
    EXPECT_EQ(fixture.stat(1, RS_STAT_CORE).is_virtualized, 0u);
}

TEST(Registry, RefusesBadQuestions) {
    Fixture fixture;
    const auto ask = [&](u32 kind, u64 tag, u64 reserved = 0) {
        rs_event_stat request = {};
        request.kind = kind;
        request.tag = tag;
        request.reserved[1] = reserved;
        const auto result = fixture.registry->stat(request);
        return result ? RS_OK : result.error().code;
    };
    EXPECT_EQ(ask(RS_STAT_EVENT, RS_TAG_BASE), RS_ERR_NO_SUCH_EVENT);
    EXPECT_EQ(ask(RS_STAT_CORE, 2), RS_ERR_BAD_CORE);
    EXPECT_EQ(ask(3, 0), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(ask(RS_STAT_VECTOR, 0x100), RS_ERR_BAD_INTERRUPT_INDEX);
    EXPECT_EQ(ask(RS_STAT_CORE, 0, 1), RS_ERR_BAD_IMAGE);
    rs_event_stat request = {};
    EXPECT_FALSE(fixture.registry->stat_on_core(request, 0));
    EXPECT_FALSE(fixture.registry->stat_on_core(request, 2));
}

TEST(Registry, ClearsTheEventsOfAClient) {
    Fixture fixture;
    fixture.add(simple(), 1);
    fixture.add(simple(), 2);
    fixture.add(simple().flags(RS_EVF_PERSIST), 1);
    fixture.registry->remove_client(1);
    const Listed listed = list(fixture, 4096);
    ASSERT_EQ(listed.entries.size(), 2u);
    EXPECT_EQ(listed.entries[0].tag, RS_TAG_BASE + 1);
    EXPECT_EQ(listed.entries[1].tag, RS_TAG_BASE + 2);
    fixture.registry->clear_all();
    EXPECT_EQ(fixture.registry->count(), 0u);
}

TEST(Registry, FreesWhatEveryCoreHasLeft) {
    Fixture fixture;
    const usize empty = fixture.memory.live_blocks();
    const u64 tag = fixture.add(simple().command("x"));
    fixture.adopt_all();
    EXPECT_FALSE(fixture.registry->reclaim());
    const usize with_event = fixture.memory.live_blocks();
    fixture.modify(tag, RS_MODIFY_CLEAR);
    EXPECT_TRUE(fixture.registry->reclaim());
    EXPECT_GT(fixture.memory.live_blocks(), with_event);
    adopt(fixture.core(0));
    EXPECT_TRUE(fixture.registry->reclaim()) << "core 1 may still run it";
    adopt(fixture.core(1));
    EXPECT_FALSE(fixture.registry->reclaim());
    EXPECT_EQ(fixture.memory.live_blocks(), empty);
}

TEST(Registry, DoesNotWaitForCoresThatDoNotTakePart) {
    Fixture fixture;
    const usize empty = fixture.memory.live_blocks();
    const u64 tag = fixture.add(simple());
    fixture.modify(tag, RS_MODIFY_CLEAR);
    adopt(fixture.core(0));
    fixture.engine->set_participating(1, false);
    EXPECT_FALSE(fixture.registry->reclaim());
    EXPECT_EQ(fixture.memory.live_blocks(), empty);
}

TEST(Registry, SweepsEventsThatScriptsCleared) {
    Fixture fixture;
    const usize empty = fixture.memory.live_blocks();
    fixture.add(
        ImageBuilder{}.script(ScriptBuilder{}.immediate(0, 0).call(RS_BUILTIN_EVENT_CLEAR)));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.registry->count(), 0u);
    EXPECT_TRUE(fixture.registry->reclaim());
    fixture.adopt_all();
    EXPECT_FALSE(fixture.registry->reclaim());
    EXPECT_EQ(fixture.memory.live_blocks(), empty);
}

TEST(Registry, ClearsWithoutMemoryAndFreesLater) {
    Fixture fixture;
    const usize empty = fixture.memory.live_blocks();
    const u64 tag = fixture.add(ImageBuilder{}.script(printing("x")));
    fixture.memory.fail_after(0);
    EXPECT_EQ(fixture.modify(tag, RS_MODIFY_CLEAR), RS_OK);
    fixture.adopt_all();
    EXPECT_FALSE(fixture.core(0).wants_interrupts);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    EXPECT_EQ(fixture.registry->count(), 0u);
    EXPECT_TRUE(fixture.registry->reclaim());
    fixture.memory.fail_after(-1);
    EXPECT_TRUE(fixture.registry->reclaim());
    fixture.adopt_all();
    EXPECT_FALSE(fixture.registry->reclaim());
    EXPECT_EQ(fixture.memory.live_blocks(), empty);
}

TEST(Registry, FailsToOpenWithoutMemory) {
    test::FakeSharedMemory memory;
    FakeMachine machine;
    const auto engine = std::make_unique<Engine>();
    ASSERT_TRUE(engine->open(memory, {.core_count = 1, .ring_bytes = ring::kMinimumBytes}));
    const auto registry = std::make_unique<Registry>();
    memory.fail_after(0);
    EXPECT_FALSE(registry->open(*engine, machine));
    registry->close();
    engine->close();
}

}  // namespace
}  // namespace ringside::event
