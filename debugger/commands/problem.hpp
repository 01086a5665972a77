// SPDX-License-Identifier: GPL-3.0-or-later
// An error of a command, as the user sees it (specification section 2.1).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringside::commands {

struct Problem {
    std::string text;                  ///< without "err, "; lower case, no full stop
    std::optional<std::size_t> where;  ///< byte offset of the offending word in the command
    std::string hint;                  ///< without "hint: "; empty for none
};

/// The line of `command` that holds the byte `where`, and a caret under that byte. Tabs before it
/// are kept, so that the caret stands right at any tab width. No line end behind the caret.
std::string point_at(std::string_view command, std::size_t where);

/// The whole diagnostic: "err, ", the line with its caret where there is one, the hint. Lines are
/// separated by a line feed, none at the end.
std::string render(const Problem& problem, std::string_view command);

/// `text` in single quotes, cut if it is long, control characters shown as '?'.
std::string in_quotes(std::string_view text);

}  // namespace ringside::commands
