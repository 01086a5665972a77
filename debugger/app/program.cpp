// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <span>
#include <sstream>

#include "agent/agent.hpp"
#include "app/completion.hpp"
#include "language/names.hpp"
#include "output/json_output.hpp"
#include "ringside/error.h"
#include "transport/key.hpp"

namespace ringside::app {
namespace {

using commands::Outcome;

/// What '--intro' shows: a timer, wake-ups between cores, everything else.
constexpr std::string_view kIntroCommands[] = {
    "!interrupt ec core 1 script { printf(\"timer: core %x pid %x rip %llx\\n\", $core, $pid, "
    "@rip); }",
    "!interrupt fd script { printf(\"wake-up: core %x was running %s\\n\", $core, $pname); }",
    "!interrupt script { if ($context != ec) { printf(\"vector %x on core %x\\n\", $context, "
    "$core); } }",
};

/// The same for a machine that stands: an event that halts it, and two looks around there.
constexpr std::string_view kDebugIntroCommands[] = {
    "!interrupt ec core 1",
    "k",
    "? printf(\"core %x was running %s (pid %x), vector %x\\n\", $core, $pname, $pid, $context);",
};

/// How long a lab may take to answer as a debuggee: it may be busy, or slow (Bochs).
constexpr std::chrono::seconds kShellPatience{5};
constexpr std::chrono::seconds kLabPatience{60};
constexpr std::chrono::seconds kBochsPatience{180};

bool is_terminal() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

}  // namespace

Program::Program(Options options)
    : options_{std::move(options)},
      console_{STDOUT_FILENO, STDERR_FILENO,
               !options_.batch && output::wants_colour(STDERR_FILENO)},
      json_{options_.json ? std::make_unique<output::JsonOutput>(console_) : nullptr},
      session_{loop_, output(), *this},
      signals_{loop_.context()} {
    session_.key = {options_.key_file, options_.no_key};
    session_.set_stops_at_failure(options_.batch);
    session_.set_halt_patience(options_.halt_patience);
    for (const std::string& complaint :
         session_.settings().use_file(commands::default_settings_path()))
        output().diagnostic("warn, " + complaint);
    script_names_ = language::all_names();
}

Program::~Program() = default;

output::Output& Program::output() {
    return json_ ? *json_ : console_;
}

int Program::run() {
    watch_signals();
    const Outcome connected = connect();
    if (connected != Outcome::kOk) {
        session_.close();
        return static_cast<int>(connected);
    }
    if (!options_.commands.empty())
        run_given_commands();
    else if (!options_.script_file.empty())
        run_script_file();
    else if (is_terminal() && !options_.batch && !options_.json)
        run_prompt();
    else
        run_stdin();
    session_.close();
    console_.fresh_line();
    return static_cast<int>(outcome_);
}

Outcome Program::connect_to_lab(const std::string& name) {
    const auto endpoint = lab::find(name);
    if (!endpoint) {
        output().diagnostic(fmt::format(
            "err, no lab named '{}' is running\nhint: start one with 'ringside lab start'", name));
        return Outcome::kUnreachable;
    }
    session_.key = {endpoint->key_file.string(), false};
    session_.settings().set_emulated();
    if (options_.debug)
        return debug_lab(*endpoint);
    // In Bochs an earlier Debugger Mode may have the agent's line. Where no shell answers no agent
    // will, and connecting says so.
    if (!endpoint->serial_socket.empty())
        (void)lab::shell(endpoint->name, "debug-prepare close", [](std::string_view, bool) {});
    return endpoint->serial_socket.empty()
               ? session_.connect(endpoint->host, endpoint->port)
               : session_.connect_serial(endpoint->serial_socket.string());
}

/// Makes the lab's machine a debuggee, unless it is one, and us its debugger.
Outcome Program::debug_lab(const lab::Endpoint& endpoint) {
    const bool is_bochs = endpoint.debug_memory.empty();
    std::string said;
    const auto prepared = lab::shell(
        endpoint.name, "debug-prepare", [&said](std::string_view text, bool) { said += text; },
        kShellPatience, is_bochs ? kBochsPatience : kLabPatience);
    // A debugger that was killed leaves its machine prepared, and maybe halted: then no shell
    // answers, but root mode does.
    const bool is_silent = !prepared && prepared.failure().code == lab::ExitCode::kTimeOut;
    const bool was_prepared =
        said.find(fmt::format("({:08x})", u32{RS_ERR_DEBUGGER_MODE})) != std::string::npos;
    if (!is_silent && !was_prepared && !(prepared && *prepared == 0)) {
        output().diagnostic(fmt::format(
            "err, cannot prepare the lab '{}' for Debugger Mode: {}", endpoint.name,
            prepared ? fmt::format("'debug-prepare' inside ended with status {}\n{}", *prepared,
                                   said.substr(0, said.find_last_not_of('\n') + 1))
                     : prepared.failure().message));
        return prepared ? Outcome::kFailed : Outcome::kUnreachable;
    }
    debuggee::DebugOptions options;
    if (is_bochs) {
        options.line = endpoint.debug_socket.string();
    } else {
        options.memory = endpoint.debug_memory.string();
        options.bell = endpoint.debug_socket.string();
    }
    options.pause = true;
    options.timeout = is_bochs ? kBochsPatience : kLabPatience;
    return session_.connect_debug(options);
}

Outcome Program::connect() {
    Outcome outcome = Outcome::kOk;
    if (options_.lab) {
        outcome =
            connect_to_lab(options_.lab->empty() ? std::string{lab::kDefaultName} : *options_.lab);
    } else if (options_.connect_address == "local") {
        outcome = session_.connect("", 0);
    } else if (!options_.connect_address.empty()) {
        outcome = session_.connect(options_.connect_address, options_.connect_port);
    } else if (options_.load) {
        outcome = session_.connect("", 0);
    }
    // What is prepared for Debugger Mode is loaded.
    if (outcome != Outcome::kOk || !options_.load || options_.debug)
        return outcome;
    const auto version = session_.debuggee().version();
    if (!version)
        return session_.request_failed(version.failure());
    return (version->state & RS_STATE_LOADED) != 0 ? Outcome::kOk : session_.load({});
}

void Program::print_intro() {
    std::string text =
        options_.debug
            ? "\nThe machine is halted: 'g' lets it run, Ctrl+C halts it again. Three commands to "
              "try; 'g' behind\nthe first runs to the next timer interrupt of core 1, where the "
              "others look around;\n'events c all' takes it away:\n\n"
            : "\nThree commands to try; 'events c all' ends them, Ctrl+C pauses the output:\n\n";
    const auto commands = options_.debug ? std::span<const std::string_view>{kDebugIntroCommands}
                                         : std::span<const std::string_view>{kIntroCommands};
    for (const std::string_view command : commands)
        text += fmt::format("    {}\n", command);
    output().text(text + "\n");
}

bool Program::goes_on() const {
    const bool failed = options_.batch && outcome_ != Outcome::kOk;
    // A halt that did not come would be waited for once more by each command that follows.
    return !failed && !interrupted_ && !terminated_ && !session_.exit_requested() &&
           !session_.has_given_up() && console_.is_open();
}

void Program::note(Outcome outcome) {
    // A special cause says more than "a command failed"; among equals the first one stays.
    const bool is_special = outcome != Outcome::kOk && outcome != Outcome::kFailed;
    const bool had_special = outcome_ != Outcome::kOk && outcome_ != Outcome::kFailed;
    if (outcome_ == Outcome::kOk || (is_special && !had_special))
        outcome_ = outcome;
    if (outcome == Outcome::kInterrupted)
        interrupted_ = true;
}

void Program::execute(const std::string& command) {
    note(session_.execute(command));
    if (session_.take_lost())
        note(Outcome::kUnreachable);
}

void Program::finish(commands::CommandReader& reader) {
    if (reader.is_open() && goes_on())
        execute(reader.abandon());
}

void Program::run_given_commands() {
    for (const std::string& text : options_.commands) {
        commands::CommandReader reader;
        for (const std::string_view line : commands::split_lines(text)) {
            if (!goes_on())
                return;
            if (const auto command = reader.add_line(line))
                execute(*command);
        }
        finish(reader);
    }
}

void Program::run_script_file() {
    std::ifstream file{options_.script_file, std::ios::binary};
    std::ostringstream text;
    struct stat status {};
    if (::stat(options_.script_file.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        errno = EISDIR;
    else if (file)
        errno = (text << file.rdbuf(), file.bad()) ? EIO : 0;
    if (errno != 0) {
        output().diagnostic(
            fmt::format("err, cannot read '{}': {}", options_.script_file, std::strerror(errno)));
        return note(Outcome::kFailed);
    }
    commands::CommandReader reader;
    const std::string content = text.str();
    for (const std::string_view line : commands::split_lines(content)) {
        if (!goes_on())
            return;
        if (!reader.is_open() && commands::is_comment_line(line))
            continue;
        if (const auto command = reader.add_line(line))
            execute(commands::replace_arguments(*command, options_.script_arguments));
    }
    finish(reader);
}

void Program::run_stdin() {
    // A descriptor of our own (see LineEditor); a regular file cannot be waited for and needs not.
    int descriptor = ::open("/proc/self/fd/0", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    const bool is_file =
        ::fstat(STDIN_FILENO, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
    if (is_file || descriptor < 0) {
        if (descriptor >= 0)
            ::close(descriptor);
        descriptor = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    }
    if (descriptor < 0)
        return;  // stdin is closed: no commands
    std::unique_ptr<asio::posix::stream_descriptor> input;
    if (!is_file)
        input = std::make_unique<asio::posix::stream_descriptor>(loop_.context(), descriptor);
    commands::CommandReader reader;
    std::string buffer;
    bool at_end = false;
    while (!at_end && goes_on()) {
        if (input) {
            bool is_ready = false;
            input->async_wait(asio::posix::descriptor_base::wait_read,
                              [&is_ready](const std::error_code&) { is_ready = true; });
            if (loop_.wait_until([&] { return is_ready; }) == transport::Wait::kInterrupted) {
                input->cancel();
                loop_.wait_until([&] { return is_ready; });  // the handler refers to this frame
                note(session_.take_lost() ? Outcome::kUnreachable : Outcome::kInterrupted);
                continue;
            }
        }
        char chunk[4096];
        const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        at_end = count <= 0;
        buffer.append(chunk, static_cast<std::size_t>(count > 0 ? count : 0));
        if (at_end && !buffer.empty() && buffer.back() != '\n')
            buffer.push_back('\n');
        for (std::size_t end; (end = buffer.find('\n')) != std::string::npos && goes_on();) {
            std::string line = buffer.substr(0, end);
            buffer.erase(0, end + 1);
            if (!line.empty() && line.back() == '\r')
                line.pop_back();
            if (const auto command = reader.add_line(line))
                execute(*command);
        }
    }
    finish(reader);
    if (!input)
        ::close(descriptor);
}

void Program::run_prompt() {
    editor_ = std::make_unique<LineEditor>(
        loop_, default_history_file(),
        LineEditor::Callbacks{[this](const char* line) { on_line(line); },
                              [this](std::string_view text) {
                                  return complete(reader_.pending(), text, session_.known_events(),
                                                  script_names_);
                              }});
    if (options_.intro)
        print_intro();
    console_.set_prompt(editor_.get(),
                        [this](std::function<void()> run) { loop_.post(std::move(run)); });
    show_prompt();
    loop_.run();
    console_.set_prompt(nullptr);
    editor_.reset();
}

void Program::show_prompt() {
    session_.show_news();
    console_.fresh_line();
    editor_->prompt(reader_.is_open() ? "> " : session_.prompt());
}

void Program::on_line(const char* line) {
    if (line == nullptr) {
        console_.text("\n");
        return loop_.stop();
    }
    // A paste arrives as one line with line feeds in it.
    const std::string text{line};
    auto lines = commands::split_lines(text);
    if (lines.empty())
        lines.push_back("");
    for (const std::string_view part : lines) {
        const std::string before = reader_.pending();
        const auto command = reader_.add_line(part);
        if (!command)
            continue;
        if (command->find_first_not_of(" \t\n") != std::string::npos)
            editor_->remember(*command);
        interrupted_ = false;
        // An empty line within a paste is no Enter that was pressed.
        const Outcome outcome =
            lines.size() == 1 ? session_.execute_at_prompt(*command) : session_.execute(*command);
        (void)session_.take_lost();
        if (session_.exit_requested() || terminated_ || !console_.is_open())
            return loop_.stop();
        if (outcome == Outcome::kInterrupted) {
            (void)reader_.abandon();
            break;
        }
    }
    show_prompt();
}

void Program::watch_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) {
        std::error_code ignored;
        signals_.add(number, ignored);
    }
    wait_for_signal();
}

void Program::wait_for_signal() {
    signals_.async_wait([this](const std::error_code& error, int number) {
        if (error)
            return;
        wait_for_signal();  // first: what is done about this one may wait itself
        on_signal(number);
    });
}

void Program::on_interrupt() {
    if (editor_ && !editor_->is_reading())
        console_.text("\n");  // behind the terminal's ^C
    if (loop_.interrupt())
        return;
    if (!editor_ || !editor_->is_reading()) {
        interrupted_ = true;
        return note(Outcome::kInterrupted);
    }
    const bool unfinished = editor_->has_text() || reader_.is_open();
    (void)reader_.abandon();
    editor_->abandon();
    if (!unfinished && session_.debuggee().is_debug_link()) {
        if (!session_.is_halted())
            (void)session_.break_in();
    } else if (!unfinished && session_.debuggee().is_connected()) {
        session_.pause();
        session_.output().text("paused\n");
    }
    if (terminated_)
        return loop_.stop();
    show_prompt();
}

void Program::on_signal(int number) {
    switch (number) {
        case SIGINT:
            on_interrupt();
            break;
        case SIGTERM:
        case SIGHUP:
            terminated_ = true;
            note(Outcome::kFailed);
            if (!loop_.interrupt())
                loop_.stop();
            break;
        case SIGWINCH:
            if (editor_)
                editor_->resized();
            break;
        case SIGCONT:
            if (editor_)
                editor_->continued();
            break;
        default:
            break;
    }
}

void Program::connection_lost() {
    if (editor_)
        editor_->change_prompt(reader_.is_open() ? "> " : "Ringside> ");
}

void Program::clear_screen() {
    if (::isatty(STDOUT_FILENO) == 1 && !options_.json)
        console_.text("\x1b[H\x1b[2J\x1b[3J");
}

std::optional<agent::Options> Program::agent_options() {
    agent::Options options;
    if (!options_.no_key) {
        auto found = options_.key_file.empty()
                         ? transport::read_or_create_key(transport::default_key_path())
                         : transport::read_key(options_.key_file);
        if (!found.error.empty()) {
            output().diagnostic("err, " + found.error);
            return std::nullopt;
        }
        options.key = std::move(found.key);
    }
    options.log = [this](const std::string& line) { output().diagnostic("notice: " + line); };
    return options;
}

Outcome Program::listen(std::uint16_t port) {
    auto options = agent_options();
    if (!options)
        return Outcome::kFailed;
    options->port = port;
    agent::Agent agent{loop_, std::move(*options)};
    if (const int error = agent.listen(); error != 0) {
        output().diagnostic(
            fmt::format("err, cannot listen on port {}: {}", port, std::strerror(error)));
        return Outcome::kFailed;
    }
    output().text(fmt::format("listening on port {}\n", agent.port()));
    (void)loop_.wait_until([] { return false; });
    agent.stop();
    return Outcome::kInterrupted;
}

Outcome Program::listen_on_line(const std::string& path) {
    auto options = agent_options();
    if (!options)
        return Outcome::kFailed;
    auto line = transport::open_serial(path);
    if (!line.descriptor) {
        output().diagnostic("err, " + line.error);
        return Outcome::kFailed;
    }
    bool is_gone = false;
    agent::LineAgent agent{loop_, std::move(line), std::move(*options), [&] { is_gone = true; }};
    output().text(fmt::format("listening on serial line {}\n", path));
    if (loop_.wait_until([&] { return is_gone; }) == transport::Wait::kDone)
        return Outcome::kFailed;
    agent.stop();
    return Outcome::kInterrupted;
}

}  // namespace ringside::app
