// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/problem.hpp"

namespace ringside::commands {
namespace {
constexpr std::size_t kLongestQuote = 60;
}

std::string point_at(std::string_view command, std::size_t where) {
    where = where < command.size() ? where : command.size();
    std::size_t begin = where;
    while (begin > 0 && command[begin - 1] != '\n')
        --begin;
    const std::size_t line_end = command.find('\n', where);
    const std::string_view line = command.substr(
        begin, (line_end == std::string_view::npos ? command.size() : line_end) - begin);
    std::string result{line};
    result.push_back('\n');
    for (const char c : line.substr(0, where - begin)) {
        if (c == '\t')
            result.push_back('\t');
        else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80)  // one blank for a UTF-8 character
            result.push_back(' ');
    }
    result.push_back('^');
    return result;
}

std::string render(const Problem& problem, std::string_view command) {
    std::string result = "err, " + problem.text;
    if (problem.where)
        result += "\n" + point_at(command, *problem.where);
    if (!problem.hint.empty())
        result += "\nhint: " + problem.hint;
    return result;
}

std::string in_quotes(std::string_view text) {
    std::string result = "'";
    for (const char c : text.substr(0, kLongestQuote))
        result.push_back(static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c);
    return result + (text.size() > kLongestQuote ? "...'" : "'");
}

}  // namespace ringside::commands
