// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_scripts.hpp"

#include <fmt/format.h>

namespace ringside::commands {

namespace {

/// The mnemonic of an exception. Source: Intel SDM vol. 3A section 6.3.1 "Predefined exceptions".
std::string exception_name(u32 vector) {
    static constexpr const char* kNames[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                             "#DF", "#09", "#TS", "#NP", "#SS", "#GP", "#PF", "#15",
                                             "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    return vector < std::size(kNames) ? kNames[vector] : fmt::format("exception 0x{:x}", vector);
}

/// "err, event 0x3: #PF in its code, action 1, offset 0x2, address 0x1234 (core 1)"
std::string describe_code_fault(const rs_diagnostic& diagnostic, u64 id, u32 core) {
    constexpr u32 kPageFault = 14;
    std::string text = fmt::format("err, event 0x{:x}: ", id);
    text += diagnostic.code == RS_CODE_TIMEOUT ? "time-out" : exception_name(diagnostic.code);
    text += diagnostic.action == RS_DIAG_CONDITION
                ? std::string{" in its condition, "}
                : fmt::format(" in its code, action {}, ", diagnostic.action + 1);
    text += diagnostic.pc == ~u32{0} ? std::string{"outside of it"}
                                     : fmt::format("offset 0x{:x}", diagnostic.pc);
    if (diagnostic.code == kPageFault)
        text += fmt::format(", address 0x{:x}", diagnostic.value);
    return text + fmt::format(" (core {:x})", core);
}

std::string describe_notice(const rs_diagnostic& diagnostic, u64 id) {
    switch (diagnostic.code) {
        case RS_NOTICE_SC_IN_POST:
            return fmt::format(
                "warn, event 0x{:x}: event_sc() does nothing in stage post; the interrupt is "
                "delivered",
                id);
        case RS_NOTICE_NO_PAUSE:
            return fmt::format(
                "warn, event 0x{:x}: pause() needs Debugger Mode and does nothing here", id);
        case RS_NOTICE_LEVEL_THROTTLED:
            return fmt::format(
                "notice: vector 0x{:x} is level-triggered and still asserted; throttled",
                diagnostic.value);
        default:
            return fmt::format("notice: event 0x{:x}: notice {} of a newer module", id,
                               diagnostic.code);
    }
}

}  // namespace

void EventScripts::add(u64 cookie, std::vector<language::LineTable> actions) {
    events_[cookie] = {0, std::move(actions)};
}

void EventScripts::set_tag(u64 cookie, u64 tag) {
    if (const auto event = events_.find(cookie); event != events_.end())
        event->second.tag = tag;
}

void EventScripts::forget(u64 cookie) {
    events_.erase(cookie);
}

std::vector<u64> EventScripts::tags() const {
    std::vector<u64> tags;
    for (const auto& [cookie, event] : events_)
        if (event.tag != 0)
            tags.push_back(event.tag);
    return tags;
}

std::string EventScripts::describe_script_error(const rs_msg& message,
                                                const rs_diagnostic& diagnostic) const {
    language::LineTable lines;
    if (const auto event = events_.find(message.cookie);
        event != events_.end() && diagnostic.action < event->second.actions.size())
        lines = event->second.actions[diagnostic.action];
    return "err, " + language::describe_runtime_error(
                         {static_cast<rs_script_error>(diagnostic.code), diagnostic.pc,
                          diagnostic.value, true, message.tag - RS_TAG_BASE, message.core},
                         lines);
}

std::string EventScripts::describe(const rs_msg& message, const rs_diagnostic& diagnostic) const {
    const u64 id = message.tag - RS_TAG_BASE;
    if (diagnostic.kind == RS_DIAG_NOTICE)
        return describe_notice(diagnostic, id);
    std::string text = diagnostic.kind == RS_DIAG_CODE
                           ? describe_code_fault(diagnostic, id, message.core)
                           : describe_script_error(message, diagnostic);
    if (diagnostic.suppressed > 0)
        text +=
            fmt::format("\nnotice: {} more of this event were not shown", diagnostic.suppressed);
    if (diagnostic.disabled != 0)
        text += fmt::format("\nnotice: event 0x{:x} was disabled; 'events e {:x}' enables it again",
                            id, id);
    return text;
}

}  // namespace ringside::commands
