// SPDX-License-Identifier: GPL-3.0-or-later
// settings: shows and changes the user's options (AUX-5).
#include <fmt/format.h>

#include "commands/session.hpp"
#include "commands/suggest.hpp"

namespace ringside::commands {
namespace {

/// A hypervisor that runs takes over what it needs; without one it gets all at 'load vmm'.
Outcome tell_root_mode(Session& session, const SettingSpec& spec) {
    if (spec.mask == 0 || !session.debuggee().is_connected())
        return Outcome::kOk;
    const auto done = session.debuggee().settings(session.settings().for_root_mode(&spec));
    if (done || done.failure().code == RS_ERR_NOT_LOADED)
        return Outcome::kOk;
    return session.request_failed(done.failure());
}

Outcome run_settings(Session& session, const Invocation& invocation) {
    Settings& settings = session.settings();
    if (invocation.words.empty()) {
        std::string text;
        for (const SettingSpec& spec : Settings::specs())
            text += settings.line(spec) + '\n';
        session.output().text(text);
        return Outcome::kOk;
    }
    const Token& name = invocation.words[0];
    const SettingSpec* spec = Settings::find(name.text);
    if (spec == nullptr) {
        std::vector<std::string_view> names;
        for (const SettingSpec& each : Settings::specs())
            names.push_back(each.name);
        const std::string_view meant = nearest(name.text, names);
        return session.fail(invocation, {"no such option " + in_quotes(name.text), name.begin,
                                         meant.empty() ? "'settings' lists them"
                                                       : fmt::format("did you mean '{}'?", meant)});
    }
    Outcome outcome = Outcome::kOk;
    if (invocation.words.size() > 1) {
        const Token& value = invocation.words[1];
        if (auto problem = settings.set(*spec, value.text))
            return session.fail(invocation, {*problem, value.begin, "see '.help settings'"});
        outcome = tell_root_mode(session, *spec);
        if (const auto problem = settings.save())
            session.output().diagnostic(
                fmt::format("warn, {}; the value holds for this session only", *problem));
    }
    session.output().text(settings.line(*spec) + '\n');
    return outcome;
}

constexpr CommandSpec kCommands[] = {
    {.name = "settings",
     .syntax = "settings\nsettings NAME\nsettings NAME VALUE",
     .summary = "shows and changes options, which are kept for the user",
     .help = "autoflush          on, off     'flush' after each 'events d' and 'events c'\n"
             "autounpause        on, off     a new event ends the pause\n"
             "syntax             intel, att, masm\n"
             "addressconversion  on, off     show the names of addresses\n"
             "scriptbudget       operations of a script's run\n"
             "scripttime         microseconds of a script's run\n"
             "codebudget         microseconds of a run of machine code\n"
             "jit                on, off     machine code for scripts of events\n"
             "linkloss           wait, go    a halted debuggee whose link is lost\n"
             "immflush           milliseconds text of 'imm no' is kept at most\n"
             "screplay           on, off     raise anew what was ignored last when its event ends\n"
             "sclevel            throttle, deliver   a level-triggered line that nobody serves\n\n"
             "Numbers are hexadecimal, 0n in front makes them decimal.\n\n"
             "examples:\n"
             "    settings\n"
             "    settings codebudget 0n20000\n"
             "    settings autounpause off\n",
     .keywords = "autoflush autounpause syntax addressconversion scriptbudget scripttime "
                 "codebudget jit linkloss immflush screplay sclevel on off intel att masm wait go "
                 "throttle deliver",
     .most_words = 2,
     .run = run_settings},
};

}  // namespace

std::span<const CommandSpec> settings_commands() {
    return kCommands;
}

}  // namespace ringside::commands
