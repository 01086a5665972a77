// SPDX-License-Identifier: GPL-3.0-or-later
// `ringside lab ...`: options in, sentences out.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <cstdio>
#include <thread>

#include "lab/files.hpp"
#include "lab/lab.hpp"
#include "lab/relay.hpp"

namespace ringside::lab {
namespace {

constexpr std::chrono::milliseconds kFollowLook{100};
constexpr unsigned kVmxMemoryMb = 512;

int report(const Failure& failure) {
    fmt::print(stderr, "err, {}\n", failure.message);
    if (!failure.hint.empty())
        fmt::print(stderr, "hint: {}\n", failure.hint);
    return static_cast<int>(failure.code);
}

/// A terminal gets progress on stdout as it comes; so does a pipe, which may be a test's log.
void show_progress(std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

int run_start(const Options& options) {
    const auto endpoint = start(options, show_progress);
    return endpoint ? 0 : report(endpoint.failure());
}

int run_stop(const std::string& name) {
    const auto kept = stop(name);
    if (!kept)
        return report(kept.failure());
    fmt::print("lab '{}' stopped\n", name);
    if (!kept->empty())
        fmt::print("its console shows trouble; the log is kept: {}\n", kept->string());
    return 0;
}

void print_endpoint(const Endpoint& endpoint) {
    const std::string agent = endpoint.serial_socket.empty()
                                  ? fmt::format("{}:{}", endpoint.host, endpoint.port)
                                  : endpoint.serial_socket.string();
    fmt::print("{}: Linux {}, {} cores, {}, agent {}{}, pid {}\n", endpoint.name, endpoint.kernel,
               endpoint.smp, endpoint.accelerator, agent, endpoint.agent ? "" : " (not started)",
               endpoint.pid);
}

int run_list() {
    for (const Endpoint& endpoint : list())
        print_endpoint(endpoint);
    return 0;
}

int run_status(const std::string& name) {
    const auto endpoint = find(name);
    if (!endpoint)
        return report(
            {fmt::format("no lab '{}' runs", name), "ringside lab start", ExitCode::kUnreachable});
    print_endpoint(*endpoint);
    fmt::print("key: {}\nconsole log: {}\nroot log: {}\n", endpoint->key_file.string(),
               endpoint->console_log.string(), endpoint->root_log.string());
    if (!endpoint->debug_memory.empty())
        fmt::print("debug memory: {}\n", endpoint->debug_memory.string());
    if (!endpoint->debug_socket.empty())
        fmt::print("debug socket: {}\n", endpoint->debug_socket.string());
    const auto trouble = trouble_in(read_file(endpoint->console_log).value_or(""));
    fmt::print("console: {}\n", trouble.empty() ? "clean" : "trouble");
    for (const std::string& line : trouble)
        fmt::print("  {}\n", line);
    return 0;
}

int run_console(const std::string& name, bool follow) {
    auto endpoint = find(name);
    if (!endpoint)
        return report(
            {fmt::format("no lab '{}' runs", name), "ringside lab start", ExitCode::kUnreachable});
    std::size_t shown = 0;
    do {
        const std::string text = read_file(endpoint->console_log).value_or("");
        if (text.size() > shown) {
            std::fwrite(text.data() + shown, 1, text.size() - shown, stdout);
            std::fflush(stdout);
            shown = text.size();
        } else if (follow) {
            std::this_thread::sleep_for(kFollowLook);
        }
    } while (follow && find(name));
    return 0;
}

int run_shell(const std::string& name, const std::vector<std::string>& words) {
    std::string command;
    for (const std::string& word : words)
        command += (command.empty() ? "" : " ") + word;
    if (command.empty())
        return report(
            {"lab shell needs a command", "ringside lab shell uptime", ExitCode::kWrongOptions});
    const auto status = shell(name, command, [](std::string_view text, bool is_stderr) {
        std::FILE* stream = is_stderr ? stderr : stdout;
        std::fwrite(text.data(), 1, text.size(), stream);
        std::fflush(stream);
    });
    return status ? *status : report(status.failure());
}

}  // namespace

int main(std::span<const std::string> args) {
    CLI::App app{"A debuggee to play with: Debian's kernel in an emulated AMD or Intel machine",
                 "ringside lab"};
    app.require_subcommand(1);
    Options options;
    std::string accelerator = "auto";
    bool follow = false;
    bool no_agent = false;
    unsigned timeout_s = static_cast<unsigned>(options.boot_timeout.count());
    std::string build_folder;

    auto* start_command = app.add_subcommand("start", "boot a debuggee");
    auto* stop_command = app.add_subcommand("stop", "end it; nothing is left behind");
    auto* status_command =
        app.add_subcommand("status", "where it is, and whether its log is clean");
    auto* console_command = app.add_subcommand("console", "print its console log");
    auto* shell_command = app.add_subcommand("shell", "run a command inside");
    auto* list_command = app.add_subcommand("list", "all labs that run");
    for (auto* command :
         {start_command, stop_command, status_command, console_command, shell_command})
        command->add_option("--name", options.name, "which lab")->capture_default_str();
    start_command->add_flag(
        "--vmx", options.vmx,
        "an Intel machine with VMX, in Bochs: slower, its agent on a serial line");
    auto* smp = start_command->add_option("--smp", options.smp, "cores; with --vmx 1 or 2")
                    ->capture_default_str();
    auto* memory =
        start_command
            ->add_option("--memory", options.memory_mb,
                         fmt::format("MB of memory; with --vmx {} unless said", kVmxMemoryMb))
            ->capture_default_str();
    start_command->add_option("--accel", accelerator, "auto, kvm or tcg")
        ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
        ->capture_default_str();
    start_command->add_option("--cpu", options.cpu,
                              "QEMU's CPU model and features; with --vmx a model of Bochs");
    start_command->add_option("--append", options.append, "added to the kernel command line");
    start_command->add_flag("--icount", options.icount,
                            "guest time is counted in instructions (benchmarks; one core)");
    auto* disk =
        start_command->add_option("--disk", options.disk_mb, "MB of scratch disk, 0 for none")
            ->capture_default_str();
    start_command->add_flag("--no-agent", no_agent, "boot without the agent");
    start_command->add_option("--qemu", options.qemu_arguments, "one more word for QEMU")
        ->allow_extra_args(false);
    start_command->add_option("--build", build_folder, "build folder to take the parts from");
    start_command->add_option("--timeout", timeout_s, "seconds for the boot")
        ->capture_default_str();
    console_command->add_flag("-f,--follow", follow, "go on as it grows, until the lab ends");
    shell_command->prefix_command();
    // What stands between Bochs and a debugger; start_relay() runs it.
    auto* relay_command = app.add_subcommand("relay", "")->group("")->prefix_command();

    // CLI11 takes its arguments last one first.
    std::vector<std::string> reversed{args.rbegin(), args.rend()};
    try {
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : static_cast<int>(ExitCode::kWrongOptions);
    }
    if (options.icount && smp->empty())
        options.smp = 1;
    if (options.vmx && memory->empty())
        options.memory_mb = kVmxMemoryMb;
    if (options.vmx && !disk->empty())
        return report(
            {"a VMX lab has no scratch disk", "leave --disk out", ExitCode::kWrongOptions});
    options.agent = !no_agent;
    options.boot_timeout = std::chrono::seconds{timeout_s};
    options.build_folder = build_folder;
    options.accelerator = accelerator == "kvm"   ? Accelerator::kKvm
                          : accelerator == "tcg" ? Accelerator::kTcg
                                                 : Accelerator::kAuto;
    if (start_command->parsed())
        return run_start(options);
    if (stop_command->parsed())
        return run_stop(options.name);
    if (status_command->parsed())
        return run_status(options.name);
    if (console_command->parsed())
        return run_console(options.name, follow);
    if (shell_command->parsed())
        return run_shell(options.name, shell_command->remaining());
    if (list_command->parsed())
        return run_list();
    if (relay_command->parsed())
        return relay_main(relay_command->remaining());
    return static_cast<int>(ExitCode::kWrongOptions);
}

}  // namespace ringside::lab
