// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "commands/number.hpp"
#include "commands/symbol_names.hpp"
#include "language/names.hpp"

namespace ringside::commands {
namespace {

bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool continues_name(char c) {
    return begins_name(c) || (c >= '0' && c <= '9');
}

std::size_t end_of_name(std::string_view text, std::size_t at) {
    const auto goes_on = [&](std::size_t i) {
        return i < text.size() && (continues_name(text[i]) ||
                                   // "vmlinux!name", "name.isra.0"
                                   ((text[i] == '!' || text[i] == '.') && i + 1 < text.size() &&
                                    continues_name(text[i + 1])));
    };
    while (goes_on(at))
        ++at;
    return at;
}

/// Whether a name is looked up, and not the script language's own.
bool is_symbol(std::string_view name, std::string_view behind) {
    if (name.find('!') != std::string_view::npos)
        return true;
    const std::size_t next = behind.find_first_not_of(" \t\r\n");
    const bool is_call = next != std::string_view::npos && behind[next] == '(';
    return !is_call && parse_number(name).status == NumberStatus::kNotANumber &&
           !language::find_register(name) && !language::find_keyword(name);
}

/// Replaces the symbols of an expression by their addresses. `offset`: where it stands in the
/// command. Nothing with the error told in `outcome`.
std::optional<std::string> resolve_symbols(Session& session, const Invocation& invocation,
                                           std::string_view text, std::size_t offset,
                                           Outcome& outcome) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        std::size_t end = at + 1;
        if (c == '"' || c == '\'') {
            while (end < text.size() && text[end] != c)
                end += text[end] == '\\' ? 2 : 1;
            end = std::min(end + 1, text.size());
        } else if (c == '@' || c == '$' || c == '.') {
            end = end_of_name(text, end);
        } else if (c >= '0' && c <= '9') {
            while (end < text.size() && (continues_name(text[end]) || text[end] == '`'))
                ++end;
        } else if (begins_name(c)) {
            end = end_of_name(text, at);
            // A number may begin like a name: ffffffff`81000000.
            if (end < text.size() && text[end] == '`') {
                while (end < text.size() && (continues_name(text[end]) || text[end] == '`'))
                    ++end;
            } else if (is_symbol(text.substr(at, end - at), text.substr(end))) {
                const std::string_view name = text.substr(at, end - at);
                if (!session.require_connection(invocation)) {
                    outcome = Outcome::kFailed;
                    return std::nullopt;
                }
                const auto address = address_of_name(session, name);
                if (!address) {
                    outcome = address.failure().code == RS_ERR_NO_SYMBOL
                                  ? session.fail(invocation,
                                                 {"no such symbol " + in_quotes(name), offset + at,
                                                  fmt::format("'x *{}*' looks for names that "
                                                              "contain it; registers begin with @",
                                                              name.substr(name.find('!') + 1))})
                                  : session.request_failed(address.failure());
                    return std::nullopt;
                }
                result += fmt::format("0x{:x}", *address);
                at = end;
                continue;
            }
        }
        result += text.substr(at, end - at);
        at = end;
    }
    return result;
}

}  // namespace

Outcome evaluate(Session& session, const Invocation& invocation, std::span<const Token> words,
                 u64& value) {
    for (const Token& word : words)
        if (word.kind != TokenKind::kWord)
            return session.wrong_use(invocation, &word);
    const std::size_t begin = words.front().begin;
    const std::string_view text = invocation.text.substr(begin, words.back().end - begin);
    const Number literal = parse_number(text);
    if (literal.status == NumberStatus::kTooLarge)
        return session.fail(invocation, {"number too large: " + in_quotes(text), begin, {}});
    if (literal.status == NumberStatus::kOk) {
        value = literal.value;
        return Outcome::kOk;
    }
    Outcome outcome = Outcome::kOk;
    const auto expression = resolve_symbols(session, invocation, text, begin, outcome);
    if (!expression)
        return outcome;
    if (const Number number = parse_number(*expression); number.status == NumberStatus::kOk) {
        value = number.value;
        return Outcome::kOk;
    }
    return run_once(session, fmt::format("test_statement({});", *expression), value);
}

std::optional<Parts> Parts::split(Session& session, const Invocation& invocation,
                                  std::initializer_list<std::string_view> keywords) {
    Parts parts;
    const std::span<const Token> words = invocation.words;
    std::size_t at = 0;
    const auto keyword_at = [&](std::size_t i) -> std::string_view {
        if (words[i].kind != TokenKind::kWord)
            return {};
        const auto found = std::ranges::find_if(
            keywords, [&](std::string_view word) { return same_word(word, words[i].text); });
        return found == keywords.end() ? std::string_view{} : *found;
    };
    const auto next_keyword = [&](std::size_t i) {
        while (i < words.size() && keyword_at(i).empty())
            ++i;
        return i;
    };
    at = next_keyword(0);
    parts.front_ = words.first(at);
    while (at < words.size()) {
        const std::string_view keyword = keyword_at(at);
        const std::size_t end = next_keyword(at + 1);
        if (end == at + 1 || !parts.behind(keyword).empty()) {
            (void)session.wrong_use(invocation, &words[at]);
            return std::nullopt;
        }
        parts.parts_.push_back({keyword, words.subspan(at + 1, end - at - 1)});
        at = end;
    }
    return parts;
}

std::span<const Token> Parts::behind(std::string_view keyword) const {
    const auto found = std::ranges::find(parts_, keyword, &Part::keyword);
    return found == parts_.end() ? std::span<const Token>{} : found->words;
}

std::optional<u64> read_number(Session& session, const Invocation& invocation, const Token& word,
                               std::string_view name, u64 least, u64 most) {
    const Number number = parse_number(word.text);
    if (word.kind == TokenKind::kWord && number.status == NumberStatus::kOk &&
        number.value >= least && number.value <= most)
        return number.value;
    if (word.kind != TokenKind::kWord || number.status == NumberStatus::kNotANumber)
        (void)session.fail(invocation, {fmt::format("bad {} {}", name, in_quotes(word.text)),
                                        word.begin, "numbers are hex, prefix 0n for decimal"});
    else
        (void)session.fail(invocation, {fmt::format("{} must be 0x{:x} to 0x{:x}, not {}", name,
                                                    least, most, in_quotes(word.text)),
                                        word.begin,
                                        {}});
    return std::nullopt;
}

std::optional<ProcessChoice> read_process(Session& session, const Invocation& invocation,
                                          const Parts& parts) {
    const std::span<const Token> words = parts.behind("pid");
    if (words.empty()) {
        const AttachedProcess* active = session.processes().active();
        return ProcessChoice{active != nullptr && !session.is_halted() ? active->pid : u32{RS_ANY},
                             nullptr};
    }
    if (words.size() > 1) {
        (void)session.wrong_use(invocation, &words[1]);
        return std::nullopt;
    }
    const auto pid = read_number(session, invocation, words[0], "pid", 0, RS_ANY - 1);
    if (!pid)
        return std::nullopt;
    if (session.is_halted()) {
        session.notice("'pid' is ignored in Debugger Mode: the halted process is meant");
        return ProcessChoice{RS_ANY, nullptr};
    }
    return ProcessChoice{static_cast<u32>(*pid), &words[0]};
}

Outcome memory_request_failed(Session& session, const Invocation& invocation,
                              const ProcessChoice& process, const debuggee::Failure& failure) {
    if (failure.code == RS_ERR_BAD_PID && process.word != nullptr)
        return session.fail(invocation,
                            {"no such process; pids are hex, prefix 0n for decimal (c000001e)",
                             process.word->begin,
                             {}});
    return session.request_failed(failure);
}

std::string stop_text(std::string_view verb, const debuggee::MemoryStop& stop, bool is_physical) {
    const std::string text = fmt::format("cannot {} {}: ", verb, address_text(stop.failed_address));
    if (stop.failed_level != 0)
        return text + fmt::format("no page table entry at level {} (entry {:x})", stop.failed_level,
                                  stop.failed_entry);
    if (is_physical)
        return text + "there is no memory of the debuggee";
    return text + (verb == "write" ? "the page is read-only, or no memory of the debuggee"
                                   : "the page is no memory of the debuggee");
}

}  // namespace ringside::commands
