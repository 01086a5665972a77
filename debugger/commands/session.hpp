// SPDX-License-Identifier: GPL-3.0-or-later
// What the commands work on: the connected debuggee, the user's output, and what has to be
// remembered between two commands. Runs commands and shows the messages of their events.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/added_symbols.hpp"
#include "commands/event_scripts.hpp"
#include "commands/problem.hpp"
#include "commands/processes.hpp"
#include "commands/settings.hpp"
#include "commands/spec.hpp"
#include "debuggee/debuggee.hpp"
#include "language/evaluator.hpp"
#include "output/log.hpp"
#include "output/output.hpp"
#include "output/outputs.hpp"
#include "transport/key.hpp"
#include "transport/loop.hpp"

namespace ringside::commands {

/// What commands ask of the program around them.
class Environment {
public:
    virtual ~Environment() = default;

    /// Clears the terminal; nothing where there is none.
    virtual void clear_screen() = 0;

    /// Serves debuggers on `port` until Ctrl+C ('.listen').
    virtual Outcome listen(std::uint16_t port) = 0;

    /// The same on a serial line; `path` is transport::serial_path()'s ('.listen serial').
    virtual Outcome listen_on_line(const std::string& path) = 0;

    /// Whether 'g' ends with the next halt: somebody sits at the prompt.
    virtual bool waits_for_halts() const { return false; }

    /// Whether the program is to end: no wait is worth a halt any more.
    virtual bool is_ending() const { return false; }

    /// Told when the connection broke by itself, before the user is told why.
    virtual void connection_lost() = 0;
};

/// Where the key of a link comes from (MOD-2).
struct KeyChoice {
    std::string file;          ///< empty: the user's own key file
    bool without_key = false;  ///< asked for explicitly
};

class Session {
public:
    Session(transport::Loop& loop, output::Output& output, Environment& environment);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Runs one complete command; a pasted prompt in front of it is skipped (LEX-7). An empty one
    /// does nothing. Problems are printed.
    Outcome execute(std::string_view command);
    /// The same for what was typed at a prompt, where an empty one stands for what the last command
    /// left to be repeated (LEX-10).
    Outcome execute_at_prompt(std::string_view command);
    /// What an empty line stands for behind the command that runs now.
    void set_repeatable(std::string command) { repeatable_ = std::move(command); }

    /// "Ringside> ", with the address of a remote debuggee or the active process in front
    /// (specification section 13).
    std::string prompt() const;

    transport::Loop& loop() { return loop_; }
    /// The user, and the log if one is open.
    output::Output& output() { return output_; }
    output::Log& log() { return output_; }
    Settings& settings() { return settings_; }
    Environment& environment() { return environment_; }
    debuggee::Debuggee& debuggee() { return debuggee_; }
    EventScripts& event_scripts() { return event_scripts_; }
    /// Where events' text may be forwarded to; they outlive connections.
    output::Outputs& outputs() { return outputs_; }
    /// Those of the debuggee that the user works with.
    Processes& processes() { return processes_; }
    /// Symbols of files the user has named.
    AddedSymbols& added_symbols() { return added_symbols_; }
    /// Runs scripts while there is no hypervisor to do it.
    language::Evaluator& evaluator() { return evaluator_; }
    /// Global script variables assigned since the hypervisor was loaded.
    const std::vector<language::KnownGlobal>& known_globals() const { return known_globals_; }
    /// After '.globals clear': here and without a hypervisor.
    void forget_globals();
    void add_globals(const std::vector<language::KnownGlobal>& globals);
    /// After 'unload': events and globals are gone.
    void forget_events();

    KeyChoice key;

    /// Prints `problem` with the place in the command being run.
    Outcome fail(const Invocation& invocation, Problem problem);
    /// LEX-9: "wrong use", the syntax, and the word at fault where there is one.
    Outcome wrong_use(const Invocation& invocation, const Token* word = nullptr);
    /// Prints why a request failed and gives the outcome that says so.
    Outcome request_failed(const debuggee::Failure& failure, std::string_view hint = {});
    void notice(std::string_view text);
    /// Prints what the compiler had to say; "script not accepted" behind errors.
    void show_compiler_messages(const language::CompileOutput& output);

    /// Connects and prints who answers. `address` is a numeric one, or empty for this machine.
    Outcome connect(const std::string& address, std::uint16_t port);
    /// The same over a serial line or a unix socket.
    Outcome connect_serial(const std::string& path);
    /// Ends the connection and forgets what belonged to it.
    void disconnect();
    /// Slides the hypervisor under the debuggee and prints what was done.
    Outcome load(const debuggee::LoadOptions& options);
    /// True if a debuggee is connected; else says what is missing. require_vmm() also asks it
    /// whether its hypervisor runs.
    bool require_connection(const Invocation& invocation);
    Outcome require_vmm(const Invocation& invocation);
    /// True if the debuggee is halted in Debugger Mode; else says that it has to be.
    bool require_halted(const Invocation& invocation);
    bool is_halted() const { return is_halted_; }
    void set_halted(bool is_halted) { is_halted_ = is_halted; }

    // Debugger Mode (debugger_mode.cpp).

    /// Becomes the debugger of a machine, prints who it is, and where it halted.
    Outcome connect_debug(const debuggee::DebugOptions& options);
    /// Lets a halted machine run. @param how  RS_RUN_*
    Outcome let_run(const rs_run& request);
    /// Waits until the machine has halted, and shows where. Ctrl+C halts it.
    /// @param limit  of the wait; none: as long as it takes
    Outcome await_halt(std::optional<std::chrono::milliseconds> limit, bool shows = true);
    /// How long a halt is waited for that may be long in coming: without end at the prompt.
    std::optional<std::chrono::milliseconds> halt_patience() const {
        return environment_.waits_for_halts() ? std::nullopt : std::optional{halt_patience_};
    }
    /// Has another core of the halted machine operate; shows nothing.
    /// @param place  in the command, where that core is named
    Outcome switch_core(const Invocation& invocation, u32 core, std::optional<std::size_t> place);
    /// How the machine halted last.
    const rs_halt& halt() const { return halt_; }
    /// Before what makes the machine halt anew, and when it does not after all.
    void expect_halt() { is_halted_ = has_halt_news_ = false; }
    void keep_halt() { is_halted_ = true; }
    /// Halts a machine that runs, and shows where.
    Outcome break_in();
    /// Shows a halt that came while nobody waited.
    void show_news();
    void show_halt();
    /// @param heading  lines above, with their ends
    void show_place(std::string_view heading = {});
    /// Whether a halt that was waited for did not come: what follows would wait in vain, too.
    bool has_given_up() const { return has_given_up_; }
    /// How long a command waits for a running machine to halt ('--wait').
    void set_halt_patience(std::chrono::milliseconds patience) { halt_patience_ = patience; }

    /// Where 'u' and 'd*' go on without an address: the next byte, by "u", "!u", "d", "!d".
    std::map<std::string, u64, std::less<>>& next_addresses() { return next_addresses_; }

    /// MSG-9: text of events is not shown while paused.
    void pause() { is_paused_ = true; }
    void resume() { is_paused_ = false; }
    bool is_paused() const { return is_paused_; }

    /// '--batch': '.script' ends with the first command that fails.
    void set_stops_at_failure(bool stops) { stops_at_failure_ = stops; }
    bool stops_at_failure() const { return stops_at_failure_; }
    /// How many '.script' run inside of each other.
    unsigned script_depth() const { return script_depth_; }
    class ScriptScope {
    public:
        explicit ScriptScope(Session& session) : session_{session} { ++session_.script_depth_; }
        ~ScriptScope() { --session_.script_depth_; }
        ScriptScope(const ScriptScope&) = delete;
        ScriptScope& operator=(const ScriptScope&) = delete;

    private:
        Session& session_;
    };

    /// Set by 'exit'.
    void request_exit() { exit_requested_ = true; }
    bool exit_requested() const { return exit_requested_; }
    /// Clears events, unloads what this session loaded, disconnects, closes the outputs; also when
    /// nothing is connected.
    void close();

    /// Ids of events seen last, for completion.
    const std::vector<u64>& known_events() const { return known_events_; }
    void set_known_events(std::vector<u64> ids) { known_events_ = std::move(ids); }
    void add_known_event(u64 id) { known_events_.push_back(id); }

    void set_loaded_here(bool loaded) { loaded_here_ = loaded; }
    bool loaded_here() const { return loaded_here_; }

    /// Whether the connection broke by itself since the last call.
    bool take_lost() { return std::exchange(was_lost_, false); }
    bool was_lost() const { return was_lost_; }

    /// Prints a message as the prompt does.
    void show(const debuggee::Message& message);
    /// Waits until messages that were on their way have been shown.
    void drain_messages();

private:
    /// The key to use for a link, empty for none; nothing (and why is told) where it cannot be
    /// read.
    std::optional<transport::Key> read_key();
    Outcome connect_failed(const debuggee::ConnectFailure& failure, bool is_local);
    Outcome greet();
    /// Prints a problem of `command`, empty where none is at fault.
    Outcome tell(const Problem& problem, std::string_view command);
    std::size_t buffer_offset(const debuggee::Message& message);
    void take_halt(const rs_halt& halt);
    void forget_debuggee();
    void close_outputs();

    transport::Loop& loop_;
    output::Log output_;
    Environment& environment_;
    debuggee::Debuggee debuggee_;
    EventScripts event_scripts_;
    output::Outputs outputs_;
    Processes processes_;
    AddedSymbols added_symbols_;
    Settings settings_;
    unsigned script_depth_ = 0;
    bool stops_at_failure_ = false;
    language::Evaluator evaluator_;
    std::vector<language::KnownGlobal> known_globals_;
    /// Per core and event: offset of the next record of a binary message.
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t> buffer_offsets_;
    bool is_paused_ = false;
    bool exit_requested_ = false;
    bool loaded_here_ = false;
    bool was_lost_ = false;
    std::uint64_t messages_seen_ = 0;
    std::vector<u64> known_events_;
    bool is_halted_ = false;
    bool has_halt_news_ = false;  ///< a halt that nobody has waited for yet
    bool has_given_up_ = false;
    bool owes_settings_ = false;  ///< to root mode, from the next halt on
    rs_halt halt_{};
    std::chrono::milliseconds halt_patience_{60'000};
    std::string repeatable_;
    std::map<std::string, u64, std::less<>> next_addresses_;
};

/// The signature line of specification 13.3, without a line end.
std::string signature_line(const rs_version& version);

}  // namespace ringside::commands
