// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/console.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace ringside::output {
namespace {

/// A pipe whose reader takes what is there.
class Pipe {
public:
    Pipe() {
        if (::pipe(ends_) != 0)
            std::abort();
    }
    ~Pipe() {
        close_reader();
        ::close(ends_[1]);
    }
    int writer() const { return ends_[1]; }
    void close_reader() {
        if (ends_[0] >= 0)
            ::close(ends_[0]);
        ends_[0] = -1;
    }
    std::string take() {
        char buffer[4096];
        const ssize_t count = ::read(ends_[0], buffer, sizeof buffer);
        return {buffer, static_cast<std::size_t>(count > 0 ? count : 0)};
    }

private:
    int ends_[2] = {-1, -1};
};

/// Notes in the output itself when the prompt goes and comes.
class NotingPrompt final : public PromptLine {
public:
    explicit NotingPrompt(int descriptor) : descriptor_{descriptor} {}
    void hide() override { note("<hide>"); }
    void show() override { note("<show>"); }

private:
    void note(std::string_view text) {
        EXPECT_EQ(::write(descriptor_, text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }
    int descriptor_;
};

TEST(Console, WritesTextVerbatimAndDiagnosticsAsideWithALineEnd) {
    Pipe out;
    Pipe err;
    Console console{out.writer(), err.writer(), false};
    console.text("tick");
    console.text(" 1\n\x01");
    console.diagnostic("err, no events");
    EXPECT_EQ(out.take(), "tick 1\n\x01");
    EXPECT_EQ(err.take(), "err, no events\n");
}

TEST(Console, TakesThePromptAwayForTextAndBringsItBackOnAFreshLine) {
    Pipe out;
    Pipe err;
    Console console{out.writer(), err.writer(), false};
    NotingPrompt prompt{out.writer()};
    console.set_prompt(&prompt, [](const std::function<void()>& run) { run(); });
    console.diagnostic("notice: x");
    EXPECT_EQ(out.take(), "<hide><show>");
}

TEST(Console, RedrawsThePromptOnceForMessagesTakenTogether) {
    Pipe out;
    Pipe err;
    Console console{out.writer(), err.writer(), false};
    NotingPrompt prompt{out.writer()};
    std::vector<std::function<void()>> deferred;
    console.set_prompt(&prompt, [&](std::function<void()> run) { deferred.push_back(run); });
    console.text("a\n");
    console.text("b");
    ASSERT_EQ(deferred.size(), 1u);
    deferred[0]();
    EXPECT_EQ(out.take(), "<hide>a\nb\n<show>");
    console.text("c\n");
    EXPECT_EQ(deferred.size(), 2u);
}

TEST(Console, ForgetsAPromptThatIsGone) {
    Pipe out;
    Pipe err;
    Console console{out.writer(), err.writer(), false};
    NotingPrompt prompt{out.writer()};
    std::function<void()> deferred;
    console.set_prompt(&prompt, [&](std::function<void()> run) { deferred = std::move(run); });
    console.text("a\n");
    console.set_prompt(nullptr);
    deferred();
    EXPECT_EQ(out.take(), "<hide>a\n");
}

TEST(Console, NoticesThatTheReaderIsGone) {
    std::signal(SIGPIPE, SIG_IGN);
    Pipe out;
    Pipe err;
    Console console{out.writer(), err.writer(), false};
    EXPECT_TRUE(console.is_open());
    out.close_reader();
    console.text("x");
    EXPECT_FALSE(console.is_open());
}

TEST(Coloured, ColoursTheFirstWordOfEachLineOnly) {
    EXPECT_EQ(coloured("err, no err, here\nhint: see"),
              "\x1b[31merr,\x1b[0m no err, here\n\x1b[2mhint:\x1b[0m see");
    EXPECT_EQ(coloured("warn, x"), "\x1b[33mwarn,\x1b[0m x");
    EXPECT_EQ(coloured("plain err, text"), "plain err, text");
    EXPECT_EQ(coloured(""), "");
}

TEST(WantsColour, IsFalseForAPipe) {
    Pipe out;
    EXPECT_FALSE(wants_colour(out.writer()));
}

}  // namespace
}  // namespace ringside::output
