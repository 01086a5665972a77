// SPDX-License-Identifier: GPL-3.0-or-later
#include "x86/control_registers.hpp"

#include <gtest/gtest.h>

namespace ringside::x86 {
namespace {

/// One row a bit of CR4, by its number in the manual.
struct HostCr4Row {
    const char* name;
    u32 bit;
    bool is_kept;  ///< follows the guest in root mode; else always off
};

constexpr HostCr4Row kHostCr4Rows[] = {
    {"VME", 0, false},    {"PVI", 1, false},     {"TSD", 2, false},         {"DE", 3, false},
    {"PSE", 4, false},    {"PAE", 5, true},      {"MCE", 6, true},          {"PGE", 7, false},
    {"PCE", 8, false},    {"OSFXSR", 9, true},   {"OSXMMEXCPT", 10, false}, {"UMIP", 11, true},
    {"LA57", 12, true},   {"VMXE", 13, true},    {"SMXE", 14, false},       {"FSGSBASE", 16, true},
    {"PCIDE", 17, false}, {"OSXSAVE", 18, true}, {"SMEP", 20, true},        {"SMAP", 21, true},
    {"PKE", 22, false},   {"CET", 23, false},    {"PKS", 24, false},        {"UINTR", 25, false},
    {"FRED", 32, false},
};

class HostCr4 : public testing::TestWithParam<HostCr4Row> {};
INSTANTIATE_TEST_SUITE_P(Bits, HostCr4, testing::ValuesIn(kHostCr4Rows),
                         [](const auto& row) { return row.param.name; });

TEST_P(HostCr4, FollowsTheGuestOrIsOff) {
    const u64 bit = u64{1} << GetParam().bit;
    EXPECT_EQ(host_cr4(bit), GetParam().is_kept ? bit : 0);
    EXPECT_EQ(host_cr4(~u64{0}) & bit, GetParam().is_kept ? bit : 0);
    EXPECT_EQ(host_cr4(~bit) & bit, 0u);
}

TEST(HostCr4OfLinux, OnAZen3) {
    // PAE MCE PGE OSFXSR OSXMMEXCPT UMIP FSGSBASE PCIDE OSXSAVE SMEP SMAP PKE and DE.
    EXPECT_EQ(host_cr4(0x770ee8 | 1u << 22), 0x350a60u);
}

TEST(HostCr0, HasProtectionPagingAndWriteProtectionOnly) {
    // PE, MP, ET, NE, WP, PG; AM, TS, EM, CD and NW off: no #AC and no #NM by accident.
    EXPECT_EQ(kHostCr0, 0x80010033u);
}

TEST(PagingLevels, FollowLa57) {
    EXPECT_EQ(paging_levels(0), 4u);
    EXPECT_EQ(paging_levels(~u64{0x1000}), 4u);
    EXPECT_EQ(paging_levels(0x1000), 5u);
}

TEST(IsCanonical, OfFourLevelsCopiesBit47) {
    EXPECT_TRUE(is_canonical(0, 4));
    EXPECT_TRUE(is_canonical(0x0000'7fff'ffff'ffff, 4));
    EXPECT_FALSE(is_canonical(0x0000'8000'0000'0000, 4));
    EXPECT_FALSE(is_canonical(0xffff'7fff'ffff'ffff, 4));
    EXPECT_TRUE(is_canonical(0xffff'8000'0000'0000, 4));
    EXPECT_TRUE(is_canonical(~u64{0}, 4));
    EXPECT_FALSE(is_canonical(0x8000'0000'0000'0000, 4));
}

TEST(IsCanonical, OfFiveLevelsCopiesBit56) {
    EXPECT_TRUE(is_canonical(0x00ff'ffff'ffff'ffff, 5));
    EXPECT_FALSE(is_canonical(0x0100'0000'0000'0000, 5));
    EXPECT_FALSE(is_canonical(0xfeff'ffff'ffff'ffff, 5));
    EXPECT_TRUE(is_canonical(0xff00'0000'0000'0000, 5));
    EXPECT_TRUE(is_canonical(~u64{0}, 5));
}

TEST(Rflags, HasTheBitsOfTheManual) {
    // CF 0, fixed 1, PF 2, AF 4, ZF 6, SF 7, TF 8, IF 9, DF 10, OF 11, IOPL 12-13, NT 14, RF 16,
    // VM 17, AC 18, VIF 19, VIP 20, ID 21.
    EXPECT_EQ(rflags::kDefined, 0x3f7fd7u);
}

}  // namespace
}  // namespace ringside::x86
