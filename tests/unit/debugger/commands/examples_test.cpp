// SPDX-License-Identifier: GPL-3.0-or-later
// The scripts of examples/ are read, split and compiled as the program would; that they print what
// they promise is seen in the lab.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "commands/command_reader.hpp"
#include "commands/event_command.hpp"
#include "commands/spec.hpp"
#include "commands/token.hpp"
#include "language/compiler.hpp"

namespace ringside::commands {
namespace {

namespace fs = std::filesystem;

/// The commands of a script file, without its comment lines. $arg1 is 1.
std::vector<std::string> commands_of(const fs::path& path) {
    std::ifstream file{path};
    std::stringstream stream;
    stream << file.rdbuf();
    const std::string text = stream.str();
    CommandReader reader;
    std::vector<std::string> commands;
    for (const std::string_view line : split_lines(text)) {
        const std::size_t first = line.find_first_not_of(" \t");
        if (!reader.is_open() && (first == std::string_view::npos || line[first] == '#'))
            continue;
        if (auto command = reader.add_line(line))
            commands.push_back(replace_arguments(*command, {path.string(), "1"}));
    }
    EXPECT_FALSE(reader.is_open()) << path << " ends within a command";
    return commands;
}

/// Compiles `text`; globals that it assigns are known to the scripts behind it.
void compile(const std::string& text, bool in_event, std::vector<language::KnownGlobal>& globals) {
    language::CompileOptions options;
    options.in_event = in_event;
    options.known_globals = globals;
    const auto output = language::compile(text, options);
    EXPECT_TRUE(output.ok) << output.text();
    EXPECT_TRUE(output.diagnostics.empty()) << "an example must not warn:\n" << output.text();
    language::add_globals(globals, output.globals_assigned);
}

TEST(Examples, ConsistOfCommandsAndScriptsThatCompile) {
    const auto folder = (fs::path{__FILE__} / "../../../../../examples").lexically_normal();
    std::size_t files = 0;
    std::size_t scripts = 0;
    for (const auto& entry : fs::directory_iterator{folder}) {
        if (entry.path().extension() != ".ds")
            continue;
        ++files;
        SCOPED_TRACE(entry.path().filename());
        std::vector<language::KnownGlobal> globals;
        for (const std::string& command : commands_of(entry.path())) {
            SCOPED_TRACE(command);
            const Scan scan = scan_command(command);
            ASSERT_FALSE(scan.tokens.empty());
            const std::string& name = scan.tokens.front().text;
            if (name == "?") {
                compile(command.substr(scan.tokens.front().end), false, globals);
                ++scripts;
            } else if (name == "!interrupt") {
                const auto parsed =
                    parse_event_command(kInterrupts, std::span{scan.tokens}.subspan(1));
                const auto* interrupt = std::get_if<EventCommand>(&parsed);
                ASSERT_NE(interrupt, nullptr) << std::get<Problem>(parsed).text;
                for (const EventBlock& block : interrupt->actions) {
                    compile(block.text, true, globals);
                    ++scripts;
                }
            } else {
                EXPECT_NE(find_command(name), nullptr);
            }
        }
    }
    EXPECT_GE(files, 5u);
    EXPECT_GE(scripts, files);
}

}  // namespace
}  // namespace ringside::commands
