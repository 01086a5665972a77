// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/hex_dump.hpp"
#include "commands/suggest.hpp"
#include "ringside/version.h"

namespace ringside::commands {
namespace {

/// Every name and alias, for "did you mean".
std::string_view nearest_command(std::string_view word) {
    std::vector<std::string_view> names;
    for (const CommandSpec* spec : all_commands()) {
        names.push_back(spec->name);
        for (const std::string_view alias : split_words(spec->aliases))
            names.push_back(alias);
    }
    return nearest(word, names);
}

std::string still_open_text(Open open) {
    switch (open) {
        case Open::kBlock:
            return "'{' without '}'";
        case Open::kString:
            return "string without closing '\"'";
        default:
            return "comment without '*/'";
    }
}

/// "?1+2" means "? 1+2".
void split_question_mark(std::vector<Token>& tokens) {
    Token& first = tokens.front();
    if (first.kind != TokenKind::kWord || first.text.size() < 2 || first.text.front() != '?')
        return;
    Token rest = first;
    rest.text.erase(0, 1);
    ++rest.begin;
    first.text = "?";
    first.end = first.begin + 1;
    tokens.insert(tokens.begin() + 1, std::move(rest));
}

}  // namespace

Session::Session(transport::Loop& loop, output::Output& output, Environment& environment)
    : loop_{loop},
      output_{output},
      environment_{environment},
      debuggee_{loop},
      outputs_{[this](const std::string& text) { output_.diagnostic(text); }} {
    debuggee_.on_message([this](const debuggee::Message& message) { show(message); });
    debuggee_.on_halt([this](const rs_halt& halt) { take_halt(halt); });
    debuggee_.on_notice([this](const std::string& text) { notice(text); });
    debuggee_.on_lost([this](const std::string& reason) {
        was_lost_ = true;
        forget_debuggee();
        environment_.connection_lost();
        output_.diagnostic("err, " + reason);
        loop_.interrupt();  // nobody needs to go on waiting for this debuggee
    });
}

Outcome Session::execute(std::string_view command) {
    command = without_pasted_prompt(command, false);
    if (script_depth_ == 0)  // '.script' shows its commands, so the log has them
        output_.command(prompt(), command);
    Scan scan = scan_command(command);
    if (scan.open != Open::kNothing) {
        return tell({still_open_text(scan.open), scan.open_at, {}}, command);
    }
    if (scan.tokens.empty())
        return Outcome::kOk;
    repeatable_.clear();
    split_question_mark(scan.tokens);
    const Token& word = scan.tokens.front();
    const CommandSpec* spec = word.kind == TokenKind::kWord ? find_command(word.text) : nullptr;
    if (spec == nullptr) {
        const std::string_view meant = nearest_command(word.text);
        Problem problem{"no such command: " + in_quotes(word.text), word.begin, "see '.help'"};
        if (!meant.empty())
            problem.hint = fmt::format("did you mean '{}'?", meant);
        return tell(problem, command);
    }
    const std::span<const Token> words = std::span{scan.tokens}.subspan(1);
    const Invocation invocation{*spec, command, words, command.substr(word.end), word.end};
    if (!spec->is_free_form && words.size() < spec->least_words)
        return wrong_use(invocation);
    if (!spec->is_free_form && words.size() > spec->most_words)
        return wrong_use(invocation, &words[spec->most_words]);
    if (debuggee_.is_debug_link() && !is_halted_ && !spec->runs_unhalted)
        if (const Outcome halted = await_halt(halt_patience_); halted != Outcome::kOk)
            return halted;
    return spec->run(*this, invocation);
}

Outcome Session::execute_at_prompt(std::string_view command) {
    if (repeatable_.empty() || command.find_first_not_of(" \t\r\n") != std::string_view::npos)
        return execute(command);
    return execute(std::string{repeatable_});  // which the command will change
}

std::string Session::prompt() const {
    if (debuggee_.is_debug_link())
        return is_halted_ ? fmt::format("{:x}: kRingside> ", halt_.core) : "kRingside (running)> ";
    if (const AttachedProcess* process = processes_.active())
        return fmt::format("{0:x}:{0:x} (running) {1}Ringside> ", process->pid,
                           process->is_32bit ? "u86" : "u64");
    return debuggee_.is_connected() && debuggee_.is_remote()
               ? fmt::format("[{}] Ringside> ", debuggee_.label())
               : "Ringside> ";
}

Outcome Session::fail(const Invocation& invocation, Problem problem) {
    return tell(problem, invocation.text);
}

Outcome Session::tell(const Problem& problem, std::string_view command) {
    output_.finding({.text = problem.text,
                     .command = command,
                     .column = problem.where,
                     .hint = problem.hint,
                     .rendered = render(problem, command)});
    return Outcome::kFailed;
}

Outcome Session::wrong_use(const Invocation& invocation, const Token* word) {
    Problem problem{fmt::format("wrong use of '{}'", invocation.spec.name), {}, {}};
    if (word != nullptr)
        problem.where = word->begin;
    std::string text = render(problem, invocation.text) + "\nsyntax:";
    for (std::string_view rest = invocation.spec.syntax; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        text += fmt::format("\n    {}", rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const std::string hint = fmt::format("see '.help {}'", invocation.spec.name);
    output_.finding({.text = problem.text,
                     .command = invocation.text,
                     .column = problem.where,
                     .hint = hint,
                     .rendered = text + "\nhint: " + hint});
    return Outcome::kFailed;
}

Outcome Session::request_failed(const debuggee::Failure& failure, std::string_view hint) {
    using Kind = debuggee::Failure::Kind;
    if (was_lost_ && failure.kind == Kind::kInterrupted)
        return Outcome::kUnreachable;  // told by on_lost
    if (failure.kind == Kind::kInterrupted) {
        notice("interrupted; the request may still take effect");
        return Outcome::kInterrupted;
    }
    if (failure.kind != Kind::kLost || !was_lost_)
        (void)tell({failure.text(), {}, std::string{hint}}, {});
    if (failure.kind == Kind::kLost)
        return Outcome::kUnreachable;
    return failure.kind == Kind::kTimedOut ? Outcome::kTimedOut : Outcome::kFailed;
}

void Session::notice(std::string_view text) {
    output_.diagnostic(fmt::format("notice: {}", text));
}

bool Session::require_connection(const Invocation& invocation) {
    if (debuggee_.is_connected())
        return true;
    (void)fail(
        invocation,
        {"not connected to a debuggee", {}, "type '.connect local' or '.connect IP [PORT]'"});
    return false;
}

Outcome Session::require_vmm(const Invocation& invocation) {
    if (!require_connection(invocation))
        return Outcome::kFailed;
    const auto version = debuggee_.version();
    if (!version)
        return request_failed(version.failure());
    if ((version->state & RS_STATE_LOADED) == 0)
        return fail(invocation, {"vmm not loaded; use 'load vmm'", {}, {}});
    return Outcome::kOk;
}

bool Session::require_halted(const Invocation& invocation) {
    if (is_halted_)
        return true;
    (void)fail(invocation, {"only in Debugger Mode, while the debuggee is halted", {}, {}});
    return false;
}

void Session::drain_messages() {
    // Each round gives messages that are under way a moment to arrive; a round without any ends it.
    // A stream that never ends is cut after the last round.
    constexpr int kRounds = 10;
    constexpr std::chrono::milliseconds kRound{100};
    for (int round = 0; round < kRounds && debuggee_.is_connected(); ++round) {
        const std::uint64_t before = messages_seen_;
        if (loop_.wait_for(kRound) == transport::Wait::kInterrupted || before == messages_seen_)
            return;
    }
}

void Session::close() {
    if (debuggee_.is_connected()) {
        // One after the other and whatever the answer: leaving must always work.
        bool answers = true;
        for (const u64 tag : event_scripts_.tags())
            answers = debuggee_.modify_event(tag, RS_MODIFY_CLEAR).ok() && answers;
        // What is under way over a slow line may take longer than a moment.
        if (answers && debuggee_.is_remote())
            (void)debuggee_.drain();
        drain_messages();
        if (loaded_here_)
            (void)debuggee_.unload();
        debuggee_.disconnect();
    }
    forget_debuggee();
    close_outputs();
}

void Session::close_outputs() {
    // A reader that is merely slow gets what it was promised; one that has stopped costs a second.
    constexpr std::chrono::milliseconds kMostWait{1'000};
    (void)loop_.wait_until([this] { return outputs_.is_idle(); }, kMostWait);
    outputs_.close_all();
}

void Session::disconnect() {
    debuggee_.disconnect();
    forget_debuggee();
}

void Session::forget_debuggee() {
    loaded_here_ = false;
    is_halted_ = has_halt_news_ = has_given_up_ = false;
    halt_ = {};
    repeatable_.clear();
    next_addresses_.clear();
    processes_.clear();
    forget_events();
}

void Session::forget_events() {
    event_scripts_.clear();
    outputs_.forget_routes();
    known_events_.clear();
    known_globals_.clear();
}

void Session::forget_globals() {
    known_globals_.clear();
    evaluator_.forget_globals();
}

void Session::add_globals(const std::vector<language::KnownGlobal>& globals) {
    language::add_globals(known_globals_, globals);
}

void Session::show_compiler_messages(const language::CompileOutput& output) {
    for (const language::Diagnostic& diagnostic : output.diagnostics)
        output_.finding({.is_warning = !diagnostic.is_error(),
                         .text = diagnostic.message,
                         .command = diagnostic.source_line,
                         .column = diagnostic.column > 0
                                       ? std::optional{std::size_t{diagnostic.column} - 1}
                                       : std::nullopt,
                         .hint = {},
                         .rendered = diagnostic.text()});
    if (!output.ok)
        output_.diagnostic("err, script not accepted");
}

/// Where the record's bytes lie in the safe buffer: those of a large one come in several records.
std::size_t Session::buffer_offset(const debuggee::Message& message) {
    std::size_t& next = buffer_offsets_[{message.header.core, message.header.tag}];
    const std::size_t offset = next;
    next = (message.header.flags & RS_MSGF_MORE) != 0 ? offset + message.payload.size() : 0;
    return offset;
}

void Session::show(const debuggee::Message& message) {
    ++messages_seen_;
    using Kind = output::EventRecord::Kind;
    const std::uint64_t id = message.header.tag - RS_TAG_BASE;
    output::EventRecord record{.core = message.header.core,
                               .pid = message.header.pid,
                               .tag = message.header.tag,
                               .event = id,
                               .time_ns = message.header.time_ns,
                               .seq = message.header.seq};
    // While paused, only the log has it (MSG-9), but for what must not be missed.
    const auto print = [&](Kind kind, std::string_view text, bool must_be_seen = false) {
        record.kind = kind;
        record.text = text;
        if (is_paused_ && !must_be_seen)
            output_.event_unseen(record);
        else
            output_.event(record);
    };
    switch (message.header.kind) {
        case RS_MSG_TEXT:
        case RS_MSG_GATHERED:
            if (!outputs_.forward(message.header.cookie, message.text()))
                print(Kind::kMessage, message.text());
            break;
        case RS_MSG_LOST:
            if (const auto count = message.lost_count()) {
                record.count = *count;
                print(Kind::kLost, fmt::format("warn, {} messages lost (core {:x}, event 0x{:x})",
                                               *count, message.header.core, id));
            }
            break;
        case RS_MSG_DIAGNOSTIC:
            if (const auto diagnostic = message.diagnostic())
                print(Kind::kDiagnostic, event_scripts_.describe(message.header, *diagnostic),
                      diagnostic->disabled != 0);
            break;
        case RS_MSG_BINARY:
            print(Kind::kMessage, hex_dump(message.payload, buffer_offset(message)));
            break;
        default:
            break;  // kinds of later versions
    }
}

std::string signature_line(const rs_version& version) {
    const auto text = [](const char* field, std::size_t size) {
        return std::string{field, strnlen(field, size)};
    };
    const char* technology = version.vendor == RS_VENDOR_SVM   ? "SVM"
                             : version.vendor == RS_VENDOR_VMX ? "VMX"
                                                               : "no virtualization";
    return fmt::format("Ringside {} — debuggee: Linux {}, {} cores, {}", RS_RELEASE,
                       text(version.kernel, sizeof version.kernel), version.cores_online,
                       technology);
}

}  // namespace ringside::commands
