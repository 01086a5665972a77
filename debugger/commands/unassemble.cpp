// SPDX-License-Identifier: GPL-3.0-or-later
// u, u2, !u, !u2: machine code as instructions.
#include <fmt/format.h>

#include "commands/evaluation.hpp"
#include "commands/symbol_names.hpp"

namespace ringside::commands {
namespace {

constexpr u64 kUsualBytes = 0x40;
constexpr u64 kMostBytes = 0x10000;

/// What is to be shown.
struct Request {
    u64 address = 0;
    u64 length = kUsualBytes;
    bool is_long_mode = true;
    bool is_physical = false;
    ProcessChoice process;
};

/// Where to go on without an address, or where the debuggee was halted.
Outcome choose_address(Session& session, const Invocation& invocation, Request& request) {
    const auto next = session.next_addresses().find(request.is_physical ? "!u" : "u");
    if (next != session.next_addresses().end()) {
        request.address = next->second;
        return Outcome::kOk;
    }
    if (request.is_physical || !session.is_halted())
        return session.fail(invocation,
                            {"an address is needed",
                             {},
                             fmt::format("as in '{} {}'", invocation.spec.name,
                                         request.is_physical ? "1000000" : "vmlinux!schedule")});
    const auto registers = session.debuggee().registers();
    if (!registers)
        return session.request_failed(registers.failure());
    request.address = registers->value[RS_FULL_RIP];
    return Outcome::kOk;
}

std::string listing(AddressNames& names, Syntax syntax, const Request& request,
                    std::span<const std::byte> bytes, bool is_complete, u64& next) {
    std::string text;
    u64 named_to = 0;  // end of the function whose name was shown last
    bool is_first = true;
    std::size_t at = 0;
    while (at < bytes.size() && at < request.length) {
        const u64 address = request.address + at;
        const auto rest = bytes.subspan(at);
        const std::size_t length = instruction_length(rest, request.is_long_mode);
        if (length == 0 && !is_complete && rest.size() < kMaxInstructionBytes && at != 0)
            break;  // the rest of it cannot be read
        if (!request.is_physical && (is_first || address >= named_to)) {
            const SymbolPlace* place = names.at(address);
            if (place != nullptr && (is_first || place->offset == 0))
                text += place->text() + ":\n";
            if (place != nullptr)
                named_to = address - place->offset + place->size;
        }
        text += request.is_physical ? "#\t" : "";
        text += instruction_line(address, rest, request.is_long_mode, syntax,
                                 request.is_physical ? SymbolNamer{} : names.namer()) +
                "\n";
        at += length == 0 ? 1 : length;
        is_first = false;
    }
    next = request.address + at;
    return text;
}

Outcome run_unassemble(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"l", "pid"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> length_words = parts->behind("l");
    const bool is_physical = invocation.spec.name.starts_with('!');
    if (is_physical && !parts->behind("pid").empty())
        return session.wrong_use(invocation, &parts->behind("pid")[0]);
    if (length_words.size() > 1)
        return session.wrong_use(invocation, &length_words[1]);
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    Request request{.is_long_mode = !invocation.spec.name.ends_with('2'),
                    .is_physical = is_physical,
                    .process = {}};
    if (!length_words.empty()) {
        const auto length =
            read_number(session, invocation, length_words[0], "length", 1, kMostBytes);
        if (!length)
            return Outcome::kFailed;
        request.length = *length;
    }
    const auto process = read_process(session, invocation, *parts);
    if (!process)
        return Outcome::kFailed;
    request.process = *process;
    const Outcome found = parts->front().empty()
                              ? choose_address(session, invocation, request)
                              : evaluate(session, invocation, parts->front(), request.address);
    if (found != Outcome::kOk)
        return found;

    // The last instruction may reach beyond the length.
    const auto memory = session.debuggee().read_memory(
        request.address, request.length + kMaxInstructionBytes - 1,
        {.is_physical = request.is_physical, .process_id = request.process.pid});
    if (!memory)
        return memory_request_failed(session, invocation, request.process, memory.failure());
    AddressNames names{session};
    u64 next = 0;
    session.output().text(listing(names, syntax_called(session.settings().word(Setting::kSyntax)),
                                  request, memory->bytes, memory->is_complete, next));
    if (next - request.address < request.length)
        return session.fail(invocation, {stop_text("read", *memory, request.is_physical), {}, {}});
    session.next_addresses()[request.is_physical ? "!u" : "u"] = next;
    session.set_repeatable(
        fmt::format("{} {:x} l {:x}{}", invocation.spec.name, next, request.length,
                    request.process.word ? fmt::format(" pid {:x}", request.process.pid) : ""));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "u",
     .aliases = "u64",
     .syntax = "u [ADDR] [l LEN] [pid PID]",
     .summary = "shows machine code as instructions",
     .help =
         "ADDR is an expression: a number, a symbol, registers, sums of them. Without it, goes\n"
         "on where the last one ended, at first where the debuggee was halted; so does an\n"
         "empty line at the prompt. LEN is in bytes, 40 if it is left out. 'settings syntax'\n"
         "chooses intel, att or masm, 'settings addressconversion' shows names or not.\n\n"
         "examples:\n"
         "    u vmlinux!schedule\n"
         "    u schedule+10 l 20\n"
         "    u @rip\n"
         "    u 400000 pid 12c0\n",
     .keywords = "l pid",
     .is_free_form = true,
     .run = run_unassemble},
    {.name = "u2",
     .aliases = "u32",
     .syntax = "u2 [ADDR] [l LEN] [pid PID]",
     .summary = "shows 32-bit machine code as instructions",
     .help = "As 'u', for the code of 32-bit programs.\n\nexample:\n    u2 8048000 pid 12c0\n",
     .keywords = "l pid",
     .is_free_form = true,
     .run = run_unassemble},
    {.name = "!u",
     .aliases = "!u64",
     .syntax = "!u [ADDR] [l LEN]",
     .summary = "shows machine code at a physical address",
     .help = "As 'u'; lines begin with '#', and no names are shown.\n\n"
             "example:\n    !u 1000000 l 20\n",
     .keywords = "l",
     .is_free_form = true,
     .run = run_unassemble},
    {.name = "!u2",
     .aliases = "!u32",
     .syntax = "!u2 [ADDR] [l LEN]",
     .summary = "shows 32-bit machine code at a physical address",
     .help = "As '!u'.\n\nexample:\n    !u2 7c00\n",
     .keywords = "l",
     .is_free_form = true,
     .run = run_unassemble},
};

}  // namespace

std::span<const CommandSpec> unassemble_commands() {
    return kCommands;
}

}  // namespace ringside::commands
