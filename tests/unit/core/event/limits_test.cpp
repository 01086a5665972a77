// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/limits.hpp"

#include <gtest/gtest.h>

namespace ringside::event {
namespace {

constexpr u32 kAll = RS_SET_SCRIPT_BUDGET | RS_SET_SCRIPT_TIME | RS_SET_CODE_TIME |
                     RS_SET_GATHER_TIME | RS_SET_SC_REPLAY | RS_SET_SC_DELIVER;

rs_settings good() {
    rs_settings settings{};
    settings.mask = kAll;
    settings.script_budget = 1;
    settings.script_time_us = 2;
    settings.code_time_us = 3;
    settings.gather_time_ms = 4;
    settings.sc_replay = 1;
    return settings;
}

TEST(TakeLimits, TakesWhatTheMaskNames) {  // AUX-5
    Limits limits;
    ASSERT_TRUE(take_limits(good(), limits));
    EXPECT_EQ(limits.script_budget, 1u);
    EXPECT_EQ(limits.script_time_us, 2u);
    EXPECT_EQ(limits.code_time_us, 3u);
    EXPECT_EQ(limits.gather_time_ms, 4u);
    rs_settings one = good();
    one.mask = RS_SET_CODE_TIME;
    one.script_budget = 0;  // not asked for
    one.code_time_us = 1'000'000;
    ASSERT_TRUE(take_limits(one, limits));
    EXPECT_EQ(limits.code_time_us, 1'000'000u);
    EXPECT_EQ(limits.script_budget, 1u);
    EXPECT_TRUE(take_limits({}, limits));  // only asks
}

TEST(TakeLimits, RefusesAllOfABadRequest) {
    void (*const kSpoil[])(rs_settings&) = {
        [](rs_settings& s) { s.mask |= 1u << 9; },
        [](rs_settings& s) { s.link_loss = 2; },
        [](rs_settings& s) { s.jit = 2; },
        [](rs_settings& s) { s.sc_replay = 2; },
        [](rs_settings& s) { s.sc_deliver = 0xffff; },
        [](rs_settings& s) { s.script_budget = 0; },
        [](rs_settings& s) { s.script_budget = (u64{1} << 40) + 1; },
        [](rs_settings& s) { s.script_time_us = 10'000'001; },
        [](rs_settings& s) { s.code_time_us = 0; },
        [](rs_settings& s) { s.code_time_us = 1'000'001; },
        [](rs_settings& s) { s.gather_time_ms = 60'001; },
        [](rs_settings& s) { s.gather_time_ms = ~u64{0}; },
        [](rs_settings& s) { s.mask = RS_SET_ALL, s.utc_offset_s = 86'401; },
        [](rs_settings& s) { s.mask = RS_SET_ALL, s.utc_offset_s = -86'401; },
    };
    for (const auto spoil : kSpoil) {
        rs_settings settings = good();
        spoil(settings);
        Limits limits;
        EXPECT_FALSE(take_limits(settings, limits));
        EXPECT_EQ(limits.script_budget, Limits{}.script_budget);
        EXPECT_EQ(limits.code_time_us, Limits{}.code_time_us);
    }
}

}  // namespace
}  // namespace ringside::event
