// SPDX-License-Identifier: GPL-3.0-or-later
// The program: its subcommands, and the one place where exceptions of the standard library end.
#include <cstdio>
#include <exception>

#include "agent/agent.hpp"
#include "app/doctor.hpp"
#include "app/options.hpp"
#include "app/program.hpp"
#include "app/script_tool.hpp"
#include "lab/lab.hpp"
#include "transport/key.hpp"

namespace ringside::app {
namespace {

int run_agent(const Options& options) {
    agent::Options settings;
    settings.address = options.agent_address;
    settings.port = options.agent_port;
    if (!options.no_key) {
        auto found = options.key_file.empty()
                         ? transport::read_or_create_key(transport::default_key_path())
                         : transport::read_key(options.key_file);
        if (!found.error.empty()) {
            std::fprintf(stderr, "err, %s\n", found.error.c_str());
            return 1;
        }
        settings.key = std::move(found.key);
    }
    settings.log = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    return options.agent_serial.empty()
               ? agent::run(std::move(settings))
               : agent::run_on_line(options.agent_serial, std::move(settings));
}

int run(int argc, char** argv) {
    int exit_code = 0;
    auto options = parse_options(argc, argv, exit_code);
    if (!options)
        return exit_code;
    switch (options->mode) {
        case Mode::kAgent:
            return run_agent(*options);
        case Mode::kLab:
            return lab::main(options->lab_arguments);
        case Mode::kScript:
            return script_tool(options->script_tool_arguments);
        case Mode::kDoctor:
            return doctor();
        case Mode::kCommands:
            break;
    }
    return Program{std::move(*options)}.run();
}

}  // namespace
}  // namespace ringside::app

int main(int argc, char** argv) {
    try {
        return ringside::app::run(argc, argv);
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "err, %s\n", exception.what());
        return 1;
    }
}
