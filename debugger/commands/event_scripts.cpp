// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_scripts.hpp"

#include <fmt/format.h>

namespace ringside::commands {

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

std::string EventScripts::describe(const rs_msg& message, const rs_diagnostic& diagnostic) const {
    language::LineTable lines;
    if (const auto event = events_.find(message.cookie);
        event != events_.end() && diagnostic.action < event->second.actions.size())
        lines = event->second.actions[diagnostic.action];
    const u64 id = message.tag - RS_TAG_BASE;
    std::string text = "err, " + language::describe_runtime_error(
                                     {static_cast<rs_script_error>(diagnostic.code), diagnostic.pc,
                                      diagnostic.value, true, id, message.core},
                                     lines);
    if (diagnostic.suppressed > 0)
        text +=
            fmt::format("\nnotice: {} more of this event were not shown", diagnostic.suppressed);
    if (diagnostic.disabled != 0)
        text += fmt::format("\nnotice: event 0x{:x} was disabled; 'events e {:x}' enables it again",
                            id, id);
    return text;
}

}  // namespace ringside::commands
