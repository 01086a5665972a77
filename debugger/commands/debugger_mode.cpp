// SPDX-License-Identifier: GPL-3.0-or-later
// .debug g pause ~ t p i gu prealloc: Debugger Mode, in which the machine halts (specification 5.1,
// 10.2, 13.2).
#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "commands/disassembly.hpp"
#include "commands/number.hpp"
#include "commands/registers.hpp"
#include "commands/session.hpp"
#include "commands/stack.hpp"
#include "commands/symbol_names.hpp"
#include "link/uart.hpp"
#include "transport/serial.hpp"

namespace ringside::commands {
namespace {

using std::chrono::milliseconds;

/// How long a machine may take to halt when it is asked to.
constexpr milliseconds kPausePatience{30'000};
/// How long one step may take: what it steps over may wait for something.
constexpr milliseconds kStepPatience{60'000};

/// By RS_HALT_*.
constexpr std::string_view kHaltReasons[] = {"unknown", "event",      "script", "request",
                                             "step",    "breakpoint", "switch", "task"};

std::string_view stage_word(const rs_halt& halt) {
    return halt.stage == RS_STAGE_POST ? "post" : "pre";
}

// ---- .debug ----

std::optional<u32> read_baud(Session& session, const Invocation& invocation, const Token& word) {
    const Number number = parse_decimal(word.text);
    if (number.status == NumberStatus::kOk && number.value <= ~u32{0} &&
        link::is_baud_rate(static_cast<u32>(number.value)))
        return static_cast<u32>(number.value);
    std::string rates;
    for (const u32 rate : link::kBaudRates)
        rates += fmt::format("{}{}", rates.empty() ? "" : " ", rate);
    (void)session.fail(invocation, {"bad baud rate", word.begin, "one of " + rates});
    return std::nullopt;
}

/// A serial port of this machine as root mode drives it.
struct Port {
    u32 address;
    u32 irq;
};

std::optional<Port> read_port(Session& session, const Invocation& invocation, const Token& word) {
    // The four ports of a PC, where they have always been.
    constexpr Port kPorts[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
    constexpr std::string_view kDevice = "/dev/ttyS";
    const auto path = transport::serial_path(word.text);
    if (path && path->starts_with(kDevice) && path->size() == kDevice.size() + 1 &&
        path->back() >= '0' && path->back() <= '3')
        return kPorts[path->back() - '0'];
    (void)session.fail(invocation,
                       {"bad serial port", word.begin, "'ttyS0' to 'ttyS3', or 'com1' to 'com4'"});
    return std::nullopt;
}

/// Loads the hypervisor of this machine if it is not, and makes it a debuggee.
Outcome prepare(Session& session, const rs_prepare& request) {
    if (!session.debuggee().is_connected())
        if (const Outcome connected = session.connect("", 0); connected != Outcome::kOk)
            return connected;
    const auto version = session.debuggee().version();
    if (!version)
        return session.request_failed(version.failure());
    if ((version->state & RS_STATE_LOADED) == 0)
        if (const Outcome loaded = session.load({}); loaded != Outcome::kOk)
            return loaded;
    const auto prepared = session.debuggee().prepare(request);
    if (!prepared)
        return session.request_failed(prepared.failure());
    session.set_loaded_here(false);  // it stays loaded for the debugger
    session.output().text("prepared; a debugger can connect with '.debug remote'\n");
    return Outcome::kOk;
}

Outcome run_prepare(Session& session, const Invocation& invocation) {
    const auto words = invocation.words;
    rs_prepare request{};
    request.baud = link::kFastestBaud;
    if (words.size() == 4 && same_word(words[1].text, "serial")) {
        const auto baud = read_baud(session, invocation, words[2]);
        const auto port = baud ? read_port(session, invocation, words[3]) : std::nullopt;
        if (!port)
            return Outcome::kFailed;
        request.kind = RS_LINK_SERIAL;
        request.baud = *baud;
        request.port = port->address;
        request.irq = port->irq;
    } else if (words.size() >= 2 && words.size() <= 3 && same_word(words[1].text, "shmem")) {
        request.kind = RS_LINK_SHARED_MEMORY;
        if (words.size() == 3) {
            const auto bell = read_port(session, invocation, words[2]);
            if (!bell)
                return Outcome::kFailed;
            request.port = bell->address;
            request.irq = bell->irq;
        }
    } else {
        return session.wrong_use(invocation, words.size() > 1 ? &words[1] : nullptr);
    }
    return prepare(session, request);
}

/// `pause` stands in front of the transport.
Outcome run_remote(Session& session, const Invocation& invocation) {
    auto words = invocation.words.subspan(1);
    debuggee::DebugOptions options;
    if (!words.empty() && same_word(words[0].text, "pause")) {
        options.pause = true;
        words = words.subspan(1);
    }
    const auto is = [&](std::string_view transport, std::size_t least, std::size_t most) {
        return words.size() > least && words.size() <= most + 1 &&
               same_word(words[0].text, transport);
    };
    if (is("serial", 2, 2)) {
        const auto baud = read_baud(session, invocation, words[1]);
        if (!baud)
            return Outcome::kFailed;
        const auto path = transport::serial_path(words[2].text);
        if (!path)
            return session.fail(invocation, {"bad serial port", words[2].begin,
                                             "'ttyS0' to 'ttyS3', 'com1' to 'com4', or a path"});
        options.baud = *baud;
        options.line = *path;
    } else if (is("namedpipe", 1, 1)) {
        options.line = words[1].text;
    } else if (is("shmem", 1, 2)) {
        options.memory = words[1].text;
        if (words.size() == 3)
            options.bell = words[2].text;
    } else {
        return session.wrong_use(invocation, words.empty() ? nullptr : &words[0]);
    }
    if (session.debuggee().is_connected())
        return session.fail(
            invocation,
            {"already connected to " + session.debuggee().name(), {}, "type '.disconnect' first"});
    return session.connect_debug(options);
}

Outcome run_close(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    if (session.debuggee().is_debug_link()) {
        session.disconnect();
        session.output().text("Debugger Mode ended\n");
        return Outcome::kOk;
    }
    const auto ended = session.debuggee().prepare({});
    if (!ended)
        return session.request_failed(ended.failure());
    session.output().text("Debugger Mode ended\n");
    return Outcome::kOk;
}

Outcome run_debug(Session& session, const Invocation& invocation) {
    const Token& verb = invocation.words[0];
    if (same_word(verb.text, "prepare"))
        return run_prepare(session, invocation);
    if (same_word(verb.text, "remote"))
        return run_remote(session, invocation);
    if (same_word(verb.text, "close") && invocation.words.size() == 1)
        return run_close(session, invocation);
    return session.wrong_use(invocation, &verb);
}

// ---- running and halting ----

Outcome run_go(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    if (!session.debuggee().is_debug_link()) {
        session.resume();
        return Outcome::kOk;
    }
    if (!session.is_halted())
        return session.fail(invocation, {"the debuggee runs", {}, "'pause' or Ctrl+C halts it"});
    if (const Outcome went = session.let_run({.how = RS_RUN_GO}); went != Outcome::kOk)
        return went;
    session.output().text("running...\n");
    return session.environment().waits_for_halts() ? session.await_halt({}) : Outcome::kOk;
}

Outcome run_pause(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    if (!session.debuggee().is_debug_link()) {
        session.pause();
        session.output().text("paused\n");
        return Outcome::kOk;
    }
    if (session.is_halted())
        return Outcome::kOk;
    return session.break_in();
}

// ---- stepping ----

/// What a function leaves on the stack above where its return address was: two of the kernel's
/// entry push all registers there.
u32 left_on_stack(Session& session, u64 function) {
    constexpr u32 kRegisters = 15 * sizeof(u64);
    const auto symbol = session.debuggee().symbol_at(function);
    const std::string name = symbol ? parse_symbol(*symbol).name : "";
    return name == "vmlinux!error_entry" || name == "vmlinux!paranoid_entry" ? kRegisters : 0;
}

/// The run that a step is: until behind a call, until the return of a function, or one instruction.
/// Nothing if its end is not known.
std::optional<rs_run> begin_of_step(Session& session, u32 how) {
    const rs_halt& halt = session.halt();
    rs_run run{.how = how};
    if (how == RS_RUN_STEP_OUT) {
        const auto caller = caller_of(session);
        if (!caller)
            return std::nullopt;
        run.until = *caller;
        run.left = left_on_stack(session, halt.rip);
        return run;
    }
    if (how != RS_RUN_STEP_OVER)
        return run;
    const auto code = std::as_bytes(std::span{halt.code})
                          .first(std::min<std::size_t>(halt.code_len, sizeof halt.code));
    const std::size_t length = instruction_length(code, halt.is_long_mode != 0);
    // A call that does not come back has INT3 behind it: the kernel's return thunks.
    constexpr std::byte kInt3{0xcc};
    const bool comes_back = length >= code.size() || code[length] != kInt3;
    if (!runs_to_next(code, halt.is_long_mode != 0) || !comes_back)
        return run;
    run.until = halt.rip + length;
    if (const auto function = direct_target(halt.rip, code, halt.is_long_mode != 0))
        run.left = left_on_stack(session, *function);
    return run;
}

/// Steps `count` times by `how`; each step shows where it ended.
Outcome step(Session& session, const Invocation& invocation, u32 how, u64 count,
             bool shows_registers) {
    for (u64 i = 0; i < count; ++i) {
        const auto run = begin_of_step(session, how);
        if (!run)
            return session.fail(invocation, {"no caller is known from here", {}, {}});
        if (const Outcome went = session.let_run(*run); went != Outcome::kOk)
            return went;
        const Outcome halted = session.await_halt(kStepPatience, false);
        if (halted != Outcome::kOk)
            return halted;
        if (shows_registers) {
            const auto registers = session.debuggee().registers();
            if (!registers)
                return session.request_failed(registers.failure());
            session.output().text(register_block(*registers));
        }
        session.show_halt();
        if (session.halt().reason != RS_HALT_STEP)
            break;  // something else has halted it
    }
    return Outcome::kOk;
}

/// "t 5", "tr": the command's own letter tells how.
Outcome run_step(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    u64 count = 1;
    if (!invocation.words.empty()) {
        const Token& word = invocation.words[0];
        const Number number = parse_number(word.text);
        if (number.status != NumberStatus::kOk || number.value == 0)
            return session.fail(invocation, {"bad count " + in_quotes(word.text), word.begin, {}});
        count = number.value;
    }
    const std::string_view name = invocation.spec.name;
    const u32 how = name == "gu"     ? u32{RS_RUN_STEP_OUT}
                    : name[0] == 't' ? u32{RS_RUN_STEP}
                    : name[0] == 'p' ? u32{RS_RUN_STEP_OVER}
                                     : u32{RS_RUN_STEP_CORE};
    const bool shows_registers = name.size() == 2 && name[1] == 'r';
    const Outcome outcome = step(session, invocation, how, count, shows_registers);
    session.set_repeatable(std::string{invocation.text});
    return outcome;
}

Outcome run_core(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    if (invocation.words.empty()) {
        session.output().text(fmt::format("operating core: 0x{:x}\n", session.halt().core));
        return Outcome::kOk;
    }
    const Token& word = invocation.words[0];
    const Number number = parse_number(word.text);
    if (number.status != NumberStatus::kOk || number.value > ~u32{0})
        return session.fail(invocation, {"no such core", word.begin, {}});
    if (number.value == session.halt().core) {
        session.show_place(fmt::format("operating core is now 0x{:x}\n", number.value));
        return Outcome::kOk;
    }
    const Outcome done =
        session.switch_core(invocation, static_cast<u32>(number.value), word.begin);
    if (done != Outcome::kOk)
        return done;
    session.show_place(fmt::format("operating core is now 0x{:x}\n", session.halt().core));
    return Outcome::kOk;
}

// ---- pools ----

struct Pool {
    std::string_view name;
    u32 type;
};
constexpr Pool kPools[] = {{"regular-event", RS_POOL_REGULAR_EVENT},
                           {"big-event", RS_POOL_BIG_EVENT},
                           {"regular-safe-buffer", RS_POOL_REGULAR_BUFFER},
                           {"big-safe-buffer", RS_POOL_BIG_BUFFER}};
/// Of the reference system, for which nothing has to be kept here.
constexpr std::string_view kOtherPools[] = {"thread-interception", "monitor", "epthook",
                                            "epthook2"};

Outcome run_prealloc(Session& session, const Invocation& invocation) {
    const Token& type = invocation.words[0];
    const Token& count = invocation.words[1];
    const Pool* found = nullptr;
    bool is_other = false;
    for (const Pool& pool : kPools)
        if (same_word(type.text, pool.name))
            found = &pool;
    for (const std::string_view name : kOtherPools)
        is_other |= same_word(type.text, name);
    if (found == nullptr && !is_other)
        return session.fail(invocation,
                            {"unknown pool type " + in_quotes(type.text), type.begin,
                             "regular-event, big-event, regular-safe-buffer, big-safe-buffer"});
    const Number number = parse_number(count.text);
    if (number.status != NumberStatus::kOk || number.value == 0 || number.value > 0x10000)
        return session.fail(invocation, {"bad count " + in_quotes(count.text), count.begin, {}});
    if (is_other) {
        session.notice(fmt::format("nothing has to be reserved for {}", type.text));
        return Outcome::kOk;
    }
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    if (!session.debuggee().is_debug_link()) {
        session.notice("in VMI Mode memory is taken when it is needed; nothing has to be reserved");
        return Outcome::kOk;
    }
    const auto added = session.debuggee().preallocate(found->type, static_cast<u32>(number.value));
    if (!added)
        return session.request_failed(added.failure());
    session.output().text(fmt::format("reserved {:x} pools of {}\n", number.value, found->name));
    return Outcome::kOk;
}

// ---- test ----

Outcome show_pools(Session& session) {
    const auto pools = session.debuggee().preallocate(RS_POOL_REGULAR_EVENT, 0);
    if (!pools)
        return session.request_failed(pools.failure());
    std::string text = fmt::format("{:<22}{:>10}{:>10}\n", "pool", "available", "in use");
    for (const Pool& pool : kPools)
        text += fmt::format("{:<22}{:>10}{:>10}\n", pool.name, pools->available[pool.type],
                            pools->in_use[pool.type]);
    text += fmt::format("reserve: {} of {} KiB free\n", pools->arena_free / 1024,
                        pools->arena_bytes / 1024);
    session.output().text(text);
    return Outcome::kOk;
}

Outcome show_cores(Session& session) {
    const auto state = session.debuggee().halt_state();
    if (!state)
        return session.request_failed(state.failure());
    constexpr std::string_view kWords[] = {"absent", "runs", "halted", "operates"};
    std::string text;
    for (u32 core = 0; core < state->core_count && core < RS_MAX_HALT_CORES; ++core)
        text +=
            fmt::format("core 0x{:x}: {}\n", core,
                        state->core[core] < std::size(kWords) ? kWords[state->core[core]] : "?");
    text += fmt::format("halts so far: {}, breaks without a debugger: {}\n", state->generation,
                        state->lost_breaks);
    session.output().text(text);
    return Outcome::kOk;
}

/// Whether what is seen of the halted machine fits together.
Outcome run_self_tests(Session& session) {
    struct Check {
        std::string name;
        bool passes;
    };
    std::vector<Check> checks;
    auto& debuggee = session.debuggee();
    const auto state = debuggee.halt_state();
    bool all_stand = state.ok();
    for (u32 core = 0; state && core < state->core_count && core < RS_MAX_HALT_CORES; ++core)
        all_stand &= state->core[core] != RS_CORE_RUNS;
    checks.push_back({"every core stands", all_stand});
    const auto first = debuggee.registers();
    const auto second = debuggee.registers();
    bool is_same = first.ok() && second.ok();
    for (u32 i = 0; is_same && i < RS_FULL_REGISTER_COUNT; ++i)
        is_same = first->value[i] == second->value[i];
    checks.push_back({"registers stay as they are", is_same});
    checks.push_back({"rip is where the machine halted",
                      first.ok() && first->value[RS_FULL_RIP] == session.halt().rip});
    const u64 idt = first ? first->value[RS_FULL_IDTR] : 0;
    const auto memory = debuggee.read_memory(idt, 16);
    const auto table = debuggee.idt(0, 1);
    u64 gate[2] = {};
    if (memory && memory->bytes.size() == sizeof gate)
        std::memcpy(gate, memory->bytes.data(), sizeof gate);
    checks.push_back({"the interrupt table reads the same both ways",
                      table.ok() && memory.ok() &&
                          table->handler[0] == ((gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff'0000) |
                                                gate[1] << 32)});
    const auto walk = debuggee.page_walk(idt);
    const auto physical = walk ? debuggee.read_memory(walk->physical, 16, {.is_physical = true})
                               : debuggee::Reply<debuggee::MemoryRead>{walk.failure()};
    checks.push_back({"virtual and physical memory agree", walk.ok() && walk->is_present != 0 &&
                                                               physical.ok() && memory.ok() &&
                                                               physical->bytes == memory->bytes});
    std::size_t passed = 0;
    for (const Check& check : checks) {
        session.output().text(
            fmt::format("{:<46}{}\n", check.name, check.passes ? "ok" : "FAILED"));
        passed += check.passes;
    }
    session.output().text(fmt::format("{} passed, {} failed\n", passed, checks.size() - passed));
    return passed == checks.size() ? Outcome::kOk : Outcome::kFailed;
}

Outcome run_test(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    if (invocation.words.empty())
        return run_self_tests(session);
    if (same_word(invocation.words[0].text, "query"))
        return show_cores(session);
    if (same_word(invocation.words[0].text, "pool"))
        return show_pools(session);
    return session.wrong_use(invocation, &invocation.words[0]);
}

constexpr CommandSpec kCommands[] = {
    {.name = ".debug",
     .syntax = ".debug remote [pause] serial BAUD PORT\n"
               ".debug remote [pause] namedpipe PATH\n"
               ".debug remote [pause] shmem PATH [BELL]\n"
               ".debug prepare serial BAUD PORT\n"
               ".debug prepare shmem [BELL]\n"
               ".debug close",
     .summary = "Debugger Mode: halts another machine as a whole, over a link of its own",
     .help =
         "'prepare' on the machine to be debugged loads the hypervisor if needed and gives it the\n"
         "serial port, which the kernel must not be using, or the memory that a virtual machine\n"
         "shares with its host (QEMU's ivshmem-plain). 'remote' on the debugger's machine waits\n"
         "until the other is prepared; 'pause' halts it at once. BAUD is decimal. PORT is 'ttyS0'\n"
         "to 'ttyS3', or the path of a unix socket at the debugger. BELL is a serial port beside\n"
         "the shared memory: what the debugger says is heard at once by it, whatever the machine\n"
         "does; without one the kernel's timer looks every few milliseconds.\n\n"
         "examples:\n"
         "    .debug prepare serial 115200 ttyS1\n"
         "    .debug remote pause serial 115200 ttyS0\n"
         "    .debug remote namedpipe /tmp/debuggee.sock\n"
         "    .debug close\n",
     .keywords = "remote prepare close serial namedpipe shmem pause",
     .least_words = 1,
     .most_words = 5,
     .runs_unhalted = true,
     .run = run_debug},
    {.name = "g",
     .aliases = "go",
     .syntax = "g",
     .summary = "lets a halted machine run; in VMI Mode shows what scripts print again",
     .help = "At the prompt it waits for the next halt; Ctrl+C halts the machine. In VMI Mode it\n"
             "ends 'pause'.\n\nexample:\n    g\n",
     .run = run_go},
    {.name = "pause",
     .syntax = "pause",
     .summary = "halts the machine; in VMI Mode stops showing what scripts print",
     .help =
         "In Debugger Mode all cores halt, whatever they do. In VMI Mode the events go on, and\n"
         "what is printed until 'g' is discarded; a new event ends the pause as well.\n\n"
         "example:\n    pause\n",
     .runs_unhalted = true,
     .run = run_pause},
    {.name = "t",
     .syntax = "t [COUNT]",
     .summary = "steps one instruction",
     .help =
         "The other cores run meanwhile, and handlers of interrupts run to their end; but where\n"
         "an interrupt's event has halted the machine, 't' delivers it and stops at the first\n"
         "instruction of its handler. COUNT is hexadecimal. Enter repeats.\n\n"
         "examples:\n    t\n    t 10\n",
     .most_words = 1,
     .run = run_step},
    {.name = "tr",
     .syntax = "tr [COUNT]",
     .summary = "as 't', and shows the registers",
     .help = "example:\n    tr\n",
     .most_words = 1,
     .run = run_step},
    {.name = "p",
     .syntax = "p [COUNT]",
     .summary = "steps one instruction; calls run to their return",
     .help = "Handlers of interrupts run to their end. Enter repeats.\n\n"
             "examples:\n    p\n    p 5\n",
     .most_words = 1,
     .run = run_step},
    {.name = "pr",
     .syntax = "pr [COUNT]",
     .summary = "as 'p', and shows the registers",
     .help = "example:\n    pr\n",
     .most_words = 1,
     .run = run_step},
    {.name = "i",
     .syntax = "i [COUNT]",
     .summary = "steps one instruction while the other cores stay halted and interrupts wait",
     .help = "Interrupts are delivered at the next 'g', 't' or 'p'. An exception's handler is\n"
             "entered. Enter repeats.\n\n"
             "examples:\n    i\n    i 20\n",
     .most_words = 1,
     .run = run_step},
    {.name = "ir",
     .syntax = "ir [COUNT]",
     .summary = "as 'i', and shows the registers",
     .help = "example:\n    ir\n",
     .most_words = 1,
     .run = run_step},
    {.name = "gu",
     .syntax = "gu [COUNT]",
     .summary = "runs to the return of the function",
     .help = "Where the return address lies is found as 'k' finds it. Enter repeats.\n\n"
             "examples:\n    gu\n    gu 2\n",
     .most_words = 1,
     .run = run_step},
    {.name = "~",
     .aliases = "core",
     .syntax = "~\n~ CORE",
     .summary = "shows or changes the core that commands look at while halted",
     .help = "examples:\n    ~\n    ~ 1\n",
     .most_words = 1,
     .run = run_core},
    {.name = "prealloc",
     .aliases = "preallocate preallocation",
     .syntax = "prealloc TYPE COUNT",
     .summary = "reserves what events need while the machine is halted",
     .help = "Nothing can be allocated while the machine is halted, so events made then come from\n"
             "pools that are filled while it runs: 32 regular-event, 4 big-event,\n"
             "8 regular-safe-buffer and 1 big-safe-buffer at first. COUNT is hexadecimal.\n\n"
             "examples:\n    prealloc regular-event 10\n    prealloc big-safe-buffer 2\n",
     .keywords = "regular-event big-event regular-safe-buffer big-safe-buffer",
     .least_words = 2,
     .most_words = 2,
     .run = run_prealloc},
    {.name = "test",
     .syntax = "test\ntest query\ntest pool",
     .summary = "checks a halted machine, shows how its cores stand, or the pools",
     .help = "examples:\n    test\n    test query\n    test pool\n",
     .keywords = "query pool",
     .most_words = 1,
     .run = run_test},
};

}  // namespace

std::span<const CommandSpec> debugger_mode_commands() {
    return kCommands;
}

Outcome Session::connect_debug(const debuggee::DebugOptions& options) {
    if (options.timeout > std::chrono::hours{1})
        output_.text("waiting for a debuggee ...\n");
    const auto failure = debuggee_.connect_debug(options);
    if (!failure.ok()) {
        if (failure.kind == debuggee::ConnectFailure::Kind::kInterrupted)
            return Outcome::kInterrupted;
        (void)tell({failure.text, {}, {}}, {});
        return failure.kind == debuggee::ConnectFailure::Kind::kTimedOut ? Outcome::kTimedOut
                                                                         : Outcome::kUnreachable;
    }
    was_lost_ = false;
    is_paused_ = false;
    owes_settings_ = true;
    const rs_version& version = debuggee_.identity();
    const auto text = [](const char* field, std::size_t size) {
        return std::string{field, strnlen(field, size)};
    };
    output_.text(
        fmt::format("debuggee connected: {}, {}\n{}\n", text(version.kernel, sizeof version.kernel),
                    text(version.host_name, sizeof version.host_name), signature_line(version)));
    if (options.pause)
        return await_halt(kPausePatience);
    // Where it stands, if it does, comes right behind.
    (void)debuggee_.drain();
    if (has_halt_news_)
        return await_halt({});
    return environment_.waits_for_halts() ? await_halt({}) : Outcome::kOk;
}

Outcome Session::switch_core(const Invocation& invocation, u32 core,
                             std::optional<std::size_t> place) {
    expect_halt();
    const auto switched = debuggee_.switch_core(core);
    if (switched)
        return await_halt(kPausePatience, false);
    keep_halt();
    if (switched.failure().code == RS_ERR_BAD_CORE)
        return fail(invocation, {"no such core", place, {}});
    return request_failed(switched.failure());
}

Outcome Session::let_run(const rs_run& request) {
    const rs_halt before = halt_;
    expect_halt();
    const auto went = debuggee_.run(request);
    if (went)
        return Outcome::kOk;
    halt_ = before;
    keep_halt();
    return request_failed(went.failure());
}

Outcome Session::await_halt(std::optional<milliseconds> limit, bool shows) {
    const auto has_ended = [this] { return has_halt_news_ || !debuggee_.is_connected(); };
    bool was_interrupted = false;
    auto how = limit ? loop_.wait_until(has_ended, *limit) : loop_.wait_until(has_ended);
    if (how == transport::Wait::kInterrupted && environment_.is_ending())
        return Outcome::kInterrupted;
    if (how == transport::Wait::kInterrupted && debuggee_.is_connected()) {
        was_interrupted = true;
        limit = kPausePatience;
        const auto asked = debuggee_.pause();
        if (!asked)
            return request_failed(asked.failure());
        how = loop_.wait_until(has_ended, *limit);
        if (how == transport::Wait::kInterrupted && debuggee_.is_connected())
            return Outcome::kInterrupted;  // once more: the prompt, with the machine still asked
    }
    if (!debuggee_.is_connected())
        return Outcome::kUnreachable;
    if (!has_halt_news_) {
        has_given_up_ = true;
        (void)tell({fmt::format("the debuggee did not halt within {} s",
                                (limit.value_or(milliseconds{0}).count() + 999) / 1000),
                    {},
                    was_interrupted ? "" : "'pause' or Ctrl+C halts it"},
                   {});
        return Outcome::kTimedOut;
    }
    has_halt_news_ = has_given_up_ = false;
    is_halted_ = true;
    if (shows)
        show_halt();
    // The user's own, not those of who prepared the machine; root mode takes them while it stands.
    if (std::exchange(owes_settings_, false))
        if (const auto told = debuggee_.settings(settings_.for_root_mode()); !told)
            return request_failed(told.failure());
    return was_interrupted && !environment_.waits_for_halts() ? Outcome::kInterrupted
                                                              : Outcome::kOk;
}

Outcome Session::break_in() {
    const auto asked = debuggee_.pause();
    return asked ? await_halt(kPausePatience) : request_failed(asked.failure());
}

void Session::show_news() {
    if (debuggee_.is_debug_link() && !is_halted_ && has_halt_news_)
        (void)await_halt(milliseconds{0});
}

void Session::take_halt(const rs_halt& halt) {
    if (halt.generation == halt_.generation && halt.core == halt_.core)
        return;  // told again
    halt_ = halt;
    has_halt_news_ = true;
}

void Session::show_halt() {
    std::string heading;
    if (halt_.reason == RS_HALT_EVENT || halt_.reason == RS_HALT_SCRIPT)
        heading = fmt::format("event 0x{:x} triggered ({})\n", halt_.event_id, stage_word(halt_));
    if (halt_.reason == RS_HALT_BREAKPOINT)
        heading = fmt::format("breakpoint 0x{:x} hit\n", halt_.breakpoint);
    if (halt_.missing_cores != 0)
        output_.diagnostic(fmt::format("warn, {} cores did not halt in time", halt_.missing_cores));
    show_place(heading);
}

/// The line of specification BRK-2, made of the report alone as far as it can be.
void Session::show_place(std::string_view heading) {
    const bool names_addresses = settings_.is_on(Setting::kAddressConversion);
    const std::string name{halt_.symbol, strnlen(halt_.symbol, sizeof halt_.symbol)};
    AddressNames others{*this};
    const SymbolNamer of_report = [&](u64 address) -> std::string {
        if (address == halt_.rip && !name.empty() && halt_.symbol_address != 0)
            return halt_.symbol_address == address
                       ? name
                       : fmt::format("{}+0x{:x}", name, address - halt_.symbol_address);
        return others.text(address);
    };
    const SymbolNamer namer = names_addresses ? of_report : SymbolNamer{};
    std::string text{heading};
    const std::string symbol = names_addresses ? of_report(halt_.rip) : std::string{};
    if (!symbol.empty())
        text += symbol_line(halt_.rip, namer) + "\n";
    const auto code = std::as_bytes(std::span{halt_.code})
                          .first(std::min<std::size_t>(halt_.code_len, sizeof halt_.code));
    const Syntax syntax = syntax_called(settings_.word(Setting::kSyntax));
    std::string instruction;
    if (code.empty()) {
        text += fmt::format("{}    ??                                  (no memory)\n",
                            address_text(halt_.rip));
    } else {
        instruction = instruction_text(halt_.rip, code, halt_.is_long_mode != 0, syntax, namer);
        text += instruction_line(halt_.rip, code, halt_.is_long_mode != 0, syntax, namer) + "\n";
    }
    const bool is_of_event = halt_.reason == RS_HALT_EVENT || halt_.reason == RS_HALT_SCRIPT;
    output_.halt({.reason = halt_.reason < std::size(kHaltReasons) ? kHaltReasons[halt_.reason]
                                                                   : kHaltReasons[0],
                  .core = halt_.core,
                  .pid = halt_.pid,
                  .tid = halt_.tid,
                  .event = is_of_event ? std::optional{halt_.event_id} : std::nullopt,
                  .stage = is_of_event ? stage_word(halt_) : std::string_view{},
                  .breakpoint = halt_.reason == RS_HALT_BREAKPOINT ? std::optional{halt_.breakpoint}
                                                                   : std::nullopt,
                  .rip = halt_.rip,
                  .symbol = symbol,
                  .instruction = instruction,
                  .text = text});
}

}  // namespace ringside::commands
