// SPDX-License-Identifier: GPL-3.0-or-later
// Software arithmetic against the processor's, bit by bit.
#include "script/floating.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <random>

#include "support/scale.hpp"

namespace ringside::script {
namespace {

u32 rounds(u32 number) {
    return test::is_full_run() ? 30 * number : number;
}

u64 bits(double value) {
    return std::bit_cast<u64>(value);
}
u64 bits(float value) {
    return std::bit_cast<u32>(value);
}

/// Finite values of all magnitudes, near each other, near the limits, with few bits.
class Values {
public:
    double next() {
        for (;;) {
            u64 value = random_();
            switch (random_() % 6) {
                case 0:
                    break;
                case 1:
                    value &= ~u64{0} << random_() % 53;
                    break;
                case 2:  // exponents near 1
                    value = (value & ~(0x7ffull << 52)) | (1000 + random_() % 48) << 52;
                    break;
                case 3:  // subnormal
                    value &= ~(0x7ffull << 52);
                    break;
                case 4:
                    value = last_ ^ (random_() & 3);
                    break;
                default:
                    value =
                        bits(static_cast<double>(static_cast<s64>(random_()) >> random_() % 64));
            }
            last_ = value;
            const double result = std::bit_cast<double>(value);
            if (std::isfinite(result))
                return result;
        }
    }
    u64 number() { return random_() >> random_() % 64; }

private:
    std::mt19937_64 random_{20};
    u64 last_ = 0;
};

template <class Operation>
void expect_same(double left, double right, double wanted, Operation operation) {
    u64 got = 0;
    const bool is_fine = operation(bits(left), bits(right), got);
    ASSERT_EQ(is_fine, std::isfinite(wanted)) << left << ' ' << right;
    if (is_fine) {
        ASSERT_EQ(got, bits(wanted)) << std::hexfloat << left << ' ' << right;
    }
}

TEST(Floating, ComputesAsTheProcessorDoes) {
    Values values;
    for (u32 i = 0; i < rounds(300'000); ++i) {
        const double a = values.next(), b = values.next();
        expect_same(a, b, a + b, add);
        expect_same(a, b, a - b, subtract);
        expect_same(a, b, a * b, multiply);
        expect_same(a, b, a / b, divide);
        ASSERT_EQ(is_equal(bits(a), bits(b)), a == b);
        ASSERT_EQ(is_less(bits(a), bits(b)), a < b) << a << ' ' << b;
    }
}

TEST(Floating, ConvertsAsTheProcessorDoes) {
    Values values;
    for (u32 i = 0; i < rounds(300'000); ++i) {
        const double value = values.next();
        const auto narrow = static_cast<float>(value);
        u64 got = 0;
        ASSERT_EQ(round(bits(value), got), std::isfinite(narrow)) << value;
        if (std::isfinite(narrow)) {
            ASSERT_EQ(got, bits(narrow)) << std::hexfloat << value;
            ASSERT_EQ(widen(got), bits(static_cast<double>(narrow)));
        }
        const u64 number = values.number();
        ASSERT_EQ(double_from(number, false), bits(static_cast<double>(number))) << number;
        ASSERT_EQ(double_from(~number, true), bits(static_cast<double>(static_cast<s64>(~number))));
        ASSERT_EQ(single_from(number, false), bits(static_cast<float>(number))) << number;
        ASSERT_EQ(single_from(~number, true), bits(static_cast<float>(static_cast<s64>(~number))));
        const bool is_s32 = value > -2147483649.0 && value < 2147483648.0;
        ASSERT_EQ(truncate(bits(value), true, 32, got), is_s32) << value;
        if (is_s32) {
            ASSERT_EQ(got, static_cast<u64>(static_cast<s64>(value))) << value;
        }
        const bool is_u64 = value > -1.0 && value < 18446744073709551616.0;
        ASSERT_EQ(truncate(bits(value), false, 64, got), is_u64) << value;
        if (is_u64) {
            ASSERT_EQ(got, static_cast<u64>(value)) << value;
        }
    }
    u64 got = 0;
    EXPECT_TRUE(truncate(bits(-9223372036854775808.0), true, 64, got));
    EXPECT_EQ(got, 1ull << 63);
    EXPECT_FALSE(truncate(bits(9223372036854775808.0), true, 64, got));
    EXPECT_TRUE(truncate(bits(-128.5), true, 8, got));
    EXPECT_FALSE(truncate(bits(-129.0), true, 8, got));
}

TEST(Floating, RefusesWhatIsNotFinite) {
    const u64 infinity = bits(HUGE_VAL), nothing = bits(std::nan(""));
    u64 to = 0;
    for (const u64 value : {infinity, nothing}) {
        EXPECT_FALSE(add(value, bits(1.0), to) || add(bits(1.0), value, to));
        EXPECT_FALSE(multiply(value, 0, to) || divide(bits(1.0), value, to));
        EXPECT_FALSE(round(value, to) || truncate(value, true, 64, to) || is_finite(value));
    }
    EXPECT_FALSE(divide(bits(1.0), bits(-0.0), to));
    EXPECT_FALSE(divide(0, 0, to));
}

TEST(Floating, PrintsAsTheCLibraryDoes) {
    Values values;
    char text[kMaxFixedBytes], wanted[kMaxFixedBytes + 8];
    const auto expect = [&](double value, u32 precision) {
        const u32 length = format_fixed(bits(value), precision, text);
        ASSERT_LE(length, kMaxFixedBytes);
        std::snprintf(wanted, sizeof wanted, "%.*f", static_cast<int>(precision), std::fabs(value));
        ASSERT_EQ(std::string(text, length), wanted) << std::hexfloat << value;
    };
    for (u32 i = 0; i < rounds(30'000); ++i)
        expect(values.next(), i % 65);
    for (const double value : {0.0, 0.5, 1.5, 2.5, 0.125, 9.5, 99.9999999, 999999.9999995,
                               1.7976931348623157e308, 4.9e-324, 0.05, 0.25})
        for (u32 precision = 0; precision <= 64; ++precision)
            expect(value, precision);
}

}  // namespace
}  // namespace ringside::script
