// SPDX-License-Identifier: GPL-3.0-or-later
// The registry: routes, states, listing, losses and failures (OUT-3 to OUT-5).
#include "output/outputs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace ringside::output {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Takes what it is given into a shared record, until told otherwise.
class FakeSink final : public Sink {
public:
    FakeSink(std::string label, std::vector<std::string>& record)
        : label_{std::move(label)}, record_{record} {}
    bool write(std::string_view bytes) override {
        if (breaks)
            fail("cable cut");
        if (breaks || is_full)
            return false;
        record_.push_back(label_ + ":" + std::string{bytes});
        return true;
    }
    std::size_t close() override { return unsent; }
    bool is_full = false;
    bool breaks = false;
    std::size_t unsent = 0;

private:
    std::string label_;
    std::vector<std::string>& record_;
};

class OutputsTest : public testing::Test {
protected:
    FakeSink& add(const std::string& name, bool is_open = true) {
        auto sink = std::make_shared<FakeSink>(name, record_);
        FakeSink& result = *sink;
        NamedOutput& output = outputs_.add(name, SinkType::kFile, std::move(sink));
        if (is_open)
            output.state = OutputState::kOpened;
        return result;
    }
    std::vector<std::string> record_;
    std::vector<std::string> told_;
    Outputs outputs_{[this](const std::string& text) { told_.push_back(text); }};
};

TEST_F(OutputsTest, EveryOutputOfAnEventGetsEveryMessageInOrder) {
    add("a");
    add("b");
    add("c");
    outputs_.set_route(7, {"b", "a", "b"});
    EXPECT_TRUE(outputs_.forward(7, "1"));
    EXPECT_TRUE(outputs_.forward(7, "2"));
    EXPECT_THAT(record_, ElementsAre("b:1", "a:1", "b:2", "a:2"));
}

TEST_F(OutputsTest, TextBelongsToTheConsoleWhileNoneIsOpen) {
    add("a", false);
    outputs_.set_route(7, {"a"});
    EXPECT_FALSE(outputs_.forward(8, "another event")) << "has no outputs";
    EXPECT_FALSE(outputs_.forward(7, "not opened"));
    outputs_.find("a")->state = OutputState::kOpened;
    EXPECT_TRUE(outputs_.forward(7, "opened"));
    outputs_.close(*outputs_.find("a"));
    EXPECT_FALSE(outputs_.forward(7, "closed"));
    EXPECT_THAT(record_, ElementsAre("a:opened"));
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(OutputsTest, ForgottenRoutesForwardNothing) {
    add("a");
    outputs_.set_route(7, {"a"});
    outputs_.set_route(8, {"a"});
    outputs_.forget_route(7);
    EXPECT_FALSE(outputs_.forward(7, "x"));
    EXPECT_TRUE(outputs_.forward(8, "x"));
    outputs_.forget_routes();
    EXPECT_FALSE(outputs_.forward(8, "x"));
}

TEST_F(OutputsTest, FailingOutputIsToldOnceAndStopsNoOther) {
    add("a").breaks = true;
    add("b");
    outputs_.set_route(7, {"a", "b"});
    EXPECT_TRUE(outputs_.forward(7, "1"));
    EXPECT_TRUE(outputs_.forward(7, "2"));
    EXPECT_THAT(record_, ElementsAre("b:1", "b:2"));
    EXPECT_THAT(told_, ElementsAre("warn, output 'a' failed: cable cut"));
    EXPECT_EQ(outputs_.find("a")->state, OutputState::kFailed);
}

TEST_F(OutputsTest, TextOfAnEventWhoseLastOutputFailsIsNotSwallowed) {
    add("a").breaks = true;
    outputs_.set_route(7, {"a"});
    EXPECT_FALSE(outputs_.forward(7, "1")) << "the console shows it";
}

TEST_F(OutputsTest, LostMessagesAreCountedAndToldBeforeTheNextOneThatFits) {
    FakeSink& sink = add("a");
    outputs_.set_route(7, {"a"});
    sink.is_full = true;
    EXPECT_TRUE(outputs_.forward(7, "1")) << "dropped, and not for the console";
    EXPECT_TRUE(outputs_.forward(7, "2"));
    EXPECT_THAT(told_, IsEmpty());
    sink.is_full = false;
    EXPECT_TRUE(outputs_.forward(7, "3"));
    EXPECT_TRUE(outputs_.forward(7, "4"));
    EXPECT_THAT(told_, ElementsAre("warn, 2 messages lost (output 'a')"));
    EXPECT_THAT(record_, ElementsAre("a:3", "a:4"));
}

TEST_F(OutputsTest, ClosingTellsEverythingThatWasLost) {
    FakeSink& sink = add("a");
    outputs_.set_route(7, {"a"});
    sink.is_full = true;
    sink.unsent = 12;
    (void)outputs_.forward(7, "1");
    outputs_.close_all();
    outputs_.close_all();
    EXPECT_THAT(told_, ElementsAre("warn, 1 messages lost (output 'a')",
                                   "warn, output 'a' was closed before 12 bytes were taken"));
}

TEST_F(OutputsTest, ListsIndexTypeStateAndName) {
    EXPECT_EQ(output_list(outputs_), "no outputs\n");
    for (int i = 0; i < 9; ++i)
        add("n" + std::to_string(i), false);
    add("Ten");
    outputs_.close(*outputs_.find("n0"));
    const std::string text = output_list(outputs_);
    EXPECT_THAT(text, testing::StartsWith("1  file        closed    \tn0\n"
                                          "2  file        not opened\tn1\n"));
    EXPECT_THAT(text, testing::EndsWith("\na  file        opened    \tTen\n"));
}

TEST(OutputName, IsShortAndWithoutSeparators) {
    for (const char* name : {"a", "nic_log", "Ä.b-c:9", "\"x\""})
        EXPECT_TRUE(is_output_name(name)) << name;
    for (const char* name : {"", "a b", "a\tb", "a,b", "a{", "}", "a\nb"})
        EXPECT_FALSE(is_output_name(name)) << name;
    EXPECT_TRUE(is_output_name(std::string(49, 'x')));
    EXPECT_FALSE(is_output_name(std::string(50, 'x')));
}

}  // namespace
}  // namespace ringside::output
