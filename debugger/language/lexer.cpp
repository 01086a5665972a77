// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/lexer.hpp"

#include "language/names.hpp"

namespace ringside::language {

namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Value of a digit of base 16, 16 or more for anything else.
u32 digit_value(char c) {
    if (is_digit(c))
        return static_cast<u32>(c - '0');
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? static_cast<u32>(lower - 'a') + 10 : 16;
}

/// Base by the prefix of a number, 0 without one.
u32 prefix_base(std::string_view word) {
    if (word.size() < 2 || word[0] != '0')
        return 0;
    switch (to_lower(word[1])) {
        case 'x':
            return 16;
        case 'n':
            return 10;
        case 't':
        case 'o':
            return 8;
        case 'y':
            return 2;
        default:
            return 0;
    }
}

bool is_hex_word(std::string_view word) {
    for (const char c : word)
        if (digit_value(c) >= 16 && c != '`')
            return false;
    return true;
}

bool can_end_operand(TokenKind kind) {
    switch (kind) {
        case TokenKind::kNumber:
        case TokenKind::kReal:
        case TokenKind::kWord:
        case TokenKind::kSymbol:
        case TokenKind::kGlobal:
        case TokenKind::kRegister:
        case TokenKind::kPseudo:
        case TokenKind::kRightParen:
        case TokenKind::kRightBracket:
            return true;
        default:
            return false;
    }
}

struct Spelling {
    std::string_view text;
    TokenKind kind;
};
constexpr Spelling kPunctuation[] = {
#define RS_LANGUAGE_ROW(name, text) {text, TokenKind::name},
    RS_PUNCTUATION_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

class Lexer {
public:
    Lexer(const Source& source, DiagnosticList& diagnostics, usize file)
        : text_{source.text(file)}, begin_{source.begin(file)}, diagnostics_{diagnostics} {}

    std::vector<Token> run() {
        while (skip_blanks()) {
            token_ = Token{};
            token_.offset = at_;
            token_.starts_line = crossed_line_;
            crossed_line_ = false;
            lex_token();
            token_.length = at_ - token_.offset;
            token_.offset += begin_;
            tokens_.push_back(std::move(token_));
        }
        Token end;
        end.offset = begin_ + static_cast<u32>(text_.size());
        tokens_.push_back(std::move(end));
        return std::move(tokens_);
    }

private:
    char peek(u32 ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    bool at_end() const { return at_ >= text_.size(); }

    void fail(Code code, u32 offset, std::string message) {
        report(code, offset, std::move(message));
        token_.kind = TokenKind::kError;
    }
    /// `offset` within the file.
    void report(Code code, u32 offset, std::string message) {
        diagnostics_.report(code, begin_ + offset, std::move(message));
    }

    /// False at the end of the text.
    bool skip_blanks() {
        while (!at_end()) {
            if (is_blank(peek())) {
                crossed_line_ = crossed_line_ || peek() == '\n';
                ++at_;
            } else if (peek() == '/' && peek(1) == '/') {
                while (!at_end() && peek() != '\n')
                    ++at_;
            } else if (peek() == '/' && peek(1) == '*') {
                const usize end = text_.find("*/", at_ + 2);
                if (end == std::string_view::npos) {
                    report(Code::kUnclosedComment, at_, "comment is not closed");
                    at_ = static_cast<u32>(text_.size());
                } else {
                    at_ = static_cast<u32>(end) + 2;
                }
            } else {
                return true;
            }
        }
        return false;
    }

    void lex_token() {
        const char c = peek();
        if (c == '"' || (c == 'L' && peek(1) == '"'))
            return lex_string();
        if (is_letter(c) || is_digit(c))
            return lex_word();
        if (c == '@' || c == '$')
            return lex_sigil(c);
        if (c == '.' && (tokens_.empty() || !can_end_operand(tokens_.back().kind))) {
            if (is_letter(peek(1)))
                return lex_global();
            if (is_digit(peek(1)))
                return lex_real();
        }
        if (text_.substr(at_, 8) == "#include") {
            at_ += 8;
            token_.kind = TokenKind::kInclude;
            token_.text = "#include";
            return;
        }
        lex_punctuation();
    }

    std::string_view take_word() {
        const u32 start = at_;
        while (is_letter(peek()) || is_digit(peek()))
            ++at_;
        return text_.substr(start, at_ - start);
    }

    void lex_word() {
        const u32 start = at_;
        while (is_letter(peek()) || is_digit(peek()) || peek() == '`')
            ++at_;
        const std::string_view word = text_.substr(start, at_ - start);
        token_.text = word;
        if (peek() == '.' && is_decimal(word) && !is_letter_after_point())
            return lex_real_from(start);
        if (is_letter(word[0]) && peek() == '!' && is_letter(peek(1)) &&
            word.find('`') == std::string_view::npos) {
            ++at_;
            take_word();
            token_.kind = TokenKind::kSymbol;
            token_.text = text_.substr(start, at_ - start);
            return;
        }
        if (const auto keyword = find_keyword(word)) {
            token_.kind = *keyword;
            return;
        }
        if (find_function(word) != nullptr) {
            token_.kind = TokenKind::kWord;
            return;
        }
        if (const auto found = find_register(word)) {
            token_.kind = TokenKind::kRegister;
            token_.value = *found;
            token_.is_bare_register = true;
            return;
        }
        if (is_digit(word[0]) || is_hex_word(word))
            return lex_number(word);
        token_.kind = TokenKind::kWord;
        if (word.find('`') != std::string_view::npos)
            fail(Code::kBadCharacter, start + static_cast<u32>(word.find('`')),
                 "'`' may only stand between the digits of a number");
    }

    static bool is_decimal(std::string_view word) {
        for (const char c : word)
            if (!is_digit(c))
                return false;
        return true;
    }

    /// `1.x` is a number and a member, `1.5` and `1.` are floating-point numbers.
    bool is_letter_after_point() const { return is_letter(peek(1)); }

    void lex_number(std::string_view word) {
        token_.kind = TokenKind::kNumber;
        u32 base = prefix_base(word);
        const std::string_view digits = base == 0 ? word : word.substr(2);
        if (base == 0)
            base = 16;
        if (peek() == '.' && is_digit(peek(1)))
            return fail(Code::kBadNumber, at_, "only plain decimal digits can have a point");
        u64 value = 0;
        bool has_digit = false;
        for (usize i = 0; i < digits.size(); ++i) {
            const u32 place = token_.offset + static_cast<u32>(word.size() - digits.size() + i);
            if (digits[i] == '`') {
                const bool between = has_digit && i + 1 < digits.size() && digits[i + 1] != '`';
                if (!between)
                    return fail(Code::kBadNumber, place, "'`' may only stand between digits");
                continue;
            }
            const u32 digit = digit_value(digits[i]);
            if (digit >= base)
                return fail(Code::kBadNumber, place,
                            std::string{"'"} + digits[i] + "' is not a digit of base " +
                                std::to_string(base));
            if (value > (~u64{0} - digit) / base)
                return fail(Code::kBadNumber, token_.offset, "number does not fit in 64 bits");
            value = value * base + digit;
            has_digit = true;
        }
        if (!has_digit)
            return fail(Code::kBadNumber, token_.offset,
                        "'" + std::string{word} + "' has no digits");
        token_.value = value;
    }

    void lex_real() { lex_real_from(at_); }

    void lex_real_from(u32 start) {
        ++at_;  // the point
        while (is_digit(peek()))
            ++at_;
        token_.kind = TokenKind::kReal;
        token_.text = text_.substr(start, at_ - start);
        if (is_letter(peek()) || peek() == '.') {
            fail(Code::kBadNumber, at_, "a floating-point number has digits and one point only");
            while (is_letter(peek()) || is_digit(peek()) || peek() == '.')
                ++at_;
        }
    }

    void lex_global() {
        ++at_;
        token_.kind = TokenKind::kGlobal;
        token_.text = take_word();
    }

    void lex_sigil(char sigil) {
        const u32 start = at_++;
        const std::string_view word = take_word();
        token_.text = word;
        if (word.empty())
            return fail(Code::kUnknownRegister, start,
                        std::string{"expected a name behind '"} + sigil + "'");
        const auto found = sigil == '@' ? find_register(word) : find_pseudo(word);
        if (found) {
            token_.kind = sigil == '@' ? TokenKind::kRegister : TokenKind::kPseudo;
            token_.value = *found;
            return;
        }
        std::string message = sigil == '@' ? "unknown register '" : "unknown pseudo-register '";
        if (sigil == '$' && word.starts_with("arg"))
            message = "no value for the script argument '";
        message += sigil + std::string{word} + "'";
        if (diagnostics_.is_full())
            return fail(Code::kUnknownRegister, start, {});
        std::vector<std::string> names;
        for (const std::string& name : all_names())
            if (name[0] == sigil)
                names.push_back(name.substr(1));
        if (const auto near = nearest(word, names))
            message += std::string{"; did you mean '"} + sigil + *near + "'?";
        fail(Code::kUnknownRegister, start, std::move(message));
    }

    void lex_string() {
        const bool is_wide = peek() == 'L';
        const bool is_path = !tokens_.empty() && tokens_.back().kind == TokenKind::kInclude;
        const u32 start = at_;
        at_ += is_wide ? 2 : 1;
        token_.kind = is_wide ? TokenKind::kWideString : TokenKind::kString;
        for (;;) {
            if (at_end())
                return fail(Code::kBadString, start, "string is not closed");
            const char c = text_[at_++];
            if (c == '"')
                break;
            if (is_path)
                at_ += c == '\\' && (peek() == '\\' || peek() == '"');
            else if (c == '\\')
                lex_escape(is_wide);
            else if (is_wide)
                lex_wide_character(c);
            else
                token_.bytes += c;
        }
        token_.text = text_.substr(start, at_ - start);
    }

    void put_unit(u32 unit, bool is_wide) {
        token_.bytes += static_cast<char>(unit & 0xff);
        if (is_wide)
            token_.bytes += static_cast<char>(unit >> 8 & 0xff);
    }

    /// One character of a wide string; the source is UTF-8, the string UTF-16.
    void lex_wide_character(char first) {
        const auto lead = static_cast<u8>(first);
        const u32 more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
        u32 point = more == 0 ? lead : lead & (0x3fu >> more);
        for (u32 i = 0; i < more; ++i) {
            const auto next = static_cast<u8>(peek());
            if ((next & 0xc0) != 0x80)
                break;
            point = point << 6 | (next & 0x3f);
            ++at_;
        }
        if (point >= 0x10000) {
            put_unit(0xd800 + ((point - 0x10000) >> 10), true);
            put_unit(0xdc00 + ((point - 0x10000) & 0x3ff), true);
        } else {
            put_unit(point, true);
        }
    }

    void lex_escape(bool is_wide) {
        const u32 place = at_ - 1;
        const char c = peek();
        ++at_;
        switch (c) {
            case 'n':
                return put_unit('\n', is_wide);
            case 't':
                return put_unit('\t', is_wide);
            case 'r':
                return put_unit('\r', is_wide);
            case '\\':
                return put_unit('\\', is_wide);
            case '"':
                return put_unit('"', is_wide);
            case '0':
                return put_unit(0, is_wide);
            case 'x': {
                u32 unit = 0;
                u32 count = 0;
                while (count < (is_wide ? 4u : 2u) && digit_value(peek()) < 16) {
                    unit = unit * 16 + digit_value(peek());
                    ++at_;
                    ++count;
                }
                if (count == 0)
                    report(Code::kBadString, place, "'\\x' needs hexadecimal digits");
                return put_unit(unit, is_wide);
            }
            default:
                if (at_ > text_.size())
                    at_ = static_cast<u32>(text_.size());
                else
                    report(Code::kBadString, place,
                           std::string{"unknown escape '\\"} + printable(c) + "'");
        }
    }

    static std::string printable(char c) {
        if (c >= 0x20 && c < 0x7f)
            return std::string{c};
        constexpr char kDigits[] = "0123456789abcdef";
        const auto byte = static_cast<u8>(c);
        return std::string{"byte 0x"} + kDigits[byte >> 4] + kDigits[byte & 15];
    }

    void lex_punctuation() {
        const Spelling* best = nullptr;
        for (const Spelling& spelling : kPunctuation)
            if (text_.substr(at_, spelling.text.size()) == spelling.text &&
                (best == nullptr || spelling.text.size() > best->text.size()))
                best = &spelling;
        if (best == nullptr) {
            const char c = text_[at_++];
            return fail(Code::kBadCharacter, token_.offset,
                        "unexpected character '" + printable(c) + "'");
        }
        at_ += static_cast<u32>(best->text.size());
        token_.kind = best->kind;
        token_.text = best->text;
    }

    std::string_view text_;
    u32 begin_;  ///< of the file, in the source's count
    DiagnosticList& diagnostics_;
    u32 at_ = 0;
    bool crossed_line_ = true;
    Token token_;
    std::vector<Token> tokens_;
};

}  // namespace

std::string describe(TokenKind kind) {
    switch (kind) {
        case TokenKind::kEnd:
            return "the end";
        case TokenKind::kError:
            return "an error";
        case TokenKind::kNumber:
            return "a number";
        case TokenKind::kReal:
            return "a floating-point number";
        case TokenKind::kWord:
            return "a name";
        case TokenKind::kSymbol:
            return "a symbol";
        case TokenKind::kGlobal:
            return "a global variable";
        case TokenKind::kRegister:
            return "a register";
        case TokenKind::kPseudo:
            return "a pseudo-register";
        case TokenKind::kString:
        case TokenKind::kWideString:
            return "a string";
#define RS_LANGUAGE_ROW(name, text) \
    case TokenKind::name:           \
        return "'" text "'";
            RS_PUNCTUATION_TABLE(RS_LANGUAGE_ROW)
            RS_KEYWORD_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
    }
    return "";
}

std::string describe(const Token& token) {
    switch (token.kind) {
        case TokenKind::kNumber:
        case TokenKind::kReal:
        case TokenKind::kWord:
        case TokenKind::kSymbol:
            return "'" + std::string{token.text} + "'";
        case TokenKind::kGlobal:
            return "'." + std::string{token.text} + "'";
        case TokenKind::kRegister:
            return (token.is_bare_register ? "'" : "'@") + std::string{token.text} + "'";
        case TokenKind::kPseudo:
            return "'$" + std::string{token.text} + "'";
        default:
            return describe(token.kind);
    }
}

bool is_type_word(TokenKind kind) {
    return kind >= TokenKind::kVoid && kind <= TokenKind::kDouble;
}

std::vector<Token> tokenize(const Source& source, DiagnosticList& diagnostics, usize file) {
    return Lexer{source, diagnostics, file}.run();
}

}  // namespace ringside::language
