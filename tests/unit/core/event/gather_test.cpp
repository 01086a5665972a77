// SPDX-License-Identifier: GPL-3.0-or-later
// imm no: specification MSG-3.
#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

TEST(Gather, KeepsTextUntilItIsFull_MSG3) {
    Fixture fixture;
    const std::string text(1000, 'a');
    fixture.add(ImageBuilder{}.script(printing(text)).gathering());
    for (int i = 0; i < 4; ++i)
        fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.receive().header.kind, 0) << "4000 of 4080 bytes";
    EXPECT_TRUE(fixture.engine->is_gathering());
    fixture.arrive(0, 0x25);
    const auto got = fixture.receive();
    EXPECT_EQ(got.header.kind, RS_MSG_GATHERED);
    EXPECT_EQ(got.payload, text + text + text + text);
    EXPECT_EQ(fixture.receive().header.kind, 0);
    fixture.adopt_all();
    EXPECT_EQ(fixture.receive().payload, text);
    EXPECT_FALSE(fixture.engine->is_gathering());
}

TEST(Gather, IsHandedOverWhenOld_MSG3) {
    Fixture fixture;  // 1 GHz: 250 ms are 250,000,000 ticks
    fixture.add(ImageBuilder{}.script(printing("x")).gathering());
    fixture.guests[0]->clock = 1000;
    fixture.arrive(0, 0x25);
    const u64 since = fixture.core(0).gathered.since_tsc;
    hand_over_old(fixture.core(0), since + 249'999'999);
    EXPECT_EQ(fixture.receive().header.kind, 0);
    hand_over_old(fixture.core(0), since + 250'000'000);
    EXPECT_EQ(fixture.receive().payload, "x");
    hand_over_old(fixture.core(0), since + 500'000'000);
    EXPECT_EQ(fixture.receive().header.kind, 0);
}

TEST(Gather, KeepsTheOrderOfTheCore_MSG4) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("a")).gathering());
    fixture.add(ImageBuilder{}.vector(0x26).script(printing("b")));
    fixture.add(ImageBuilder{}.vector(0x27).script(printing("c")).gathering());
    for (const int vector : {0x25, 0x25, 0x26, 0x25, 0x27, 0x27, 0x25})
        fixture.arrive(0, u8(vector));
    fixture.adopt_all();
    EXPECT_EQ(fixture.texts(), "aa|b|a|cc|a|");
}

TEST(Gather, NothingStaysBehindWhenTheEventEnds_MSG3) {
    for (const u32 action : {RS_MODIFY_DISABLE, RS_MODIFY_CLEAR}) {
        Fixture fixture;
        const u64 tag = fixture.add(ImageBuilder{}.script(printing("last")).gathering());
        fixture.arrive(0, 0x25);
        fixture.modify(tag, action);
        fixture.adopt_all();
        fixture.registry->reclaim();
        EXPECT_EQ(fixture.texts(), "last|");
    }
}

TEST(Gather, CountsThePrintsThatAreLost_MSG5) {
    Fixture fixture;
    const std::string text(100, 'x');
    const u64 tag = fixture.add(ImageBuilder{}.script(printing(text)).gathering());
    u64 printed = 0;
    while (fixture.stat(tag).lost_messages == 0) {
        fixture.arrive(0, 0x25);
        ++printed;
        ASSERT_LT(printed, 10000u);
    }
    fixture.adopt_all();
    const rs_event_stat stat = fixture.stat(tag);
    EXPECT_EQ(stat.messages + stat.lost_messages, printed);
    u64 received = 0;
    u64 lost = 0;
    fixture.engine->core(0).in_root()->producer.report_losses();
    for (auto got = fixture.receive(); got.header.kind != 0; got = fixture.receive()) {
        if (got.header.kind == RS_MSG_GATHERED)
            received += got.payload.size() / text.size();
        u64 count = 0;
        if (got.header.kind == RS_MSG_LOST)
            std::memcpy(&count, got.payload.data(), sizeof count);
        lost += count;
        fixture.engine->core(0).in_root()->producer.report_losses();
    }
    EXPECT_EQ(received, stat.messages);
    EXPECT_EQ(lost, stat.lost_messages);
}

TEST(Gather, WakesASleepingReaderWhenItBeginsAndWhenItEnds_MSG8) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("x")).gathering());
    ASSERT_FALSE(fixture.reader.prepare_to_wait());
    fixture.arrive(0, 0x25);
    EXPECT_TRUE(fixture.core(0).wake.is_wanted());
}

}  // namespace
}  // namespace ringside::event
