// SPDX-License-Identifier: GPL-3.0-or-later
// r: registers of the halted core.
#include "commands/registers.hpp"

#include <fmt/format.h>

#include <vector>

#include "commands/evaluation.hpp"
#include "commands/suggest.hpp"
#include "language/names.hpp"
#include "script/machine_registers.hpp"

namespace ringside::commands {
namespace {

std::string_view without_at(std::string_view word) {
    if (word.starts_with('@'))
        word.remove_prefix(1);
    return word;
}

u64 part_of(const rs_registers& registers, u32 which) {
    const script::RegisterInfo& info = script::kRegisters[which];
    const u64 value = registers.value[info.full] >> info.shift;
    return info.width == 64 ? value : value & ((u64{1} << info.width) - 1);
}

/// A word of the command that names a register; `text` is part of it, `offset` where that stands.
std::optional<u32> read_register(Session& session, const Invocation& invocation,
                                 std::string_view text, std::size_t offset) {
    const auto which = register_called(text);
    if (which)
        return which;
    const std::string_view meant = nearest_register(text);
    (void)session.fail(
        invocation, {"no such register: " + in_quotes(text), offset,
                     meant.empty() ? "'r' shows them" : fmt::format("did you mean '{}'?", meant)});
    return std::nullopt;
}

/// 'r REG = EXPR'.
Outcome assign(Session& session, const Invocation& invocation, std::size_t equals) {
    const std::string_view text = invocation.text;
    const Token& first = invocation.words.front();
    const std::size_t name_end = std::min(equals, first.end);
    const std::size_t value_at = text.find_first_not_of(" \t\r\n", equals + 1);
    if (name_end == first.begin || value_at == std::string_view::npos)
        return session.wrong_use(invocation, &first);
    // Nothing but blanks between the name and '='.
    if (const std::size_t next = text.find_first_not_of(" \t\r\n", name_end); next != equals)
        return session.wrong_use(invocation, &invocation.words[1]);
    const auto which = read_register(session, invocation,
                                     text.substr(first.begin, name_end - first.begin), first.begin);
    if (!which)
        return Outcome::kFailed;
    const script::RegisterInfo& info = script::kRegisters[*which];
    if (info.kind == RS_KIND_FIXED)
        return session.fail(invocation,
                            {fmt::format("'{}' cannot be written", info.name), first.begin, {}});
    // The value's words: behind '=', wherever blanks are.
    std::vector<Token> words;
    for (const Token& word : invocation.words)
        if (word.end > equals + 1) {
            words.push_back(word);
            words.back().begin = std::max(word.begin, value_at);
        }
    u64 value = 0;
    const Outcome evaluated = evaluate(session, invocation, words, value);
    if (evaluated != Outcome::kOk)
        return evaluated;
    if (info.width < 64 && value >> info.width != 0)
        return session.fail(invocation,
                            {fmt::format("value {:x} does not fit in '{}' of {} bit{}", value,
                                         info.name, info.width, info.width == 1 ? "" : "s"),
                             value_at,
                             {}});
    u64 ignored = 0;
    return run_once(session, fmt::format("@{} = 0x{:x};", info.name, value), ignored);
}

/// Where '=' stands in the command, if it does; one in a comment does not count.
std::optional<std::size_t> find_equals(const Invocation& invocation) {
    for (const Token& word : invocation.words) {
        const std::size_t at = invocation.text.find('=', word.begin);
        if (at < word.end)
            return at;
    }
    return std::nullopt;
}

Outcome run_registers(Session& session, const Invocation& invocation) {
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    if (const auto equals = find_equals(invocation))
        return assign(session, invocation, *equals);
    if (invocation.words.size() > 1)
        return session.wrong_use(invocation, &invocation.words[1]);
    std::optional<u32> which;
    if (!invocation.words.empty()) {
        const Token& word = invocation.words[0];
        which = read_register(session, invocation, word.text, word.begin);
        if (!which)
            return Outcome::kFailed;
    }
    const auto registers = session.debuggee().registers();
    if (!registers)
        return session.request_failed(registers.failure());
    session.output().text(which ? register_text(*registers, *which) + "\n"
                                : register_block(*registers));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "r",
     .syntax = "r\nr REG\nr REG = EXPR",
     .summary = "shows or changes registers of the core that operates",
     .help =
         "Only while the debuggee is halted in Debugger Mode. REG is the name of a register or\n"
         "of a part of one, with or without '@'; flags are registers of one bit. Segments\n"
         "show their selectors.\n\n"
         "examples:\n"
         "    r\n"
         "    r rip\n"
         "    r al = 1\n"
         "    r @rax = @rbx + 10\n"
         "    r zf = 0\n",
     .is_free_form = true,
     .run = run_registers},
};

}  // namespace

std::string register_block(const rs_registers& registers) {
    const auto value = [&](u32 which) { return registers.value[which]; };
    std::string text;
    struct Row {
        const char* name;
        u32 which;
    };
    constexpr Row kRows[][3] = {
        {{"RAX", RS_FULL_RAX}, {"RBX", RS_FULL_RBX}, {"RCX", RS_FULL_RCX}},
        {{"RDX", RS_FULL_RDX}, {"RSI", RS_FULL_RSI}, {"RDI", RS_FULL_RDI}},
        {{"RIP", RS_FULL_RIP}, {"RSP", RS_FULL_RSP}, {"RBP", RS_FULL_RBP}},
        {{"R8 ", RS_FULL_R8}, {"R9 ", RS_FULL_R9}, {"R10", RS_FULL_R10}},
        {{"R11", RS_FULL_R11}, {"R12", RS_FULL_R12}, {"R13", RS_FULL_R13}},
    };
    for (const auto& row : kRows)
        text += fmt::format("{}={:016x} {}={:016x} {}={:016x}\n", row[0].name, value(row[0].which),
                            row[1].name, value(row[1].which), row[2].name, value(row[2].which));
    const auto bit = [&](u32 which) { return part_of(registers, which); };
    text += fmt::format("R14={:016x} R15={:016x} IOPL={:02x}\n", value(RS_FULL_R14),
                        value(RS_FULL_R15), bit(RS_REG_IOPL));
    text += fmt::format("OF {}  DF {}  IF {}  SF  {}\nZF {}  PF {}  CF {}  AXF {}\n",
                        bit(RS_REG_OF), bit(RS_REG_DF), bit(RS_REG_IF), bit(RS_REG_SF),
                        bit(RS_REG_ZF), bit(RS_REG_PF), bit(RS_REG_CF), bit(RS_REG_AF));
    text +=
        fmt::format("CS {:04x} SS {:04x} DS {:04x} ES {:04x} FS {:04x} GS {:04x}\n", bit(RS_REG_CS),
                    bit(RS_REG_SS), bit(RS_REG_DS), bit(RS_REG_ES), bit(RS_REG_FS), bit(RS_REG_GS));
    return text + fmt::format("RFLAGS={:016x}\n", value(RS_FULL_RFLAGS));
}

std::string register_text(const rs_registers& registers, u32 which) {
    return fmt::format("{}={:016x}", script::kRegisters[which].name, part_of(registers, which));
}

std::optional<u32> register_called(std::string_view word) {
    return language::find_register(lower_case(without_at(word)));
}

std::string_view nearest_register(std::string_view word) {
    std::vector<std::string_view> names;
    for (const script::RegisterInfo& info : script::kRegisters)
        names.emplace_back(info.name);
    return nearest(without_at(word), names);
}

std::span<const CommandSpec> register_commands() {
    return kCommands;
}

}  // namespace ringside::commands
