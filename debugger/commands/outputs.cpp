// SPDX-License-Identifier: GPL-3.0-or-later
// output: where the text of events is forwarded to (specification section 11).
#include "output/outputs.hpp"

#include <fmt/format.h>

#include <chrono>

#include "commands/session.hpp"

namespace ringside::commands {
namespace {

using output::NamedOutput;
using output::OutputState;

/// How long a TCP peer may take to answer.
constexpr std::chrono::seconds kConnectTime{10};
/// How long 'output close' waits for a reader to take the rest.
constexpr std::chrono::seconds kCloseTime{1};

constexpr std::string_view kHint = "see '.help output'";

Outcome list(Session& session) {
    session.output().text(output_list(session.outputs()));
    return Outcome::kOk;
}

Outcome cannot_open(Session& session, const Invocation& invocation, const Token& address,
                    std::string_view why) {
    return session.fail(
        invocation,
        {fmt::format("cannot open {}: {}", in_quotes(address.text), why), address.begin, {}});
}

Outcome create(Session& session, const Invocation& invocation) {
    if (invocation.words.size() != 4)
        return session.wrong_use(invocation, &invocation.words.back());
    const Token& name = invocation.words[1];
    const Token& type_word = invocation.words[2];
    const Token& address = invocation.words[3];
    if (!output::is_output_name(name.text) || name.kind == TokenKind::kBlock)
        return session.fail(invocation, {"bad output name " + in_quotes(name.text), name.begin,
                                         "1 to 49 characters without blanks, commas and braces"});
    if (session.outputs().find(name.text) != nullptr)
        return session.fail(invocation, {"output " + in_quotes(name.text) + " exists", name.begin,
                                         "a name is used once, even when its output is closed"});
    const auto type = output::find_sink_type(lower_case(type_word.text));
    if (!type)
        return session.fail(invocation, {"unknown output type " + in_quotes(type_word.text),
                                         type_word.begin, "file, namedpipe, tcp or module"});
    const auto opened = output::open_sink(session.loop().context(), *type, address.text);
    if (!opened.sink)
        return cannot_open(session, invocation, address, opened.error);
    const bool was_connected = session.debuggee().is_connected();
    switch (
        session.loop().wait_until([&] { return !opened.sink->is_connecting(); }, kConnectTime)) {
        case transport::Wait::kDone:
            break;
        case transport::Wait::kTimedOut:
            (void)cannot_open(session, invocation, address, "no answer in time");
            return Outcome::kTimedOut;
        case transport::Wait::kInterrupted:
            return was_connected && !session.debuggee().is_connected() ? Outcome::kUnreachable
                                                                       : Outcome::kInterrupted;
    }
    if (!opened.sink->failure().empty())
        return cannot_open(session, invocation, address, opened.sink->failure());
    session.outputs().add(name.text, *type, opened.sink);
    return Outcome::kOk;
}

/// The output that the second word names; null with the error told.
NamedOutput* named(Session& session, const Invocation& invocation) {
    if (invocation.words.size() != 2) {
        (void)session.wrong_use(invocation, &invocation.words.back());
        return nullptr;
    }
    const Token& name = invocation.words[1];
    NamedOutput* found = session.outputs().find(name.text);
    if (found == nullptr)
        (void)session.fail(invocation, {"no such output " + in_quotes(name.text), name.begin,
                                        "'output' lists them"});
    return found;
}

Outcome wrong_state(Session& session, const Invocation& invocation, std::string_view what,
                    std::string_view hint) {
    const Token& name = invocation.words[1];
    return session.fail(invocation, {fmt::format("output {} {}", in_quotes(name.text), what),
                                     name.begin, std::string{hint}});
}

Outcome open(Session& session, const Invocation& invocation) {
    NamedOutput* found = named(session, invocation);
    if (found == nullptr)
        return Outcome::kFailed;
    switch (found->state) {
        case OutputState::kNotOpened:
            found->state = OutputState::kOpened;
            return Outcome::kOk;
        case OutputState::kOpened:
            return wrong_state(session, invocation, "is already open", kHint);
        case OutputState::kFailed:
            return wrong_state(session, invocation, "has failed: " + found->sink->failure(),
                               "create another one with the same address");
        case OutputState::kClosed:
            return wrong_state(session, invocation, "is already closed",
                               "create another one with the same address");
    }
    return Outcome::kFailed;
}

Outcome close(Session& session, const Invocation& invocation) {
    NamedOutput* found = named(session, invocation);
    if (found == nullptr)
        return Outcome::kFailed;
    if (found->state == OutputState::kNotOpened)
        return wrong_state(session, invocation, "is not open", "'output open' starts the flow");
    if (found->state == OutputState::kClosed)
        return wrong_state(session, invocation, "is already closed", kHint);
    (void)session.loop().wait_until([&] { return found->sink->is_idle(); }, kCloseTime);
    session.outputs().close(*found);
    return Outcome::kOk;
}

struct Verb {
    std::string_view word;
    Outcome (*run)(Session&, const Invocation&);
};
constexpr Verb kVerbs[] = {{"create", create}, {"open", open}, {"close", close}};

Outcome run_output(Session& session, const Invocation& invocation) {
    const auto words = invocation.words;
    if (words.empty() || (words.size() == 1 && same_word(words[0].text, "list")))
        return list(session);
    for (const Verb& verb : kVerbs)
        if (same_word(words[0].text, verb.word))
            return verb.run(session, invocation);
    return session.wrong_use(invocation, &words[0]);
}

constexpr CommandSpec kCommands[] = {
    {.name = "output",
     .syntax = "output [list]\n"
               "output create NAME file|namedpipe|tcp|module ADDRESS\n"
               "output open NAME\n"
               "output close NAME",
     .summary = "forwards what events print to files, pipes, TCP peers and modules",
     .help =
         "create connects, open starts the flow, close ends it for good. An event names its\n"
         "outputs ('!interrupt ... output { NAME, ... }'); its text goes to those that are open\n"
         "instead of the console. ADDRESS is the path of a file, which is created or appended to;\n"
         "the path of a unix socket or a FIFO, which is created if there is none (\\\\.\\pipe\\N "
         "is N\n"
         "in your runtime folder); HOST:PORT or [V6]:PORT; or the path of a shared library that\n"
         "exports ringside_event_forwarding.\n"
         "A reader that is too slow loses messages, which is told; the debuggee never waits.\n\n"
         "examples:\n"
         "    output create nic_log file ~/nic.log\n"
         "    output create siem tcp 192.168.1.20:514\n"
         "    output create feed namedpipe \\\\.\\pipe\\feed\n"
         "    output create mine module ./my_forwarder.so\n"
         "    output open nic_log\n"
         "    output close nic_log\n"
         "    output\n",
     .keywords = "create open close list file namedpipe tcp module",
     .is_free_form = true,
     .run = run_output},
};

}  // namespace

std::span<const CommandSpec> output_commands() {
    return kCommands;
}

}  // namespace ringside::commands
