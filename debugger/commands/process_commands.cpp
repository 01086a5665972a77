// SPDX-License-Identifier: GPL-3.0-or-later
// .attach, .switch, .detach: which process is meant (MOD-9, MOD-10).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/number.hpp"
#include "commands/session.hpp"

namespace ringside::commands {
namespace {

/// The number behind "pid"; nothing with the error told.
std::optional<u32> read_pid(Session& session, const Invocation& invocation) {
    if (invocation.words.size() != 2 || !same_word(invocation.words[0].text, "pid")) {
        (void)session.wrong_use(invocation,
                                invocation.words.empty() ? nullptr : &invocation.words[0]);
        return std::nullopt;
    }
    const Token& word = invocation.words[1];
    const Number number = parse_number(word.text);
    if (number.status == NumberStatus::kOk && number.value < RS_ANY)
        return static_cast<u32>(number.value);
    (void)session.fail(invocation, {"bad pid " + in_quotes(word.text), word.begin,
                                    "pids are hex, prefix 0n for decimal"});
    return std::nullopt;
}

/// A process gives itself its name, control characters and all.
std::string printable_name(const rs_process& process) {
    std::string name{process.name, strnlen(process.name, sizeof(process.name))};
    std::ranges::replace_if(
        name, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return name;
}

Outcome run_attach(Session& session, const Invocation& invocation) {
    const auto pid = read_pid(session, invocation);
    if (!pid || !session.require_connection(invocation))
        return Outcome::kFailed;
    if (session.processes().find(*pid) != nullptr)
        return session.fail(
            invocation,
            {fmt::format("process {:x} is attached already", *pid), invocation.words[1].begin,
             fmt::format("'.switch pid {:x}' makes it the active one", *pid)});
    const auto process = session.debuggee().process(*pid);
    if (!process) {
        if (process.failure().code == RS_ERR_BAD_PID)
            return session.fail(invocation,
                                {"no such process; pids are hex, prefix 0n for decimal (c000001e)",
                                 invocation.words[1].begin,
                                 {}});
        return session.request_failed(process.failure());
    }
    session.processes().attach({*pid, printable_name(*process),
                                (process->flags & RS_PROCESSF_32BIT) != 0, process->start_ns});
    return Outcome::kOk;
}

Outcome run_switch(Session& session, const Invocation& invocation) {
    Processes& processes = session.processes();
    if (invocation.words.empty()) {
        if (processes.list().empty())
            session.output().text("no processes\n");
        for (const AttachedProcess& process : processes.list())
            session.output().text(fmt::format("{} {:x}  {}  (running)\n",
                                              &process == processes.active() ? '*' : ' ',
                                              process.pid, process.name));
        return Outcome::kOk;
    }
    const auto pid = read_pid(session, invocation);
    if (!pid)
        return Outcome::kFailed;
    if (processes.find(*pid) == nullptr)
        return session.fail(invocation, {fmt::format("process {:x} is not attached", *pid),
                                         invocation.words[1].begin,
                                         fmt::format("'.attach pid {:x}' does it", *pid)});
    processes.activate(*pid);
    return Outcome::kOk;
}

Outcome run_detach(Session& session, const Invocation& invocation) {
    if (session.processes().active() == nullptr)
        return session.fail(
            invocation, {"no process is active",
                         {},
                         session.processes().list().empty() ? "'.attach pid P' makes one active"
                                                            : "'.switch pid P' makes one active"});
    session.processes().detach();
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = ".attach",
     .syntax = ".attach pid PID",
     .summary = "makes a process the active one: events are limited to it by default",
     .help = "The process goes on running. Event commands without 'pid' get its number from then\n"
             "on, with a notice; 'pid all' means the whole system as before. Events that exist\n"
             "stay as they are. The prompt shows the active process.\n\n"
             "examples:\n"
             "    .attach pid 12c0\n"
             "    .attach pid 0n4800\n",
     .keywords = "pid",
     .least_words = 2,
     .most_words = 2,
     .run = run_attach},
    {.name = ".switch",
     .syntax = ".switch\n.switch pid PID",
     .summary = "lists the attached processes, or makes another one the active one",
     .help = "'*' marks the active one.\n\nexamples:\n    .switch\n    .switch pid 12c0\n",
     .keywords = "pid",
     .most_words = 2,
     .run = run_switch},
    {.name = ".detach",
     .syntax = ".detach",
     .summary = "lets go of the active process; events mean the whole system again",
     .help = "Events that exist stay limited to it.\n\nexample:\n    .detach\n",
     .run = run_detach},
};

}  // namespace

std::span<const CommandSpec> process_commands() {
    return kCommands;
}

}  // namespace ringside::commands
