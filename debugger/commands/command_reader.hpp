// SPDX-License-Identifier: GPL-3.0-or-later
// Makes commands from lines (LEX-4, LEX-7): a line is a command, unless a brace, string or comment
// is still open at its end. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::commands {

class CommandReader {
public:
    /// Adds a line (without its line end). Pasted prompts are removed.
    /// @return the command it completes
    std::optional<std::string> add_line(std::string_view line);

    /// True while a command is unfinished.
    bool is_open() const { return is_open_; }

    /// What there is of the unfinished command; each line ends with a line feed.
    const std::string& pending() const { return pending_; }

    /// Forgets the unfinished command and returns it.
    std::string abandon();

private:
    std::string pending_;
    bool is_open_ = false;
};

/// Replaces $arg0, $arg1 ... by `arguments`, the longest index first (script-language section 1).
/// An index that is not given stays.
std::string replace_arguments(std::string_view command, const std::vector<std::string>& arguments);

/// A line of a file that is a comment of the command layer (script-language section 1).
bool is_comment_line(std::string_view line);

/// Splits at line feeds; a carriage return before one goes with it.
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace ringside::commands
