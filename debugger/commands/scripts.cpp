// SPDX-License-Identifier: GPL-3.0-or-later
// ? and print: run a script once (script-language section 1).
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "commands/evaluation.hpp"
#include "commands/formats.hpp"
#include "commands/symbol_names.hpp"
#include "language/compiler.hpp"
#include "language/evaluator.hpp"

namespace ringside::commands {
namespace {

/// Runs `text` here, in a thread of its own, so that Ctrl+C can end it.
Outcome run_locally(Session& session, std::string_view text, u64& value) {
    volatile u32 stop = 0;
    bool is_done = false;
    language::ScratchGuest guest;
    language::EvaluateOutput output;
    std::thread worker{[&] {
        output = session.evaluator().evaluate(text, guest, {.stop = &stop});
        session.loop().post([&is_done] { is_done = true; });
    }};
    const auto how = session.loop().wait_until([&] { return is_done; });
    stop = 1;
    worker.join();
    // The posted handler refers to this frame.
    while (!is_done)
        (void)session.loop().wait_until([&] { return is_done; });
    session.show_compiler_messages(output.compiled);
    if (!output.compiled.ok)
        return Outcome::kFailed;
    session.output().text(output.text);
    value = output.result.last_value;
    if (output.ok)
        return Outcome::kOk;
    if (how == transport::Wait::kInterrupted)
        return Outcome::kInterrupted;
    session.output().diagnostic("err, " + output.error);
    return Outcome::kFailed;
}

Outcome run_in_root_mode(Session& session, std::string_view text, u64& value) {
    const std::vector<language::KnownGlobal> globals = session.known_globals();
    const DebuggeeSymbols symbols{session};
    const auto script = language::compile(
        text,
        {.known_globals = globals, .symbols = &symbols, .load_file = language::script_files({})});
    session.show_compiler_messages(script);
    if (!script.ok)
        return Outcome::kFailed;
    const auto evaluation = session.debuggee().eval(std::as_bytes(std::span{script.image}));
    if (!evaluation)
        return session.request_failed(evaluation.failure());
    session.add_globals(script.globals_assigned);
    session.output().text(evaluation->text);
    const rs_eval& result = evaluation->header;
    value = result.value;
    if (result.script_error == 0)
        return Outcome::kOk;
    session.output().diagnostic("err, " + language::describe_runtime_error(
                                              {static_cast<rs_script_error>(result.script_error),
                                               result.error_pc, result.error_value},
                                              script.lines));
    return Outcome::kFailed;
}

/// Whether there is a hypervisor to run scripts; nothing with the failure told in `outcome`.
std::optional<bool> is_loaded(Session& session, Outcome& outcome) {
    if (!session.debuggee().is_connected())
        return false;
    const auto version = session.debuggee().version();
    if (version)
        return (version->state & RS_STATE_LOADED) != 0;
    outcome = session.request_failed(version.failure());
    return std::nullopt;
}

}  // namespace

Outcome run_once(Session& session, std::string_view text, u64& value) {
    Outcome outcome = Outcome::kOk;
    const auto loaded = is_loaded(session, outcome);
    if (!loaded)
        return outcome;
    return *loaded ? run_in_root_mode(session, text, value) : run_locally(session, text, value);
}

namespace {

Outcome run_once(Session& session, std::string_view text) {
    u64 value = 0;
    return run_once(session, text, value);
}

/// The expression of a command, without a semicolon behind it.
std::string_view expression_of(const Invocation& invocation) {
    std::string_view expression = invocation.rest;
    expression.remove_prefix(expression.find_first_not_of(" \t\r\n"));
    const std::size_t last = expression.find_last_not_of(" \t\r\n;");
    return expression.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

Outcome run_evaluate(Session& session, const Invocation& invocation) {
    if (invocation.words.empty())
        return session.wrong_use(invocation);
    const std::size_t first = invocation.rest.find_first_not_of(" \t\r\n");
    return run_once(session, invocation.rest.substr(first));
}

Outcome run_print(Session& session, const Invocation& invocation) {
    if (invocation.words.empty())
        return session.wrong_use(invocation);
    return run_once(session, fmt::format("print({});", expression_of(invocation)));
}

Outcome run_formats(Session& session, const Invocation& invocation) {
    if (invocation.words.empty())
        return session.wrong_use(invocation);
    u64 value = 0;
    const Outcome outcome =
        run_once(session, fmt::format("test_statement({});", expression_of(invocation)), value);
    if (outcome == Outcome::kOk)
        session.output().text(formats_of(value));
    return outcome;
}

/// The values of all global variables as one script prints them, a line each.
std::string listing_script(const std::vector<language::KnownGlobal>& globals) {
    std::string script;
    for (const language::KnownGlobal& global : globals)
        script += fmt::format("printf(\".{0} = {1}\\n\", .{0}); ", global.name,
                              global.type && global.type->is_float() ? "%f" : "%llx");
    return script;
}

Outcome run_globals(Session& session, const Invocation& invocation) {
    const bool clears = !invocation.words.empty();
    if (clears && !same_word(invocation.words[0].text, "clear"))
        return session.wrong_use(invocation, &invocation.words[0]);
    Outcome failure = Outcome::kOk;
    const auto loaded = is_loaded(session, failure);
    if (!loaded)
        return failure;
    std::vector<language::KnownGlobal> globals =
        *loaded ? session.known_globals() : session.evaluator().known_globals();
    std::ranges::sort(globals, {}, &language::KnownGlobal::name);
    if (globals.empty()) {
        if (!clears)
            session.output().text("no globals\n");
        return Outcome::kOk;
    }
    if (!clears)
        return run_once(session, listing_script(globals));
    std::string script;
    for (const language::KnownGlobal& global : globals)
        script += "." + global.name + " = 0; ";
    const Outcome outcome = run_once(session, script);
    if (outcome == Outcome::kOk)
        session.forget_globals();
    return outcome;
}

constexpr CommandSpec kCommands[] = {
    {.name = ".globals",
     .syntax = ".globals\n.globals clear",
     .summary = "shows the global variables of scripts and their values, or clears them",
     .help = "They live until 'unload'. Clearing sets them to 0 and forgets their names; events\n"
             "that use one go on with it.\n\n"
             "examples:\n    .globals\n    .globals clear\n",
     .keywords = "clear",
     .most_words = 1,
     .run = run_globals},
    {.name = "?",
     .aliases = "eval evaluate",
     .syntax = "? STATEMENTS\n? { STATEMENTS }",
     .summary = "runs a script once",
     .help = "With the hypervisor loaded it runs in root mode on a core of the debuggee, in the\n"
             "context of the thread that asks; without one it runs here, and registers read 0.\n\n"
             "examples:\n"
             "    ? print(2 + 2);\n"
             "    ? printf(\"%llx %d\\n\", @cr3, $pid);\n"
             "    ? { for (i = 0; i < 3; i++) { printf(\"%d\\n\", i); } }\n",
     .argument = Argument::kScript,
     .is_free_form = true,
     .run = run_evaluate},
    {.name = ".formats",
     .syntax = ".formats EXPR",
     .summary = "shows the value of an expression in every notation",
     .help =
         "Hex, decimal, octal, binary, characters, a time (seconds since 1970, UTC), floats.\n\n"
         "examples:\n    .formats 55 + 4\n    .formats @rax\n",
     .argument = Argument::kScript,
     .is_free_form = true,
     .run = run_formats},
    {.name = "print",
     .syntax = "print EXPR",
     .summary = "shows the value of an expression in hex",
     .help = "examples:\n    print 2 + 2\n    print @rip\n    print dq(@rsp)\n",
     .argument = Argument::kScript,
     .is_free_form = true,
     .run = run_print},
};

}  // namespace

std::span<const CommandSpec> script_commands() {
    return kCommands;
}

}  // namespace ringside::commands
