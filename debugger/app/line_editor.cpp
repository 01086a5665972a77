// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/line_editor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

// readline's headers need <cstdio> in front of them.
#include <readline/history.h>
#include <readline/readline.h>

namespace ringside::app {
namespace {

constexpr int kHistoryEntries = 2000;

/// The editor that readline's callbacks, which carry no argument, belong to.
LineEditor::Callbacks* active_callbacks = nullptr;
std::vector<std::string> candidates;
bool line_is_finished = false;
std::unique_ptr<std::string> finished_line;

void take_line(char* line) {
    // The handler is removed at once: readline would show its prompt again before the command ran.
    rl_callback_handler_remove();
    line_is_finished = true;
    finished_line = line != nullptr ? std::make_unique<std::string>(line) : nullptr;
    std::free(line);
}

/// readline's generator: called with state 0 first, then with another value until it returns null.
char* next_candidate(const char*, int state) {
    static std::size_t index = 0;
    index = state == 0 ? 0 : index + 1;
    return index < candidates.size() ? strdup(candidates[index].c_str()) : nullptr;
}

char** complete_word(const char*, int start, int end) {
    rl_attempted_completion_over = 1;  // never file names instead
    const std::string_view before{rl_line_buffer, static_cast<std::size_t>(end)};
    LineEditor::Completion completion = active_callbacks->complete(before);
    rl_completion_append_character = completion.add_blank ? ' ' : '\0';
    // readline replaces from `start`, which stands at a break character of its own choice.
    const auto word = static_cast<std::size_t>(start);
    candidates.clear();
    for (const std::string& candidate : completion.candidates) {
        if (completion.begin >= word)
            candidates.push_back(std::string{before.substr(word, completion.begin - word)} +
                                 candidate);
        else if (candidate.size() > word - completion.begin)
            candidates.push_back(candidate.substr(word - completion.begin));
    }
    return rl_completion_matches(rl_line_buffer + start, next_candidate);
}

void prepare_history(const std::string& file) {
    history_comment_char = '#';
    history_write_timestamps = 1;  // else entries of several lines fall apart when read back
    stifle_history(kHistoryEntries);
    if (file.empty())
        return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path{file}.parent_path(), ignored);
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0)
        ::close(descriptor);
    if (read_history(file.c_str()) == 0 && history_length >= kHistoryEntries)
        (void)history_truncate_file(file.c_str(), kHistoryEntries);
}

/// A descriptor of our own for stdin: Asio makes what it waits on non-blocking, and that mode
/// belongs to the open file, which stdout and the shell share. Opening it anew gives an open file
/// of our own.
int own_stdin() {
    const int descriptor = ::open("/proc/self/fd/0", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    return descriptor >= 0 ? descriptor : ::fcntl(0, F_DUPFD_CLOEXEC, 3);
}

}  // namespace

struct LineEditor::Implementation {
    Implementation(transport::Loop& loop, std::string file, LineEditor::Callbacks given)
        : input{loop.context(), own_stdin()},
          history_file{std::move(file)},
          callbacks{std::move(given)} {
        std::error_code ignored;
        input.non_blocking(true, ignored);
    }

    asio::posix::stream_descriptor input;
    std::string history_file;
    LineEditor::Callbacks callbacks;
    bool is_reading = false;
    bool is_hidden = false;
    unsigned generation = 0;  ///< of the prompt a wait belongs to

    /// Brings the line back below what was printed; a key that comes first does so as well.
    void show() {
        if (!is_reading || !is_hidden)
            return;
        is_hidden = false;
        rl_on_new_line();
        rl_redisplay();
        std::fflush(rl_outstream);
    }

    void wait_for_input() {
        input.async_wait(asio::posix::descriptor_base::wait_read,
                         [this, mine = generation](const std::error_code& error) {
                             if (!error && mine == generation && is_reading)
                                 read_input();
                         });
    }

    void read_input() {
        // Ctrl+C takes away what was typed before it: where a key was there may be none any more,
        // and readline would wait for the next.
        char key = 0;
        std::error_code error;
        const std::size_t count = input.read_some(asio::buffer(&key, 1), error);
        if (error == asio::error::would_block)
            return wait_for_input();
        if (count == 1)
            rl_stuff_char(static_cast<unsigned char>(key));
        show();
        rl_callback_read_char();
        if (!line_is_finished)
            return wait_for_input();
        line_is_finished = false;
        is_reading = false;
        ++generation;
        const auto line = std::move(finished_line);
        callbacks.on_line(line ? line->c_str() : nullptr);
    }
};

LineEditor::LineEditor(transport::Loop& loop, std::string history_file, Callbacks callbacks)
    : implementation_{
          std::make_unique<Implementation>(loop, std::move(history_file), std::move(callbacks))} {
    active_callbacks = &implementation_->callbacks;
    rl_catch_signals = 0;  // the loop's signal set has them
    rl_catch_sigwinch = 0;
    rl_readline_name = "ringside";
    rl_attempted_completion_function = complete_word;
    // '!', '.', '$' and '@' begin words of ours.
    rl_basic_word_break_characters = " \t\n\"\\{}()[];,=+-*/%&|^~<>";
    rl_completer_word_break_characters = const_cast<char*>(rl_basic_word_break_characters);
    prepare_history(implementation_->history_file);
}

LineEditor::~LineEditor() {
    stop();
    active_callbacks = nullptr;
}

void LineEditor::prompt(const std::string& text) {
    implementation_->is_reading = true;
    implementation_->is_hidden = false;
    ++implementation_->generation;
    rl_callback_handler_install(text.c_str(), take_line);
    implementation_->wait_for_input();
}

void LineEditor::stop() {
    if (!implementation_->is_reading)
        return;
    implementation_->is_reading = false;
    ++implementation_->generation;
    rl_callback_handler_remove();
    std::fflush(rl_outstream);
}

bool LineEditor::is_reading() const {
    return implementation_->is_reading;
}

bool LineEditor::has_text() const {
    return implementation_->is_reading && rl_end > 0;
}

void LineEditor::abandon() {
    if (!implementation_->is_reading)
        return;
    std::fputs("^C\n", rl_outstream);
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_replace_line("", 0);
    stop();
}

void LineEditor::change_prompt(const std::string& text) {
    if (implementation_->is_reading)
        rl_set_prompt(text.c_str());
}

void LineEditor::remember(const std::string& command) {
    using_history();
    const HIST_ENTRY* last =
        history_length > 0 ? history_get(history_base + history_length - 1) : nullptr;
    if (command.empty() || (last != nullptr && command == last->line))
        return;
    add_history(command.c_str());
    if (!implementation_->history_file.empty())
        (void)append_history(1, implementation_->history_file.c_str());
}

void LineEditor::resized() {
    if (implementation_->is_reading)
        rl_resize_terminal();
}

void LineEditor::continued() {
    if (!implementation_->is_reading)
        return;
    rl_prep_terminal(1);
    rl_forced_update_display();
}

void LineEditor::hide() {
    if (!implementation_->is_reading || implementation_->is_hidden)
        return;
    implementation_->is_hidden = true;
    rl_clear_visible_line();
    std::fflush(rl_outstream);
}

void LineEditor::show() {
    implementation_->show();
}

std::string default_history_file() {
    const char* state = std::getenv("XDG_STATE_HOME");
    if (state != nullptr && *state == '/')
        return std::string{state} + "/ringside/history";
    const char* home = std::getenv("HOME");
    return home != nullptr && *home != '\0' ? std::string{home} + "/.local/state/ringside/history"
                                            : std::string{};
}

}  // namespace ringside::app
