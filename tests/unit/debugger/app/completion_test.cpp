// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside::app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<u64> kEvents = {0, 0x1f};
const std::vector<std::string> kNames = {"print", "printf", "@rax", "@rflags", "$pid", "$pname"};

LineEditor::Completion offered(std::string_view text, std::string_view pending = "") {
    return complete(pending, text, kEvents, kNames);
}

TEST(Complete, OffersCommandsForTheFirstWord) {
    EXPECT_THAT(offered("!int").candidates, ElementsAre("!interrupt"));
    EXPECT_THAT(offered("EVENTS").candidates, ElementsAre("events"));
    EXPECT_THAT(offered("").candidates, Contains("load"));
    EXPECT_THAT(offered("xyz").candidates, IsEmpty());
}

TEST(Complete, OffersTheWordsOfTheCommand) {
    EXPECT_THAT(offered("load v").candidates, ElementsAre("vmm"));
    EXPECT_THAT(offered("load vmm npt=o").candidates, ElementsAre("npt=off", "npt=on"));
    EXPECT_EQ(offered("load vmm npt=o").begin, 9u);
    EXPECT_THAT(offered(".connect s").candidates, ElementsAre("serial"));
    EXPECT_THAT(offered(".listen s").candidates, ElementsAre("serial"));
    EXPECT_THAT(offered("!interrupt ec sc").candidates, ElementsAre("sc", "script"));
    EXPECT_THAT(offered("!interrupt ec script { print(1); } co").candidates,
                ElementsAre("code", "condition", "core"));
}

TEST(Complete, AddsNoBlankBehindAnEqualSign) {
    EXPECT_TRUE(offered("load v").add_blank);
    EXPECT_FALSE(offered("load vmm msg").add_blank);
}

TEST(Complete, OffersTheIdsOfEvents) {
    EXPECT_THAT(offered("events d ").candidates, Contains("1f"));
    EXPECT_THAT(offered("events d 1").candidates, ElementsAre("1f"));
    EXPECT_THAT(offered("events e a").candidates, ElementsAre("all"));
}

TEST(Complete, OffersCommandsToHelp) {
    EXPECT_THAT(offered(".help slee").candidates, ElementsAre("sleep"));
}

TEST(Complete, OffersNamesOfTheLanguageInsideABlock) {
    EXPECT_THAT(offered("!interrupt ec script { pr").candidates, ElementsAre("print", "printf"));
    EXPECT_THAT(offered("!interrupt ec script { print(@r").candidates,
                ElementsAre("@rax", "@rflags"));
    EXPECT_THAT(offered("x = $p", "? {\n").candidates, ElementsAre("$pid", "$pname"));
    EXPECT_FALSE(offered("? { pr").add_blank);
    EXPECT_THAT(offered("? { ").candidates, IsEmpty());
}

TEST(Complete, OffersNamesOfTheLanguageBehindAnEvaluation) {
    EXPECT_THAT(offered("? print(@ra").candidates, ElementsAre("@rax"));
    EXPECT_EQ(offered("? print(@ra").begin, 8u);
    EXPECT_THAT(offered("print @ra").candidates, ElementsAre("@rax"));
}

TEST(Complete, OffersNothingInsideAString) {
    EXPECT_THAT(offered("? printf(\"pr").candidates, IsEmpty());
    EXPECT_THAT(offered("nonsense lo").candidates, IsEmpty());
}

}  // namespace
}  // namespace ringside::app
