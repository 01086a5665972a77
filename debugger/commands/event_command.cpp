// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/event_command.hpp"

#include <array>

#include "commands/number.hpp"
#include "ringside/event.h"

namespace ringside::commands {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// How a problem names a token: as typed, blocks with their braces.
std::string shown(const Token& token) {
    return in_quotes(token.kind == TokenKind::kBlock ? "{" + token.text + "}" : token.text);
}

/// Words that take one of a few values; the first value is the default.
struct Choice {
    std::string_view word;
    std::array<std::string_view, 3> values;
    std::string_view sentence;
};
constexpr Choice kChoices[] = {
    {"imm", {"yes", "no", ""}, "yes or no"},
    {"sc", {"off", "on", ""}, "on or off"},
    {"stage", {"pre", "post", "all"}, "pre, post or all"},
};

class Parser {
public:
    Parser(const EventSource& source, std::span<const Token> words)
        : source_{source}, words_{words} {}

    std::variant<EventCommand, Problem> parse() {
        while (!problem_ && at_ < words_.size())
            parse_parameter();
        if (!problem_)
            check_combinations();
        if (problem_)
            return *problem_;
        return std::move(command_);
    }

private:
    void fail(std::string text, const Token& token) {
        problem_ = Problem{std::move(text), token.begin,
                           "see '.help " + std::string{source_.command} + "'"};
    }

    bool given_twice(std::string_view word, const Token& token) {
        for (const std::string_view seen : seen_) {
            if (seen == word) {
                fail(in_quotes(word) + " given twice", token);
                return true;
            }
        }
        seen_.push_back(word);
        return false;
    }

    void parse_parameter() {
        const Token& word = words_[at_++];
        if (word.kind != TokenKind::kWord)
            return fail("unexpected parameter " + shown(word), word);
        for (const Choice& choice : kChoices)
            if (same_word(word.text, choice.word))
                return parse_choice(choice, word);
        if (same_word(word.text, "pid"))
            return parse_id("pid", word, command_.pid, command_.pid_at);
        if (same_word(word.text, "core"))
            return parse_id("core", word, command_.core, command_.core_at);
        if (same_word(word.text, "buffer"))
            return parse_buffer(word);
        if (same_word(word.text, "script"))
            return parse_script(word);
        if (same_word(word.text, "asm"))
            return parse_asm(word);
        if (same_word(word.text, "code"))
            return parse_code(word, false);
        if (same_word(word.text, "condition"))
            return parse_condition(word, false);
        if (same_word(word.text, "output"))
            return parse_output(word);
        parse_vector(word);
    }

    /// The value of a word, or nothing (with the problem set) if the line ends there.
    const Token* value_of(std::string_view name, const Token& word) {
        if (at_ == words_.size() || words_[at_].kind == TokenKind::kBlock) {
            fail(in_quotes(name) + " needs a value", word);
            return nullptr;
        }
        return &words_[at_++];
    }

    void parse_vector(const Token& word) {
        const Number number = parse_number(word.text);
        if (number.status == NumberStatus::kTooLarge)
            return fail("number too large: " + shown(word), word);
        if (number.status != NumberStatus::kOk || command_.vector)
            return fail("unexpected parameter " + shown(word), word);
        if (number.value < source_.first || number.value > source_.last)
            return fail(std::string{source_.range}, word);
        command_.vector = static_cast<u32>(number.value);
    }

    void parse_id(std::string_view name, const Token& word, std::optional<u32>& target,
                  std::size_t& target_at) {
        const Token* value = given_twice(name, word) ? nullptr : value_of(name, word);
        if (value == nullptr)
            return;
        command_.pid_given = command_.pid_given || name == "pid";
        if (same_word(value->text, "all"))
            return;
        const Number number = parse_number(value->text);
        if (number.status == NumberStatus::kTooLarge)
            return fail("number too large: " + shown(*value), *value);
        if (number.status != NumberStatus::kOk)
            return fail("bad " + std::string{name} + " " + shown(*value), *value);
        target_at = value->begin;
        target = static_cast<u32>(number.value < RS_ANY ? number.value : RS_ANY - 1);
    }

    void parse_choice(const Choice& choice, const Token& word) {
        const Token* value = given_twice(choice.word, word) ? nullptr : value_of(choice.word, word);
        if (value == nullptr)
            return;
        std::size_t index = 0;
        while (index < choice.values.size() &&
               (choice.values[index].empty() || !same_word(value->text, choice.values[index])))
            ++index;
        if (index == choice.values.size())
            return fail(in_quotes(choice.word) + " takes " + std::string{choice.sentence}, *value);
        if (choice.word == "imm") {
            command_.immediate = index == 0;
        } else if (choice.word == "sc") {
            command_.short_circuit = index == 1;
            sc_word_ = &word;
        } else {
            command_.stage = static_cast<Stage>(index);
        }
    }

    void parse_buffer(const Token& word) {
        const Token* value = given_twice("buffer", word) ? nullptr : value_of("buffer", word);
        if (value == nullptr)
            return;
        const Number number = parse_number(value->text);
        if (number.status == NumberStatus::kTooLarge)
            return fail("number too large: " + shown(*value), *value);
        if (number.status != NumberStatus::kOk)
            return fail("bad buffer size " + shown(*value), *value);
        if (number.value > RS_MAX_BUFFER_BYTES)
            return fail("safe buffer too large (c0000048)", *value);
        command_.buffer_bytes = static_cast<u32>(number.value);
    }

    /// The block behind `word`, or nothing with the problem set.
    const Token* block_of(const Token& word) {
        const std::string name = lower_case(word.text);
        if (at_ == words_.size() || words_[at_].kind != TokenKind::kBlock) {
            fail(in_quotes(name) + " needs a { } block", word);
            return nullptr;
        }
        const Token& block = words_[at_++];
        if (trim(block.text).empty() && name != "output") {
            fail("empty " + in_quotes(name) + " block", block);
            return nullptr;
        }
        return &block;
    }

    bool too_many_actions(const Token& word) {
        if (command_.actions.size() < RS_MAX_ACTIONS)
            return false;
        fail("at most 16 actions per event", word);
        return true;
    }

    void parse_script(const Token& word) {
        const Token* block = block_of(word);
        if (block == nullptr || too_many_actions(word))
            return;
        const std::string_view body = trim(block->text);
        if (!same_word(body.substr(0, 5), "file:")) {
            command_.actions.push_back({BlockKind::kScript, block->text, {}, block->begin + 1});
            return;
        }
        std::string_view path = trim(body.substr(5));
        if (path.size() >= 2 && path.front() == '"' && path.back() == '"')
            path = path.substr(1, path.size() - 2);
        if (path.empty())
            return fail("'file:' needs a path", *block);
        command_.actions.push_back(
            {BlockKind::kScriptFile, std::string{path}, {}, block->begin + 1});
    }

    void parse_asm(const Token& word) {
        if (at_ == words_.size() || words_[at_].kind != TokenKind::kWord)
            return fail("'asm' needs a { } block: asm code { ... } or asm condition { ... }", word);
        const Token& next = words_[at_++];
        if (same_word(next.text, "code"))
            return parse_code(next, true);
        if (same_word(next.text, "condition"))
            return parse_condition(next, true);
        fail("'asm' needs a { } block: asm code { ... } or asm condition { ... }", word);
    }

    /// Fills `block` from a code or condition block; false with the problem set.
    bool read_code(const Token& word, bool is_asm, EventBlock& block, std::size_t most_bytes,
                   const char* too_large) {
        const Token* token = block_of(word);
        if (token == nullptr)
            return false;
        block.offset = token->begin + 1;
        block.text = token->text;
        if (is_asm)
            return true;
        auto bytes = parse_hex_bytes(token->text);
        if (const std::string* text = std::get_if<std::string>(&bytes)) {
            fail(*text, *token);
            return false;
        }
        block.bytes = std::move(std::get<std::vector<u8>>(bytes));
        if (block.bytes.empty()) {
            fail("empty " + in_quotes(lower_case(word.text)) + " block", *token);
            return false;
        }
        if (block.bytes.size() > most_bytes) {
            fail(too_large, *token);
            return false;
        }
        return true;
    }

    void parse_code(const Token& word, bool is_asm) {
        EventBlock block;
        block.kind = is_asm ? BlockKind::kAsmCode : BlockKind::kCode;
        if (too_many_actions(word) ||
            !read_code(word, is_asm, block, RS_MAX_ACTION_BYTES, "action too large (c0000047)"))
            return;
        command_.actions.push_back(std::move(block));
    }

    void parse_condition(const Token& word, bool is_asm) {
        EventBlock block;
        block.kind = is_asm ? BlockKind::kAsmCondition : BlockKind::kCondition;
        if (given_twice("condition", word) ||
            !read_code(word, is_asm, block, RS_MAX_CONDITION_BYTES,
                       "condition too large (c0000041)"))
            return;
        command_.condition = std::move(block);
    }

    void parse_output(const Token& word) {
        const Token* block = given_twice("output", word) ? nullptr : block_of(word);
        if (block == nullptr)
            return;
        std::string_view rest = block->text;
        while (true) {
            const std::size_t comma = rest.find(',');
            const std::string_view name = trim(rest.substr(0, comma));
            if (name.empty())
                return fail("no output name", *block);
            command_.outputs.emplace_back(name);
            command_.outputs_at.push_back(
                block->begin + 1 + static_cast<std::size_t>(name.data() - block->text.data()));
            if (comma == std::string_view::npos)
                break;
            rest = rest.substr(comma + 1);
        }
        if (command_.outputs.size() > RS_MAX_OUTPUTS)
            return fail("at most 5 outputs per event", *block);
    }

    void check_combinations() {
        if (command_.short_circuit && command_.stage != Stage::kPre)
            return fail("short-circuiting needs stage pre (c000003a)", *sc_word_);
    }

    const EventSource& source_;
    std::span<const Token> words_;
    std::size_t at_ = 0;
    EventCommand command_;
    std::vector<std::string_view> seen_;
    const Token* sc_word_ = nullptr;
    std::optional<Problem> problem_;
};

bool is_hex_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

std::variant<EventCommand, Problem> parse_event_command(const EventSource& source,
                                                        std::span<const Token> words) {
    return Parser{source, words}.parse();
}

std::variant<std::vector<u8>, std::string> parse_hex_bytes(std::string_view text) {
    std::vector<u8> bytes;
    constexpr std::string_view kSeparators = " \t\r\n,";
    for (std::size_t i = 0; i < text.size();) {
        if (kSeparators.find(text[i]) != std::string_view::npos) {
            ++i;
            continue;
        }
        const char next = i + 1 < text.size() ? text[i + 1] : ' ';
        if ((text[i] == '0' || text[i] == '\\') && (next == 'x' || next == 'X')) {
            i += 2;
            continue;
        }
        const bool next_separates = kSeparators.find(next) != std::string_view::npos;
        if (!is_hex_digit(text[i]) || (!is_hex_digit(next) && !next_separates))
            return "not a hex byte: " + in_quotes(text.substr(i, next_separates ? 1 : 2));
        if (next_separates)
            return std::string{"odd number of hex digits"};
        bytes.push_back(static_cast<u8>(parse_number(text.substr(i, 2)).value));
        i += 2;
    }
    return bytes;
}

}  // namespace ringside::commands
