// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/script_tool.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>

#include "base/memory.hpp"
#include "commands/event_command.hpp"
#include "commands/number.hpp"
#include "commands/script_file.hpp"
#include "language/disassembler.hpp"
#include "language/evaluator.hpp"
#include "language/names.hpp"
#include "output/console.hpp"
#include "output/json_output.hpp"
#include "script/machine_registers.hpp"

namespace ringside::app {
namespace {

constexpr int kFine = 0, kFailed = 1, kWrongOptions = 2, kInterrupted = 130;

constexpr const char* kFooter = R"(
Numbers are hexadecimal as in scripts; 0n in front makes them decimal.

exit codes: 0 the script is accepted and ran to its end, 1 it was refused or stopped by an error,
2 wrong options or a file that cannot be read, 130 ended by Ctrl+C

examples:
  ringside script run -e 'printf("%d\n", 2 + 2);'
  ringside script run --set rax=5 --memory 1000=48656c6c6f -e 'printf("%s\n", 1000 + @rax - 5);'
  ringside script check filter.ds)";

volatile u32 interrupted = 0;

void on_interrupt(int) {
    interrupted = 1;
}

struct Request {
    std::string file;
    std::string text;
    std::vector<std::string> registers;
    std::vector<std::string> memory;
    std::string budget;
    u64 rounds = 1000;
    bool is_event = false;
    bool interprets = false;
    bool json = false;
};

/// Registers and pieces of memory as the options give them.
class Desk : public language::ScratchGuest {
public:
    void set_register(u32 id, u64 value) { (void)script::write_machine_register(*this, id, value); }
    /// The rest of the pages the bytes lie in is zero.
    void map(u64 address, const std::vector<u8>& bytes) {
        for (usize i = 0; i < bytes.size(); ++i)
            pages_[(address + i) / kPageSize][(address + i) % kPageSize] = bytes[i];
    }

    bool read_memory(Gva from, void* to, usize count) override {
        return transfer(from.value(), count, [&](u8* at, usize offset, usize n) {
            std::memcpy(static_cast<u8*>(to) + offset, at, n);
        });
    }
    bool write_memory(Gva to, const void* from, usize count) override {
        return transfer(to.value(), count, [&](u8* at, usize offset, usize n) {
            std::memcpy(at, static_cast<const u8*>(from) + offset, n);
        });
    }
    bool compare_exchange(Gva address, u32 size, u64& expected, u64 desired) override {
        u64 old = 0;
        if (!read_memory(address, &old, size))
            return false;
        if (old == expected)
            (void)write_memory(address, &desired, size);
        expected = old;
        return true;
    }

private:
    /// Calls `step` for the part of the range on each page. False, and nothing done: one is
    /// missing.
    template <class Step>
    bool transfer(u64 address, usize count, Step step) {
        for (const bool is_dry : {true, false}) {
            for (usize done = 0; done < count;) {
                const u64 at = address + done;
                const auto page = pages_.find(at / kPageSize);
                if (page == pages_.end())
                    return false;
                const usize n = std::min<usize>(count - done, kPageSize - at % kPageSize);
                if (!is_dry)
                    step(page->second.data() + at % kPageSize, done, n);
                done += n;
            }
        }
        return true;
    }

    std::map<u64, std::array<u8, kPageSize>> pages_;
};

std::optional<u64> number(const std::string& text) {
    const commands::Number parsed = commands::parse_number(text);
    return parsed.status == commands::NumberStatus::kOk ? std::optional{parsed.value}
                                                        : std::nullopt;
}

std::pair<std::string, std::string> split(const std::string& text) {
    const std::size_t equals = text.find('=');
    return {text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
}

std::optional<std::vector<u8>> bytes_of(const std::string& hex) {
    auto parsed = commands::parse_hex_bytes(hex);
    auto* bytes = std::get_if<std::vector<u8>>(&parsed);
    return bytes != nullptr && !bytes->empty() ? std::optional{std::move(*bytes)} : std::nullopt;
}

std::string check_register(const std::string& text) {
    const auto [name, value] = split(text);
    if (!language::find_register(name))
        return "no such register: '" + name + "'";
    return number(value) ? "" : "bad value '" + value + "' of '" + name + "'";
}

std::string check_memory(const std::string& text) {
    const auto [address, hex] = split(text);
    if (!number(address))
        return "bad address '" + address + "'";
    return bytes_of(hex) ? "" : "bad bytes '" + hex + "': pairs of hexadecimal digits";
}

std::string check_number(const std::string& text) {
    return number(text) ? "" : "bad number '" + text + "'";
}

/// The script's text; false: the file cannot be read, which is told.
bool read_source(Request& request) {
    if (request.file.empty())
        return true;
    auto content = commands::read_script_file(request.file);
    if (const auto* error = std::get_if<commands::ScriptFileError>(&content)) {
        std::fprintf(stderr, "err, %s\n", error->text.c_str());
        return false;
    }
    request.text = std::get<std::string>(std::move(content));
    return true;
}

language::CompileOutput compile(const Request& request) {
    language::CompileOptions options;
    options.file_name = request.file;
    options.in_event = request.is_event;
    options.load_file = language::script_files(request.file);
    options.max_image_bytes = request.is_event ? RS_MAX_ACTION_BYTES : ~u32{0};
    return language::compile(request.text, options);
}

int run_script(const Request& request) {
    Desk desk;
    for (const std::string& text : request.registers) {
        const auto [name, value] = split(text);
        desk.set_register(*language::find_register(name), *number(value));
    }
    for (const std::string& text : request.memory) {
        const auto [address, hex] = split(text);
        desk.map(*number(address), *bytes_of(hex));
    }
    language::EvaluateOptions options;
    options.file_name = request.file;
    options.stop = &interrupted;
    options.in_event = request.is_event;
    options.machine_code = !request.interprets;
    if (!request.budget.empty())
        options.budget = *number(request.budget);
    signal(SIGINT, on_interrupt);
    language::Evaluator evaluator;
    const language::EvaluateOutput output = evaluator.evaluate(request.text, desk, options);
    output::Console console{STDOUT_FILENO, STDERR_FILENO, false};
    output::JsonOutput json{console};
    output::Output& to = request.json ? static_cast<output::Output&>(json) : console;
    for (const language::Diagnostic& diagnostic : output.compiled.diagnostics)
        to.finding({.is_warning = !diagnostic.is_error(),
                    .text = diagnostic.message,
                    .command = diagnostic.source_line,
                    .column = std::size_t{diagnostic.column} - 1,
                    .hint = {},
                    .rendered = diagnostic.text()});
    if (!output.text.empty())
        to.text(output.text);
    if (output.compiled.ok && !output.ok)
        to.diagnostic("err, " + output.error);
    if (interrupted != 0)
        return kInterrupted;
    return output.ok ? kFine : kFailed;
}

int check_script(const Request& request) {
    const language::CompileOutput output = compile(request);
    std::fputs(output.text().c_str(), stderr);
    return output.ok ? kFine : kFailed;
}

int dump_script(const Request& request) {
    const language::CompileOutput output = compile(request);
    std::fputs(output.text().c_str(), stderr);
    if (!output.ok)
        return kFailed;
    std::fputs(language::disassemble(output.image).c_str(), stdout);
    return kFine;
}

/// Runs the script again and again; operations are the machine's instructions.
int bench_script(const Request& request) {
    language::Evaluator evaluator;
    Desk desk;
    language::EvaluateOptions options;
    options.file_name = request.file;
    options.in_event = request.is_event;
    options.machine_code = !request.interprets;
    const language::EvaluateOutput first = evaluator.evaluate(request.text, desk, options);
    if (!first.ok) {
        std::fprintf(stderr, "err, %s\n", first.error.c_str());
        return kFailed;
    }
    const auto begin = std::chrono::steady_clock::now();
    u64 operations = 0;
    for (u64 round = 0; round < request.rounds; ++round)
        operations += evaluator.run_again(desk).operations;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    fmt::print("{} runs, {:.1f} ns a run, {:.1f} million operations a second\n", request.rounds,
               seconds.count() * 1e9 / static_cast<double>(request.rounds),
               static_cast<double>(operations) / seconds.count() / 1e6);
    return kFine;
}

CLI::App* add_command(CLI::App& app, Request& request, const char* name, const char* what) {
    CLI::App* command = app.add_subcommand(name, what);
    auto* file = command->add_option("FILE", request.file, "script");
    auto* text = command->add_option("-e", request.text, "the script itself")->option_text("TEXT");
    file->excludes(text);
    command->add_flag("--event", request.is_event, "as an event's script: event_sc() is allowed");
    command->final_callback([file, text] {
        if (file->empty() && text->empty())
            throw CLI::RequiredError{"FILE or -e TEXT"};
    });
    return command;
}

}  // namespace

int script_tool(const std::vector<std::string>& arguments) {
    Request request;
    CLI::App app{"Tries scripts without a debuggee.", "ringside script"};
    app.footer(kFooter);
    app.require_subcommand(1);
    CLI::App* run = add_command(app, request, "run", "run a script");
    run->add_option("--set", request.registers, "value of a register")
        ->option_text("NAME=VALUE ...")
        ->check(CLI::Validator{[](std::string& text) { return check_register(text); }, ""});
    run->add_option("--memory", request.memory, "bytes at an address")
        ->option_text("ADDRESS=HEX ...")
        ->check(CLI::Validator{[](std::string& text) { return check_memory(text); }, ""});
    run->add_option("--budget", request.budget, "operations it may take")
        ->option_text("N")
        ->check(CLI::Validator{[](std::string& text) { return check_number(text); }, ""});
    run->add_flag("--json", request.json, "one JSON object a line");
    CLI::App* check = add_command(app, request, "check", "say what the compiler has to say");
    CLI::App* dump = add_command(app, request, "dump", "show the instructions");
    CLI::App* bench = add_command(app, request, "bench", "measure how fast a script runs");
    bench->add_option("--runs", request.rounds, "how often it runs (1000)")
        ->option_text("N")
        ->check(CLI::PositiveNumber);
    for (CLI::App* command : {run, bench})
        command->add_flag("--interpreter", request.interprets, "without machine code");
    try {
        std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            app.exit(error);
            return kFine;
        }
        std::fprintf(stderr, "err, %s\nhint: see 'ringside script --help'\n", error.what());
        return kWrongOptions;
    }
    if (!read_source(request))
        return kWrongOptions;
    if (*run)
        return run_script(request);
    if (*check)
        return check_script(request);
    return *dump ? dump_script(request) : bench_script(request);
}

}  // namespace ringside::app
