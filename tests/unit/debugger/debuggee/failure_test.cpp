// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/failure.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "ringside/error.h"

namespace ringside::debuggee {
namespace {

using Kind = Failure::Kind;

TEST(Failure, HasTheSentenceOfItsCode) {
    EXPECT_STREQ(error_sentence(RS_ERR_BAD_INTERRUPT_INDEX), "vector must be 0x20 to 0xff");
    EXPECT_EQ(error_sentence(0x1234), nullptr);
    const Failure failure{.kind = Kind::kRefused, .error_number = ENXIO, .code = RS_ERR_BAD_CORE};
    EXPECT_EQ(failure.text(), "no such core (c0000006)");
}

TEST(Failure, FallsBackToTheErrno) {
    const Failure plain{.kind = Kind::kRefused, .error_number = ENOTTY};
    EXPECT_EQ(plain.text(), "Inappropriate ioctl for device");
    const Failure unknown{.kind = Kind::kRefused, .error_number = EIO, .code = 0xc0009999};
    EXPECT_EQ(unknown.text(), "Input/output error (c0009999)");
}

TEST(Failure, EveryKindHasItsOwnSentence) {
    EXPECT_EQ(Failure{.kind = Kind::kNotConnected}.text(),
              "not connected to a debuggee; use '.connect'");
    EXPECT_EQ(Failure{.kind = Kind::kTimedOut}.text(), "no answer from the debuggee in time");
    EXPECT_EQ(Failure{.kind = Kind::kInterrupted}.text(), "interrupted");
    EXPECT_EQ(Failure{.kind = Kind::kLost}.text(), "the connection to the debuggee was lost");
    EXPECT_EQ(Failure{.kind = Kind::kMalformed}.text(), "the debuggee's answer makes no sense");
    EXPECT_EQ(Failure{}.text(), "no error");
}

TEST(Reply, HoldsAValueOrAFailure) {
    Reply<int> value{5};
    EXPECT_TRUE(value);
    EXPECT_EQ(*value, 5);
    Reply<int> failure{Failure{.kind = Kind::kLost}};
    EXPECT_FALSE(failure);
    EXPECT_EQ(failure.failure().kind, Kind::kLost);
    EXPECT_TRUE(Reply<void>{});
    EXPECT_FALSE((Reply<void>{Failure{.kind = Kind::kLost}}));
}

}  // namespace
}  // namespace ringside::debuggee
