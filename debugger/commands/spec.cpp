// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/spec.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringside::commands {

std::vector<const CommandSpec*> all_commands() {
    std::vector<const CommandSpec*> commands;
    for (const auto family :
         {connection_commands(), vmm_commands(), registration_commands(), event_commands(),
          process_commands(), unassemble_commands(), memory_commands(), register_commands(),
          stack_commands(), symbol_commands(), task_commands(), machine_commands(),
          output_commands(), script_commands(), settings_commands(), batch_commands(),
          debugger_mode_commands(), breakpoint_commands(), session_commands()})
        for (const CommandSpec& spec : family)
            commands.push_back(&spec);
    return commands;
}

std::vector<std::string_view> split_words(std::string_view list) {
    std::vector<std::string_view> words;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(' '), list.size());
        if (end > 0)
            words.push_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return words;
}

const CommandSpec* find_command(std::string_view word) {
    for (const CommandSpec* spec : all_commands()) {
        if (same_word(word, spec->name))
            return spec;
        for (const std::string_view alias : split_words(spec->aliases))
            if (same_word(word, alias))
                return spec;
    }
    return nullptr;
}

std::string help_text(const CommandSpec& spec) {
    std::string text = fmt::format("{}: {}\n", spec.name, spec.summary);
    if (!spec.aliases.empty())
        text += fmt::format("also: {}\n", spec.aliases);
    text += fmt::format("\nsyntax:\n");
    for (std::string_view rest = spec.syntax; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        text += fmt::format("    {}\n", rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!spec.help.empty())
        text += fmt::format("\n{}", spec.help);
    return text;
}

std::string help_overview() {
    std::string text;
    for (const CommandSpec* spec : all_commands())
        text += fmt::format("{:<14}{}\n", spec->name, spec->summary);
    return text +
           "\n'.help COMMAND' tells more. Numbers are hexadecimal; 0n in front makes them "
           "decimal.\n";
}

}  // namespace ringside::commands
