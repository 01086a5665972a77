// SPDX-License-Identifier: GPL-3.0-or-later
// Splits what a user typed into words, strings and blocks (specification section 1, LEX-1 to
// LEX-4, LEX-7). Pure text; positions are kept so that messages can point at a word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringside::commands {

enum class TokenKind {
    kWord,
    kString,  ///< "..."
    kBlock,   ///< {...}; braces nest
};

/// One token. `text` is without the quotes or the outer braces, and with \" \{ \} replaced in words
/// and strings; a block's text is verbatim. [begin, end) are byte offsets into the command,
/// delimiters included.
struct Token {
    TokenKind kind = TokenKind::kWord;
    std::string text;
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// What is still open at the end of the text; anything but kNothing means that more input is
/// needed.
enum class Open { kNothing, kBlock, kString, kComment };

struct Scan {
    std::vector<Token> tokens;
    Open open = Open::kNothing;
    std::size_t open_at = 0;  ///< where the open thing began
};

/// Splits `command`, which may hold several lines. Blanks, tabs and line ends separate tokens;
/// comments outside blocks and strings are dropped; an empty string leaves no token, an empty block
/// does.
///
/// Inside a block only strings hide braces, as in the reference system. If the block does not end
/// that way, braces and quotes inside the script's comments are skipped as well, so that an
/// apostrophe-like lone quote in a comment does not swallow the rest.
Scan scan_command(std::string_view command);

/// True when a prompt should go on reading lines for this command (LEX-4).
bool needs_more_input(std::string_view command);

/// Length of a pasted prompt at the start of `line` (LEX-7), 0 if there is none.
std::size_t pasted_prompt_length(std::string_view line);

/// Removes a pasted prompt from a command's first line, or the "> " of a continuation line.
std::string_view without_pasted_prompt(std::string_view line, bool is_continuation);

/// Case-insensitive comparison of ASCII words (LEX-3).
bool same_word(std::string_view left, std::string_view right);

/// `text` with ASCII letters in lower case.
std::string lower_case(std::string_view text);

}  // namespace ringside::commands
