// SPDX-License-Identifier: GPL-3.0-or-later
#include "sandbox/privileged.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace ringside::sandbox {
namespace {

using Kind = Privileged::Kind;
using Bytes = std::vector<u8>;

Privileged decode(const Bytes& bytes) {
    return decode_privileged(bytes.data(), bytes.size());
}

struct Register {
    Bytes bytes;
    Kind kind;
    u8 number;
    u8 operand;
    u8 operand_bytes;
};

class IntoRegister : public testing::TestWithParam<Register> {};
INSTANTIATE_TEST_SUITE_P(
    , IntoRegister,
    testing::Values(Register{{0x0f, 0x20, 0xc0}, Kind::kReadControl, 0, 0, 8},
                    Register{{0x0f, 0x20, 0xd3}, Kind::kReadControl, 2, 3, 8},
                    Register{{0x41, 0x0f, 0x20, 0xdf}, Kind::kReadControl, 3, 15, 8},
                    Register{{0x0f, 0x20, 0xe4}, Kind::kReadControl, 4, 4, 8},
                    Register{{0x44, 0x0f, 0x20, 0xc1}, Kind::kReadControl, 8, 1, 8},
                    Register{{0x66, 0x48, 0x0f, 0x20, 0xc0}, Kind::kReadControl, 0, 0, 8},
                    Register{{0x0f, 0x21, 0xf8}, Kind::kReadDebug, 7, 0, 8},
                    Register{{0x41, 0x0f, 0x21, 0xc0}, Kind::kReadDebug, 0, 8, 8},
                    Register{{0x0f, 0x01, 0xe2}, Kind::kReadStatus, 0, 2, 4},
                    Register{{0x66, 0x0f, 0x01, 0xe0}, Kind::kReadStatus, 0, 0, 2},
                    Register{{0x49, 0x0f, 0x01, 0xe1}, Kind::kReadStatus, 0, 9, 8},
                    Register{{0x0f, 0x00, 0xc8}, Kind::kStoreTask, 0, 0, 4},
                    Register{{0x66, 0x0f, 0x00, 0xc7}, Kind::kStoreLdt, 0, 7, 2}));

TEST_P(IntoRegister, IsDecoded) {
    const Privileged found = decode(GetParam().bytes);
    EXPECT_EQ(found.kind, GetParam().kind);
    EXPECT_EQ(found.length, GetParam().bytes.size());
    EXPECT_EQ(found.number, GetParam().number);
    EXPECT_EQ(found.operand, GetParam().operand);
    EXPECT_EQ(found.operand_bytes, GetParam().operand_bytes);
    EXPECT_FALSE(found.is_memory);
}

struct Memory {
    Bytes bytes;
    Kind kind;
    u8 base, index, scale;
    s32 displacement;
    u8 segment;
};
constexpr u8 kNone = Privileged::kNoRegister;

class IntoMemory : public testing::TestWithParam<Memory> {};
INSTANTIATE_TEST_SUITE_P(
    , IntoMemory,
    testing::Values(
        Memory{{0x0f, 0x01, 0x02}, Kind::kStoreGdt, 2, kNone, 1, 0, 0},
        Memory{{0x0f, 0x01, 0x4c, 0x24, 0xf0}, Kind::kStoreIdt, 4, kNone, 1, -16, 0},
        Memory{{0x43, 0x0f, 0x01, 0x44, 0xac, 0x7f}, Kind::kStoreGdt, 12, 13, 4, 127, 0},
        Memory{{0x65, 0x0f, 0x01, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12},
               Kind::kStoreGdt,
               kNone,
               kNone,
               1,
               0x12345678,
               0x65},
        Memory{{0x0f, 0x01, 0x05, 0xfc, 0xff, 0xff, 0xff},
               Kind::kStoreGdt,
               Privileged::kRip,
               kNone,
               1,
               -4,
               0},
        Memory{{0x0f, 0x00, 0x88, 0x00, 0x01, 0x00, 0x00}, Kind::kStoreTask, 0, kNone, 1, 256, 0},
        Memory{{0x0f, 0x01, 0x45, 0x00}, Kind::kStoreGdt, 5, kNone, 1, 0, 0},
        Memory{{0x0f, 0x01, 0x0c, 0xc5, 0, 0, 0, 0}, Kind::kStoreIdt, kNone, 0, 8, 0, 0}));

TEST_P(IntoMemory, IsDecoded) {
    const Privileged found = decode(GetParam().bytes);
    EXPECT_EQ(found.kind, GetParam().kind);
    EXPECT_EQ(found.length, GetParam().bytes.size());
    EXPECT_TRUE(found.is_memory);
    EXPECT_EQ(found.base, GetParam().base);
    EXPECT_EQ(found.index, GetParam().index);
    EXPECT_EQ(found.scale, GetParam().scale);
    EXPECT_EQ(found.displacement, GetParam().displacement);
    EXPECT_EQ(found.segment, GetParam().segment);
}

TEST(Privileged, TakesInstructionsWithoutOperand) {
    EXPECT_EQ(decode({0xfa}).kind, Kind::kNothing);
    EXPECT_EQ(decode({0xfb}).kind, Kind::kNothing);
    EXPECT_EQ(decode({0x0f, 0x32}).kind, Kind::kReadMsr);
    EXPECT_EQ(decode({0x0f, 0x33}).kind, Kind::kReadCounter);
    EXPECT_EQ(decode({0x48, 0x0f, 0x32}).length, 3);
}

TEST(Privileged, KnowsWhatWaits) {
    EXPECT_EQ(decode({0x0f, 0x01, 0xfb}).kind, Kind::kWait);
    EXPECT_EQ(decode({0xf2, 0x0f, 0xae, 0xf1}).kind, Kind::kWait);
    EXPECT_EQ(decode({0x66, 0x0f, 0xae, 0xf7}).kind, Kind::kWait);
    EXPECT_EQ(decode({0xf3, 0x0f, 0xae, 0xf1}).kind, Kind::kNone);  // UMONITOR
    EXPECT_EQ(decode({0x66, 0x0f, 0xae, 0x31}).kind, Kind::kNone);  // CLWB
    EXPECT_EQ(decode({0x0f, 0xae, 0xf0}).kind, Kind::kNone);        // MFENCE
    EXPECT_EQ(decode({0xf2, 0x0f, 0xae}).kind, Kind::kNone);
}

class OfNoConcern : public testing::TestWithParam<Bytes> {};
INSTANTIATE_TEST_SUITE_P(
    , OfNoConcern,
    testing::Values(Bytes{0xf4}, Bytes{0x0f, 0x22, 0xc0}, Bytes{0x0f, 0x23, 0xc0},
                    Bytes{0x0f, 0x30}, Bytes{0x0f, 0x01, 0x12}, Bytes{0x0f, 0x01, 0x1a},
                    Bytes{0x0f, 0x01, 0xc1}, Bytes{0x0f, 0x01, 0xf8}, Bytes{0x0f, 0x00, 0xd8},
                    Bytes{0x0f, 0x20, 0xc8}, Bytes{0x0f, 0x21, 0xe0}, Bytes{0x0f, 0x20},
                    Bytes{0x0f}, Bytes{}, Bytes{0x0f, 0x01, 0x44}, Bytes{0xf0, 0x0f, 0x20, 0xc0},
                    Bytes(15, 0x66), Bytes{0xec}));

TEST_P(OfNoConcern, IsNotDecoded) {
    EXPECT_EQ(decode(GetParam()).kind, Kind::kNone);
}

RC_GTEST_PROP(Privileged, ReadsNoByteBeyondItsCount, (const Bytes& bytes)) {
    const Privileged found = decode(bytes);
    RC_ASSERT(found.length <= bytes.size());
    RC_ASSERT((found.kind == Kind::kNone) == (found.length == 0));
}

}  // namespace
}  // namespace ringside::sandbox
