// SPDX-License-Identifier: GPL-3.0-or-later
// Against another decoder: what that one takes must have the same length here.
#include "x86/instruction_length.hpp"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <random>

#include "support/scale.hpp"

namespace ringside::x86 {
namespace {

std::string hexadecimal(const u8* bytes) {
    std::string text;
    for (u32 i = 0; i < kMaxInstructionBytes; ++i) {
        constexpr char kDigits[] = "0123456789abcdef";
        text += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15], ' '};
    }
    return text;
}

void compare(bool is_64_bit) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder,
                     is_64_bit ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     is_64_bit ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    std::mt19937_64 random{7};
    constexpr u8 kPrefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x48, 0x41, 0x2e, 0x0f, 0x0f, 0xc5, 0x62};
    u32 known = 0;
    const u32 rounds = test::is_full_run() ? 20'000'000 : 400'000;
    for (u32 round = 0; round < rounds; ++round) {
        u8 bytes[16];
        for (u8& byte : bytes)
            byte = static_cast<u8>(random());
        for (u64 i = random() % 3; i-- > 0;)
            bytes[i] = kPrefixes[random() % sizeof kPrefixes];
        ZydisDecodedInstruction instruction;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes, sizeof bytes,
                                                        &instruction)))
            continue;
        // The other decoder knows jumps of a processor that had no others' instructions.
        if (instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
            instruction.opcode_map == ZYDIS_OPCODE_MAP_0F && instruction.opcode >> 4 == 8)
            continue;
        ++known;
        ASSERT_EQ(instruction_length(bytes, sizeof bytes, is_64_bit), instruction.length)
            << hexadecimal(bytes);
        ASSERT_EQ(instruction_length(bytes, instruction.length - 1u, is_64_bit), 0u)
            << hexadecimal(bytes);
    }
    EXPECT_GT(known, rounds / 4);
}

TEST(InstructionLength, AgreesWithAnotherDecoderIn64BitMode) {
    compare(true);
}

TEST(InstructionLength, AgreesWithAnotherDecoderIn32BitMode) {
    compare(false);
}

u32 nop(std::initializer_list<u8> bytes, bool is_64_bit = true) {
    const std::vector<u8> code{bytes};
    return nop_length(code.data(), u32(code.size()), is_64_bit);
}

TEST(NopLength, KnowsTheFormsThatFillCode) {  // SDM vol. 2 "NOP", table 4-12
    EXPECT_EQ(nop({0x90}), 1u);
    EXPECT_EQ(nop({0x66, 0x90}), 2u);
    EXPECT_EQ(nop({0x0f, 0x1f, 0x00}), 3u);
    EXPECT_EQ(nop({0x0f, 0x1f, 0x40, 0x00}), 4u);
    EXPECT_EQ(nop({0x0f, 0x1f, 0x44, 0x00, 0x00}), 5u);
    EXPECT_EQ(nop({0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}), 6u);
    EXPECT_EQ(nop({0x0f, 0x1f, 0x80, 0, 0, 0, 0}), 7u);
    EXPECT_EQ(nop({0x66, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}), 9u);
    EXPECT_EQ(nop({0x90, 0x55}, false), 1u);
}

TEST(NopLength, IsNoneOfWhatDoesSomething) {
    EXPECT_EQ(nop({0x41, 0x90}), 0u);              // xchg r8d, eax
    EXPECT_EQ(nop({0xf3, 0x90}), 0u);              // pause
    EXPECT_EQ(nop({0xf3, 0x0f, 0x1e, 0xfa}), 0u);  // endbr64
    EXPECT_EQ(nop({0x0f, 0x1f, 0x48, 0x00}), 0u);  // reserved
    EXPECT_EQ(nop({0xcc, 0x1f, 0x44, 0x00, 0x00}), 0u);
    EXPECT_EQ(nop({0x0f, 0x1f, 0x44, 0x00}), 0u);  // not all of it
    EXPECT_EQ(nop({0x66}), 0u);
    EXPECT_EQ(nop({}), 0u);
}

}  // namespace
}  // namespace ringside::x86
