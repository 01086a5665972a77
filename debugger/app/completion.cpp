// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/completion.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "commands/spec.hpp"

namespace ringside::app {
namespace {

using commands::Argument;
using commands::CommandSpec;

/// Characters that end a word before the cursor, in commands and in scripts.
constexpr std::string_view kCommandBreaks = " \t\n\"{},";
constexpr std::string_view kScriptBreaks = " \t\n\"\\{}()[];,=+-*/%&|^~<>";

std::size_t word_begin(std::string_view text, std::string_view breaks) {
    const std::size_t at = text.find_last_of(breaks);
    return at == std::string_view::npos ? 0 : at + 1;
}

void offer(std::vector<std::string>& candidates, std::string_view word, std::string_view name) {
    if (name.size() >= word.size() && commands::same_word(name.substr(0, word.size()), word))
        candidates.emplace_back(name);
}

void offer_commands(std::vector<std::string>& candidates, std::string_view word) {
    for (const CommandSpec* spec : commands::all_commands()) {
        offer(candidates, word, spec->name);
        for (const std::string_view alias : commands::split_words(spec->aliases))
            if (!word.empty())
                offer(candidates, word, alias);
    }
}

void offer_arguments(std::vector<std::string>& candidates, const CommandSpec& spec,
                     std::string_view word, std::span<const u64> event_ids) {
    for (const std::string_view keyword : commands::split_words(spec.keywords))
        offer(candidates, word, keyword);
    if (spec.argument == Argument::kCommand)
        offer_commands(candidates, word);
    if (spec.argument == Argument::kEventId)
        for (const u64 id : event_ids)
            offer(candidates, word, fmt::format("{:x}", id));
}

}  // namespace

LineEditor::Completion complete(std::string_view pending, std::string_view text,
                                std::span<const u64> event_ids,
                                std::span<const std::string> script_names) {
    const std::string before = std::string{pending} + std::string{text};
    const commands::Scan scan = commands::scan_command(before);
    const CommandSpec* spec = nullptr;
    bool is_first_word = scan.open == commands::Open::kNothing;
    if (!scan.tokens.empty()) {
        const commands::Token& first = scan.tokens.front();
        is_first_word = is_first_word && scan.tokens.size() == 1 && first.end == before.size();
        spec = is_first_word ? nullptr : commands::find_command(first.text);
    }

    LineEditor::Completion completion;
    const bool in_script = scan.open == commands::Open::kBlock ||
                           (spec != nullptr && spec->argument == Argument::kScript);
    completion.begin = word_begin(text, in_script ? kScriptBreaks : kCommandBreaks);
    const std::string_view word = text.substr(completion.begin);
    if (scan.open == commands::Open::kString || scan.open == commands::Open::kComment)
        return completion;
    if (in_script) {
        completion.add_blank = false;
        if (!word.empty())
            for (const std::string& name : script_names)
                offer(completion.candidates, word, name);
    } else if (is_first_word) {
        offer_commands(completion.candidates, word);
    } else if (spec != nullptr) {
        offer_arguments(completion.candidates, *spec, word, event_ids);
    }
    std::sort(completion.candidates.begin(), completion.candidates.end());
    const auto last = std::unique(completion.candidates.begin(), completion.candidates.end());
    completion.candidates.erase(last, completion.candidates.end());
    // "msg_ring_kb=" and the like go on behind the sign.
    if (completion.candidates.size() == 1 && completion.candidates.front().back() == '=')
        completion.add_blank = false;
    return completion;
}

}  // namespace ringside::app
