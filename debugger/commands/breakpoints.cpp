// SPDX-License-Identifier: GPL-3.0-or-later
// bp bl be bd bc: breakpoints in the code of a halted machine (specification 14).
#include <fmt/format.h>

#include "commands/disassembly.hpp"
#include "commands/evaluation.hpp"
#include "commands/number.hpp"
#include "commands/session.hpp"
#include "commands/symbol_names.hpp"

namespace ringside::commands {
namespace {

/// The number behind `word`; RS_ANY where the word is not given, nothing (and why is told) if bad.
std::optional<u32> read_limit(Session& session, const Invocation& invocation, const Parts& parts,
                              std::string_view word) {
    const std::span<const Token> words = parts.behind(word);
    if (words.empty())
        return RS_ANY;
    const Number number = parse_number(words[0].text);
    if (words.size() == 1 && same_word(words[0].text, "all"))
        return RS_ANY;
    if (words.size() == 1 && number.status == NumberStatus::kOk && number.value < RS_ANY)
        return static_cast<u32>(number.value);
    (void)session.fail(
        invocation, {fmt::format("bad {} {}", word, in_quotes(words[0].text)), words[0].begin, {}});
    return std::nullopt;
}

Outcome run_set(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    const auto parts = Parts::split(session, invocation, {"pid", "tid", "core"});
    if (!parts)
        return Outcome::kFailed;
    if (parts->front().empty())
        return session.wrong_use(invocation);
    u64 address = 0;
    const Outcome evaluated = evaluate(session, invocation, parts->front(), address);
    if (evaluated != Outcome::kOk)
        return evaluated;
    rs_breakpoint request{.operation = RS_BREAKPOINT_SET, .address = address};
    const auto pid = read_limit(session, invocation, *parts, "pid");
    const auto tid = pid ? read_limit(session, invocation, *parts, "tid") : std::nullopt;
    const auto core = tid ? read_limit(session, invocation, *parts, "core") : std::nullopt;
    if (!core)
        return Outcome::kFailed;
    request.process_id = *pid;
    request.thread_id = *tid;
    request.core = *core;
    const auto set = session.debuggee().breakpoint(request);
    if (set)
        return Outcome::kOk;
    if (set.failure().code == RS_ERR_BAD_ADDRESS)
        return session.fail(
            invocation, {fmt::format("no code can be reached at {}", address_text(request.address)),
                         parts->front()[0].begin,
                         {}});
    return session.request_failed(set.failure());
}

/// Every breakpoint, ascending id; nothing with the failure told.
std::optional<std::vector<rs_breakpoint>> all_breakpoints(Session& session, Outcome& outcome) {
    std::vector<rs_breakpoint> found;
    for (u32 id = 1;;) {
        const auto next =
            session.debuggee().breakpoint({.operation = RS_BREAKPOINT_NEXT, .id = id});
        if (!next && next.failure().code == RS_ERR_NO_BREAKPOINT)
            return found;
        if (!next) {
            outcome = session.request_failed(next.failure());
            return std::nullopt;
        }
        found.push_back(*next);
        id = next->id + 1;
    }
}

std::string limit_text(u32 value) {
    return value == RS_ANY ? "all" : fmt::format("{:x}", value);
}

Outcome run_list(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    Outcome outcome = Outcome::kOk;
    const auto breakpoints = all_breakpoints(session, outcome);
    if (!breakpoints)
        return outcome;
    if (breakpoints->empty()) {
        session.output().text("no breakpoints\n");
        return Outcome::kOk;
    }
    AddressNames names{session};
    std::string text = "id   address            status    hits   core  pid   tid\n";
    for (const rs_breakpoint& each : *breakpoints) {
        const std::string name = names.text(each.address);
        text += fmt::format("{:02x}   {}  {:<8}  {:<5}  {:<4}  {:<4}  {:<4}{}{}\n", each.id,
                            address_text(each.address), each.is_enabled ? "enabled" : "disabled",
                            fmt::format("{:x}", each.hits), limit_text(each.core),
                            limit_text(each.process_id), limit_text(each.thread_id),
                            name.empty() ? "" : "  ", name);
    }
    session.output().text(text);
    return Outcome::kOk;
}

Outcome change(Session& session, const Invocation& invocation, u32 operation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    const Token& word = invocation.words[0];
    std::vector<u32> ids;
    if (same_word(word.text, "all")) {
        Outcome outcome = Outcome::kOk;
        const auto breakpoints = all_breakpoints(session, outcome);
        if (!breakpoints)
            return outcome;
        if (breakpoints->empty())
            return session.fail(invocation, {"no breakpoints", {}, {}});
        for (const rs_breakpoint& each : *breakpoints)
            ids.push_back(each.id);
    } else {
        const Number number = parse_number(word.text);
        if (number.status != NumberStatus::kOk || number.value >= RS_ANY)
            return session.fail(invocation,
                                {"bad breakpoint number " + in_quotes(word.text), word.begin, {}});
        ids.push_back(static_cast<u32>(number.value));
    }
    for (const u32 id : ids) {
        const auto changed = session.debuggee().breakpoint({.operation = operation, .id = id});
        if (!changed && changed.failure().code == RS_ERR_NO_BREAKPOINT)
            return session.fail(invocation, {"no such breakpoint", word.begin, {}});
        if (!changed)
            return session.request_failed(changed.failure());
    }
    return Outcome::kOk;
}

Outcome run_enable(Session& session, const Invocation& invocation) {
    return change(session, invocation, RS_BREAKPOINT_ENABLE);
}
Outcome run_disable(Session& session, const Invocation& invocation) {
    return change(session, invocation, RS_BREAKPOINT_DISABLE);
}
Outcome run_clear(Session& session, const Invocation& invocation) {
    return change(session, invocation, RS_BREAKPOINT_CLEAR);
}

constexpr CommandSpec kCommands[] = {
    {.name = "bp",
     .syntax = "bp ADDR [pid PID] [tid TID] [core CORE]",
     .summary = "sets a breakpoint: the machine halts where its code gets there",
     .help =
         "ADDR is an expression, a symbol with its module in front ('vmlinux!schedule') among\n"
         "them. With 'pid' the address is one of that process. While the machine is halted its\n"
         "code is as it was: breakpoints are put in when it runs.\n\n"
         "examples:\n    bp vmlinux!schedule\n    bp vmlinux!schedule core 1\n"
         "    bp @rip+5\n",
     .keywords = "pid tid core",
     .least_words = 1,
     .is_free_form = true,
     .run = run_set},
    {.name = "bl",
     .syntax = "bl",
     .summary = "lists the breakpoints",
     .help = "example:\n    bl\n",
     .run = run_list},
    {.name = "be",
     .syntax = "be ID|all",
     .summary = "enables a breakpoint",
     .help = "examples:\n    be 1\n    be all\n",
     .keywords = "all",
     .least_words = 1,
     .most_words = 1,
     .run = run_enable},
    {.name = "bd",
     .syntax = "bd ID|all",
     .summary = "disables a breakpoint",
     .help = "examples:\n    bd 1\n    bd all\n",
     .keywords = "all",
     .least_words = 1,
     .most_words = 1,
     .run = run_disable},
    {.name = "bc",
     .syntax = "bc ID|all",
     .summary = "clears a breakpoint",
     .help = "examples:\n    bc 1\n    bc all\n",
     .keywords = "all",
     .least_words = 1,
     .most_words = 1,
     .run = run_clear},
};

}  // namespace

std::span<const CommandSpec> breakpoint_commands() {
    return kCommands;
}

}  // namespace ringside::commands
