// SPDX-License-Identifier: GPL-3.0-or-later
// What a script may write, by the rules of the manual: Intel SDM vol. 3A §2.3 "System Flags and
// Fields in the EFLAGS Register", §2.5 "Control Registers", vol. 3B §17.2 "Debug Registers".
#include "vcpu/register_rules.hpp"

#include <gtest/gtest.h>

#include "support/fake_processor.hpp"

namespace ringside::vcpu {
namespace {

TEST(RegisterRules, TakeFlagsALongModeGuestCanHave) {
    EXPECT_TRUE(is_allowed_rflags(0x2));
    EXPECT_TRUE(is_allowed_rflags(0x3d7fd7));   // everything but VM
    EXPECT_FALSE(is_allowed_rflags(0x0));       // bit 1 is always set
    EXPECT_FALSE(is_allowed_rflags(0x2'0002));  // VM
    for (const u64 reserved : {3, 5, 15, 22, 31, 32, 63})
        EXPECT_FALSE(is_allowed_rflags(0x2 | u64{1} << reserved)) << reserved;
}

constexpr u64 kCr4 = 0x3006f0;  // PSE PAE MCE PGE OSFXSR OSXMMEXCPT SMEP SMAP

TEST(RegisterRules, KeepPagingAndProtectionOn) {
    EXPECT_TRUE(is_allowed_cr0(0x8005'0033, kCr4));
    EXPECT_TRUE(is_allowed_cr0(0x8000'0001, kCr4));
    EXPECT_FALSE(is_allowed_cr0(0x0005'0033, kCr4));
    EXPECT_FALSE(is_allowed_cr0(0x8005'0032, kCr4));
    EXPECT_TRUE(is_allowed_cr0(0xc005'0033, kCr4));   // CD
    EXPECT_TRUE(is_allowed_cr0(0xe005'0033, kCr4));   // CD and NW
    EXPECT_FALSE(is_allowed_cr0(0xa005'0033, kCr4));  // NW alone raises #GP
    for (const u64 reserved : {6, 15, 17, 19, 28, 32, 63})
        EXPECT_FALSE(is_allowed_cr0(0x8005'0033 | u64{1} << reserved, kCr4)) << reserved;
}

TEST(RegisterRules, KeepWriteProtectionUnderShadowStacks) {
    EXPECT_TRUE(is_allowed_cr0(0x8004'0033, kCr4));
    EXPECT_FALSE(is_allowed_cr0(0x8004'0033, kCr4 | 1 << 23));  // CET
    EXPECT_TRUE(is_allowed_cr0(0x8005'0033, kCr4 | 1 << 23));
}

TEST(RegisterRules, SwitchOnlyBitsOfCr4ThatAreAlwaysThereOrInUse) {
    for (const u64 bit : {2, 3, 6, 7, 8, 9, 10})  // TSD DE MCE PGE PCE OSFXSR OSXMMEXCPT
        EXPECT_TRUE(is_allowed_cr4(kCr4 ^ u64{1} << bit, kCr4)) << bit;
    EXPECT_TRUE(is_allowed_cr4(kCr4 & ~(u64{3} << 20), kCr4));   // SMEP and SMAP off
    EXPECT_FALSE(is_allowed_cr4(kCr4, kCr4 & ~(u64{3} << 20)));  // and on, where they may not exist
    EXPECT_FALSE(is_allowed_cr4(kCr4 | 1 << 11, kCr4));          // UMIP
    EXPECT_TRUE(is_allowed_cr4(kCr4, kCr4 | 1 << 11));
    // PAE, LA57, VMXE, SMXE, FSGSBASE, PCIDE, OSXSAVE, PKE, CET, FRED
    for (const u64 bit : {5, 12, 13, 14, 16, 17, 18, 22, 23, 32})
        EXPECT_FALSE(is_allowed_cr4(kCr4 ^ u64{1} << bit, kCr4)) << bit;
}

TEST(RegisterRules, TakeATableInRam) {
    memory::RamMap ram;
    ram.count = 1;
    ram.ranges[0] = {0x10'0000, 0x20'0000};
    EXPECT_TRUE(is_allowed_cr3(0x10'0000, ram));
    EXPECT_TRUE(is_allowed_cr3(0x1f'f007, ram));  // a process context
    EXPECT_FALSE(is_allowed_cr3(0x20'0000, ram));
    EXPECT_FALSE(is_allowed_cr3(0xfee0'0000, ram));
    EXPECT_FALSE(is_allowed_cr3(0x8000'0000'0010'0000, ram));  // only MOV takes bit 63
}

TEST(RegisterRules, GiveDebugRegisters32Bits) {
    EXPECT_TRUE(is_allowed_debug_register(0xffff'ffff));
    EXPECT_FALSE(is_allowed_debug_register(0x1'0000'0000));
}

TEST(LiveRegisters, AreTheProcessors) {
    test::FakeProcessor processor;
    processor.cr[8] = 9;
    for (u32 number = 0; number < 4; ++number)
        processor.dr[number] = 0x1000 + number;
    EXPECT_EQ(read_live_register(RS_FULL_CR8), 9u);
    EXPECT_EQ(read_live_register(RS_FULL_DR0), 0x1000u);
    EXPECT_EQ(read_live_register(RS_FULL_DR1), 0x1001u);
    EXPECT_EQ(read_live_register(RS_FULL_DR2), 0x1002u);
    EXPECT_EQ(read_live_register(RS_FULL_DR3), 0x1003u);
    EXPECT_EQ(read_live_register(RS_FULL_RIP), 0u);

    EXPECT_TRUE(write_live_register(RS_FULL_DR0, 0x10));
    EXPECT_TRUE(write_live_register(RS_FULL_DR1, 0x11));
    EXPECT_TRUE(write_live_register(RS_FULL_DR2, 0x12));
    EXPECT_TRUE(write_live_register(RS_FULL_DR3, 0x13));
    for (u32 number = 0; number < 4; ++number)
        EXPECT_EQ(processor.dr[number], 0x10u + number);
    EXPECT_FALSE(write_live_register(RS_FULL_RIP, 0));
    EXPECT_FALSE(write_live_register(RS_FULL_XCR0, 1));
}

TEST(MsrRules, WantCanonicalAddresses) {
    constexpr u64 kFourLevels = 0x0000'8000'0000'0000, kFiveLevels = 0x0100'0000'0000'0000;
    for (const u32 msr : {0x175u, 0x176u, 0x600u, 0x6a4u, 0x6a5u, 0x6a6u, 0x6a7u, 0x6a8u,
                          0xc0000082u, 0xc0000083u, 0xc0000100u, 0xc0000101u, 0xc0000102u}) {
        SCOPED_TRACE(msr);
        EXPECT_TRUE(is_allowed_msr_value(msr, 0, 4));
        EXPECT_TRUE(is_allowed_msr_value(msr, 0xffff'8000'0000'0000, 4));
        EXPECT_TRUE(is_allowed_msr_value(msr, kFourLevels - 1, 4));
        EXPECT_FALSE(is_allowed_msr_value(msr, kFourLevels, 4));
        EXPECT_FALSE(is_allowed_msr_value(msr, 0x8000'0000'0000'0000, 4));
        EXPECT_TRUE(is_allowed_msr_value(msr, kFourLevels, 5));
        EXPECT_FALSE(is_allowed_msr_value(msr, kFiveLevels, 5));
    }
}

TEST(MsrRules, WantMemoryTypesInAPat) {
    EXPECT_TRUE(is_allowed_msr_value(0x277, 0x0007'0406'0007'0406, 4));
    EXPECT_FALSE(is_allowed_msr_value(0x277, 0x0007'0406'0007'0402, 4));
}

TEST(MsrRules, LeaveTheRestToTheProcessor) {
    for (const u32 msr : {0x174u, 0xc0000080u, 0xc0000081u, 0xc0000084u, 0x10u})
        EXPECT_TRUE(is_allowed_msr_value(msr, ~u64{0}, 4));
}

TEST(LiveRegisters, GiveCr8FourBits) {
    test::FakeProcessor processor;
    EXPECT_TRUE(write_live_register(RS_FULL_CR8, 15));
    EXPECT_FALSE(write_live_register(RS_FULL_CR8, 16));
    EXPECT_EQ(processor.cr[8], 15u);
}

TEST(LiveRegisters, HaveXcr0WhereXgetbvExists) {
    test::FakeProcessor processor;
    EXPECT_EQ(read_live_register(RS_FULL_XCR0), 0u);
    processor.cr[4] = 1 << 18;  // OSXSAVE, which this test's own processor has set if it has AVX
    if (__builtin_cpu_supports("avx")) {
        EXPECT_EQ(read_live_register(RS_FULL_XCR0) & 7, 7u);  // x87, SSE, AVX
    }
}

}  // namespace
}  // namespace ringside::vcpu
