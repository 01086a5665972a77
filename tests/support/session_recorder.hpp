// SPDX-License-Identifier: GPL-3.0-or-later
// What a session needs around it in tests: an output that remembers, a program that does nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "commands/session.hpp"

namespace ringside::test {

class Recorder final : public output::Output {
public:
    void text(std::string_view bytes) override { printed += bytes; }
    void diagnostic(std::string_view message) override {
        told += message;
        told += '\n';
    }
    std::string printed;
    std::string told;
};

class NoEnvironment final : public commands::Environment {
public:
    void clear_screen() override { ++clears; }
    commands::Outcome listen(std::uint16_t port) override {
        listened_on = port;
        return commands::Outcome::kInterrupted;
    }
    commands::Outcome listen_on_line(const std::string& path) override {
        listened_on_line = path;
        return commands::Outcome::kInterrupted;
    }
    void connection_lost() override { ++losses; }
    int clears = 0;
    int losses = 0;
    std::uint16_t listened_on = 0;
    std::string listened_on_line;
};

}  // namespace ringside::test
