// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbols/pattern.hpp"

namespace ringside::symbols {

bool matches(const char* pattern, const char* pattern_end, const char* text) {
    // Behind the last '*': how much of the text it takes grows until the rest fits.
    const char* behind_star = nullptr;
    const char* retry = nullptr;
    for (;;) {
        const bool over = pattern == pattern_end || *pattern == '\0';
        if (!over && *pattern == '*') {
            behind_star = ++pattern;
            retry = text;
        } else if (*text == '\0') {
            return over;
        } else if (!over && (*pattern == '?' || *pattern == *text)) {
            ++pattern;
            ++text;
        } else if (behind_star != nullptr) {
            pattern = behind_star;
            text = ++retry;
        } else {
            return false;
        }
    }
}

bool is_word(const char* text, const char* end, const char* word) {
    while (text != end && *word != '\0')
        if (*text++ != *word++)
            return false;
    return text == end && *word == '\0';
}

usize length_of(const char* text) {
    usize length = 0;
    while (text[length] != '\0')
        ++length;
    return length;
}

const char* first_of(const char* text, const char* wanted) {
    for (; *text != '\0'; ++text)
        for (const char* one = wanted; *one != '\0'; ++one)
            if (*text == *one)
                return text;
    return nullptr;
}

}  // namespace ringside::symbols
