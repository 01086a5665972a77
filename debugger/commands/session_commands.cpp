// SPDX-License-Identifier: GPL-3.0-or-later
// sleep, .cls, .help, exit.
#include <fmt/format.h>

#include <algorithm>

#include "commands/number.hpp"
#include "commands/session.hpp"
#include "commands/suggest.hpp"

namespace ringside::commands {
namespace {

/// A day and more; longer sleeps would overflow the clock's arithmetic for nothing.
constexpr u64 kLongestSleepMs = 0xffff'ffff;

Outcome run_sleep(Session& session, const Invocation& invocation) {
    const Token& word = invocation.words[0];
    const Number number = parse_number(word.text);
    if (number.status != NumberStatus::kOk || number.value > kLongestSleepMs)
        return session.fail(invocation,
                            {number.status == NumberStatus::kNotANumber
                                 ? "bad number " + in_quotes(word.text)
                                 : "number too large: " + in_quotes(word.text),
                             word.begin, "milliseconds in hex; 'sleep 3e8' waits a second"});
    const bool was_connected = session.debuggee().is_connected();
    const auto how = session.loop().wait_for(std::chrono::milliseconds{number.value});
    if (was_connected && !session.debuggee().is_connected())
        return Outcome::kUnreachable;
    return how == transport::Wait::kInterrupted ? Outcome::kInterrupted : Outcome::kOk;
}

Outcome run_clear(Session& session, const Invocation&) {
    session.environment().clear_screen();
    return Outcome::kOk;
}

Outcome run_help(Session& session, const Invocation& invocation) {
    if (invocation.words.empty()) {
        session.output().text(help_overview());
        return Outcome::kOk;
    }
    const Token& word = invocation.words[0];
    if (const CommandSpec* spec = find_command(word.text)) {
        session.output().text(help_text(*spec));
        return Outcome::kOk;
    }
    std::vector<std::string_view> names;
    for (const CommandSpec* spec : all_commands())
        names.push_back(spec->name);
    const std::string_view meant = nearest(word.text, names);
    return session.fail(invocation, {"no help for " + in_quotes(word.text), word.begin,
                                     meant.empty() ? std::string{"'.help' lists the commands"}
                                                   : fmt::format("did you mean '{}'?", meant)});
}

Outcome run_exit(Session& session, const Invocation&) {
    session.request_exit();
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "sleep",
     .syntax = "sleep MS",
     .summary = "waits while messages go on being printed",
     .help = "MS is in milliseconds, hexadecimal. Ctrl+C ends the wait.\n\n"
             "examples:\n"
             "    sleep 3e8       (one second)\n"
             "    sleep 0n5000    (five seconds)\n",
     .least_words = 1,
     .most_words = 1,
     .runs_unhalted = true,
     .run = run_sleep},
    {.name = ".cls",
     .aliases = "cls clear",
     .syntax = ".cls",
     .summary = "clears the screen",
     .help = "example:\n    .cls\n",
     .runs_unhalted = true,
     .run = run_clear},
    {.name = ".help",
     .aliases = "help .hh",
     .syntax = ".help [COMMAND]",
     .summary = "lists the commands, or explains one",
     .help = "examples:\n    .help\n    .help !interrupt\n",
     .argument = Argument::kCommand,
     .most_words = 1,
     .runs_unhalted = true,
     .run = run_help},
    {.name = "exit",
     .aliases = ".exit",
     .syntax = "exit",
     .summary = "clears the events, unloads what this session loaded, and leaves",
     .help = "Ctrl+D at an empty prompt does the same.\n\nexample:\n    exit\n",
     .runs_unhalted = true,
     .run = run_exit},
};

}  // namespace

std::span<const CommandSpec> session_commands() {
    return kCommands;
}

}  // namespace ringside::commands
