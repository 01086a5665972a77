// SPDX-License-Identifier: GPL-3.0-or-later
// .connect .listen .disconnect .status status (specification 13.1, 13.3).
#include <fmt/format.h>

#include <cerrno>

#include "commands/number.hpp"
#include "commands/session.hpp"
#include "transport/key.hpp"

namespace ringside::commands {
namespace {

constexpr std::uint16_t kDefaultPort = 50000;

/// Reads the optional port word `index`; nothing (and the error told) if it is none.
std::optional<std::uint16_t> read_port(Session& session, const Invocation& invocation,
                                       std::size_t index) {
    if (invocation.words.size() <= index)
        return kDefaultPort;
    const Token& word = invocation.words[index];
    const Number number = parse_decimal(word.text);
    if (number.status == NumberStatus::kOk && number.value >= 1 && number.value <= 65535)
        return static_cast<std::uint16_t>(number.value);
    (void)session.fail(invocation,
                       {"bad port", word.begin, "a port is a decimal number from 1 to 65535"});
    return std::nullopt;
}

bool is_serial(const Invocation& invocation) {
    return !invocation.words.empty() && same_word(invocation.words[0].text, "serial");
}

Outcome refuse_serial(Session& session, const Invocation& invocation) {
    return session.fail(invocation, {"serial links are not available in this version",
                                     invocation.words[0].begin, "use '.connect IP [PORT]'"});
}

Outcome run_connect(Session& session, const Invocation& invocation) {
    const Token& where = invocation.words[0];
    if (is_serial(invocation))
        return refuse_serial(session, invocation);
    const bool is_local = same_word(where.text, "local");
    if (is_local && invocation.words.size() > 1)
        return session.wrong_use(invocation, &invocation.words[1]);
    const auto port = read_port(session, invocation, 1);
    if (!port)
        return Outcome::kFailed;
    if (session.debuggee().is_connected())
        return session.fail(
            invocation,
            {"already connected to " + session.debuggee().name(), {}, "type '.disconnect' first"});
    return session.connect(is_local ? std::string{} : where.text, *port);
}

Outcome run_listen(Session& session, const Invocation& invocation) {
    if (is_serial(invocation))
        return refuse_serial(session, invocation);
    const auto port = read_port(session, invocation, 0);
    if (!port)
        return Outcome::kFailed;
    if (session.debuggee().is_connected())
        return session.fail(
            invocation,
            {"connected to a debuggee; this side cannot listen", {}, "type '.disconnect' first"});
    return session.environment().listen(*port);
}

Outcome run_disconnect(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    if (!session.debuggee().is_remote() && session.loaded_here())
        return session.fail(invocation, {"the vmm is loaded here", {}, "type 'unload' first"});
    session.disconnect();
    session.output().text("disconnected\n");
    return Outcome::kOk;
}

/// '.status': this side. 'status': the debuggee's side, with what it can do.
Outcome run_own_status(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    const auto& debuggee = session.debuggee();
    session.output().text(debuggee.is_remote()
                              ? fmt::format("remote, VMI Mode, {}\n", debuggee.name())
                              : std::string{"local, VMI Mode\n"});
    return Outcome::kOk;
}

Outcome run_status(Session& session, const Invocation& invocation) {
    const Outcome outcome = run_own_status(session, invocation);
    if (outcome != Outcome::kOk)
        return outcome;
    const auto version = session.debuggee().version();
    if (!version)
        return session.request_failed(version.failure());
    const auto yes_or_no = [](bool yes) { return yes ? "yes" : "no"; };
    session.output().text(
        fmt::format("{}\n"
                    "vmm loaded            {}\n"
                    "interrupt events      {}\n"
                    "scripts               {}\n"
                    "nested paging (npt)   {}\n",
                    signature_line(*version), yes_or_no((version->state & RS_STATE_LOADED) != 0),
                    yes_or_no((version->capabilities & RS_CAP_INTERRUPT_EVENTS) != 0),
                    yes_or_no((version->capabilities & RS_CAP_SCRIPTS) != 0),
                    yes_or_no((version->capabilities & RS_CAP_NESTED_PAGING) != 0)));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = ".connect",
     .syntax = ".connect local\n.connect IP [PORT]",
     .summary = "connects to this machine's hypervisor module, or to an agent",
     .help = "PORT is decimal, default 50000. The link needs the key both sides share\n"
             "(~/.config/ringside/key).\n\n"
             "examples:\n"
             "    .connect local\n"
             "    .connect 192.168.1.10\n"
             "    .connect 192.168.1.10 50001\n",
     .keywords = "local",
     .least_words = 1,
     .most_words = 2,
     .run = run_connect},
    {.name = ".listen",
     .syntax = ".listen [PORT]",
     .summary = "lets a debugger on another machine connect to this one",
     .help = "Serves one debugger at a time until Ctrl+C. PORT is decimal, default 50000.\n\n"
             "examples:\n"
             "    .listen\n"
             "    .listen 50001\n",
     .most_words = 1,
     .run = run_listen},
    {.name = ".disconnect",
     .syntax = ".disconnect",
     .summary = "ends the connection; the debuggee clears this session's events",
     .help = "example:\n    .disconnect\n",
     .run = run_disconnect},
    {.name = ".status",
     .syntax = ".status",
     .summary = "says how this side is connected",
     .help = "example:\n    .status\n",
     .run = run_own_status},
    {.name = "status",
     .syntax = "status",
     .summary = "says what the debuggee is and what it can do",
     .help = "example:\n    status\n",
     .run = run_status},
};

/// What the user can do about a connection that did not come about.
std::string connect_hint(const debuggee::ConnectFailure& failure, bool is_local) {
    using Kind = debuggee::ConnectFailure::Kind;
    switch (failure.kind) {
        case Kind::kDevice:
            if (failure.error_number == ENOENT)
                return is_local
                           ? "is the module loaded? try 'insmod ringside.ko', or 'ringside doctor'"
                           : "is the module loaded at the debuggee?";
            return failure.error_number == EACCES || failure.error_number == EPERM
                       ? "the module is root's alone"
                       : "";
        case Kind::kBadAddress:
            return "give a numeric address, for example '.connect 192.168.1.10 50000'";
        case Kind::kRefused:
            return "start 'ringside agent' at the debuggee";
        case Kind::kAuthentication:
        case Kind::kKeyNeeded:
            return "copy the agent's key to ~/.config/ringside/key, or name it with --key-file";
        case Kind::kKeyUnexpected:
            return "the agent runs without a key; ask for the same with --no-key";
        default:
            return "";
    }
}

}  // namespace

std::span<const CommandSpec> connection_commands() {
    return kCommands;
}

Outcome Session::connect(const std::string& address, std::uint16_t port) {
    const bool is_local = address.empty();
    debuggee::TcpOptions options;
    if (!is_local && !key.without_key) {
        auto found = key.file.empty() ? transport::read_or_create_key(transport::default_key_path())
                                      : transport::read_key(key.file);
        if (!found.error.empty()) {
            output_.diagnostic("err, " + found.error);
            return Outcome::kFailed;
        }
        options.key = std::move(found.key);
    }
    const auto failure = is_local ? debuggee_.connect_local()
                                  : debuggee_.connect_tcp(address, port, std::move(options));
    using Kind = debuggee::ConnectFailure::Kind;
    if (!failure.ok()) {
        if (failure.kind == Kind::kInterrupted)
            return Outcome::kInterrupted;
        if (failure.kind == Kind::kBadAddress)
            output_.diagnostic(render({"bad ip address", {}, connect_hint(failure, is_local)}, {}));
        else
            output_.diagnostic(render(
                {is_local || failure.kind == Kind::kDevice
                     ? failure.text
                     : fmt::format("cannot connect to {} port {}: {}", address, port, failure.text),
                 {},
                 connect_hint(failure, is_local)},
                {}));
        return failure.kind == Kind::kBadAddress ? Outcome::kFailed : Outcome::kUnreachable;
    }
    was_lost_ = false;
    is_paused_ = false;
    const auto version = debuggee_.version();
    if (!version)
        return request_failed(version.failure());
    output_.text(is_local ? std::string{"local, VMI Mode\n"}
                          : fmt::format("connected to {}\n", debuggee_.name()));
    output_.text(signature_line(*version) + "\n");
    return Outcome::kOk;
}

}  // namespace ringside::commands
