// SPDX-License-Identifier: GPL-3.0-or-later
// The outputs a user created, and which of them an event's text goes to (specification section 11,
// OUT-1 to OUT-5).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "output/sink.hpp"

namespace ringside::output {

enum class OutputState {
    kNotOpened,  ///< created and connected; nothing flows yet
    kOpened,
    kFailed,  ///< opened or not, it works no more
    kClosed,  ///< for good; its name stays taken
};

/// "not opened", "opened", "failed", "closed".
std::string_view output_state_name(OutputState state);

struct NamedOutput {
    std::string name;
    SinkType type = SinkType::kFile;
    OutputState state = OutputState::kNotOpened;
    std::shared_ptr<Sink> sink;
    std::uint64_t lost = 0;  ///< messages dropped since the last one that fitted
};

/// Longest name of an output (OUT-1).
inline constexpr std::size_t kLongestOutputName = 49;

/// True for a name that 'output create' takes: 1 to 49 characters, no blank, comma or brace.
bool is_output_name(std::string_view name);

class Outputs {
public:
    /// @param report  shows one diagnostic to the user, "warn, " included
    explicit Outputs(std::function<void(const std::string&)> report) : report_{std::move(report)} {}
    Outputs(const Outputs&) = delete;
    Outputs& operator=(const Outputs&) = delete;

    /// Adds an output that is not opened yet. The name must be free.
    NamedOutput& add(std::string name, SinkType type, std::shared_ptr<Sink> sink);
    /// The output of that name, in whatever state; null if there is none.
    NamedOutput* find(std::string_view name);
    const std::vector<std::unique_ptr<NamedOutput>>& all() const { return outputs_; }

    /// Ends an output for good; tells what could not be handed on.
    void close(NamedOutput& output);
    void close_all();
    /// True when nothing is waiting for a reader.
    bool is_idle() const;

    /// Sends the text of events with that cookie to these outputs, each once, in this order.
    void set_route(std::uint64_t cookie, const std::vector<std::string>& names);
    void forget_route(std::uint64_t cookie) { routes_.erase(cookie); }
    void forget_routes() { routes_.clear(); }

    /// Hands one message of an event to its outputs.
    /// @return false if none of them is open: the text belongs to the console
    bool forward(std::uint64_t cookie, std::string_view text);

private:
    void send(NamedOutput& output, std::string_view text);
    void tell_lost(NamedOutput& output);

    std::function<void(const std::string&)> report_;
    std::vector<std::unique_ptr<NamedOutput>> outputs_;
    std::map<std::uint64_t, std::vector<NamedOutput*>> routes_;
};

/// What 'output' prints: index in hex from 1, type, state, tab, name; one line an output.
std::string output_list(const Outputs& outputs);

}  // namespace ringside::output
