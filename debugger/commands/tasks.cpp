// SPDX-License-Identifier: GPL-3.0-or-later
// .process, .thread: what the debuggee's kernel runs.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/disassembly.hpp"
#include "commands/evaluation.hpp"

namespace ringside::commands {
namespace {

/// A task gives itself its name, control characters and all.
std::string name_of(const rs_task& task) {
    std::string name{task.name, strnlen(task.name, sizeof(task.name))};
    std::ranges::replace_if(
        name, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return name;
}

std::string process_text(const rs_task& task) {
    return fmt::format("process id: {:x}\nprocess (task_struct): {}\nprocess name (16-Byte): {}\n",
                       task.tgid, address_text(task.leader), name_of(task));
}

std::string thread_text(const rs_task& task) {
    return fmt::format(
        "thread id: {:x} (pid: {:x})\nthread (task_struct): {}\nprocess (task_struct): {}\n"
        "process name (16-Byte): {}\n",
        task.pid, task.tgid, address_text(task.task), address_text(task.leader), name_of(task));
}

std::string process_list(std::span<const rs_task> tasks) {
    std::string text;
    for (const rs_task& task : tasks)
        text += fmt::format("PROCESS\t{}\n\tProcess Id: {:04x}\tPage Table: {}\tImage: {}\n\n",
                            address_text(task.task), task.tgid, address_text(task.page_table),
                            name_of(task));
    return text;
}

std::string thread_list(std::span<const rs_task> tasks) {
    if (tasks.empty())
        return "no threads\n";
    std::string text =
        fmt::format("PROCESS\t{}\tIMAGE\t{}\n", address_text(tasks[0].leader), name_of(tasks[0]));
    for (const rs_task& task : tasks)
        text += fmt::format("\tTHREAD\t{} ({:x}.{:x})\t{}\n", address_text(task.task), task.tgid,
                            task.pid, name_of(task));
    return text;
}

/// The task that is interrupted; nothing with the error told in `outcome`.
std::optional<rs_task> current_task(Session& session, Outcome& outcome) {
    const auto tasks = session.debuggee().tasks(RS_TASKS_CURRENT);
    if (!tasks) {
        outcome = session.request_failed(tasks.failure());
        return std::nullopt;
    }
    if (tasks->empty()) {
        outcome = session.request_failed({.kind = debuggee::Failure::Kind::kMalformed});
        return std::nullopt;
    }
    return tasks->front();
}

Outcome show_threads(Session& session, u32 pid) {
    const auto tasks = session.debuggee().tasks(RS_TASKS_THREADS, pid);
    if (!tasks)
        return session.request_failed(tasks.failure());
    session.output().text(thread_list(*tasks));
    return Outcome::kOk;
}

Outcome run_process(Session& session, const Invocation& invocation) {
    const bool lists = !invocation.words.empty();
    if (lists && !same_word(invocation.words[0].text, "list"))
        return session.wrong_use(invocation, &invocation.words[0]);
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    Outcome outcome = Outcome::kOk;
    if (!lists) {
        if (const auto task = current_task(session, outcome))
            session.output().text(process_text(*task));
        return outcome;
    }
    const auto tasks = session.debuggee().tasks(RS_TASKS_PROCESSES);
    if (!tasks)
        return session.request_failed(tasks.failure());
    session.output().text(process_list(*tasks));
    return Outcome::kOk;
}

/// 'list process TASK': the threads of the process whose task_struct that is.
Outcome list_threads_of(Session& session, const Invocation& invocation,
                        std::span<const Token> words) {
    u64 address = 0;
    if (const Outcome found = evaluate(session, invocation, words, address); found != Outcome::kOk)
        return found;
    const auto processes = session.debuggee().tasks(RS_TASKS_PROCESSES);
    if (!processes)
        return session.request_failed(processes.failure());
    const auto process = std::ranges::find(*processes, address, &rs_task::task);
    if (process == processes->end())
        return session.fail(
            invocation, {fmt::format("no process has its task_struct at {}", address_text(address)),
                         words.front().begin, "'.process list' shows them"});
    return show_threads(session, process->tgid);
}

Outcome run_thread(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"process"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> front = parts->front();
    const bool lists = !front.empty() && same_word(front[0].text, "list");
    if (!front.empty() && (!lists || front.size() > 1))
        return session.wrong_use(invocation, &front[lists ? 1 : 0]);
    if (!lists && !parts->behind("process").empty())
        return session.wrong_use(invocation, &invocation.words[0]);
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    if (!parts->behind("process").empty())
        return list_threads_of(session, invocation, parts->behind("process"));
    Outcome outcome = Outcome::kOk;
    const auto task = current_task(session, outcome);
    if (!task)
        return outcome;
    if (lists)
        return show_threads(session, task->tgid);
    session.output().text(thread_text(*task));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = ".process",
     .aliases = ".process2",
     .syntax = ".process\n.process list",
     .summary = "shows the process that runs, or all of them",
     .help = "The process that runs is the one on the core that answers: in Debugger Mode the one\n"
             "that was halted, else the one that asks. The list shows task_struct and top-level\n"
             "page table of each; kernel threads have no page table of their own.\n\n"
             "examples:\n    .process\n    .process list\n",
     .keywords = "list",
     .most_words = 1,
     .run = run_process},
    {.name = ".thread",
     .aliases = ".thread2",
     .syntax = ".thread\n.thread list [process TASK]",
     .summary = "shows the thread that runs, or the threads of a process",
     .help = "TASK is the address of the task_struct of a process ('.process list' shows it);\n"
             "without it the threads of the process that runs are listed.\n\n"
             "examples:\n"
             "    .thread\n"
             "    .thread list\n"
             "    .thread list process ffff888001234000\n",
     .keywords = "list process",
     .is_free_form = true,
     .run = run_thread},
};

}  // namespace

std::span<const CommandSpec> task_commands() {
    return kCommands;
}

}  // namespace ringside::commands
