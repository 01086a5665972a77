// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_list.hpp"

#include <fmt/format.h>

namespace ringside::commands {
namespace {

constexpr std::size_t kListWidth = 70;  // specification section 16

struct Mark {
    u32 bit;
    std::string_view text;
};
constexpr Mark kMarks[] = {{RS_MARK_NO_ACTION, " [no action]"},
                           {RS_MARK_FAULTED, " [faulted]"},
                           {RS_MARK_HELD, " [held]"}};

struct Counter {
    std::string_view name;
    __u64 rs_event_stat::*value;
};
constexpr Counter kEventCounters[] = {
    {"arrivals", &rs_event_stat::arrivals},
    {"condition false", &rs_event_stat::condition_false},
    {"triggers (pre)", &rs_event_stat::triggers_pre},
    {"triggers (post)", &rs_event_stat::triggers_post},
    {"ignored", &rs_event_stat::ignored},
    {"code faults", &rs_event_stat::code_faults},
    {"script errors", &rs_event_stat::script_errors},
    {"messages", &rs_event_stat::messages},
    {"lost messages", &rs_event_stat::lost_messages},
    {"cycles total", &rs_event_stat::cycles_total},
    {"cycles max", &rs_event_stat::cycles_max},
};
constexpr Counter kCoreCounters[] = {
    {"arrivals", &rs_event_stat::arrivals},   {"delivered", &rs_event_stat::delivered},
    {"ignored", &rs_event_stat::ignored},     {"pending", &rs_event_stat::pending},
    {"exits", &rs_event_stat::exits},         {"interrupt exits", &rs_event_stat::interrupt_exits},
    {"nmi exits", &rs_event_stat::nmi_exits},
};

/// Cut at `width` characters, never inside a UTF-8 sequence.
std::string cut(std::string_view text, std::size_t width) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
        if (starts_character && characters++ == width)
            return std::string{text.substr(0, i)} + "...";
    }
    return std::string{text};
}

}  // namespace

std::string event_line(const rs_event_entry& entry, std::string_view command) {
    std::string text{command};
    for (char& c : text)
        if (c == '\n' || c == '\r')
            c = ' ';
    std::string line =
        fmt::format("{:x}\t({})\t    {}", entry.tag - RS_TAG_BASE,
                    entry.is_enabled != 0 ? "enabled" : "disabled", cut(text, kListWidth));
    for (const Mark& mark : kMarks)
        if ((entry.marks & mark.bit) != 0)
            line += mark.text;
    return line;
}

std::string event_counters(const rs_event_stat& stat) {
    std::string text = fmt::format("event 0x{:x}\n", stat.tag - RS_TAG_BASE);
    for (const Counter& counter : kEventCounters)
        text += fmt::format("    {:<16}{:>20}\n", counter.name, stat.*counter.value);
    return text;
}

std::string core_counters(std::span<const rs_event_stat> cores) {
    std::string text = "core";
    for (const Counter& counter : kCoreCounters)
        text += fmt::format("  {:>15}", counter.name);
    text += '\n';
    for (const rs_event_stat& core : cores) {
        text += fmt::format("{:<4x}", core.tag);
        for (const Counter& counter : kCoreCounters)
            text += fmt::format("  {:>15}", core.*counter.value);
        text += core.is_virtualized != 0 ? "\n" : "  (not virtualized)\n";
    }
    return text;
}

}  // namespace ringside::commands
