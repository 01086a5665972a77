// SPDX-License-Identifier: GPL-3.0-or-later
// events: lists events, switches them on and off, clears them, shows their counters (EVT-3 to
// EVT-7, EVT-14).
#include <fmt/format.h>

#include "commands/event_list.hpp"
#include "commands/number.hpp"
#include "commands/session.hpp"

namespace ringside::commands {
namespace {

struct Verb {
    std::string_view word;
    u32 action;
};
constexpr Verb kVerbs[] = {
    {"e", RS_MODIFY_ENABLE}, {"d", RS_MODIFY_DISABLE}, {"c", RS_MODIFY_CLEAR}};

Outcome list(Session& session) {
    const auto events = session.debuggee().list_events();
    if (!events)
        return session.request_failed(events.failure());
    std::string text;
    std::vector<u64> ids;
    for (const auto& event : *events) {
        text += event_line(event.entry, event.command) + "\n";
        ids.push_back(event.entry.tag - RS_TAG_BASE);
    }
    session.set_known_events(std::move(ids));
    session.output().text(text.empty() ? std::string{"no events\n"} : text);
    return Outcome::kOk;
}

/// The tag a word names, or nothing with the error told. "all" is RS_TAG_ALL where it may stand.
std::optional<u64> read_event(Session& session, const Invocation& invocation, const Token& word,
                              bool may_be_all) {
    if (may_be_all && same_word(word.text, "all"))
        return RS_TAG_ALL;
    const Number number = parse_number(word.text);
    if (number.status == NumberStatus::kOk) {
        // No id is that large; kept apart from RS_TAG_ALL by staying far below it.
        constexpr u64 kNoSuchId = 0xffff'ffff;
        return RS_TAG_BASE + (number.value < kNoSuchId ? number.value : kNoSuchId);
    }
    (void)session.fail(invocation, {"bad event number " + in_quotes(word.text), word.begin,
                                    "'events' lists them"});
    return std::nullopt;
}

Outcome modify(Session& session, const Invocation& invocation, u32 action) {
    const auto tag = read_event(session, invocation, invocation.words[1], true);
    if (!tag)
        return Outcome::kFailed;
    const Outcome ready = session.require_vmm(invocation);
    if (ready != Outcome::kOk)
        return ready;
    if (*tag == RS_TAG_ALL) {
        const auto events = session.debuggee().list_events();
        if (!events)
            return session.request_failed(events.failure());
        if (events->empty())
            return session.fail(invocation, {"no events", {}, {}});
    }
    const auto modified = session.debuggee().modify_event(*tag, action);
    if (!modified)
        return session.request_failed(modified.failure(), "'events' lists them");
    if (action != RS_MODIFY_ENABLE && session.settings().is_on(Setting::kAutoFlush))
        (void)session.debuggee().flush();
    return Outcome::kOk;
}

Outcome show_event_counters(Session& session, u64 tag) {
    const auto stat = session.debuggee().event_stat(tag);
    if (!stat)
        return session.request_failed(stat.failure(), "'events' lists them");
    session.output().text(event_counters(*stat));
    return Outcome::kOk;
}

Outcome show_counters(Session& session, const Invocation& invocation) {
    std::optional<u64> tag;
    if (invocation.words.size() > 1) {
        tag = read_event(session, invocation, invocation.words[1], true);
        if (!tag)
            return Outcome::kFailed;
    }
    const Outcome ready = session.require_vmm(invocation);
    if (ready != Outcome::kOk)
        return ready;
    if (tag && *tag != RS_TAG_ALL)
        return show_event_counters(session, *tag);
    const auto events = session.debuggee().list_events();
    if (!events)
        return session.request_failed(events.failure());
    for (const auto& event : *events)
        if (const Outcome shown = show_event_counters(session, event.entry.tag);
            shown != Outcome::kOk)
            return shown;
    if (tag)
        return Outcome::kOk;
    const auto version = session.debuggee().version();
    if (!version)
        return session.request_failed(version.failure());
    std::vector<rs_event_stat> cores;
    for (u32 core = 0; core < version->cores_possible; ++core)
        if (const auto stat = session.debuggee().core_stat(core))
            cores.push_back(*stat);
        else if (stat.failure().code != RS_ERR_BAD_CORE)
            return session.request_failed(stat.failure());
    session.output().text(core_counters(cores));
    return Outcome::kOk;
}

Outcome run_events(Session& session, const Invocation& invocation) {
    const auto words = invocation.words;
    if (words.empty()) {
        const Outcome ready = session.require_vmm(invocation);
        return ready == Outcome::kOk ? list(session) : ready;
    }
    for (const Verb& verb : kVerbs)
        if (same_word(words[0].text, verb.word))
            return words.size() == 2 ? modify(session, invocation, verb.action)
                                     : session.wrong_use(invocation, &words.back());
    if (same_word(words[0].text, "stat"))
        return words.size() <= 2 ? show_counters(session, invocation)
                                 : session.wrong_use(invocation, &words[2]);
    if (same_word(words[0].text, "sc")) {
        if (words.size() != 2 ||
            (!same_word(words[1].text, "on") && !same_word(words[1].text, "off")))
            return session.wrong_use(invocation, &words.back());
        if (!session.debuggee().is_debug_link())
            return session.fail(invocation, {"only in Debugger Mode", words[0].begin, {}});
        const auto decided = session.debuggee().short_circuit(same_word(words[1].text, "on"));
        if (!decided && decided.failure().code == RS_ERR_NO_VERDICT)
            return session.fail(invocation,
                                {"no event is waiting for a verdict", words[0].begin, {}});
        return decided ? Outcome::kOk : session.request_failed(decided.failure());
    }
    return session.wrong_use(invocation, &words[0]);
}

/// AUX-1.
Outcome run_flush(Session& session, const Invocation& invocation) {
    if (const Outcome ready = session.require_vmm(invocation); ready != Outcome::kOk)
        return ready;
    const auto count = session.debuggee().flush();
    if (!count)
        return session.request_failed(count.failure());
    session.output().text(fmt::format("flushed {} messages\n", *count));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "flush",
     .syntax = "flush",
     .summary = "drops what events have printed and nobody has read yet",
     .help = "Text that is still gathered (imm no) is dropped, too; messages that already came "
             "stay.\n\n"
             "examples:\n"
             "    flush\n",
     .run = run_flush},
    {.name = "events",
     .aliases = "event",
     .syntax = "events\n"
               "events e|d|c ID|all\n"
               "events stat [ID]\n"
               "events sc on|off",
     .summary = "lists events, enables (e), disables (d) or clears (c) them, shows counters",
     .help = "ID is the hexadecimal number in the first column of the list.\n"
             "sc decides on one interrupt while halted (Debugger Mode).\n\n"
             "examples:\n"
             "    events\n"
             "    events d 3\n"
             "    events c all\n"
             "    events stat\n"
             "    events stat 0\n",
     .keywords = "e d c stat sc all",
     .argument = Argument::kEventId,
     .is_free_form = true,
     .run = run_events},
};

}  // namespace

std::span<const CommandSpec> event_commands() {
    return kCommands;
}

}  // namespace ringside::commands
