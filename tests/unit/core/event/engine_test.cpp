// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/engine.hpp"

#include <atomic>
#include <thread>

#include "event/clock.hpp"
#include "event/wake.hpp"
#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::ScriptBuilder;

TEST(Engine, ChecksItsSettings) {
    test::FakeSharedMemory memory;
    const auto engine = std::make_unique<Engine>();
    EXPECT_FALSE(engine->open(memory, {.core_count = 0}));
    EXPECT_FALSE(engine->open(memory, {.core_count = kMaxCores + 1}));
    EXPECT_FALSE(engine->open(memory, {.core_count = 1, .ring_bytes = 3 << 16}));
    EXPECT_FALSE(engine->open(memory, {.core_count = 1, .ring_bytes = 1 << 15}));
    EXPECT_FALSE(engine->open(memory, {.core_count = 1, .ring_bytes = 1 << 23}));
}

TEST(Engine, KeepsNothingWhenMemoryRunsOut) {
    for (int count = 0;; ++count) {
        ASSERT_LT(count, 30);
        test::FakeSharedMemory memory;
        memory.fail_after(count);
        const auto engine = std::make_unique<Engine>();
        const auto opened = engine->open(memory, {.core_count = 2});
        if (opened) {
            EXPECT_EQ(count, 4 + 2 * 4);
            engine->close();
            return;
        }
        EXPECT_EQ(opened.error().code, RS_ERR_CANNOT_CREATE);
        EXPECT_EQ(memory.live_blocks(), 0u);
    }
}

TEST(Engine, CanBeOpenedAgain) {
    test::FakeSharedMemory memory;
    const auto engine = std::make_unique<Engine>();
    for (u32 i = 0; i < 3; ++i) {
        ASSERT_TRUE(engine->open(memory, {.core_count = 3}));
        EXPECT_EQ(engine->core_count(), 3u);
        EXPECT_EQ(engine->rings().count(), 3u);
        engine->close();
    }
}

TEST(Engine, CoresAdoptWhatIsPublished) {
    Fixture fixture{2, Fixture::View::kTwo};
    EXPECT_FALSE(needs_adoption(fixture.core(0)));
    EXPECT_FALSE(fixture.core(0).wants_interrupts);
    const u64 before = fixture.engine->generation();
    const u64 tag = fixture.add(ImageBuilder{}.core(1).script(ScriptBuilder{}));
    EXPECT_GT(fixture.engine->generation(), before);
    EXPECT_TRUE(needs_adoption(fixture.core(0)));
    EXPECT_FALSE(adopt(fixture.core(0))) << "the event is not for this core";
    EXPECT_FALSE(fixture.engine->all_adopted(fixture.engine->generation()));
    EXPECT_TRUE(adopt(fixture.core(1)));
    EXPECT_TRUE(fixture.engine->all_adopted(fixture.engine->generation()));
    EXPECT_FALSE(fixture.engine->wants_interrupts(0));
    EXPECT_TRUE(fixture.engine->wants_interrupts(1));
    fixture.modify(tag, RS_MODIFY_DISABLE);
    EXPECT_TRUE(needs_adoption(fixture.core(1)));
    EXPECT_FALSE(adopt(fixture.core(1))) << "no enabled event is left";
    fixture.modify(tag, RS_MODIFY_ENABLE);
    EXPECT_TRUE(adopt(fixture.core(1)));
    fixture.modify(tag, RS_MODIFY_CLEAR);
    EXPECT_FALSE(adopt(fixture.core(1)));
}

TEST(Engine, WaitsOnlyForTheGenerationAskedFor) {
    Fixture fixture;
    const u64 target = fixture.engine->announce();
    EXPECT_FALSE(fixture.engine->all_adopted(target));
    fixture.adopt_all();
    announce(fixture.core(0));
    EXPECT_TRUE(fixture.engine->all_adopted(target));
    EXPECT_FALSE(fixture.engine->all_adopted(fixture.engine->generation()));
}

TEST(Engine, CopiesConsistentNumbers) {
    Fixture fixture{1};
    CoreStats& stats = *fixture.core(0).stats;
    std::atomic<bool> is_enough = false;
    std::thread root{[&] {
        while (!is_enough) {
            stats.open();
            stats.arrivals.add(1);
            stats.delivered.add(1);
            stats.exits.add(2);
            stats.close();
        }
    }};
    // Not before root is at work, and until its numbers have changed under our eyes.
    u64 last = 0;
    for (u32 changes = 0; changes < 1000;) {
        const CoreNumbers numbers = fixture.engine->read_stats(0, ~u32{0});
        EXPECT_EQ(numbers.arrivals, numbers.delivered);
        EXPECT_EQ(numbers.arrivals * 2, numbers.exits);
        changes += numbers.arrivals != last ? 1 : 0;
        last = numbers.arrivals;
    }
    is_enough = true;
    root.join();
    EXPECT_GE(fixture.engine->read_stats(0).arrivals, last);
}

TEST(Engine, GivesUpOnNumbersThatAreBeingChanged) {
    Fixture fixture{1};
    fixture.core(0).stats->open();
    fixture.core(0).stats->exits.set(5);
    EXPECT_EQ(fixture.engine->read_stats(0, 3).exits, 5u);
    fixture.core(0).stats->close();
}

/// Cores that exit all the time while guest context registers, flips and clears events: released
/// memory is poisoned, so a core that holds on to it crashes or prints nonsense.
TEST(Engine, NobodyUsesWhatWasFreed) {
    constexpr u32 kCores = 4;
    constexpr u32 kRounds = 300;
    Fixture fixture{kCores};
    const auto image =
        ImageBuilder{}.vector(RS_VECTOR_ALL).script(printing("fine")).script(printing("fine"));
    std::atomic<bool> is_done = false;
    std::vector<std::thread> cores;
    std::atomic<u64> runs = 0;
    for (u32 number = 0; number < kCores; ++number)
        cores.emplace_back([&, number] {
            CoreState& core = fixture.core(number);
            u8 vector = 0x20;
            while (!is_done) {
                if (needs_adoption(core))
                    adopt(core);
                if (count_arrival(core, vector))
                    run_pre_stage(core, vector, *fixture.guests[number], fixture.code);
                vector = vector == 0xff ? 0x20 : static_cast<u8>(vector + 1);
                runs.fetch_add(1, std::memory_order_relaxed);
                std::this_thread::yield();
            }
        });
    u64 live[8] = {};
    for (u32 round = 0; round < kRounds; ++round) {
        u64& tag = live[round % std::size(live)];
        if (tag != 0) {
            EXPECT_EQ(fixture.modify(tag, RS_MODIFY_DISABLE), RS_OK);
            EXPECT_EQ(fixture.modify(tag, RS_MODIFY_CLEAR), RS_OK);
        }
        tag = fixture.add(image);
        fixture.registry->reclaim();
        // TRG-7: once all cores have adopted the change, a disabled event starts no run.
        const u64 victim = live[(round + 3) % std::size(live)];
        if (victim != 0 && round % 16 == 0) {
            EXPECT_EQ(fixture.modify(victim, RS_MODIFY_DISABLE), RS_OK);
            const u64 target = fixture.engine->generation();
            while (!fixture.engine->all_adopted(target))
                std::this_thread::yield();
            const u64 before = fixture.stat(victim).triggers_pre;
            const u64 until = runs + 100;
            while (runs < until)
                std::this_thread::yield();
            EXPECT_EQ(fixture.stat(victim).triggers_pre, before);
            EXPECT_EQ(fixture.modify(victim, RS_MODIFY_ENABLE), RS_OK);
        }
        for (auto message = fixture.receive(); message.header.kind != 0;
             message = fixture.receive())
            if (message.header.kind == RS_MSG_TEXT) {
                EXPECT_EQ(message.payload, "fine");
            }
    }
    is_done = true;
    for (std::thread& core : cores)
        core.join();
    fixture.adopt_all();
    fixture.registry->clear_all();
    fixture.adopt_all();
    EXPECT_FALSE(fixture.registry->reclaim());
    EXPECT_EQ(fixture.registry->count(), 0u);
}

TEST(Clock, ConvertsTicks) {
    const Clock clock = Clock::from_khz(2'400'000);
    EXPECT_NEAR(static_cast<double>(clock.to_ns(2'400'000'000)), 1e9, 2);
    // 32 fraction bits of 0.4167 ns: off by less than 5.6e-10 of the time.
    EXPECT_NEAR(static_cast<double>(clock.to_ns(u64{2'400'000'000} * 86400 * 365)),
                1e9 * 86400 * 365, 2e7);
    EXPECT_EQ(clock.to_ticks(5), 12'000u);
    EXPECT_EQ(clock.to_ticks(3'000'000), 7'200'000'000u);
    EXPECT_EQ(clock.to_ticks(~u64{0}), ~u64{0});
    EXPECT_EQ(Clock::from_khz(0).to_ns(123), 123u);
}

TEST(Wake, PausesBetweenTwo) {
    Wake wake;
    EXPECT_FALSE(wake.is_due(100, 50, true)) << "nothing was written";
    wake.note();
    EXPECT_TRUE(wake.is_wanted());
    EXPECT_TRUE(wake.is_due(100, 50, true));
    EXPECT_FALSE(wake.is_wanted());
    wake.note();
    EXPECT_FALSE(wake.is_due(149, 50, true));
    EXPECT_TRUE(wake.is_due(150, 50, true)) << "the wish was kept";
    wake.note();
    EXPECT_FALSE(wake.is_due(300, 50, false)) << "the reader has woken by itself";
    EXPECT_FALSE(wake.is_due(400, 50, true));
}

TEST(Counter, CountsAndKeepsTheHighest) {
    Counter counter{};
    counter.add(3);
    counter.add(4);
    EXPECT_EQ(counter.get(), 7u);
    counter.raise_to(5);
    EXPECT_EQ(counter.get(), 7u);
    counter.raise_to(9);
    EXPECT_EQ(counter.get(), 9u);
}

}  // namespace
}  // namespace ringside::event
