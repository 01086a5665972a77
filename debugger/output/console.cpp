// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/console.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ringside::output {
namespace {

struct ColouredWord {
    std::string_view word;
    std::string_view code;
};
constexpr ColouredWord kWords[] = {
    {"err,", "\x1b[31m"}, {"warn,", "\x1b[33m"}, {"notice:", "\x1b[2m"}, {"hint:", "\x1b[2m"}};
constexpr std::string_view kPlain = "\x1b[0m";

}  // namespace

void Console::write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty() && open_) {
        const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            // Somebody who shares the terminal made it non-blocking.
            pollfd waiting{descriptor, POLLOUT, 0};
            ::poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            open_ = descriptor != out_;
            return;
        }
    }
}

void Console::set_prompt(PromptLine* prompt, Defer defer) {
    prompt_ = prompt;
    defer_ = std::move(defer);
    prompt_is_hidden_ = false;
}

void Console::hide_prompt() {
    if (prompt_ == nullptr || prompt_is_hidden_)
        return;
    prompt_is_hidden_ = true;
    prompt_->hide();
    defer_([this] { show_prompt(); });
}

void Console::show_prompt() {
    if (prompt_ == nullptr || !prompt_is_hidden_)
        return;
    prompt_is_hidden_ = false;
    fresh_line();
    prompt_->show();
}

void Console::fresh_line() {
    if (line_is_open_)
        write_all(out_, "\n");
    line_is_open_ = false;
}

void Console::text(std::string_view bytes) {
    if (bytes.empty())
        return;
    hide_prompt();
    write_all(out_, bytes);
    line_is_open_ = bytes.back() != '\n';
}

void Console::diagnostic(std::string_view message) {
    hide_prompt();
    if (line_is_open_ && ::isatty(err_) == 1)
        fresh_line();
    write_all(err_, (colour_ ? coloured(message) : std::string{message}) + "\n");
}

std::string coloured(std::string_view message) {
    std::string result;
    while (!message.empty()) {
        const std::size_t end = std::min(message.find('\n'), message.size() - 1) + 1;
        std::string_view line = message.substr(0, end);
        for (const ColouredWord& entry : kWords) {
            if (line.substr(0, entry.word.size()) == entry.word) {
                result.append(entry.code).append(entry.word).append(kPlain);
                line.remove_prefix(entry.word.size());
                break;
            }
        }
        result.append(line);
        message.remove_prefix(end);
    }
    return result;
}

bool wants_colour(int descriptor) {
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(descriptor) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
           (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
}

}  // namespace ringside::output
