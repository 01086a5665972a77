// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/authentication.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace ringside::transport {
namespace {

constexpr auto kHello = [] {
    std::array<std::byte, 80> bytes{};
    bytes.fill(std::byte{1});
    return bytes;
}();
constexpr auto kChallenge = [] {
    std::array<std::byte, 80> bytes{};
    bytes.fill(std::byte{2});
    return bytes;
}();

Key counting_key() {
    Key key;
    for (unsigned value = 0; value < kKeyBytes; ++value)
        key.push_back(static_cast<std::byte>(value));
    return key;
}

std::string hex(const AuthenticationCode& code) {
    std::string text;
    for (const std::byte byte : code) {
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

// Expected values: Python's hmac module.
TEST(Authentication, IsHmacSha256OfLabelHelloAndChallenge) {
    EXPECT_EQ(hex(authentication_code(Role::kDebugger, counting_key(), kHello, kChallenge)),
              "a10e01c762c39658c15a8fbbdc6acb77b0f0934a177209a16d68ed164a2f86f7");
    EXPECT_EQ(hex(authentication_code(Role::kAgent, counting_key(), kHello, kChallenge)),
              "73645c86b6143d77c1ca8fc5f1b76c3602ef851cee3f08b9df7dbfd8e0f03c82");
    EXPECT_EQ(hex(authentication_code(Role::kDebugger, {}, kHello, kChallenge)),
              "3b4733679f3cec573ec8c7cf40b1ed0c9a4977eeebd6eaa7668ca0fb7a5214bb");
}

TEST(Authentication, ComparesWholeCodes) {
    auto one = authentication_code(Role::kAgent, counting_key(), kHello, kChallenge);
    auto other = one;
    EXPECT_TRUE(is_equal(one, other));
    other.back() ^= std::byte{1};
    EXPECT_FALSE(is_equal(one, other));
    EXPECT_FALSE(is_equal(one, std::span{one}.first(31)));
}

TEST(Authentication, RandomBytesDiffer) {
    std::set<std::array<std::byte, 32>> seen;
    for (int round = 0; round < 100; ++round) {
        std::array<std::byte, 32> bytes{};
        fill_random(bytes);
        seen.insert(bytes);
    }
    EXPECT_EQ(seen.size(), 100u);
}

}  // namespace
}  // namespace ringside::transport
