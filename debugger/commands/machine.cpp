// SPDX-License-Identifier: GPL-3.0-or-later
// !idt: what the machine does with its interrupts.
#include <fmt/format.h>

#include <map>

#include "commands/number.hpp"
#include "commands/session.hpp"

namespace ringside::commands {
namespace {

constexpr u32 kEntries = 256;

/// ffffffff`81c3a2cb
std::string address_text(u64 address) {
    return fmt::format("{:08x}`{:08x}", address >> 32, address & 0xffff'ffff);
}

/// "vmlinux!asm_exc_page_fault", "nvme!irq+0x10" of the kernel's "irq+0x10/0x40 [nvme]".
std::string with_module(std::string_view symbol) {
    const std::size_t size_at = symbol.find('/');
    std::string_view name = symbol.substr(0, size_at);
    if (name.ends_with("+0x0"))
        name.remove_suffix(4);
    const std::size_t open = symbol.find('[');
    const std::string_view module =
        open == std::string_view::npos ? "vmlinux"
                                       : symbol.substr(open + 1, symbol.find(']', open) - open - 1);
    return fmt::format("{}!{}", module, name);
}

Outcome run_idt(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    u32 first = 0, end = kEntries;
    if (!invocation.words.empty()) {
        const Token& word = invocation.words[0];
        const Number number = parse_number(word.text);
        if (number.status != NumberStatus::kOk || number.value >= kEntries)
            return session.fail(
                invocation,
                {"entry must be 0x0 to 0xff, not " + in_quotes(word.text), word.begin, {}});
        first = static_cast<u32>(number.value);
        end = first + 1;
    }
    const bool names_addresses = session.settings().is_on(Setting::kAddressConversion);
    std::string text = "IDT Entries:\n";
    std::map<u64, std::string> names;  // many entries share a handler
    for (u32 at = first; at < end; at += RS_IDT_CHUNK) {
        const u32 count = std::min(end - at, RS_IDT_CHUNK);
        const auto chunk = session.debuggee().idt(at, count);
        if (!chunk)
            return session.request_failed(chunk.failure());
        for (u32 i = 0; i < count; ++i) {
            const u64 handler = chunk->handler[i];
            auto known = names.find(handler);
            if (known == names.end()) {
                const auto symbol = session.debuggee().symbol_at(handler);
                if (!symbol && symbol.failure().code != RS_ERR_NO_SYMBOL)
                    return session.request_failed(symbol.failure());
                known = names.emplace(handler, symbol ? with_module(*symbol) : "").first;
            }
            text += fmt::format("{:<14}: {}", fmt::format("IDT[0x{0:x}:{0}]", at + i),
                                address_text(handler));
            text += known->second.empty() || !names_addresses
                        ? "\n"
                        : fmt::format("     {}\n", known->second);
        }
    }
    session.output().text(text);
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "!idt",
     .syntax = "!idt [ENTRY]",
     .summary = "shows the interrupt descriptor table: who handles which vector",
     .help = "ENTRY is 0 to ff; without it all are shown. The table is that of the core the\n"
             "request runs on; Linux has one for all.\n\n"
             "examples:\n"
             "    !idt\n"
             "    !idt ec       (the local timer)\n"
             "    !idt 0n14     (page faults)\n",
     .most_words = 1,
     .run = run_idt},
};

}  // namespace

std::span<const CommandSpec> machine_commands() {
    return kCommands;
}

}  // namespace ringside::commands
