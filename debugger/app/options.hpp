// SPDX-License-Identifier: GPL-3.0-or-later
// The program's own command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ringside::app {

enum class Mode { kCommands, kAgent, kLab, kScript, kDoctor };

struct Options {
    Mode mode = Mode::kCommands;
    std::vector<std::string> commands;  ///< -c, in order
    std::string script_file;
    std::vector<std::string> script_arguments;
    bool batch = false;
    bool json = false;  ///< stdout is NDJSON
    bool intro = false;
    bool load = false;
    std::string connect_address;  ///< empty: none given; "local" for this machine
    std::uint16_t connect_port = 50000;
    std::optional<std::string> lab;  ///< name of a running lab to connect to
    bool debug = false;              ///< in Debugger Mode, halted at once
    /// How long a command waits for a running machine to halt.
    std::chrono::seconds halt_patience{60};
    std::string key_file;
    bool no_key = false;
    // ringside agent
    std::string agent_address = "0.0.0.0";
    std::uint16_t agent_port = 50000;
    std::string agent_serial;  ///< path of the serial line; empty: listen on the port
    // ringside lab ...
    std::vector<std::string> lab_arguments;
    // ringside script ...
    std::vector<std::string> script_tool_arguments;
};

/// Reads the command line. Prints --help, --version and complaints itself.
/// @return the options, or nothing and the exit code in `exit_code`: 0 or 2 (LEX-11)
std::optional<Options> parse_options(int argc, const char* const* argv, int& exit_code);

/// Splits "ADDR", "ADDR:PORT", "[V6]:PORT" or "V6".
/// @return false if the port is none
bool split_address(const std::string& text, std::string& address, std::uint16_t& port);

}  // namespace ringside::app
