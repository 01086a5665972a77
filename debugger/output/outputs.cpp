// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/outputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringside::output {

std::string_view output_state_name(OutputState state) {
    switch (state) {
        case OutputState::kNotOpened:
            return "not opened";
        case OutputState::kOpened:
            return "opened";
        case OutputState::kFailed:
            return "failed";
        case OutputState::kClosed:
            return "closed";
    }
    return "";
}

bool is_output_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongestOutputName &&
           name.find_first_of(" \t\r\n,{}") == std::string_view::npos;
}

NamedOutput& Outputs::add(std::string name, SinkType type, std::shared_ptr<Sink> sink) {
    auto output = std::make_unique<NamedOutput>();
    output->name = std::move(name);
    output->type = type;
    output->sink = std::move(sink);
    output->sink->on_failure([this, target = output.get()] {
        if (target->state == OutputState::kClosed)
            return;
        target->state = OutputState::kFailed;
        tell_lost(*target);
        report_(fmt::format("warn, output '{}' failed: {}", target->name, target->sink->failure()));
    });
    outputs_.push_back(std::move(output));
    return *outputs_.back();
}

NamedOutput* Outputs::find(std::string_view name) {
    const auto found = std::find_if(outputs_.begin(), outputs_.end(),
                                    [&](const auto& output) { return output->name == name; });
    return found == outputs_.end() ? nullptr : found->get();
}

void Outputs::close(NamedOutput& output) {
    if (output.state == OutputState::kClosed)
        return;
    const std::size_t bytes = output.sink->close();
    tell_lost(output);
    if (bytes > 0)
        report_(fmt::format("warn, output '{}' was closed before {} bytes were taken", output.name,
                            bytes));
    output.state = OutputState::kClosed;
}

void Outputs::close_all() {
    for (const auto& output : outputs_)
        close(*output);
}

bool Outputs::is_idle() const {
    return std::all_of(outputs_.begin(), outputs_.end(),
                       [](const auto& output) { return output->sink->is_idle(); });
}

void Outputs::set_route(std::uint64_t cookie, const std::vector<std::string>& names) {
    std::vector<NamedOutput*>& route = routes_[cookie];
    for (const std::string& name : names)
        if (NamedOutput* output = find(name);
            output != nullptr && std::find(route.begin(), route.end(), output) == route.end())
            route.push_back(output);
}

bool Outputs::forward(std::uint64_t cookie, std::string_view text) {
    if (routes_.empty())
        return false;
    const auto route = routes_.find(cookie);
    if (route == routes_.end())
        return false;
    bool was_sent = false;
    for (NamedOutput* output : route->second) {
        if (output->state != OutputState::kOpened)
            continue;
        send(*output, text);
        // A message that broke its output has not gone anywhere.
        was_sent = was_sent || output->state == OutputState::kOpened;
    }
    return was_sent;
}

void Outputs::send(NamedOutput& output, std::string_view text) {
    if (!output.sink->write(text)) {
        ++output.lost;
        return;
    }
    if (output.state == OutputState::kOpened)
        tell_lost(output);
}

void Outputs::tell_lost(NamedOutput& output) {
    if (const std::uint64_t count = std::exchange(output.lost, 0); count > 0)
        report_(fmt::format("warn, {} messages lost (output '{}')", count, output.name));
}

std::string output_list(const Outputs& outputs) {
    std::string text;
    std::size_t index = 0;
    for (const auto& output : outputs.all())
        text += fmt::format("{:x}  {:<9}   {:<10}\t{}\n", ++index, sink_type_name(output->type),
                            output_state_name(output->state), output->name);
    return text.empty() ? "no outputs\n" : text;
}

}  // namespace ringside::output
