// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/command_reader.hpp"

#include <utility>

#include "commands/token.hpp"

namespace ringside::commands {

std::optional<std::string> CommandReader::add_line(std::string_view line) {
    std::string command = pending_ + std::string{without_pasted_prompt(line, is_open_)};
    is_open_ = needs_more_input(command);
    if (is_open_) {
        pending_ = std::move(command) + "\n";
        return std::nullopt;
    }
    pending_.clear();
    return command;
}

std::string CommandReader::abandon() {
    is_open_ = false;
    return std::exchange(pending_, {});
}

std::string replace_arguments(std::string_view command, const std::vector<std::string>& arguments) {
    constexpr std::string_view kName = "$arg";
    std::string result;
    while (true) {
        const std::size_t at = command.find(kName);
        result += command.substr(0, at);
        if (at == std::string_view::npos)
            return result;
        std::string_view digits = command.substr(at + kName.size());
        digits = digits.substr(0, std::min(digits.find_first_not_of("0123456789"), digits.size()));
        std::size_t index = digits.empty() ? arguments.size() : 0;
        for (const char digit : digits)
            index = index < arguments.size() ? index * 10 + static_cast<std::size_t>(digit - '0')
                                             : arguments.size();
        if (index < arguments.size())
            result += arguments[index];
        else
            result.append(kName).append(digits);
        command.remove_prefix(at + kName.size() + digits.size());
    }
}

bool is_comment_line(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t");
    return first != std::string_view::npos && line[first] == '#';
}

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (!line.empty() && line.back() == '\r')
            line.remove_suffix(1);
        lines.push_back(line);
    }
    return lines;
}

}  // namespace ringside::commands
