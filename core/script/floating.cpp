// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/floating.hpp"

namespace ringside::script {

namespace {

/// A binary interchange format: IEEE 754-2019 section 3.4, table 3.5.
struct Format {
    u32 fraction_bits;
    u32 exponent_bits;
    constexpr s32 bias() const { return (1 << (exponent_bits - 1)) - 1; }
    constexpr u32 largest_exponent() const { return (1u << exponent_bits) - 1; }
    constexpr u32 bits() const { return 1 + exponent_bits + fraction_bits; }
};
constexpr Format kBinary64{52, 11};
constexpr Format kBinary32{23, 8};

constexpr u32 kLead = 62;  ///< bit of the leading one of a significand
constexpr u64 kSignBit = u64{1} << 63;

/// A value that is not zero: significand / 2^62 * 2^exponent, its bit 62 set.
struct Parts {
    bool is_negative;
    s32 exponent;
    u64 significand;
};

/// Shifts right; what falls out is kept in bit 0, so that rounding sees it.
constexpr u64 shift_right_sticky(u64 value, u32 count) {
    if (count == 0)
        return value;
    if (count > 63)
        return value != 0;
    return value >> count | ((value << (64 - count)) != 0);
}

u32 leading_zeros(u64 value) {
    return static_cast<u32>(__builtin_clzll(value));
}

/// Brings the leading one of a significand that is not zero to bit 62.
void normalize(Parts& parts) {
    const u32 zeros = leading_zeros(parts.significand);
    if (zeros == 0) {
        parts.significand = shift_right_sticky(parts.significand, 1);
        ++parts.exponent;
    } else {
        parts.significand <<= zeros - 1;
        parts.exponent -= static_cast<s32>(zeros - 1);
    }
}

constexpr bool is_zero(Double value) {
    return (value & ~kSignBit) == 0;
}

/// `value` is not zero.
Parts unpack(u64 value, Format format) {
    const u64 fraction = value & ((u64{1} << format.fraction_bits) - 1);
    const u32 exponent =
        static_cast<u32>(value >> format.fraction_bits) & format.largest_exponent();
    Parts parts{(value >> (format.bits() - 1)) != 0,
                static_cast<s32>(exponent == 0 ? 1 : exponent) - format.bias(),
                (exponent == 0 ? fraction : fraction | u64{1} << format.fraction_bits)
                    << (kLead - format.fraction_bits)};
    normalize(parts);
    return parts;
}

/// Rounds to nearest even. False: too large for the format.
bool pack(const Parts& parts, Format format, u64& to) {
    const u32 spare = kLead - format.fraction_bits;
    s32 exponent = parts.exponent + format.bias();
    u64 significand = parts.significand;
    if (exponent <= 0) {  // subnormal
        significand = shift_right_sticky(significand, static_cast<u32>(1 - exponent));
        exponent = 1;
    }
    const u64 half = u64{1} << (spare - 1);
    const u64 rest = significand & ((half << 1) - 1);
    significand >>= spare;
    significand += rest > half || (rest == half && (significand & 1) != 0);
    if (exponent >= static_cast<s32>(format.largest_exponent()))
        return false;
    // A carry out of the fraction goes into the exponent, where it belongs.
    const u64 magnitude = (static_cast<u64>(exponent - 1) << format.fraction_bits) + significand;
    to = magnitude | static_cast<u64>(parts.is_negative) << (format.bits() - 1);
    return magnitude >> format.fraction_bits < format.largest_exponent();
}

u64 from_integer(u64 value, bool is_signed, Format format) {
    if (value == 0)
        return 0;
    const bool is_negative = is_signed && value >> 63 != 0;
    Parts parts{is_negative, kLead, is_negative ? 0 - value : value};
    normalize(parts);
    u64 to = 0;
    (void)pack(parts, format, to);  // 2^64 is in range of both
    return to;
}

}  // namespace

bool is_finite(Double value) {
    return (value >> kBinary64.fraction_bits & kBinary64.largest_exponent()) !=
           kBinary64.largest_exponent();
}

bool add(Double left, Double right, Double& to) {
    if (!is_finite(left) || !is_finite(right))
        return false;
    if (is_zero(left) || is_zero(right)) {
        // -0 only if both are; else the one that is not zero.
        to = is_zero(left) && is_zero(right) ? left & right : is_zero(left) ? right : left;
        return true;
    }
    Parts a = unpack(left, kBinary64);
    Parts b = unpack(right, kBinary64);
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        const Parts other = a;
        a = b;
        b = other;
    }
    b.significand = shift_right_sticky(b.significand, static_cast<u32>(a.exponent - b.exponent));
    if (a.is_negative == b.is_negative) {
        a.significand += b.significand;
    } else {
        a.significand -= b.significand;
        if (a.significand == 0) {
            to = 0;
            return true;
        }
    }
    normalize(a);
    return pack(a, kBinary64, to);
}

bool subtract(Double left, Double right, Double& to) {
    return add(left, right ^ kSignBit, to);
}

bool multiply(Double left, Double right, Double& to) {
    if (!is_finite(left) || !is_finite(right))
        return false;
    const u64 sign = (left ^ right) & kSignBit;
    if (is_zero(left) || is_zero(right)) {
        to = sign;
        return true;
    }
    const Parts a = unpack(left, kBinary64);
    const Parts b = unpack(right, kBinary64);
    const unsigned __int128 product = static_cast<unsigned __int128>(a.significand) * b.significand;
    Parts parts{sign != 0, a.exponent + b.exponent,
                static_cast<u64>(product >> kLead) |
                    ((static_cast<u64>(product) & ((u64{1} << kLead) - 1)) != 0)};
    normalize(parts);
    return pack(parts, kBinary64, to);
}

bool divide(Double left, Double right, Double& to) {
    if (!is_finite(left) || !is_finite(right) || is_zero(right))
        return false;
    const u64 sign = (left ^ right) & kSignBit;
    if (is_zero(left)) {
        to = sign;
        return true;
    }
    const Parts a = unpack(left, kBinary64);
    const Parts b = unpack(right, kBinary64);
    u64 rest = a.significand;
    s32 exponent = a.exponent - b.exponent;
    if (rest < b.significand) {
        rest <<= 1;
        --exponent;
    }
    u64 quotient = 0;
    for (u32 i = 0; i <= kLead; ++i) {
        quotient <<= 1;
        if (rest >= b.significand) {
            rest -= b.significand;
            quotient |= 1;
        }
        rest <<= 1;
    }
    return pack({sign != 0, exponent, quotient | (rest != 0)}, kBinary64, to);
}

bool is_equal(Double left, Double right) {
    return left == right || (is_zero(left) && is_zero(right));
}

bool is_less(Double left, Double right) {
    if (is_zero(left) && is_zero(right))
        return false;
    const bool left_negative = (left & kSignBit) != 0;
    if (left_negative != ((right & kSignBit) != 0))
        return left_negative;
    return left_negative ? left > right : left < right;
}

Double double_from(u64 value, bool is_signed) {
    return from_integer(value, is_signed, kBinary64);
}

Single single_from(u64 value, bool is_signed) {
    return from_integer(value, is_signed, kBinary32);
}

Double widen(Single value) {
    if ((value & 0x7fff'ffff) == 0)
        return value << 32;
    u64 to = 0;
    (void)pack(unpack(value, kBinary32), kBinary64, to);
    return to;
}

bool round(Double value, Single& to) {
    if (!is_finite(value))
        return false;
    if (is_zero(value)) {
        to = value >> 32;
        return true;
    }
    return pack(unpack(value, kBinary64), kBinary32, to);
}

bool truncate(Double value, bool is_signed, u32 bits, u64& to) {
    to = 0;
    if (!is_finite(value))
        return false;
    if (is_zero(value))
        return true;
    const Parts parts = unpack(value, kBinary64);
    if (parts.exponent < 0)
        return true;
    if (parts.exponent > 63)
        return false;
    const u32 exponent = static_cast<u32>(parts.exponent);
    const u64 magnitude = exponent <= kLead ? parts.significand >> (kLead - exponent)
                                            : parts.significand << (exponent - kLead);
    const u64 most = is_signed           ? (u64{1} << (bits - 1)) - !parts.is_negative
                     : parts.is_negative ? 0
                     : bits == 64        ? ~u64{0}
                                         : (u64{1} << bits) - 1;
    if (magnitude > most)
        return false;
    to = parts.is_negative ? 0 - magnitude : magnitude;
    return true;
}

namespace {

/// An unsigned number of 1120 bits, least significant word first: holds every integer part and
/// every fraction (scaled by 2^1120) of a binary64 value.
class Large {
public:
    static constexpr u32 kWords = 35;
    static constexpr u32 kBits = 32 * kWords;

    /// value * 2^shift; what is above the width is cut.
    Large(u64 value, u32 shift) {
        for (u32 bit = 0; bit < 64; bit += 32) {
            const u32 part = static_cast<u32>(value >> bit);
            const u32 at = shift + bit;
            put(at / 32, part << at % 32);
            if (at % 32 != 0)
                put(at / 32 + 1, part >> (32 - at % 32));
        }
    }
    bool is_zero() const {
        for (const u32 word : words_)
            if (word != 0)
                return false;
        return true;
    }
    /// Divides by 10; the remainder.
    u32 divide_by_ten() {
        u32 rest = 0;
        for (u32 i = kWords; i-- > 0;) {
            const u64 part = static_cast<u64>(rest) << 32 | words_[i];
            words_[i] = static_cast<u32>(part / 10);
            rest = static_cast<u32>(part % 10);
        }
        return rest;
    }
    /// Multiplies by 10; what goes out at the top.
    u32 multiply_by_ten() {
        u64 carry = 0;
        for (u32& word : words_) {
            carry += static_cast<u64>(word) * 10;
            word = static_cast<u32>(carry);
            carry >>= 32;
        }
        return static_cast<u32>(carry);
    }
    /// Compared with half of 2^1120: -1, 0, 1.
    int compare_with_half() const {
        if (words_[kWords - 1] != 0x8000'0000)
            return words_[kWords - 1] < 0x8000'0000 ? -1 : 1;
        for (u32 i = 0; i + 1 < kWords; ++i)
            if (words_[i] != 0)
                return 1;
        return 0;
    }

private:
    void put(u32 index, u32 part) {
        if (index < kWords)
            words_[index] |= part;
    }
    u32 words_[kWords] = {};
};

}  // namespace

u32 format_fixed(Double value, u32 precision, char* to) {
    u64 whole = 0;
    u32 whole_shift = 0;
    u64 part = 0;
    u32 part_shift = 0;
    if (!is_zero(value) && is_finite(value)) {
        const u64 fraction = value & ((u64{1} << kBinary64.fraction_bits) - 1);
        const u32 exponent = static_cast<u32>(value >> 52) & 0x7ff;
        const u64 significand = exponent == 0 ? fraction : fraction | u64{1} << 52;
        // value = significand * 2^power
        const s32 power = static_cast<s32>(exponent == 0 ? 1 : exponent) - 1075;
        if (power >= 0) {
            whole = significand;
            whole_shift = static_cast<u32>(power);
        } else {
            const u32 places = static_cast<u32>(-power);
            whole = places < 64 ? significand >> places : 0;
            part = places < 64 ? significand & ((u64{1} << places) - 1) : significand;
            part_shift = Large::kBits - places;
        }
    }
    u32 length = 0;
    Large integer{whole, whole_shift};
    do {
        to[length++] = static_cast<char>('0' + integer.divide_by_ten());
    } while (!integer.is_zero());
    for (u32 i = 0; i < length / 2; ++i) {
        const char c = to[i];
        to[i] = to[length - 1 - i];
        to[length - 1 - i] = c;
    }
    if (precision > 0)
        to[length++] = '.';
    Large rest{part, part_shift};
    for (u32 i = 0; i < precision; ++i)
        to[length++] = static_cast<char>('0' + rest.multiply_by_ten());
    const int half = rest.compare_with_half();
    if (half < 0 || (half == 0 && (to[length - 1] - '0') % 2 == 0))
        return length;
    u32 at = length;
    while (at > 0) {
        char& c = to[--at];
        if (c == '.')
            continue;
        if (c != '9') {
            ++c;
            return length;
        }
        c = '0';
    }
    for (u32 i = length; i > 0; --i)
        to[i] = to[i - 1];
    to[0] = '1';
    return length + 1;
}

}  // namespace ringside::script
