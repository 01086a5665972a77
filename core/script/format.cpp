// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/format.hpp"

#include "ringside/bytecode.h"
#include "script/floating.hpp"

namespace ringside::script {

namespace {

constexpr u32 kMaxWidth = 64;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// A small decimal number at `at`; false if it is above the limit.
bool parse_size(const char* format, u32 length, u32& at, u8& value) {
    u32 number = 0;
    while (at < length && is_digit(format[at])) {
        number = number * 10 + static_cast<u32>(format[at] - '0');
        if (number > kMaxWidth)
            return false;
        ++at;
    }
    value = static_cast<u8>(number);
    return true;
}

bool parse_flag(char c, Conversion& piece) {
    switch (c) {
        case '-':
            piece.left = true;
            return true;
        case '0':
            piece.zero = true;
            return true;
        case '#':
            piece.alternate = true;
            return true;
        case '+':
            piece.plus = true;
            return true;
        case ' ':
            piece.space = true;
            return true;
        default:
            return false;
    }
}

/// Length letters: 'h', 'l', 'll', 'w' (strings only).
enum class Size : u8 { kNone, kHalf, kLong, kWide };

Size parse_length(const char* format, u32 length, u32& at) {
    if (at >= length)
        return Size::kNone;
    if (format[at] == 'h') {
        ++at;
        return Size::kHalf;
    }
    if (format[at] == 'w') {
        ++at;
        return Size::kWide;
    }
    if (format[at] != 'l')
        return Size::kNone;
    ++at;
    if (at < length && format[at] == 'l')
        ++at;
    return Size::kLong;
}

bool integer_kind(char c, ConversionKind& kind) {
    switch (c) {
        case 'd':
        case 'i':
            kind = ConversionKind::kSigned;
            return true;
        case 'u':
            kind = ConversionKind::kUnsigned;
            return true;
        case 'o':
            kind = ConversionKind::kOctal;
            return true;
        case 'x':
            kind = ConversionKind::kHex;
            return true;
        case 'X':
            kind = ConversionKind::kHexUpper;
            return true;
        default:
            return false;
    }
}

/// Parses what follows a '%'. False: not a conversion.
bool parse_conversion(const char* format, u32 length, u32& at, Conversion& piece) {
    while (at < length && parse_flag(format[at], piece))
        ++at;
    if (!parse_size(format, length, at, piece.width))
        return false;
    if (at < length && format[at] == '.') {
        ++at;
        piece.has_precision = true;
        if (!parse_size(format, length, at, piece.precision))
            return false;
    }
    const u32 size_at = at;
    const Size size = parse_length(format, length, at);
    if (at >= length)
        return false;
    const bool two_letters = size == Size::kLong && at - size_at == 2;
    const char c = format[at++];
    if (integer_kind(c, piece.kind)) {
        piece.bits = size == Size::kHalf ? 16 : size == Size::kLong ? 64 : 32;
        return size != Size::kWide && !piece.has_precision;
    }
    if (c == 's' &&
        (size == Size::kNone || size == Size::kWide || (size == Size::kLong && !two_letters))) {
        piece.kind = size == Size::kNone ? ConversionKind::kString : ConversionKind::kWideString;
        return true;
    }
    if (size != Size::kNone)
        return false;
    if (c == 'f') {
        piece.kind = ConversionKind::kFloat;
        return true;
    }
    if (piece.has_precision)
        return false;
    if (c == 'c') {
        piece.kind = ConversionKind::kCharacter;
        piece.bits = 8;
        return true;
    }
    if (c == 'p') {
        piece.kind = ConversionKind::kPointer;
        piece.bits = 64;
        return true;
    }
    return false;
}

}  // namespace

bool FormatParser::next(Conversion& piece) {
    if (at_ >= length_)
        return false;
    piece = Conversion{};
    piece.start = at_;
    if (format_[at_] == '%') {
        u32 after = at_ + 1;
        if (after < length_ && format_[after] == '%') {
            piece.length = 1;
            at_ += 2;
            return true;
        }
        if (parse_conversion(format_, length_, after, piece)) {
            piece.length = after - at_;
            at_ = after;
            return true;
        }
        piece = Conversion{};
        piece.start = at_++;
    }
    while (at_ < length_ && format_[at_] != '%')
        ++at_;
    piece.length = at_ - piece.start;
    return true;
}

u32 count_arguments(const char* format, u32 length) {
    FormatParser parser{format, length};
    Conversion piece;
    u32 count = 0;
    while (parser.next(piece))
        count += piece.kind != ConversionKind::kText;
    return count;
}

void TextWriter::put(char c) {
    if (length_ < capacity_)
        buffer_[length_++] = c;
    else
        cut_ = true;
}

void TextWriter::put(const char* text, u32 length) {
    for (u32 i = 0; i < length; ++i)
        put(text[i]);
}

void TextWriter::fill(char c, u32 count) {
    for (; count > 0; --count)
        put(c);
}

void TextWriter::padded(const Conversion& conversion, const char* text, u32 length) {
    const u32 padding = conversion.width > length ? conversion.width - length : 0;
    if (!conversion.left)
        fill(' ', padding);
    put(text, length);
    if (conversion.left)
        fill(' ', padding);
}

void TextWriter::number(const Conversion& conversion, u64 value) {
    const u32 unused = 64 - conversion.bits;
    const char* prefix = "";
    u32 prefix_length = 0;
    u32 base = 10;
    u32 minimum = 1;
    const char* digits = "0123456789abcdef";
    if (conversion.kind == ConversionKind::kSigned) {
        const auto number = static_cast<s64>(value << unused) >> unused;
        value = number < 0 ? 0 - static_cast<u64>(number) : static_cast<u64>(number);
        prefix = number < 0 ? "-" : conversion.plus ? "+" : " ";
        prefix_length = number < 0 || conversion.plus || conversion.space;
    } else {
        value = (value << unused) >> unused;
        switch (conversion.kind) {
            case ConversionKind::kOctal:
                base = 8;
                prefix = "0";
                prefix_length = conversion.alternate && value != 0;
                break;
            case ConversionKind::kHexUpper:
                base = 16;
                digits = "0123456789ABCDEF";
                prefix = "0X";
                prefix_length = conversion.alternate && value != 0 ? 2 : 0;
                break;
            case ConversionKind::kHex:
                base = 16;
                prefix = "0x";
                prefix_length = conversion.alternate && value != 0 ? 2 : 0;
                break;
            case ConversionKind::kPointer:
                base = 16;
                minimum = 16;
                break;
            default:
                break;
        }
    }
    char text[24];  // 22 octal digits of 64 bits
    u32 count = 0;
    do {
        text[count++] = digits[value % base];
        value /= base;
    } while (value != 0);
    u32 zeroes = minimum > count ? minimum - count : 0;
    u32 padding = 0;
    if (const u32 printed = prefix_length + zeroes + count; conversion.width > printed)
        padding = conversion.width - printed;
    if (conversion.zero && !conversion.left) {
        zeroes += padding;
        padding = 0;
    }
    if (!conversion.left)
        fill(' ', padding);
    put(prefix, prefix_length);
    fill('0', zeroes);
    while (count > 0)
        put(text[--count]);
    if (conversion.left)
        fill(' ', padding);
}

void TextWriter::floating(const Conversion& conversion, u64 value) {
    char digits[kMaxFixedBytes];
    const u32 count =
        format_fixed(value, conversion.has_precision ? conversion.precision : 6, digits);
    const char sign = value >> 63 != 0 ? '-' : conversion.plus ? '+' : conversion.space ? ' ' : 0;
    const bool has_point =
        conversion.alternate && conversion.has_precision && conversion.precision == 0;
    const u32 printed = count + (sign != 0) + has_point;
    const u32 padding = conversion.width > printed ? conversion.width - printed : 0;
    if (!conversion.left && !conversion.zero)
        fill(' ', padding);
    if (sign != 0)
        put(sign);
    if (!conversion.left && conversion.zero)
        fill('0', padding);
    put(digits, count);
    if (has_point)
        put('.');
    if (conversion.left)
        fill(' ', padding);
}

u32 TextWriter::finish() {
    if (cut_ && capacity_ >= 3) {
        length_ = capacity_;
        for (u32 i = 1; i <= 3; ++i)
            buffer_[capacity_ - i] = '.';
    }
    return length_;
}

}  // namespace ringside::script
