// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "commands/number.hpp"
#include "commands/suggest.hpp"
#include "ringside/version.h"
#include "transport/serial.hpp"

namespace ringside::app {
namespace {

constexpr int kWrongOptions = 2;

constexpr const char* kFooter = R"(
Without -c, --script or a subcommand: a prompt at a terminal, else commands from stdin, one a line.
Commands given with -c run in order; with --batch the first failure ends the run.

exit codes: 0 every command succeeded, 1 a command failed, 2 wrong options, 3 debuggee unreachable or
lost, 4 this machine cannot be virtualized, 5 time-out (also: no halt came), 130 ended by Ctrl+C

examples:
  ringside --lab --load
  ringside --lab --debug -c '!interrupt ec core 1' -c g -c 'r rip'
  ringside --connect 192.168.1.10 -c 'load vmm' -c 'events'
  ringside -c '? print(2+2);')";

/// Checks an address at the place where it is given, so that the message names the option.
std::string check_address(const std::string& text) {
    std::string address;
    std::uint16_t port = 0;
    return split_address(text, address, port) ? "" : "bad port in '" + text + "'";
}

std::string check_serial(const std::string& text) {
    return transport::serial_path(text) ? "" : "bad serial port '" + text + "'";
}

/// A week and more; longer waits would overflow the clock's arithmetic for nothing.
constexpr std::uint64_t kLongestWait = 1'000'000;

std::string check_seconds(const std::string& text) {
    const commands::Number number = commands::parse_decimal(text);
    return number.status == commands::NumberStatus::kOk && number.value <= kLongestWait
               ? ""
               : "bad number of seconds '" + text + "'";
}

/// The option or subcommand that an unknown word was probably meant to be.
std::string_view meant_option(std::string_view word) {
    static constexpr std::string_view kNames[] = {
        "--help",   "--version", "--script", "--batch", "--json",  "--connect",
        "--lab",    "--load",    "--debug",  "--wait",  "--intro", "--key-file",
        "--no-key", "agent",     "lab",      "doctor",  "script"};
    return commands::nearest(word, kNames);
}

}  // namespace

bool split_address(const std::string& text, std::string& address, std::uint16_t& port) {
    const std::size_t last_colon = text.rfind(':');
    const std::size_t first_colon = text.find(':');
    std::string port_text;
    if (!text.empty() && text.front() == '[') {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string::npos)
            return false;
        address = text.substr(1, bracket - 1);
        if (bracket + 1 == text.size())
            return true;
        if (text[bracket + 1] != ':')
            return false;
        port_text = text.substr(bracket + 2);
    } else if (first_colon == std::string::npos || first_colon != last_colon) {
        address = text;  // no port, or an IPv6 address without brackets
        return !text.empty();
    } else {
        address = text.substr(0, first_colon);
        port_text = text.substr(first_colon + 1);
    }
    const commands::Number number = commands::parse_decimal(port_text);
    if (number.status != commands::NumberStatus::kOk || number.value < 1 || number.value > 65535)
        return false;
    port = static_cast<std::uint16_t>(number.value);
    return !address.empty();
}

std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_code) {
    Options options;
    if (argc > 1 && std::string_view{argv[1]} == "lab") {
        options.mode = Mode::kLab;
        options.lab_arguments.assign(argv + 2, argv + argc);
        return options;
    }
    if (argc > 1 && std::string_view{argv[1]} == "script") {
        options.mode = Mode::kScript;
        options.script_tool_arguments.assign(argv + 2, argv + argc);
        return options;
    }
    CLI::App app{"Ringside: a hypervisor-level debugger for Linux"};
    app.name("ringside");
    app.footer(kFooter);
    app.set_version_flag("--version", std::string{"ringside "} + RS_RELEASE);
    app.require_subcommand(0, 1);

    std::string connect;
    std::string lab_name;
    std::vector<std::string> script;
    auto* commands_option =
        app.add_option("-c,--command", options.commands, "run COMMAND, then exit; repeatable")
            ->type_name("COMMAND")
            ->allow_extra_args(false);
    auto* script_option =
        app.add_option("--script", script,
                       "run the commands of FILE, then exit; what follows becomes $arg1, $arg2 ...")
            ->type_name("FILE [ARGS]")
            ->expected(1, CLI::detail::expected_max_vector_size);
    app.add_flag("--batch", options.batch,
                 "stop at the first failure; no questions, colour or progress");
    app.add_flag("--json", options.json, "print everything to stdout as JSON, one object a line");
    auto* connect_option =
        app.add_option("--connect", connect, "connect to an agent ('local': to this machine)")
            ->type_name("ADDR[:PORT]")
            ->check(CLI::Validator{check_address, ""});
    auto* lab_option = app.add_option("--lab", lab_name, "connect to a running lab")
                           ->type_name("[NAME]")
                           ->expected(0, 1);
    app.add_flag("--debug", options.debug,
                 "with --lab: in Debugger Mode, the machine halted; 'g' lets it run")
        ->needs(lab_option);
    std::string wait;
    app.add_option("--wait", wait,
                   "Debugger Mode: how long a command waits for the machine to halt (decimal, "
                   "default 60)")
        ->type_name("SECONDS")
        ->check(CLI::Validator{check_seconds, ""});
    app.add_flag("--load", options.load, "load the vmm after connecting, unless it is loaded");
    app.add_flag("--intro", options.intro, "print three commands to try above the prompt");
    auto* key_option = app.add_option("--key-file", options.key_file,
                                      "key of the link (default ~/.config/ringside/key)")
                           ->type_name("FILE");
    auto* no_key_option =
        app.add_flag("--no-key", options.no_key, "run the link without a key; both sides must ask");
    script_option->excludes(commands_option);
    connect_option->excludes(lab_option);
    no_key_option->excludes(key_option);

    CLI::App* agent = app.add_subcommand("agent", "listen for a debugger, in the debuggee");
    auto* agent_address =
        agent->add_option("--address", options.agent_address, "numeric address to listen on")
            ->capture_default_str();
    auto* agent_port =
        agent->add_option("--port", options.agent_port, "port")->capture_default_str();
    std::string serial;
    agent->add_option("--serial", serial, "serve a serial line instead: ttyS1, com2 or a path")
        ->type_name("PORT")
        ->check(CLI::Validator{check_serial, ""})
        ->excludes(agent_address)
        ->excludes(agent_port);
    auto* agent_key =
        agent->add_option("--key-file", options.key_file, "key of the link")->type_name("FILE");
    agent->add_flag("--no-key", options.no_key, "run without a key")->excludes(agent_key);

    // For --help only: these two read their words themselves, see above.
    app.add_subcommand(
        "lab", "a debuggee to play with: start, stop, status, console, shell ('lab --help')");

    app.add_subcommand("script", "try a script at the desk: run, check, dump ('script --help')");

    app.add_subcommand("doctor", "say whether this machine can be virtualized, and why not");

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& request) {
        exit_code = app.exit(request);
        return std::nullopt;
    } catch (const CLI::CallForVersion& request) {
        exit_code = app.exit(request);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        std::cerr << "err, " << error.what() << '\n';
        for (int i = 1; i < argc; ++i) {
            const std::string_view word{argv[i]};
            const std::string_view meant = meant_option(word.substr(0, word.find('=')));
            const bool is_unknown = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
            if (is_unknown && !meant.empty() && meant != word)
                std::cerr << "hint: did you mean '" << meant << "'?\n";
        }
        std::cerr << "hint: see 'ringside --help'\n";
        exit_code = kWrongOptions;
        return std::nullopt;
    }

    if (!script.empty()) {
        options.script_file = script.front();
        options.script_arguments = script;
    }
    if (!connect.empty())
        (void)split_address(connect, options.connect_address, options.connect_port);
    if (!serial.empty())
        options.agent_serial = transport::serial_path(serial).value_or("");
    if (!wait.empty())
        options.halt_patience = std::chrono::seconds{commands::parse_decimal(wait).value};
    if (lab_option->count() > 0)
        options.lab = lab_name;
    if (agent->parsed())
        options.mode = Mode::kAgent;
    else if (app.got_subcommand("lab"))
        options.mode = Mode::kLab;  // without words of its own: says what there is
    else if (app.got_subcommand("script"))
        options.mode = Mode::kScript;
    else if (app.got_subcommand("doctor"))
        options.mode = Mode::kDoctor;
    return options;
}

}  // namespace ringside::app
