// SPDX-License-Identifier: GPL-3.0-or-later
// d*, e*, s* and their physical forms: shows, changes and searches memory.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/disassembly.hpp"
#include "commands/evaluation.hpp"
#include "commands/memory_dump.hpp"
#include "commands/number.hpp"

namespace ringside::commands {
namespace {

constexpr u64 kUsualBytes = 0x80;
constexpr u64 kMostDumped = 0x100000;
constexpr u64 kMostSearched = u64{1} << 40;
constexpr std::size_t kMostValues = 0x1000;

/// What the command's name says: "!eb".
struct Form {
    bool is_physical;
    char unit_letter;  ///< b, c, d, q
    unsigned bytes() const { return unit_letter == 'b' ? 1 : unit_letter == 'q' ? 8 : 4; }
};

Form form_of(const Invocation& invocation) {
    return {invocation.spec.name.front() == '!', invocation.spec.name.back()};
}

/// The command's parts; physical memory is no process's. Nothing with the error told.
std::optional<Parts> split(Session& session, const Invocation& invocation, const Form& form,
                           std::initializer_list<std::string_view> keywords) {
    auto parts = Parts::split(session, invocation, keywords);
    if (!parts || !form.is_physical || parts->behind("pid").empty())
        return parts;
    (void)session.wrong_use(invocation, &parts->behind("pid")[0]);
    return std::nullopt;
}

DumpStyle style_of(const Form& form) {
    switch (form.unit_letter) {
        case 'b':
            return DumpStyle::kBytes;
        case 'c':
            return DumpStyle::kDoublesCharacters;
        case 'q':
            return DumpStyle::kQuads;
        default:
            return DumpStyle::kDoubles;
    }
}

/// Of an address that was left out.
Outcome choose_address(Session& session, const Invocation& invocation, const Form& form,
                       u64& address) {
    const auto next = session.next_addresses().find(form.is_physical ? "!d" : "d");
    if (next != session.next_addresses().end()) {
        address = next->second;
        return Outcome::kOk;
    }
    if (form.is_physical || !session.is_halted())
        return session.fail(invocation,
                            {"an address is needed",
                             {},
                             fmt::format("as in '{} {}'", invocation.spec.name,
                                         form.is_physical ? "1000000" : "vmlinux!linux_banner")});
    const auto registers = session.debuggee().registers();
    if (!registers)
        return session.request_failed(registers.failure());
    address = registers->value[RS_FULL_RIP];
    return Outcome::kOk;
}

Outcome run_dump(Session& session, const Invocation& invocation) {
    const Form form = form_of(invocation);
    const auto parts = split(session, invocation, form, {"l", "pid"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> length_words = parts->behind("l");
    if (length_words.size() > 1)
        return session.wrong_use(invocation, &length_words[1]);
    u64 length = kUsualBytes;
    if (!length_words.empty()) {
        const auto given =
            read_number(session, invocation, length_words[0], "length", 1, kMostDumped);
        if (!given)
            return Outcome::kFailed;
        length = *given;
    }
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto process = read_process(session, invocation, *parts);
    if (!process)
        return Outcome::kFailed;
    u64 address = 0;
    const Outcome found = parts->front().empty()
                              ? choose_address(session, invocation, form, address)
                              : evaluate(session, invocation, parts->front(), address);
    if (found != Outcome::kOk)
        return found;

    const auto memory = session.debuggee().read_memory(
        address, length, {.is_physical = form.is_physical, .process_id = process->pid});
    if (!memory)
        return memory_request_failed(session, invocation, *process, memory.failure());
    session.output().text(
        memory_dump(style_of(form), address, memory->bytes, length, form.is_physical));
    if (!memory->is_complete)
        return session.fail(invocation, {stop_text("read", *memory, form.is_physical), {}, {}});
    session.next_addresses()[form.is_physical ? "!d" : "d"] = address + length;
    session.set_repeatable(
        fmt::format("{} {:x} l {:x}{}", invocation.spec.name, address + length, length,
                    process->word ? fmt::format(" pid {:x}", process->pid) : ""));
    return Outcome::kOk;
}

/// Reads the values of an edit or a search, one behind the other as they lie in memory; nothing
/// with the error told.
std::optional<std::vector<std::byte>> read_values(Session& session, const Invocation& invocation,
                                                  std::span<const Token> words, unsigned width,
                                                  std::size_t most_bytes) {
    std::vector<std::byte> bytes;
    for (const Token& word : words) {
        const Number number = parse_number(word.text);
        if (word.kind != TokenKind::kWord || number.status == NumberStatus::kNotANumber) {
            (void)session.fail(invocation, {"bad value " + in_quotes(word.text), word.begin,
                                            "values are hex, prefix 0n for decimal"});
            return std::nullopt;
        }
        if (number.status == NumberStatus::kTooLarge ||
            (width < 8 && number.value >> width * 8 != 0)) {
            (void)session.fail(
                invocation, {fmt::format("value {} does not fit in {} byte{}", in_quotes(word.text),
                                         width, width == 1 ? "" : "s"),
                             word.begin,
                             {}});
            return std::nullopt;
        }
        const auto* first = reinterpret_cast<const std::byte*>(&number.value);
        bytes.insert(bytes.end(), first, first + width);
        if (bytes.size() > most_bytes) {
            (void)session.fail(
                invocation,
                {fmt::format("at most 0x{:x} values", most_bytes / width), word.begin, {}});
            return std::nullopt;
        }
    }
    return bytes;
}

Outcome run_edit(Session& session, const Invocation& invocation) {
    const Form form = form_of(invocation);
    const auto parts = split(session, invocation, form, {"pid"});
    if (!parts)
        return Outcome::kFailed;
    if (parts->front().size() < 2)
        return session.wrong_use(invocation);
    const auto bytes = read_values(session, invocation, parts->front().subspan(1), form.bytes(),
                                   kMostValues * form.bytes());
    if (!bytes)
        return Outcome::kFailed;
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto process = read_process(session, invocation, *parts);
    if (!process)
        return Outcome::kFailed;
    u64 address = 0;
    if (const Outcome found = evaluate(session, invocation, parts->front().first(1), address);
        found != Outcome::kOk)
        return found;
    const auto written = session.debuggee().write_memory(
        address, *bytes, {.is_physical = form.is_physical, .process_id = process->pid});
    if (!written)
        return memory_request_failed(session, invocation, *process, written.failure());
    if (!written->is_complete)
        return session.fail(invocation, {stop_text("write", *written, form.is_physical),
                                         parts->front()[0].begin, "nothing was changed"});
    return Outcome::kOk;
}

Outcome run_search(Session& session, const Invocation& invocation) {
    const Form form = form_of(invocation);
    const auto parts = split(session, invocation, form, {"l", "pid"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> behind_length = parts->behind("l");
    if (parts->front().empty() || behind_length.size() < 2)
        return session.wrong_use(invocation);
    const auto length =
        read_number(session, invocation, behind_length[0], "length", 1, kMostSearched);
    if (!length)
        return Outcome::kFailed;
    const auto pattern = read_values(session, invocation, behind_length.subspan(1), form.bytes(),
                                     RS_MAX_MEM_PATTERN);
    if (!pattern)
        return Outcome::kFailed;
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto process = read_process(session, invocation, *parts);
    if (!process)
        return Outcome::kFailed;
    u64 address = 0;
    if (const Outcome found = evaluate(session, invocation, parts->front(), address);
        found != Outcome::kOk)
        return found;
    const auto search = session.debuggee().search_memory(
        address, *length, *pattern, form.bytes(),
        {.is_physical = form.is_physical, .process_id = process->pid});
    if (!search)
        return memory_request_failed(session, invocation, *process, search.failure());
    std::string text;
    for (const u64 hit : search->hits)
        text += fmt::format("{}{}\n", form.is_physical ? "#\t" : "", address_text(hit));
    session.output().text(search->hits.empty() && search->is_complete ? "not found\n" : text);
    if (search->has_more)
        session.notice(fmt::format("cut at 0x{:x} hits; it goes on at {}", search->hits.size(),
                                   address_text(address + search->done)));
    if (!search->is_complete)
        return session.fail(invocation, {stop_text("read", *search, form.is_physical), {}, {}});
    return Outcome::kOk;
}

#define RS_DUMP_HELP                                                                            \
    "ADDR is an expression: a number, a symbol, registers, sums of them. Without it, goes\n"    \
    "on where the last one ended, at first where the debuggee was halted; so does an empty\n"   \
    "line at the prompt. LEN is in bytes, 80 if it is left out. What cannot be read is shown\n" \
    "as '?', and why is told.\n\n"
#define RS_PHYSICAL_DUMP_HELP "ADDR is a physical address; lines begin with '#'.\n\n"
#define RS_EDIT_HELP                                                                     \
    "ADDR is an expression in one word; values lie behind each other. All of them are\n" \
    "written or none; a value that is too wide is refused.\n\n"
#define RS_SEARCH_HELP                                                                         \
    "Prints the address of each place where the values lie behind each other, at most 1000,\n" \
    "as far as memory can be read. Places are multiples of a value's width from ADDR on.\n\n"

constexpr CommandSpec dump(std::string_view name, std::string_view syntax, std::string_view summary,
                           std::string_view help) {
    return {.name = name,
            .syntax = syntax,
            .summary = summary,
            .help = help,
            .keywords = name.front() == '!' ? "l" : "l pid",
            .is_free_form = true,
            .run = run_dump};
}

constexpr CommandSpec edit(std::string_view name, std::string_view syntax, std::string_view summary,
                           std::string_view help) {
    return {.name = name,
            .syntax = syntax,
            .summary = summary,
            .help = help,
            .keywords = name.front() == '!' ? "" : "pid",
            .is_free_form = true,
            .run = run_edit};
}

constexpr CommandSpec search(std::string_view name, std::string_view syntax,
                             std::string_view summary, std::string_view help) {
    return {.name = name,
            .syntax = syntax,
            .summary = summary,
            .help = help,
            .keywords = name.front() == '!' ? "l" : "l pid",
            .is_free_form = true,
            .run = run_search};
}

constexpr CommandSpec kCommands[] = {
    dump("db", "db [ADDR] [l LEN] [pid PID]", "shows memory as bytes and characters",
         RS_DUMP_HELP "examples:\n    db vmlinux!linux_banner\n    db @rsp l 40\n"
                      "    db 400000 pid 12c0\n"),
    dump("dc", "dc [ADDR] [l LEN] [pid PID]", "shows memory as 4-byte words and characters",
         RS_DUMP_HELP "example:\n    dc vmlinux!linux_banner l 20\n"),
    dump("dd", "dd [ADDR] [l LEN] [pid PID]", "shows memory as 4-byte words",
         RS_DUMP_HELP "example:\n    dd vmlinux!jiffies l 4\n"),
    dump("dq", "dq [ADDR] [l LEN] [pid PID]", "shows memory as 8-byte words",
         RS_DUMP_HELP "examples:\n    dq jiffies l 8\n    dq poi(@rsp)+10\n"),
    dump("!db", "!db [ADDR] [l LEN]", "shows physical memory as bytes and characters",
         RS_PHYSICAL_DUMP_HELP "example:\n    !db 1000000\n"),
    dump("!dc", "!dc [ADDR] [l LEN]", "shows physical memory as 4-byte words and characters",
         RS_PHYSICAL_DUMP_HELP "example:\n    !dc 1000000 l 40\n"),
    dump("!dd", "!dd [ADDR] [l LEN]", "shows physical memory as 4-byte words",
         RS_PHYSICAL_DUMP_HELP "example:\n    !dd 1000000\n"),
    dump("!dq", "!dq [ADDR] [l LEN]", "shows physical memory as 8-byte words",
         RS_PHYSICAL_DUMP_HELP "example:\n    !dq @cr3 l 1000\n"),
    edit("eb", "eb ADDR VALUE... [pid PID]", "writes bytes to memory",
         RS_EDIT_HELP "examples:\n    eb ffff888001234000 90 90 90\n    eb @rsp+10 0n255\n"),
    edit("ed", "ed ADDR VALUE... [pid PID]", "writes 4-byte words to memory",
         RS_EDIT_HELP "example:\n    ed 7ffd00001000 deadbeef pid 12c0\n"),
    edit("eq", "eq ADDR VALUE... [pid PID]", "writes 8-byte words to memory",
         RS_EDIT_HELP "example:\n    eq @rsp 0 ffffffff`81000000\n"),
    edit("!eb", "!eb ADDR VALUE...", "writes bytes to physical memory",
         RS_EDIT_HELP "example:\n    !eb 1234000 90 90\n"),
    edit("!ed", "!ed ADDR VALUE...", "writes 4-byte words to physical memory",
         RS_EDIT_HELP "example:\n    !ed 1234000 deadbeef\n"),
    edit("!eq", "!eq ADDR VALUE...", "writes 8-byte words to physical memory",
         RS_EDIT_HELP "example:\n    !eq 1234000 0 1\n"),
    search("sb", "sb ADDR l LEN VALUE... [pid PID]", "searches memory for bytes",
           RS_SEARCH_HELP "example:\n    sb vmlinux!linux_banner l 100 4c 69 6e\n"),
    search("sd", "sd ADDR l LEN VALUE... [pid PID]", "searches memory for 4-byte words",
           RS_SEARCH_HELP "example:\n    sd @rsp l 1000 deadbeef\n"),
    search("sq", "sq ADDR l LEN VALUE... [pid PID]", "searches memory for 8-byte words",
           RS_SEARCH_HELP "example:\n    sq @rsp l 1000 ffffffff`81000000\n"),
    search("!sb", "!sb ADDR l LEN VALUE...", "searches physical memory for bytes",
           RS_SEARCH_HELP "example:\n    !sb 0 l 100000 52 53 44 20 50 54 52\n"),
    search("!sd", "!sd ADDR l LEN VALUE...", "searches physical memory for 4-byte words",
           RS_SEARCH_HELP "example:\n    !sd 1000000 l 100000 deadbeef\n"),
    search("!sq", "!sq ADDR l LEN VALUE...", "searches physical memory for 8-byte words",
           RS_SEARCH_HELP "example:\n    !sq 1000000 l 100000 ffffffff`81000000\n"),
};

#undef RS_DUMP_HELP
#undef RS_PHYSICAL_DUMP_HELP
#undef RS_EDIT_HELP
#undef RS_SEARCH_HELP

}  // namespace

std::span<const CommandSpec> memory_commands() {
    return kCommands;
}

}  // namespace ringside::commands
