// SPDX-License-Identifier: GPL-3.0-or-later
// Runs commands: given with -c, from a file, from stdin, or typed at the prompt.
#pragma once

#include <asio/signal_set.hpp>
#include <memory>
#include <optional>
#include <string>

#include "agent/agent.hpp"
#include "app/line_editor.hpp"
#include "app/options.hpp"
#include "commands/command_reader.hpp"
#include "commands/session.hpp"
#include "lab/lab.hpp"
#include "output/console.hpp"
#include "transport/loop.hpp"

namespace ringside::app {

class Program final : public commands::Environment {
public:
    explicit Program(Options options);
    ~Program() override;

    /// @return the program's exit code (LEX-11)
    int run();

    void clear_screen() override;
    commands::Outcome listen(std::uint16_t port) override;
    commands::Outcome listen_on_line(const std::string& path) override;
    void connection_lost() override;
    bool waits_for_halts() const override { return editor_ != nullptr; }
    bool is_ending() const override { return terminated_; }

private:
    /// Where everything is said that is no prompt.
    output::Output& output();
    commands::Outcome connect();
    commands::Outcome connect_to_lab(const std::string& name);
    commands::Outcome debug_lab(const lab::Endpoint& endpoint);
    /// How to serve debuggers; nothing (and why is told) if there is no key.
    std::optional<agent::Options> agent_options();
    void print_intro();
    void run_given_commands();
    void run_script_file();
    void run_stdin();
    void run_prompt();

    /// Runs one command and notes how it ended.
    void execute(const std::string& command);
    void note(commands::Outcome outcome);
    /// Whether the next command may run.
    bool goes_on() const;
    /// Runs what is still unfinished at the end of a file, so that its error is told.
    void finish(commands::CommandReader& reader);

    void watch_signals();
    void wait_for_signal();
    void on_signal(int number);
    void on_interrupt();
    void on_line(const char* line);
    void show_prompt();

    Options options_;
    transport::Loop loop_;
    output::Console console_;
    std::unique_ptr<output::Output> json_;  ///< in front of the console with --json, else null
    commands::Session session_;
    asio::signal_set signals_;
    commands::CommandReader reader_;
    std::vector<std::string> script_names_;
    std::unique_ptr<LineEditor> editor_;
    commands::Outcome outcome_ = commands::Outcome::kOk;
    bool interrupted_ = false;
    bool terminated_ = false;
};

}  // namespace ringside::app
