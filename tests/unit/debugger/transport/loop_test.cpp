// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace ringside::transport {
namespace {

using namespace std::chrono_literals;

TEST(Loop, AWaitEndsWhenItsConditionHolds) {
    Loop loop;
    int count = 0;
    loop.post([&] { ++count; });
    loop.post([&] { ++count; });
    loop.post([&] { ++count; });
    EXPECT_EQ(loop.wait_until([&] { return count == 2; }), Wait::kDone);
    EXPECT_EQ(count, 2);
    EXPECT_FALSE(loop.is_waiting());
}

TEST(Loop, AConditionThatHoldsAlreadyRunsNothing) {
    Loop loop;
    bool has_run = false;
    loop.post([&] { has_run = true; });
    EXPECT_EQ(loop.wait_until([] { return true; }), Wait::kDone);
    EXPECT_FALSE(has_run);
}

TEST(Loop, AWaitTimesOut) {
    Loop loop;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(loop.wait_for(20ms), Wait::kTimedOut);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    EXPECT_EQ(loop.wait_for(0ms), Wait::kTimedOut);
    EXPECT_EQ(loop.wait_for(-1ms), Wait::kTimedOut);
}

TEST(Loop, AnInterruptEndsTheInnermostWait) {
    Loop loop;
    std::vector<Wait> ends;
    bool is_inner_over = false;
    loop.post([&] {
        loop.post([&] { EXPECT_TRUE(loop.interrupt()); });
        ends.push_back(loop.wait_until([] { return false; }));
        is_inner_over = true;
    });
    ends.push_back(loop.wait_until([&] { return is_inner_over; }));
    EXPECT_EQ(ends, (std::vector{Wait::kInterrupted, Wait::kDone}));
}

TEST(Loop, AnInterruptWithoutAWaitIsForgotten) {
    Loop loop;
    EXPECT_FALSE(loop.interrupt());
    EXPECT_EQ(loop.wait_for(1ms), Wait::kTimedOut);
}

TEST(Loop, StopEndsRunAndTheWaitsInIt) {
    Loop loop;
    Wait end = Wait::kDone;
    loop.post([&] {
        loop.post([&] { loop.stop(); });
        end = loop.wait_until([] { return false; });
    });
    loop.run();
    EXPECT_EQ(end, Wait::kInterrupted);
    EXPECT_EQ(loop.wait_for(1ms), Wait::kTimedOut) << "a wait after it is none inside it";

    bool has_run = false;
    loop.post([&] {
        has_run = true;
        loop.stop();
    });
    loop.run();
    EXPECT_TRUE(has_run) << "it can run again";
}

TEST(Loop, CanWaitAfterItRanOutOfWork) {
    Loop loop;
    loop.run();
    int count = 0;
    loop.post([&] { ++count; });
    EXPECT_EQ(loop.wait_until([&] { return count == 1; }, 10s), Wait::kDone);
}

TEST(Loop, AnExceptionLeavesNoWaitBehind) {
    Loop loop;
    EXPECT_THROW((void)loop.wait_until([]() -> bool { throw 1; }), int);
    EXPECT_FALSE(loop.is_waiting());
}

TEST(Loop, AVanishedReaderIsAnErrorAndNoSignal) {
    Loop loop;
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ::close(ends[0]);
    EXPECT_EQ(::write(ends[1], "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    ::close(ends[1]);
}

}  // namespace
}  // namespace ringside::transport
