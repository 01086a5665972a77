// SPDX-License-Identifier: GPL-3.0-or-later
// .process, .thread: what the debuggee's kernel runs, and halting where a task does.
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

// ---- switching ----

/// What is to run where the machine halts next.
struct Wanted {
    u32 how;  ///< RS_RUN_TO_PROCESS, RS_RUN_TO_THREAD
    rs_task task;

    bool is_process() const { return how == RS_RUN_TO_PROCESS; }
    u32 id() const { return is_process() ? task.tgid : task.pid; }
    bool is(const rs_task& other) const {
        return other.task != 0 && id() == (is_process() ? other.tgid : other.pid);
    }
    bool is_halted(const rs_halt& halt) const {
        return id() == (is_process() ? halt.pid : halt.tid);
    }
    std::string text() const {
        return is_process() ? fmt::format("process {:x}", task.tgid)
                            : fmt::format("thread {:x} of process {:x}", task.pid, task.tgid);
    }
};

/// 'pid P', 'process TASK', 'tid T' and 'thread TASK': who that is. Nothing with the error told in
/// `outcome`.
std::optional<Wanted> read_wanted(Session& session, const Invocation& invocation,
                                  const Parts& parts, bool is_process, Outcome& outcome) {
    outcome = Outcome::kFailed;
    const std::string_view kind = is_process ? "process" : "thread";
    const std::span<const Token> number = parts.behind(is_process ? "pid" : "tid");
    const std::span<const Token> address = parts.behind(kind);
    u64 id = 0, task = 0;
    if (!number.empty()) {
        if (number.size() > 1 || !address.empty()) {
            outcome = session.wrong_use(invocation, number.size() > 1 ? &number[1] : &address[0]);
            return std::nullopt;
        }
        const auto read =
            read_number(session, invocation, number[0], is_process ? "pid" : "tid", 0, RS_ANY - 1);
        if (!read)
            return std::nullopt;
        id = *read;
    } else if (outcome = evaluate(session, invocation, address, task); outcome != Outcome::kOk) {
        return std::nullopt;
    }
    const std::size_t place = (number.empty() ? address : number)[0].begin;
    const auto found = session.debuggee().tasks(RS_TASKS_ONE, static_cast<u32>(id), task);
    const bool is_there = found && !found->empty() && (!number.empty() || task != 0);
    if (is_there && (!is_process || found->front().pid == found->front().tgid))
        return Wanted{.how = is_process ? u32{RS_RUN_TO_PROCESS} : u32{RS_RUN_TO_THREAD},
                      .task = found->front()};
    if (!found && found.failure().code != RS_ERR_BAD_PID) {
        outcome = session.request_failed(found.failure());
        return std::nullopt;
    }
    const std::string hint =
        is_there ? fmt::format("it is a thread of process {0:x}: '.thread tid {1:x}'",
                               found->front().tgid, found->front().pid)
        : number.empty()
            ? fmt::format("'.{} list' shows where each has its task_struct", kind)
            : fmt::format("'.{} list' shows them; numbers are hex, prefix 0n for decimal", kind);
    outcome = session.fail(
        invocation,
        {number.empty() ? fmt::format("no {} has its task_struct at {}", kind, address_text(task))
                        : fmt::format("no such {}", kind),
         place, hint});
    return std::nullopt;
}

/// What the kernel runs on a core behind each switch of tasks, first of all on the new one's stack;
/// compilers append to the name. Nothing with the error told in `outcome`.
std::optional<u64> end_of_switch(Session& session, const Invocation& invocation, Outcome& outcome) {
    constexpr std::string_view kName = "vmlinux!finish_task_switch";
    const auto symbols = session.debuggee().symbols(std::string{kName} + "*");
    if (!symbols) {
        outcome = session.request_failed(symbols.failure());
        return std::nullopt;
    }
    for (const debuggee::Symbol& symbol : *symbols)
        if ((symbol.name == kName || symbol.name[kName.size()] == '.') &&
            !symbol.name.ends_with(".cold"))
            return symbol.address;
    outcome = session.fail(
        invocation, {"this kernel does not tell where it switches tasks",
                     {},
                     fmt::format("'bp' with 'pid' or 'tid' halts it in code that you choose")});
    return std::nullopt;
}

/// Halts the machine where `wanted` runs: on the core that runs it now, else when one switches to
/// it.
Outcome switch_to(Session& session, const Invocation& invocation, const Wanted& wanted) {
    const std::string heading = fmt::format("now in {}\n", wanted.text());
    const auto cores = session.debuggee().tasks(RS_TASKS_ON_CORES);
    if (!cores)
        return session.request_failed(cores.failure());
    std::optional<u32> core;
    for (u32 i = 0; i < cores->size(); ++i)
        if (wanted.is((*cores)[i]) && (!core || i == session.halt().core))
            core = i;
    if (core) {
        if (*core != session.halt().core)
            if (const Outcome done = session.switch_core(invocation, *core, {});
                done != Outcome::kOk)
                return done;
        session.show_place(heading);
        return Outcome::kOk;
    }
    Outcome outcome = Outcome::kOk;
    const auto until = end_of_switch(session, invocation, outcome);
    if (!until)
        return outcome;
    session.notice("this command lets the debuggee run for a moment");
    outcome = session.let_run({.how = wanted.how, .until = *until, .id = wanted.id()});
    if (outcome != Outcome::kOk)
        return outcome;
    outcome = session.await_halt(session.halt_patience(), false);
    if (!session.is_halted())
        return outcome;
    if ((session.halt().reason == RS_HALT_TASK || session.halt().reason == RS_HALT_SWITCH) &&
        wanted.is_halted(session.halt())) {
        session.show_place(heading);
        return outcome;
    }
    session.show_halt();
    session.notice(fmt::format("{} has not run meanwhile", wanted.text()));
    return outcome;
}

/// The forms of .process and .thread that switch.
Outcome run_switch(Session& session, const Invocation& invocation, const Parts& parts,
                   bool is_process) {
    if (!parts.front().empty())
        return session.wrong_use(invocation, &parts.front()[0]);
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    Outcome outcome = Outcome::kOk;
    const auto wanted = read_wanted(session, invocation, parts, is_process, outcome);
    return wanted ? switch_to(session, invocation, *wanted) : outcome;
}

Outcome run_process(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"pid", "process"});
    if (!parts)
        return Outcome::kFailed;
    if (!parts->behind("pid").empty() || !parts->behind("process").empty())
        return run_switch(session, invocation, *parts, true);
    const bool lists = !invocation.words.empty();
    if (lists && (!same_word(invocation.words[0].text, "list") || invocation.words.size() > 1))
        return session.wrong_use(invocation, &invocation.words.back());
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
    const auto parts = Parts::split(session, invocation, {"process", "tid", "thread"});
    if (!parts)
        return Outcome::kFailed;
    if (!parts->behind("tid").empty() || !parts->behind("thread").empty()) {
        if (!parts->behind("process").empty())
            return session.wrong_use(invocation, &parts->behind("process")[0]);
        return run_switch(session, invocation, *parts, false);
    }
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
     .syntax = ".process\n.process list\n.process pid PID\n.process process TASK",
     .summary = "shows the process that runs, or all of them, or halts in another one",
     .help =
         "The process that runs is the one on the core that answers: in Debugger Mode the one\n"
         "that was halted, else the one that asks. The list shows task_struct and top-level\n"
         "page table of each; kernel threads have no page table of their own.\n"
         "With 'pid', or 'process' and the address of its task_struct, a machine that is halted\n"
         "runs until one of its threads does, on any core; Ctrl+C ends the waiting.\n\n"
         "examples:\n    .process\n    .process list\n    .process pid 1ddc\n"
         "    .process process ffff888001234000\n",
     .keywords = "list pid process",
     .is_free_form = true,
     .run = run_process},
    {.name = ".thread",
     .aliases = ".thread2",
     .syntax = ".thread\n.thread list [process TASK]\n.thread tid TID\n.thread thread TASK",
     .summary = "shows the thread that runs, or those of a process, or halts in another one",
     .help =
         "TASK is the address of a task_struct. With 'list' it is that of a process ('.process\n"
         "list' shows it); without it the threads of the process that runs are listed. With\n"
         "'tid' or 'thread' a machine that is halted runs until that thread does, on any core;\n"
         "Ctrl+C ends the waiting.\n\n"
         "examples:\n"
         "    .thread\n"
         "    .thread list\n"
         "    .thread list process ffff888001234000\n"
         "    .thread tid 1de0\n"
         "    .thread thread ffff888001238000\n",
     .keywords = "list process tid thread",
     .is_free_form = true,
     .run = run_thread},
};

}  // namespace

std::span<const CommandSpec> task_commands() {
    return kCommands;
}

}  // namespace ringside::commands
