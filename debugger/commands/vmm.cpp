// SPDX-License-Identifier: GPL-3.0-or-later
// load, unload: the hypervisor slides under the debuggee, or leaves it.
#include <fmt/format.h>

#include <algorithm>

#include "commands/number.hpp"
#include "commands/session.hpp"

namespace ringside::commands {
namespace {

/// Codes by which the module says that this machine cannot be virtualized (exit code 4).
constexpr u32 kCannotVirtualize[] = {RS_ERR_NO_SVM,
                                     RS_ERR_DISABLED_BY_FIRMWARE,
                                     RS_ERR_OTHER_HYPERVISOR,
                                     RS_ERR_UNSUPPORTED_STATE,
                                     RS_ERR_LOCKDOWN,
                                     RS_ERR_VMX_NO_TRUE_CONTROLS,
                                     RS_ERR_VMX_NO_EXITING,
                                     RS_ERR_VMX_NO_VIRTUAL_NMIS,
                                     RS_ERR_VMX_NO_WINDOWS,
                                     RS_ERR_VMX_NO_MSR_BITMAPS,
                                     RS_ERR_VMX_NO_ACKNOWLEDGE,
                                     RS_ERR_VMX_NO_STATE_SWITCH};

Outcome refuse_later(Session& session, const Invocation& invocation, const Token& word) {
    return session.fail(invocation, {in_quotes(word.text) + " is not available in this version",
                                     word.begin, "use 'vmm'"});
}

bool is_later_component(std::string_view word) {
    return same_word(word, "kd") || same_word(word, "all") || same_word(word, "trace");
}

/// Reads one NAME=VALUE option of 'load vmm'; false with the error told.
bool read_option(Session& session, const Invocation& invocation, const Token& word,
                 debuggee::LoadOptions& options) {
    const std::size_t equals = word.text.find('=');
    const std::string_view name = std::string_view{word.text}.substr(0, equals);
    const std::string_view value =
        equals == std::string::npos ? "" : std::string_view{word.text}.substr(equals + 1);
    const auto fail = [&](std::string text) {
        (void)session.fail(invocation, {std::move(text), word.begin, "see '.help load'"});
        return false;
    };
    if (same_word(name, "npt") || same_word(name, "ept")) {
        if (!same_word(value, "on") && !same_word(value, "off"))
            return fail(fmt::format("'{}' takes on or off", lower_case(name)));
        options.nested_paging = same_word(value, "on");
        return true;
    }
    if (!same_word(name, "msg_ring_kb"))
        return fail("unexpected parameter " + in_quotes(word.text));
    const Number number = parse_number(value);
    const bool is_power_of_two = (number.value & (number.value - 1)) == 0;
    if (number.status != NumberStatus::kOk || !is_power_of_two || number.value < 64 ||
        number.value > 4096)
        return fail("'msg_ring_kb' takes a power of two from 40 to 1000 (hex)");
    options.msg_ring_kb = static_cast<u32>(number.value);
    return true;
}

Outcome run_load(Session& session, const Invocation& invocation) {
    const Token& component = invocation.words[0];
    if (is_later_component(component.text))
        return refuse_later(session, invocation, component);
    if (!same_word(component.text, "vmm"))
        return session.wrong_use(invocation, &component);
    debuggee::LoadOptions options;
    for (const Token& word : invocation.words.subspan(1))
        if (!read_option(session, invocation, word, options))
            return Outcome::kFailed;
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    const auto version = session.debuggee().version();
    if (!version)
        return session.request_failed(version.failure());
    if ((version->state & RS_STATE_LOADED) != 0)
        return session.fail(invocation, {"vmm is already loaded", {}, {}});
    return session.load(options);
}

Outcome run_unload(Session& session, const Invocation& invocation) {
    std::span<const Token> words = invocation.words;
    if (!words.empty() && same_word(words[0].text, "remove"))
        return refuse_later(session, invocation, words[0]);
    if (!words.empty() && is_later_component(words[0].text) && !same_word(words[0].text, "all"))
        return refuse_later(session, invocation, words[0]);
    if (!words.empty() && !same_word(words[0].text, "vmm") && !same_word(words[0].text, "all"))
        return session.wrong_use(invocation, &words[0]);
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    const auto version = session.debuggee().version();
    if (!version)
        return session.request_failed(version.failure());
    if ((version->state & RS_STATE_LOADED) == 0)
        return session.fail(invocation, {"nothing is loaded", {}, {}});
    // What the events had to say is shown before they go (EVT-13).
    const auto cleared = session.debuggee().modify_event(RS_TAG_ALL, RS_MODIFY_CLEAR);
    if (!cleared && cleared.failure().kind != debuggee::Failure::Kind::kRefused)
        return session.request_failed(cleared.failure());
    session.drain_messages();
    const auto unloaded = session.debuggee().unload();
    if (!unloaded)
        return session.request_failed(unloaded.failure());
    session.set_loaded_here(false);
    session.forget_events();
    session.output().text("vmm: unloaded\n");
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "load",
     .syntax = "load vmm [npt=on|off] [msg_ring_kb=N]",
     .summary = "slides the hypervisor under the running debuggee",
     .help =
         "npt=on       nested paging: the hypervisor's memory is hidden from the debuggee\n"
         "             (off by default; ept= means the same)\n"
         "msg_ring_kb  KiB of message ring a core, a power of two, hex 40 to 1000 (default 400)\n\n"
         "examples:\n"
         "    load vmm\n"
         "    load vmm npt=on\n"
         "    load vmm msg_ring_kb=1000\n",
     .keywords = "vmm npt=on npt=off msg_ring_kb=",
     .least_words = 1,
     .most_words = 3,
     .run = run_load},
    {.name = "unload",
     .syntax = "unload [vmm|all]",
     .summary = "clears all events and takes the hypervisor away from under the debuggee",
     .help = "The debuggee goes on running on the bare machine.\n\n"
             "examples:\n"
             "    unload\n"
             "    unload vmm\n",
     .keywords = "vmm all",
     .most_words = 1,
     .run = run_unload},
};

}  // namespace

std::span<const CommandSpec> vmm_commands() {
    return kCommands;
}

Outcome Session::load(const debuggee::LoadOptions& options) {
    const auto loaded = debuggee_.load(options);
    if (!loaded) {
        const u32 code = loaded.failure().code;
        const Outcome outcome = request_failed(
            loaded.failure(), code == RS_ERR_OTHER_HYPERVISOR
                                  ? "unload kvm_amd and kvm_intel at the debuggee"
                              : code == RS_ERR_OTHER_CLIENTS ? "end the other debugger first"
                                                             : "");
        const bool cannot = std::find(std::begin(kCannotVirtualize), std::end(kCannotVirtualize),
                                      code) != std::end(kCannotVirtualize);
        return cannot ? Outcome::kCannotVirtualize : outcome;
    }
    loaded_here_ = true;
    if (const auto told = debuggee_.settings(settings_.for_root_mode()); !told)
        return request_failed(told.failure());
    const auto version = debuggee_.version();
    if (!version)
        return request_failed(version.failure());
    output_.text(fmt::format("{}, {} cores\nvmm: loaded\n",
                             version->vendor == RS_VENDOR_VMX ? "Intel VMX" : "AMD SVM",
                             loaded->cores));
    return Outcome::kOk;
}

}  // namespace ringside::commands
