// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/operand.hpp"

#include <Zydis/Zydis.h>

#include <cctype>
#include <charconv>
#include <set>

#include "assembler/statements.hpp"

namespace ringside::assembler {
namespace {

constexpr i128 kTooMuch = i128{1} << 100;
constexpr int kMaxDepth = 64;

bool is_register(const std::string& name) {
    static const std::set<std::string, std::less<>> names = [] {
        std::set<std::string, std::less<>> all;
        for (int i = ZYDIS_REGISTER_NONE + 1; i <= ZYDIS_REGISTER_MAX_VALUE; ++i)
            if (const char* text = ZydisRegisterGetString(static_cast<ZydisRegister>(i)))
                all.insert(text);
        return all;
    }();
    return names.contains(name);
}

/// A number as the assembler reads it: 0x hexadecimal, 0b binary, 0 octal, else decimal.
std::optional<i128> number(std::string_view digits) {
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X"))
        base = 16;
    else if (digits.starts_with("0b") || digits.starts_with("0B"))
        base = 2;
    else if (digits.size() > 1 && digits.starts_with('0'))
        base = 8;
    if (base == 16 || base == 2)
        digits.remove_prefix(2);
    u64 value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
        return std::nullopt;
    return value;
}

/// sum = product { ("+" | "-") product }; product = term { "*" term }
class Evaluation {
public:
    Evaluation(std::string_view text, const Values& values) : rest_{text}, values_{values} {}

    std::optional<i128> whole() {
        const auto value = sum(0);
        skip_blanks();
        return rest_.empty() ? value : std::nullopt;
    }

private:
    void skip_blanks() { rest_ = trim(rest_); }

    bool take(char c) {
        skip_blanks();
        if (!rest_.starts_with(c))
            return false;
        rest_.remove_prefix(1);
        return true;
    }

    static std::optional<i128> bounded(i128 value) {
        return value < kTooMuch && value > -kTooMuch ? std::optional{value} : std::nullopt;
    }

    std::optional<i128> sum(int depth) {
        auto left = product(depth);
        while (left) {
            const bool adds = take('+');
            if (!adds && !take('-'))
                return left;
            const auto right = product(depth);
            if (!right)
                return std::nullopt;
            left = bounded(adds ? *left + *right : *left - *right);
        }
        return left;
    }

    std::optional<i128> product(int depth) {
        auto left = term(depth);
        while (left && take('*')) {
            const auto right = term(depth);
            if (!right || *left > UINT32_MAX || *left < -i128{UINT32_MAX})
                return std::nullopt;
            left = bounded(*left * *right);
        }
        return left;
    }

    std::optional<i128> term(int depth) {
        if (depth > kMaxDepth)
            return std::nullopt;
        if (take('+'))
            return term(depth + 1);
        if (take('-') || take('~')) {
            const bool is_complement = *(rest_.data() - 1) == '~';
            const auto value = term(depth + 1);
            return value ? std::optional{-*value - is_complement} : std::nullopt;
        }
        if (take('(')) {
            const auto value = sum(depth + 1);
            return take(')') ? value : std::nullopt;
        }
        std::size_t length = 0;
        while (length < rest_.size() && is_name_character(rest_[length]))
            ++length;
        const std::string_view word = rest_.substr(0, length);
        rest_.remove_prefix(length);
        if (word.empty())
            return std::nullopt;
        if (std::isdigit(static_cast<unsigned char>(word.front())) != 0)
            return number(word);
        if (const auto found = values_.find(word); found != values_.end())
            return found->second;
        return is_register(lower(word)) ? std::optional{i128{0}} : std::nullopt;
    }

    std::string_view rest_;
    const Values& values_;
};

/// Takes "word" and blanks from the front.
bool take_word(std::string_view& text, std::string_view word) {
    if (text.size() <= word.size() || lower(text.substr(0, word.size())) != word ||
        is_name_character(text[word.size()]))
        return false;
    text = trim(text.substr(word.size()));
    return true;
}

}  // namespace

std::optional<i128> evaluate(std::string_view expression, const Values& values) {
    return Evaluation{expression, values}.whole();
}

Operand read_operand(std::string_view text, const Values& values) {
    using enum Operand::Kind;
    if (is_register(lower(text)))
        return {kRegister, {}};
    for (const char* size : {"byte", "word", "dword", "qword", "tbyte", "xword", "xmmword",
                             "ymmword", "zmmword", "fword", "opaque"})
        if (take_word(text, size)) {
            take_word(text, "ptr");
            break;
        }
    const bool is_offset = take_word(text, "offset");
    bool is_memory = false;
    if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        is_memory = true;
        text = trim(text.substr(colon + 1));
    }
    // "4[rbx][rcx]" is the sum of its parts.
    std::string sum;
    for (const char c : text) {
        is_memory |= c == '[' && !is_offset;
        sum += c == '[' ? " + (" : c == ']' ? ")" : std::string{c};
    }
    return {is_memory ? kMemory : kNumber, evaluate(sum, values)};
}

}  // namespace ringside::assembler
