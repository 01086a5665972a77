// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/token.hpp"

#include <algorithm>
#include <regex>

namespace ringside::commands {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool starts_at(std::string_view text, std::size_t at, std::string_view what) {
    return text.substr(at, what.size()) == what;
}

/// Index behind the string that starts at `at` (a quote), or npos if it does not end.
std::size_t skip_string(std::string_view text, std::size_t at) {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            return i + 1;
    }
    return std::string_view::npos;
}

/// Index behind the comment that starts at `at`, or npos if it does not end. The end of the text
/// ends a line comment.
std::size_t skip_comment(std::string_view text, std::size_t at) {
    if (text[at + 1] == '/') {
        const std::size_t end = text.find('\n', at);
        return end == std::string_view::npos ? text.size() : end;
    }
    const std::size_t end = text.find("*/", at + 2);
    return end == std::string_view::npos ? end : end + 2;
}

bool is_comment(std::string_view text, std::size_t at) {
    return starts_at(text, at, "//") || starts_at(text, at, "/*");
}

/// Index behind the block that starts at `at` (a brace), or npos if it does not end.
std::size_t skip_block(std::string_view text, std::size_t at, bool skip_comments) {
    std::size_t depth = 0;
    for (std::size_t i = at; i < text.size();) {
        const char c = text[i];
        if (c == '"') {
            i = skip_string(text, i);
        } else if (skip_comments && is_comment(text, i)) {
            i = skip_comment(text, i);
        } else if (c == '\\') {
            i += 2;
        } else {
            depth += c == '{' ? 1 : 0;
            ++i;
            if (c == '}' && --depth == 0)
                return i;
        }
    }
    return std::string_view::npos;
}

/// Replaces the escapes of LEX-1; any other backslash stays.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escapes = text[i] == '\\' && i + 1 < text.size() &&
                             (text[i + 1] == '"' || text[i + 1] == '{' || text[i + 1] == '}');
        if (escapes)
            ++i;
        result.push_back(text[i]);
    }
    return result;
}

std::size_t skip_word(std::string_view text, std::size_t at) {
    std::size_t i = at;
    while (i < text.size() && !is_blank(text[i]) && text[i] != '"' && text[i] != '{' &&
           !is_comment(text, i)) {
        const bool escapes = text[i] == '\\' && i + 1 < text.size() &&
                             std::string_view{"\"{}"}.find(text[i + 1]) != std::string_view::npos;
        i += escapes ? 2 : 1;
    }
    return i;
}

}  // namespace

Scan scan_command(std::string_view command) {
    Scan scan;
    const auto still_open = [&scan](Open what, std::size_t at) {
        scan.open = what;
        scan.open_at = at;
    };
    for (std::size_t i = 0; i < command.size() && scan.open == Open::kNothing;) {
        const std::size_t begin = i;
        if (is_blank(command[i])) {
            ++i;
        } else if (is_comment(command, i)) {
            i = skip_comment(command, i);
            if (i == std::string_view::npos)
                still_open(Open::kComment, begin);
        } else if (command[i] == '"') {
            i = skip_string(command, i);
            if (i == std::string_view::npos)
                still_open(Open::kString, begin);
            else if (i - begin > 2)
                scan.tokens.push_back({TokenKind::kString,
                                       unescape(command.substr(begin + 1, i - begin - 2)), begin,
                                       i});
        } else if (command[i] == '{') {
            i = skip_block(command, begin, false);
            if (i == std::string_view::npos)
                i = skip_block(command, begin, true);
            if (i == std::string_view::npos)
                still_open(Open::kBlock, begin);
            else
                scan.tokens.push_back({TokenKind::kBlock,
                                       std::string{command.substr(begin + 1, i - begin - 2)}, begin,
                                       i});
        } else {
            i = skip_word(command, i);
            scan.tokens.push_back(
                {TokenKind::kWord, unescape(command.substr(begin, i - begin)), begin, i});
        }
    }
    return scan;
}

bool needs_more_input(std::string_view command) {
    return scan_command(command).open != Open::kNothing;
}

std::size_t pasted_prompt_length(std::string_view line) {
    // LEX-7, verbatim. Only the first bytes can hold a prompt, so long scripts cost nothing.
    static const std::regex kPrompt{
        R"(^(\[[^\]]*\] |[0-9a-f]+: k|[0-9a-f]+:[0-9a-f]+ (\((paused|running)\) )?u(64|86))?)"
        R"((HyperDbg|Ringside)( \([0-9.:]+\))?> ?)"};
    const std::string head{line.substr(0, 160)};
    std::smatch match;
    return std::regex_search(head, match, kPrompt) ? static_cast<std::size_t>(match.length(0)) : 0;
}

std::string_view without_pasted_prompt(std::string_view line, bool is_continuation) {
    if (is_continuation)
        return line.substr(0, 2) == "> " ? line.substr(2) : line == ">" ? line.substr(1) : line;
    return line.substr(pasted_prompt_length(line));
}

std::string lower_case(std::string_view text) {
    std::string result{text};
    for (char& c : result)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool same_word(std::string_view left, std::string_view right) {
    return left.size() == right.size() && lower_case(left) == lower_case(right);
}

}  // namespace ringside::commands
