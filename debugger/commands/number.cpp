// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/number.hpp"

#include "commands/token.hpp"

namespace ringside::commands {
namespace {

struct Prefix {
    std::string_view text;
    unsigned base;
};
constexpr Prefix kPrefixes[] = {{"0x", 16}, {"\\x", 16}, {"x", 16}, {"0n", 10},
                                {"n", 10},  {"0t", 8},   {"0y", 2}};

/// Value of one digit, or 255.
unsigned digit_value(char c) {
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return static_cast<unsigned>(c - 'A') + 10;
    return 255;
}

Number parse_digits(std::string_view digits, unsigned base, bool allow_backquote) {
    Number number;
    bool any = false;
    bool overflow = false;
    for (const char c : digits) {
        if (c == '`' && allow_backquote)
            continue;
        const unsigned digit = digit_value(c);
        if (digit >= base)
            return {NumberStatus::kNotANumber, 0};
        any = true;
        overflow = overflow || number.value > (~u64{0} - digit) / base;
        number.value = number.value * base + digit;
    }
    if (!any)
        return {NumberStatus::kNotANumber, 0};
    if (overflow)
        return {NumberStatus::kTooLarge, 0};
    number.status = NumberStatus::kOk;
    return number;
}

}  // namespace

Number parse_number(std::string_view text) {
    for (const Prefix& prefix : kPrefixes)
        if (same_word(text.substr(0, prefix.text.size()), prefix.text))
            return parse_digits(text.substr(prefix.text.size()), prefix.base, true);
    return parse_digits(text, 16, true);
}

Number parse_decimal(std::string_view text) {
    return parse_digits(text, 10, false);
}

}  // namespace ringside::commands
