// SPDX-License-Identifier: GPL-3.0-or-later
// .script, .logopen, .logclose: commands from a file, and what became of them into one (AUX-2,
// AUX-3).
#include <fmt/format.h>

#include <cstring>

#include "commands/command_reader.hpp"
#include "commands/script_file.hpp"
#include "commands/session.hpp"

namespace ringside::commands {
namespace {

constexpr unsigned kDeepest = 16;

/// What a batch has come to.
struct Batch {
    std::size_t failures = 0;
    Outcome end = Outcome::kOk;  ///< what ended it before its last line
};

/// False: nothing more is to be run.
bool run_line(Session& session, const std::string& command, Batch& batch) {
    if (command.find_first_not_of(" \t\r\n") == std::string::npos)
        return true;
    session.output().text(session.prompt() + command + '\n');
    const Outcome outcome = session.execute(command);
    batch.failures += outcome != Outcome::kOk;
    if (outcome == Outcome::kInterrupted || outcome == Outcome::kUnreachable ||
        session.has_given_up() || (outcome != Outcome::kOk && session.stops_at_failure()))
        batch.end = outcome;
    return batch.end == Outcome::kOk && !session.exit_requested();
}

Outcome run_script(Session& session, const Invocation& invocation) {
    const Token& file = invocation.words[0];
    if (session.script_depth() == kDeepest)
        return session.fail(invocation, {"scripts nested more than 16 deep", file.begin, {}});
    const auto content = read_script_file(file.text);
    if (const auto* error = std::get_if<ScriptFileError>(&content))
        return session.fail(invocation, {error->text, file.begin, {}});
    std::vector<std::string> arguments;
    for (const Token& word : invocation.words)
        arguments.push_back(word.text);

    const Session::ScriptScope scope{session};
    Batch batch;
    CommandReader reader;
    for (const std::string_view line : split_lines(std::get<std::string>(content))) {
        if (!reader.is_open() && is_comment_line(line))
            continue;
        const auto command = reader.add_line(line);
        if (command && !run_line(session, replace_arguments(*command, arguments), batch))
            break;
    }
    if (reader.is_open() && batch.end == Outcome::kOk)
        (void)run_line(session, replace_arguments(reader.abandon(), arguments), batch);
    if (batch.failures != 0)
        session.output().diagnostic(fmt::format("warn, {} command{} of '{}' failed", batch.failures,
                                                batch.failures == 1 ? "" : "s", file.text));
    if (batch.end != Outcome::kOk)
        return batch.end;
    return batch.failures != 0 ? Outcome::kFailed : Outcome::kOk;
}

Outcome run_log_open(Session& session, const Invocation& invocation) {
    const Token& file = invocation.words[0];
    if (session.log().is_open())
        return session.fail(invocation, {"a log is open, use '.logclose'", {}, {}});
    if (const int error = session.log().open(expand_home(file.text)); error != 0)
        return session.fail(invocation, {fmt::format("cannot open {}: {}", in_quotes(file.text),
                                                     std::strerror(error)),
                                         file.begin,
                                         {}});
    return Outcome::kOk;
}

Outcome run_log_close(Session& session, const Invocation& invocation) {
    return session.log().close() ? Outcome::kOk
                                 : session.fail(invocation, {"no log is open", {}, {}});
}

constexpr CommandSpec kCommands[] = {
    {.name = ".script",
     .syntax = ".script FILE [ARGUMENT ...]",
     .summary = "runs the commands of a file",
     .help =
         "A command may span lines inside of braces. $arg0 stands for the file, $arg1 and so on\n"
         "for the arguments. Each command is shown before it runs; one that fails does not stop\n"
         "the rest. Scripts may run others, up to 16 deep. Ctrl+C ends all of them.\n\n"
         "examples:\n"
         "    .script ~/nic.rs\n"
         "    .script \"/tmp/my trace.rs\" ec 2\n",
     .least_words = 1,
     .most_words = 100,
     .runs_unhalted = true,  // its commands wait
     .run = run_script},
    {.name = ".logopen",
     .syntax = ".logopen FILE",
     .summary = "writes commands and output to a file as well",
     .help =
         "The file is emptied first. What events print while the output is paused is in it, too."
         "\n\nexample:\n    .logopen ~/session.log\n",
     .least_words = 1,
     .most_words = 1,
     .runs_unhalted = true,
     .run = run_log_open},
    {.name = ".logclose",
     .syntax = ".logclose",
     .summary = "ends '.logopen'",
     .help = "example:\n    .logclose\n",
     .runs_unhalted = true,
     .run = run_log_close},
};

}  // namespace

std::span<const CommandSpec> batch_commands() {
    return kCommands;
}

}  // namespace ringside::commands
