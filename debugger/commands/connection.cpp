// SPDX-License-Identifier: GPL-3.0-or-later
// .connect .listen .disconnect .status status (specification 13.1, 13.3).
#include <fmt/format.h>

#include <cerrno>

#include "commands/number.hpp"
#include "commands/session.hpp"
#include "transport/key.hpp"
#include "transport/serial.hpp"

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

/// The path of the serial line named by word 1; nothing (and the error told) if it names none.
std::optional<std::string> read_serial(Session& session, const Invocation& invocation) {
    const Token& word = invocation.words[1];
    auto path = transport::serial_path(word.text);
    if (!path) {
        (void)session.fail(invocation,
                           {"bad serial port", word.begin,
                            "'ttyS0' to 'ttyS3', 'com1' to 'com4', or the path of a port"});
    }
    return path;
}

Outcome run_connect(Session& session, const Invocation& invocation) {
    const Token& where = invocation.words[0];
    if (is_serial(invocation) && invocation.words.size() == 1)
        return session.wrong_use(invocation);
    const bool is_local = same_word(where.text, "local");
    if (is_local && invocation.words.size() > 1)
        return session.wrong_use(invocation, &invocation.words[1]);
    std::optional<std::string> serial;
    std::optional<std::uint16_t> port;
    if (is_serial(invocation))
        serial = read_serial(session, invocation);
    else
        port = read_port(session, invocation, 1);
    if (!serial && !port)
        return Outcome::kFailed;
    if (session.debuggee().is_connected())
        return session.fail(
            invocation,
            {"already connected to " + session.debuggee().name(), {}, "type '.disconnect' first"});
    if (serial)
        return session.connect_serial(*serial);
    return session.connect(is_local ? std::string{} : where.text, *port);
}

Outcome run_listen(Session& session, const Invocation& invocation) {
    std::optional<std::string> serial;
    std::optional<std::uint16_t> port;
    if (is_serial(invocation)) {
        if (invocation.words.size() == 1)
            return session.wrong_use(invocation);
        serial = read_serial(session, invocation);
    } else if (invocation.words.size() > 1) {
        return session.wrong_use(invocation, &invocation.words[1]);
    } else {
        port = read_port(session, invocation, 0);
    }
    if (!serial && !port)
        return Outcome::kFailed;
    if (session.debuggee().is_connected())
        return session.fail(
            invocation,
            {"connected to a debuggee; this side cannot listen", {}, "type '.disconnect' first"});
    return serial ? session.environment().listen_on_line(*serial)
                  : session.environment().listen(*port);
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

/// @param side  whose it is, where that makes a difference
std::string mode_line(Session& session, std::string_view side) {
    const auto& debuggee = session.debuggee();
    if (debuggee.is_debug_link())
        return fmt::format("{}, Debugger Mode\n", side);
    return debuggee.is_remote() ? fmt::format("remote, VMI Mode, {}\n", debuggee.name())
                                : std::string{"local, VMI Mode\n"};
}

/// '.status': this side. 'status': the debuggee's side, with what it can do.
Outcome run_own_status(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    session.output().text(mode_line(session, "debugger"));
    return Outcome::kOk;
}

Outcome run_status(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    session.output().text(mode_line(session, "debuggee"));
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
     .syntax = ".connect local\n.connect IP [PORT]\n.connect serial PATH",
     .summary = "connects to this machine's hypervisor module, or to an agent",
     .help =
         "PORT is decimal, default 50000. The link needs the key both sides share\n"
         "(~/.config/ringside/key). PATH is a serial port (115200 baud): ttyS0 to ttyS3, com1 to\n"
         "com4, or a path; a unix socket will do.\n\n"
         "examples:\n"
         "    .connect local\n"
         "    .connect 192.168.1.10\n"
         "    .connect 192.168.1.10 50001\n"
         "    .connect serial ttyS0\n",
     .keywords = "local serial",
     .least_words = 1,
     .most_words = 2,
     .run = run_connect},
    {.name = ".listen",
     .syntax = ".listen [PORT]\n.listen serial PORT",
     .summary = "lets a debugger on another machine connect to this one",
     .help =
         "Serves one debugger at a time until Ctrl+C. PORT is decimal, default 50000, or behind\n"
         "'serial' a serial port: ttyS0 to ttyS3, com1 to com4, or a path.\n\n"
         "examples:\n"
         "    .listen\n"
         "    .listen 50001\n"
         "    .listen serial ttyS1\n",
     .keywords = "serial",
     .most_words = 2,
     .run = run_listen},
    {.name = ".disconnect",
     .syntax = ".disconnect",
     .summary = "ends the connection; the debuggee clears this session's events",
     .help = "A machine that Debugger Mode has halted runs on.\n\nexample:\n    .disconnect\n",
     .runs_unhalted = true,
     .run = run_disconnect},
    {.name = ".status",
     .syntax = ".status",
     .summary = "says how this side is connected",
     .help = "example:\n    .status\n",
     .runs_unhalted = true,
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

std::optional<transport::Key> Session::read_key() {
    if (key.without_key)
        return transport::Key{};
    auto found = key.file.empty() ? transport::read_or_create_key(transport::default_key_path())
                                  : transport::read_key(key.file);
    if (found.error.empty())
        return std::move(found.key);
    output_.diagnostic("err, " + found.error);
    return std::nullopt;
}

Outcome Session::connect(const std::string& address, std::uint16_t port) {
    if (address.empty()) {
        const auto failure = debuggee_.connect_local();
        return failure.ok() ? greet() : connect_failed(failure, true);
    }
    auto secret = read_key();
    if (!secret)
        return Outcome::kFailed;
    auto failure = debuggee_.connect_tcp(address, port, {.key = std::move(*secret)});
    using Kind = debuggee::ConnectFailure::Kind;
    if (failure.kind == Kind::kBadAddress)
        failure.text = "bad ip address";
    else if (!failure.ok() && failure.kind != Kind::kDevice)
        failure.text = fmt::format("cannot connect to {} port {}: {}", address, port, failure.text);
    return failure.ok() ? greet() : connect_failed(failure, false);
}

Outcome Session::connect_serial(const std::string& path) {
    auto secret = read_key();
    if (!secret)
        return Outcome::kFailed;
    auto failure = debuggee_.connect_serial(path, {.key = std::move(*secret)});
    using Kind = debuggee::ConnectFailure::Kind;
    if (!failure.ok() && failure.kind != Kind::kDevice && failure.kind != Kind::kUnreachable)
        failure.text = fmt::format("cannot connect to serial {}: {}", path, failure.text);
    return failure.ok() ? greet() : connect_failed(failure, false);
}

/// Tells why there is no connection; text is the whole sentence.
Outcome Session::connect_failed(const debuggee::ConnectFailure& failure, bool is_local) {
    using Kind = debuggee::ConnectFailure::Kind;
    if (failure.kind == Kind::kInterrupted)
        return Outcome::kInterrupted;
    (void)tell({failure.text, {}, connect_hint(failure, is_local)}, {});
    return failure.kind == Kind::kBadAddress ? Outcome::kFailed : Outcome::kUnreachable;
}

/// Says who is connected.
Outcome Session::greet() {
    was_lost_ = false;
    is_paused_ = false;
    const auto version = debuggee_.version();
    if (!version)
        return request_failed(version.failure());
    output_.text(debuggee_.is_remote() ? fmt::format("connected to {}\n", debuggee_.name())
                                       : std::string{"local, VMI Mode\n"});
    output_.text(signature_line(*version) + "\n");
    return Outcome::kOk;
}

}  // namespace ringside::commands
