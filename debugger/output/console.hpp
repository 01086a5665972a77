// SPDX-License-Identifier: GPL-3.0-or-later
// The user's terminal, or whatever stdout and stderr are. Text that arrives while a prompt is shown
// goes above it: the prompt is taken away first and brought back afterwards.
#pragma once

#include <functional>
#include <string>

#include "output/output.hpp"

namespace ringside::output {

/// The line the user is typing, as the console sees it.
class PromptLine {
public:
    virtual ~PromptLine() = default;
    virtual void hide() = 0;
    virtual void show() = 0;
};

class Console final : public Output {
public:
    /// `out` and `err` are file descriptors that stay the caller's. With `colour`, "err, " and
    /// "warn, " are coloured.
    Console(int out, int err, bool colour) : out_{out}, err_{err}, colour_{colour} {}

    void text(std::string_view bytes) override;
    void diagnostic(std::string_view message) override;

    /// Runs a function soon, from the event loop.
    using Defer = std::function<void(std::function<void()>)>;

    /// Sets the prompt to keep below the text; null for none. It comes back by `defer`, so that
    /// many messages taken together cost one redraw.
    void set_prompt(PromptLine* prompt, Defer defer = {});

    /// Ends a line that text left open, so that what follows starts at the left edge.
    void fresh_line();

    /// False after a write failed for good (the reader is gone).
    bool is_open() const { return open_; }

private:
    void write_all(int descriptor, std::string_view bytes);
    void hide_prompt();
    void show_prompt();

    int out_;
    int err_;
    bool colour_;
    bool open_ = true;
    bool line_is_open_ = false;
    bool prompt_is_hidden_ = false;
    PromptLine* prompt_ = nullptr;
    Defer defer_;
};

/// `message` with the word it starts with coloured for a terminal: "err," red, "warn," yellow,
/// "notice:" and "hint:" dimmed.
std::string coloured(std::string_view message);

/// True when colour is wanted on `descriptor`: a terminal, NO_COLOR unset or empty, TERM not
/// "dumb".
bool wants_colour(int descriptor);

}  // namespace ringside::output
