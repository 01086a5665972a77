// SPDX-License-Identifier: GPL-3.0-or-later
// One row a command: dispatch, help, completion and "did you mean" are all made from it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "commands/token.hpp"

namespace ringside::commands {

class Session;
struct CommandSpec;

/// How a command ended; the numbers are the program's exit codes (LEX-11).
enum class Outcome : int {
    kOk = 0,
    kFailed = 1,
    kUnreachable = 3,       ///< debuggee unreachable or lost
    kCannotVirtualize = 4,  ///< the machine cannot be virtualized
    kTimedOut = 5,
    kInterrupted = 130,  ///< Ctrl+C
};

/// A command as typed.
struct Invocation {
    const CommandSpec& spec;
    std::string_view text;         ///< the whole command
    std::span<const Token> words;  ///< what stands behind the command word
    std::string_view rest;         ///< the same as text, comments included
    std::size_t rest_offset;       ///< of rest in text
};

/// What may stand where the user asks for completion.
enum class Argument {
    kNone,
    kCommand,  ///< name of a command
    kEventId,  ///< number of an event, or "all"
    kScript,   ///< script text without braces
};

struct CommandSpec {
    std::string_view name;
    std::string_view aliases = {};   ///< separated by blanks
    std::string_view syntax = {};    ///< one form a line, without the command word in front of none
    std::string_view summary = {};   ///< one line, lower case
    std::string_view help = {};      ///< what a user has to know, then examples
    std::string_view keywords = {};  ///< words completed behind the command, separated by blanks
    Argument argument = Argument::kNone;
    std::size_t least_words = 0;
    std::size_t most_words = 0;  ///< not checked when is_free_form
    bool is_free_form = false;   ///< the command judges its words itself
    bool runs_unhalted = false;  ///< in Debugger Mode it does not wait for the machine to halt
    Outcome (*run)(Session&, const Invocation&) = nullptr;
};

/// Every command of the program, family after family.
std::vector<const CommandSpec*> all_commands();

/// The command called `word` (its name or an alias, in any case), or null.
const CommandSpec* find_command(std::string_view word);

/// Words of a blank-separated list.
std::vector<std::string_view> split_words(std::string_view list);

/// What '.help NAME' prints: purpose, syntax, details, examples. Ends with a line feed.
std::string help_text(const CommandSpec& spec);

/// What '.help' prints: one line a command. Ends with a line feed.
std::string help_overview();

// The families, one file each.
std::span<const CommandSpec> connection_commands();
std::span<const CommandSpec> vmm_commands();
std::span<const CommandSpec> registration_commands();
std::span<const CommandSpec> event_commands();
std::span<const CommandSpec> process_commands();
std::span<const CommandSpec> unassemble_commands();
std::span<const CommandSpec> memory_commands();
std::span<const CommandSpec> register_commands();
std::span<const CommandSpec> stack_commands();
std::span<const CommandSpec> symbol_commands();
std::span<const CommandSpec> task_commands();
std::span<const CommandSpec> machine_commands();
std::span<const CommandSpec> output_commands();
std::span<const CommandSpec> script_commands();
std::span<const CommandSpec> settings_commands();
std::span<const CommandSpec> batch_commands();
std::span<const CommandSpec> debugger_mode_commands();
std::span<const CommandSpec> breakpoint_commands();
std::span<const CommandSpec> session_commands();

}  // namespace ringside::commands
