// SPDX-License-Identifier: GPL-3.0-or-later
#include "x86/code_traits.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace ringside::x86 {
namespace {

using Bytes = std::vector<u8>;

CodeTraits examine(const Bytes& bytes) {
    return examine_code(bytes.data(), bytes.size());
}

class Straight : public testing::TestWithParam<Bytes> {};
INSTANTIATE_TEST_SUITE_P(
    , Straight,
    testing::Values(Bytes{}, Bytes{0x90}, Bytes{0x90, 0x90, 0x90}, Bytes{0xc3},
                    Bytes{0x48, 0xff, 0x02},                          // inc qword [rdx]
                    Bytes{0x83, 0xfa, 0x25, 0x0f, 0x94, 0xc0},        // cmp edx; sete al
                    Bytes{0x0f, 0xb6, 0xc0},                          // movzx eax, al
                    Bytes{0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 2, 0},  // mov rax, gs:[0x20000]
                    Bytes{0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8},        // mov rax, imm64
                    Bytes{0x66, 0xb8, 1, 2}, Bytes{0x66, 0x81, 0xc1, 1, 2},  // imm16
                    Bytes{0x66, 0x48, 0x81, 0xc1, 1, 2, 3, 4},               // REX.W wins
                    Bytes{0x75, 0x01, 0x90, 0x90},                           // jne +1
                    Bytes{0x75, 0x00}, Bytes{0xeb, 0x02, 0x90, 0x90},        // to the RET
                    Bytes{0x0f, 0x84, 1, 0, 0, 0, 0x90},                     // je +1
                    Bytes{0xf0, 0x48, 0xff, 0x02}, Bytes{0x49, 0x89, 0xe4}   // mov r12, rsp: below
                    ));

TEST_P(Straight, IsRecognized) {
    const bool names_rsp = GetParam() == Bytes{0x49, 0x89, 0xe4};
    EXPECT_EQ(examine(GetParam()).is_straight, !names_rsp);
}

class Winding : public testing::TestWithParam<Bytes> {};
INSTANTIATE_TEST_SUITE_P(
    , Winding,
    testing::Values(Bytes{0xeb, 0xfe}, Bytes{0x75, 0x80}, Bytes{0xe9, 0xfb, 0xff, 0xff, 0xff},
                    Bytes{0xe8, 0, 0, 0, 0}, Bytes{0xff, 0xe0}, Bytes{0xff, 0xd0},
                    Bytes{0xff, 0x20}, Bytes{0xff, 0x30}, Bytes{0x50}, Bytes{0x58}, Bytes{0x9d},
                    Bytes{0x9c}, Bytes{0xcf}, Bytes{0xcb}, Bytes{0xc2, 8, 0}, Bytes{0x66, 0xc3},
                    Bytes{0xf3, 0xaa}, Bytes{0xe2, 0x00}, Bytes{0xe3, 0x00}, Bytes{0xc9},
                    Bytes{0xc8, 0, 0, 0}, Bytes{0x0f, 0x05}, Bytes{0xcd, 0x80},
                    Bytes{0x48, 0x89, 0xc4},  // mov rsp, rax
                    Bytes{0x94},              // xchg rax, rsp
                    Bytes{0x89, 0x04, 0x24},  // mov [rsp], eax
                    Bytes{0x48, 0x8d, 0x44, 0x24, 8}, Bytes{0xbc, 1, 2, 3, 4},
                    Bytes{0x0f, 0x20, 0xc4}, Bytes{0xc7, 0xf8, 0, 0, 0, 0},  // xbegin
                    Bytes{0x0f, 0x01, 0xfb},                                 // mwaitx
                    Bytes{0xeb, 0x01, 0xb8, 1, 2, 3, 4},                     // into an instruction
                    Bytes{0xeb, 0x05, 0x90},                                 // beyond the RET
                    Bytes{0x66, 0xeb, 0x00}, Bytes{0xb8, 1, 2, 3}, Bytes{0x48}, Bytes{0x0f},
                    Bytes{0xc5, 0xf8, 0x77}, Bytes(kMaxStraightBytes + 1, 0x90)));

TEST_P(Winding, IsNotStraight) {
    EXPECT_FALSE(examine(GetParam()).is_straight);
}

TEST(CodeTraits, TakesCodeUpToItsLimit) {
    EXPECT_TRUE(examine(Bytes(kMaxStraightBytes, 0x90)).is_straight);
}

TEST(CodeTraits, SeesVectorInstructions) {
    for (const Bytes& bytes :
         {Bytes{0x0f, 0x28, 0xc1}, Bytes{0xd9, 0xeb}, Bytes{0xc5, 0xf8, 0x77}, Bytes{0x9b},
          Bytes{0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1}, Bytes{0x0f, 0x77}, Bytes{0x0f, 0xae, 0x10},
          Bytes{0xf3, 0x0f, 0x10, 0xc1}, Bytes{0x0f, 0x38, 0x00, 0xc1}, Bytes{0x0f, 0xc6, 0xc0, 1},
          Bytes{0x66, 0x0f, 0xef, 0xc0}, Bytes{0x0f}})
        EXPECT_TRUE(examine(bytes).may_use_vectors);
    for (const Bytes& bytes :
         {Bytes{0x90}, Bytes{0x48, 0xff, 0x02}, Bytes{0x0f, 0x94, 0xc0}, Bytes{0x0f, 0x20, 0xc0},
          Bytes{0x0f, 0x32}, Bytes{0x0f, 0xaf, 0xc1}, Bytes{0x0f, 0x84, 0, 0, 0, 0}})
        EXPECT_FALSE(examine(bytes).may_use_vectors);
}

RC_GTEST_PROP(CodeTraits, ReadNoByteBeyondTheEnd, (const Bytes& bytes)) {
    const CodeTraits found = examine(Bytes{bytes.begin(), bytes.end()});
    // Straight code stays straight with more of it behind.
    Bytes longer = bytes;
    longer.push_back(0x90);
    if (found.is_straight)
        RC_ASSERT(examine(longer).is_straight || longer.size() > kMaxStraightBytes);
}

}  // namespace
}  // namespace ringside::x86
