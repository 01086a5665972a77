// SPDX-License-Identifier: GPL-3.0-or-later
// Text at the prompt: lines to commands, commands to words, words to an event. Every problem has a
// sentence, and points into the command.
#include <cstdlib>
#include <span>
#include <string_view>

#include "commands/command_reader.hpp"
#include "commands/event_command.hpp"
#include "commands/token.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace ringside::commands;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    CommandReader reader;
    for (const std::string_view line : split_lines(text)) {
        const auto command = reader.add_line(line);
        if (!command)
            continue;
        const Scan scan = scan_command(*command);
        for (const Token& token : scan.tokens)
            if (token.begin > token.end || token.end > command->size())
                std::abort();
        if (scan.tokens.empty())
            continue;
        const auto parsed = parse_event_command(kInterrupts, std::span{scan.tokens}.subspan(1));
        if (const auto* problem = std::get_if<Problem>(&parsed))
            if (problem->text.empty() || problem->where.value_or(0) > command->size())
                std::abort();
    }
    return 0;
}
