// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/assembler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <span>

#include "assembler/check.hpp"
#include "assembler/module.hpp"
#include "assembler/statements.hpp"

namespace ringside::assembler {
namespace {

/// Names the beginning of each statement; behind it stands the statement's number.
constexpr std::string_view kMark = "__ringside_statement_";
constexpr const char* kNumbers = "numbers are decimal here; 0x in front makes them hexadecimal";
constexpr const char* kNoPlace =
    "the code has no fixed place: go through a register, as in 'mov rax, name; call rax', and "
    "reach the block's own labels with 'lea rax, [rip + label]'";

/// What the module said of one text.
struct Answer {
    struct Complaint {
        unsigned line, column;
        std::string text;
    };
    std::optional<Complaint> error;  ///< the first
    std::vector<u8> code;
    std::map<std::string, u64> defined;
    std::vector<std::string> undefined;
    std::optional<u64> relocation;  ///< the first
};

Answer ask(ringside_assemble_function* function, const std::string& text) {
    // LLVM has one handler of fatal errors for the whole process.
    static std::mutex one_at_a_time;
    const std::lock_guard lock{one_at_a_time};
    Answer answer;
    const ringside_assembler_sink sink{
        .user = &answer,
        .error =
            [](void* user, unsigned line, unsigned column, const char* why) {
                auto& to = *static_cast<Answer*>(user);
                if (!to.error)
                    to.error = {line, column, why};
            },
        .code =
            [](void* user, const u8* bytes, std::size_t length) {
                auto& to = *static_cast<Answer*>(user);
                to.code.insert(to.code.end(), bytes, bytes + length);
            },
        .symbol =
            [](void* user, const char* name, u64 value, int is_defined) {
                auto& to = *static_cast<Answer*>(user);
                if (is_defined != 0)
                    to.defined[name] = value;
                else
                    to.undefined.emplace_back(name);
            },
        .relocation =
            [](void* user, u64 offset) {
                auto& to = *static_cast<Answer*>(user);
                to.relocation = std::min(offset, to.relocation.value_or(offset));
            }};
    function(text.c_str(), text.size(), &sink);
    return answer;
}

class Assembly {
public:
    Assembly(std::vector<Statement> statements, const SymbolLookup& symbols,
             ringside_assemble_function* function)
        : statements_{std::move(statements)}, symbols_{symbols}, function_{function} {}

    std::variant<std::vector<u8>, Error> run() {
        Answer answer = ask(function_, text());
        if (!answer.error && !answer.undefined.empty()) {
            for (const std::string& name : answer.undefined)
                if (auto problem = define(name))
                    return *problem;
            answer = ask(function_, text());
        }
        if (answer.error)
            return complaint(*answer.error);
        if (answer.relocation) {
            const std::size_t index = statement_at(answer, *answer.relocation);
            return error("needs an address that is not known before the code runs", index, 0,
                         kNoPlace);
        }
        for (std::size_t i = 0; i < statements_.size(); ++i) {
            learn(without_labels(statements_[i].text));
            if (auto problem = check(answer, i))
                return *problem;
        }
        return std::move(answer.code);
    }

private:
    static std::string mark(std::size_t index) { return fmt::format("{}{}", kMark, index); }

    /// One line a symbol, then one a statement.
    std::string text() const {
        std::string result = definitions_;
        for (std::size_t i = 0; i < statements_.size(); ++i)
            result += fmt::format("{}: {}\n", mark(i), statements_[i].text);
        return result;
    }

    Error error(std::string_view what, std::size_t index, std::size_t column,
                std::string hint = {}) const {
        return {in_statement(what, index), statements_[index].source_at(column), std::move(hint)};
    }

    Error complaint(const Answer::Complaint& told) const {
        const std::size_t line = told.line > lines_ ? told.line - lines_ - 1 : 0;
        const std::size_t index = std::min(line, statements_.size() - 1);
        const std::size_t prefix = mark(index).size() + 2;
        const std::size_t column = told.column > prefix ? told.column - prefix - 1 : 0;
        const std::string& text = statements_[index].text;
        const std::string_view instruction = without_labels(text);
        // A call or jump to what turned out to be a number.
        if (instruction.starts_with("call") || instruction.starts_with('j'))
            return error(told.text, index, column, kNoPlace);
        const bool has_number =
            std::ranges::any_of(text, [](char c) { return c >= '0' && c <= '9'; });
        return error(told.text, index, column, has_number ? kNumbers : "");
    }

    std::optional<Error> define(const std::string& name) {
        if (const auto address = symbols_ ? symbols_(name) : std::nullopt) {
            values_[name] = *address;
            definitions_ += fmt::format(".set {}, {:#x}\n", name, *address);
            ++lines_;
            return std::nullopt;
        }
        for (std::size_t i = 0; i < statements_.size(); ++i)
            if (const auto at = find_word(statements_[i].text, name); at != std::string::npos)
                return error(fmt::format("unknown symbol '{}'", name), i, at);
        return error(fmt::format("unknown symbol '{}'", name), 0, 0);
    }

    std::size_t offset_of(const Answer& answer, std::size_t index) const {
        if (index >= statements_.size())
            return answer.code.size();
        const auto found = answer.defined.find(mark(index));
        return found == answer.defined.end() ? answer.code.size() : found->second;
    }

    std::size_t statement_at(const Answer& answer, u64 offset) const {
        std::size_t index = 0;
        while (index + 1 < statements_.size() && offset_of(answer, index + 1) <= offset)
            ++index;
        return index;
    }

    /// What a '.set' names; a value that is not understood makes the name unknown.
    void learn(std::string_view statement) {
        const auto words = operands_of(statement);
        if (!lower(statement).starts_with(".set") || words.size() != 2)
            return;
        const auto value = evaluate(words[1], values_);
        if (value)
            values_[std::string{words[0]}] = static_cast<u64>(*value);
        else
            values_.erase(std::string{words[0]});
    }

    std::optional<Error> check(const Answer& answer, std::size_t index) const {
        const std::string& whole = statements_[index].text;
        const std::string_view text = without_labels(whole);
        const std::size_t begin = offset_of(answer, index), end = offset_of(answer, index + 1);
        if (text.starts_with('.') || begin >= end || end > answer.code.size())
            return std::nullopt;
        const auto misfit =
            find_misfit(text, std::span{answer.code}.subspan(begin, end - begin), values_);
        if (!misfit)
            return std::nullopt;
        return error(misfit->text, index,
                     static_cast<std::size_t>(misfit->what.data() - whole.data()), misfit->hint);
    }

    std::vector<Statement> statements_;
    const SymbolLookup& symbols_;
    ringside_assemble_function* function_;
    std::string definitions_;
    Values values_;
    unsigned lines_ = 0;  ///< of the definitions
};

}  // namespace

std::variant<std::vector<u8>, Error> assemble(std::string_view source,
                                              const SymbolLookup& symbols) {
    if (source.size() > kMaxSourceBytes)
        return Error{"assembler: more than 1 MiB of text", 0, {}};
    auto statements = split_statements(source, symbols);
    if (const Error* error = std::get_if<Error>(&statements))
        return *error;
    auto& list = std::get<std::vector<Statement>>(statements);
    if (list.empty())
        return Error{"assembler: no statement", 0, {}};
    const auto loaded = load_module();
    if (const auto* why = std::get_if<std::string>(&loaded))
        return Error{"assembler: " + *why, 0, "give the machine code itself: code { ... }"};
    return Assembly{std::move(list), symbols, std::get<ringside_assemble_function*>(loaded)}.run();
}

}  // namespace ringside::assembler
