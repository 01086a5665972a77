// SPDX-License-Identifier: GPL-3.0-or-later
// The prompt: GNU readline's callback interface inside the event loop. Text of events goes above
// the line being typed, which stays. There is one editor in a program, since readline has global
// state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "output/console.hpp"
#include "transport/loop.hpp"

namespace ringside::app {

class LineEditor final : public output::PromptLine {
public:
    /// Candidates for the word that ends at the end of `text` (everything typed before the cursor
    /// on this line), and where in `text` that word begins.
    struct Completion {
        std::size_t begin = 0;
        std::vector<std::string> candidates;
        bool add_blank = true;  ///< behind a candidate that is the only one
    };
    struct Callbacks {
        /// A finished line (it may hold line feeds when it was pasted); null at Ctrl+D. The prompt
        /// is away until prompt() is called again.
        std::function<void(const char* line)> on_line;
        std::function<Completion(std::string_view text)> complete;
    };

    /// @param history_file  empty: keep no history
    LineEditor(transport::Loop& loop, std::string history_file, Callbacks callbacks);
    ~LineEditor() override;
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    /// Shows `text` as the prompt and reads a line.
    void prompt(const std::string& text);
    /// Takes the prompt away for good.
    void stop();

    bool is_reading() const;
    /// Whether anything is typed on the line.
    bool has_text() const;
    /// Ends the line being typed with ^C and forgets it; prompt() starts the next.
    void abandon();

    /// Replaces the prompt of the line being typed; seen at the next show().
    void change_prompt(const std::string& text);

    /// Keeps a command, which may have several lines, as one entry.
    void remember(const std::string& command);

    /// After a change of the window's size, and after the program was stopped and continued.
    void resized();
    void continued();

    void hide() override;
    void show() override;

private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

/// $XDG_STATE_HOME/ringside/history, else ~/.local/state/ringside/history; "" if neither variable
/// is set.
std::string default_history_file();

}  // namespace ringside::app
