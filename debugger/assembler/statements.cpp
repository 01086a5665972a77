// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/statements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ringside::assembler {
namespace {

constexpr std::string_view kDirectives[] = {".byte",  ".word",  ".long", ".quad",
                                            ".ascii", ".asciz", ".set",  ".align"};
constexpr u64 kMaxAlignment = 4096;
// The assembler calls itself for each operator and each value that stands for another one, and
// fills for each alignment: what is in a text of reasonable size must not use up stack or memory.
constexpr std::size_t kMaxStatementBytes = 2048;
constexpr std::size_t kMaxValues = 256;
constexpr u64 kMaxFill = 1u << 20;
constexpr const char* kReach = "only .byte .word .long .quad .ascii .asciz .set .align are there";

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/// Follows a text through its string and character literals.
class Literal {
public:
    /// True: the next character, `c`, belongs to one, its quotes included.
    bool takes(char c) {
        if (quote_ == '\0') {
            if (c == '"' || c == '\'')
                quote_ = c;
            return quote_ != '\0';
        }
        if (is_escaped_)
            is_escaped_ = false;
        else if (c == '\\')
            is_escaped_ = true;
        else if (c == quote_)
            quote_ = '\0';
        return true;
    }

private:
    char quote_ = '\0';
    bool is_escaped_ = false;
};

/// A number in the notation of the prompt (LEX-5): hexadecimal, 0n in front decimal.
std::optional<u64> prompt_number(std::string_view text) {
    int base = 16;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
    } else if (text.starts_with("0n") || text.starts_with("0N")) {
        text.remove_prefix(2);
        base = 10;
    }
    u64 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

class Splitter {
public:
    Splitter(std::string_view source, const SymbolLookup& symbols)
        : source_{source}, symbols_{symbols} {}

    std::variant<std::vector<Statement>, Error> split() {
        while (!error_ && at_ < source_.size())
            take();
        if (!error_)
            end_statement();
        if (error_)
            return *error_;
        return std::move(statements_);
    }

private:
    bool follows(std::string_view text) const { return source_.substr(at_).starts_with(text); }

    void fail(std::string_view text, std::size_t at, std::string hint = {}) {
        if (!error_)
            error_ = Error{in_statement(text, statements_.size()), at, std::move(hint)};
    }

    void append(char c, std::size_t from) {
        if (statement_.text.empty() && is_blank(c))
            return;
        statement_.text += c;
        statement_.source_of.push_back(from);
    }

    void take() {
        const char c = source_[at_];
        if (c == '\n' || c == ';') {
            end_statement();
            ++at_;
        } else if (c == '#' || follows("//")) {
            while (at_ < source_.size() && source_[at_] != '\n')
                ++at_;
        } else if (follows("/*")) {
            const std::size_t end = source_.find("*/", at_ + 2);
            if (end == std::string_view::npos)
                return fail("comment without end", at_);
            append(' ', at_);
            at_ = end + 2;
        } else if (c == '"') {
            take_string();
        } else if (c == '\'') {
            take_character();
        } else if (follows("<<") || follows(">>")) {
            take_bytes(2);
        } else if (c == '<') {
            take_address();
        } else if (c == '[' || c == ']') {
            take_bracket(c);
        } else if (c == '\0') {
            fail("unexpected character", at_);
        } else {
            take_bytes(1);
        }
    }

    void take_bytes(std::size_t count) {
        for (; count > 0; --count, ++at_)
            append(source_[at_], at_);
    }

    void take_string() {
        std::size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != '"' && source_[end] != '\n')
            end += source_[end] == '\\' ? 2u : 1u;
        if (end >= source_.size() || source_[end] != '"')
            return fail("string without end", at_);
        if (source_.substr(at_, end - at_).find_first_of(std::string_view{"\n\0", 2}) !=
            std::string_view::npos)
            return fail("unexpected character in a string", at_);
        take_bytes(end + 1 - at_);
    }

    void take_character() {
        const std::size_t length = at_ + 1 < source_.size() && source_[at_ + 1] == '\\' ? 4 : 3;
        const std::string_view text = source_.substr(at_, length);
        if (text.size() < length || text.back() != '\'' ||
            text.find_first_of(std::string_view{"\n\0", 2}) != std::string_view::npos)
            return fail("character without end", at_);
        take_bytes(length);
    }

    void take_bracket(char c) {
        if (c == '[' && open_)
            return fail("missing ']'", *open_);
        if (c == ']' && !open_)
            return fail("unexpected ']'", at_);
        open_ = c == '[' ? std::optional{at_} : std::nullopt;
        take_bytes(1);
    }

    /// <symbol+expression>
    void take_address() {
        const std::size_t begin = at_;
        const std::size_t end = source_.find_first_of(">\n;", begin);
        if (end == std::string_view::npos || source_[end] != '>')
            return fail("missing '>'", begin);
        u64 value = 0;
        bool is_minus = false;
        std::size_t at = begin + 1;
        while (!error_) {
            const std::size_t stop = std::min(source_.find_first_of("+-", at), end);
            const std::string_view term = trim(source_.substr(at, stop - at));
            if (const auto part = value_of(term, at))
                value = is_minus ? value - *part : value + *part;
            if (stop == end)
                break;
            is_minus = source_[stop] == '-';
            at = stop + 1;
        }
        for (const char c : fmt::format("{:#x}", value))
            append(c, begin);
        at_ = end + 1;
    }

    std::optional<u64> value_of(std::string_view term, std::size_t at) {
        if (term.empty()) {
            fail("expected a symbol or a number between '<' and '>'", at);
            return std::nullopt;
        }
        std::string_view name = term;
        for (const std::string_view module : {"vmlinux!", "nt!"})
            if (name.starts_with(module))
                name.remove_prefix(module.size());
        // As at the prompt: what reads as a number is one, unless a module stands in front.
        if (name.size() == term.size())
            if (const auto number = prompt_number(term))
                return number;
        const auto address = symbols_ ? symbols_(std::string{name}) : std::nullopt;
        if (!address)
            fail(fmt::format("unknown symbol '{}'", name),
                 static_cast<std::size_t>(term.data() - source_.data()));
        return address;
    }

    void end_statement() {
        if (open_)
            return fail("missing ']'", *open_);
        while (!statement_.text.empty() && is_blank(statement_.text.back())) {
            statement_.text.pop_back();
            statement_.source_of.pop_back();
        }
        if (!statement_.text.empty()) {
            check_statement();
            statements_.push_back(std::move(statement_));
        }
        statement_ = {};
    }

    void check_statement() {
        if (statement_.text.size() > kMaxStatementBytes)
            return fail("more than 2048 bytes in one statement", statement_.source_at(0));
        if (check_operators())
            return;
        const std::string_view text = without_labels(statement_.text);
        if (text.starts_with('.'))
            return check_directive(text);
        const auto name_end = std::ranges::find_if_not(text, is_name_character);
        if (trim({name_end, text.end()}).starts_with('='))
            fail("'=' is refused", statement_.source_at(0), "'.set name, value' names a value");
    }

    /// The assembler divides without looking at the divisor, and the program would end with it.
    bool check_operators() {
        const std::string& text = statement_.text;
        Literal literal;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            if (!literal.takes(c) && (c == '/' || c == '%')) {
                fail(std::string{"'"} + c + "' is refused", statement_.source_at(i),
                     c == '%' ? "registers are written without '%'" : "divide by hand");
                return true;
            }
        }
        if (const auto at = find_word(lower(text), "mod"); at != std::string::npos) {
            fail("'mod' is refused", statement_.source_at(at), "divide by hand");
            return true;
        }
        return false;
    }

    void check_directive(std::string_view text) {
        const std::size_t at =
            statement_.source_at(static_cast<std::size_t>(text.data() - statement_.text.data()));
        const std::size_t length = static_cast<std::size_t>(
            std::ranges::find_if_not(text, is_name_character) - text.begin());
        const std::string name = lower(text.substr(0, length));
        if (std::ranges::find(kDirectives, std::string_view{name}) == std::end(kDirectives))
            return fail(fmt::format("directive '{}' is refused", name), at, kReach);
        if (name == ".set" && ++values_ > kMaxValues)
            return fail("more than 256 values", at);
        if (name != ".align")
            return;
        // 0x is the only prefix of a sensible alignment.
        std::string_view count = trim(text.substr(length));
        const int base = count.starts_with("0x") ? 16 : 10;
        if (base == 16)
            count.remove_prefix(2);
        u64 value = 0;
        const auto [end, error] =
            std::from_chars(count.data(), count.data() + count.size(), value, base);
        if (count.empty() || error != std::errc{} || end != count.data() + count.size() ||
            value == 0 || value > kMaxAlignment || (value & (value - 1)) != 0)
            return fail("'.align' takes a power of two up to 4096", at);
        fill_ += value;
        if (fill_ > kMaxFill)
            fail("too much to align", at);
    }

    std::string_view source_;
    const SymbolLookup& symbols_;
    std::size_t at_ = 0;
    std::optional<std::size_t> open_;  ///< the '[' that is open
    std::size_t values_ = 0;           ///< names given by .set
    u64 fill_ = 0;                     ///< most that alignments can add, in bytes
    Statement statement_;
    std::vector<Statement> statements_;
    std::optional<Error> error_;
};

}  // namespace

bool is_name_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$' ||
           c == '@';
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

std::string lower(std::string_view text) {
    std::string result{text};
    for (char& c : result)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

std::string in_statement(std::string_view what, std::size_t index) {
    return fmt::format("assembler: {} at statement {}", what, index + 1);
}

std::size_t Statement::source_at(std::size_t index) const {
    return source_of[std::min(index, source_of.size() - 1)];
}

std::variant<std::vector<Statement>, Error> split_statements(std::string_view source,
                                                             const SymbolLookup& symbols) {
    return Splitter{source, symbols}.split();
}

std::string_view without_labels(std::string_view text) {
    while (true) {
        const auto name_end = std::ranges::find_if_not(text, is_name_character);
        std::size_t at = static_cast<std::size_t>(name_end - text.begin());
        if (at == 0)
            return text;
        while (at < text.size() && is_blank(text[at]))
            ++at;
        if (at == text.size() || text[at] != ':')
            return text;
        text = trim(text.substr(at + 1));
    }
}

std::vector<std::string_view> operands_of(std::string_view instruction) {
    // Prefixes are mnemonics that another mnemonic follows; they do not matter to the operands'
    // end.
    constexpr std::string_view kPrefixes[] = {"rep",   "repe", "repz",     "repne",
                                              "repnz", "lock", "xacquire", "xrelease"};
    std::string_view rest = trim(instruction);
    std::string word;
    do {
        const auto end = std::ranges::find_if(rest, is_blank);
        word = lower({rest.begin(), end});
        rest = trim({end, rest.end()});
    } while (std::ranges::find(kPrefixes, std::string_view{word}) != std::end(kPrefixes));
    std::vector<std::string_view> operands;
    std::size_t begin = 0;
    int depth = 0;
    Literal literal;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        const char c = rest[i];
        if (literal.takes(c))
            continue;
        if (c == '[' || c == '(' || c == '{') {
            ++depth;
        } else if (c == ']' || c == ')' || c == '}') {
            --depth;
        } else if (c == ',' && depth == 0) {
            operands.push_back(trim(rest.substr(begin, i - begin)));
            begin = i + 1;
        }
    }
    if (!rest.empty())
        operands.push_back(trim(rest.substr(begin)));
    return operands;
}

std::size_t find_word(std::string_view text, std::string_view name) {
    for (std::size_t at = text.find(name); at != std::string_view::npos;
         at = text.find(name, at + 1)) {
        const bool begins = at == 0 || !is_name_character(text[at - 1]);
        const std::size_t end = at + name.size();
        if (begins && (end == text.size() || !is_name_character(text[end])))
            return at;
    }
    return std::string_view::npos;
}

}  // namespace ringside::assembler
