// SPDX-License-Identifier: GPL-3.0-or-later
#include "sandbox/space.hpp"

#include <gtest/gtest.h>

#include "support/sandbox_machine.hpp"

namespace ringside::sandbox {
namespace {

namespace page = x86::page;
using test::SandboxMachine;

constexpr u64 kCBit = 1ull << 47;

/// 4 and 5 levels, with and without memory encryption.
class Space : public testing::TestWithParam<std::tuple<u32, u64>> {
protected:
    SandboxMachine machine{std::get<0>(GetParam()), std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(, Space,
                         testing::Combine(testing::Values(4, 5), testing::Values(0, kCBit)));

TEST_P(Space, HasRootModeInItWhereUserCodeCannotReach) {
    const u64 window = kRootWindowBase + machine.guest.kRamStart;
    for (const u64 address :
         {window, window + 0x1f'f000, SandboxMachine::kImage, SandboxMachine::kImage + kPageSize}) {
        const memory::Translation found = machine.walk(address);
        EXPECT_TRUE(found.ok) << std::hex << address;
        EXPECT_FALSE(found.user) << std::hex << address;
    }
    EXPECT_TRUE(machine.walk(SandboxMachine::kImage).executable);
    EXPECT_FALSE(machine.walk(SandboxMachine::kImage).writable);
    EXPECT_TRUE(machine.walk(SandboxMachine::kImage + kPageSize).writable);
    EXPECT_FALSE(machine.walk(SandboxMachine::kImage + kPageSize).executable);
}

TEST_P(Space, HasStackRegistersAndExitForUserCode) {
    for (u64 at = kStackBase; at < kStackBase + kStackBytes; at += kPageSize) {
        const memory::Translation found = machine.walk(at);
        EXPECT_TRUE(found.ok && found.user && found.writable && !found.executable);
    }
    EXPECT_EQ(machine.walk(kEntryStack).address.page(), machine.core.space.stack_page());
    const memory::Translation registers = machine.walk(kRegisterPage);
    EXPECT_TRUE(registers.ok && registers.user && registers.writable && !registers.executable);
    EXPECT_EQ(registers.address, machine.core.space.register_page());
    const memory::Translation exit = machine.walk(kExitPage);
    EXPECT_TRUE(exit.ok && exit.user && !exit.writable && exit.executable);
    EXPECT_EQ(exit.address, machine.exit_page);
}

TEST_P(Space, LeavesPagesAroundThoseOfUserCodeAbsent) {
    for (const u64 address : {u64{0}, u64{0xffff}, kStackBase - 1, kStackBase + kStackBytes,
                              kRegisterPage - 1, kRegisterPage + kPageSize, kExitPage - 1,
                              kExitPage + kPageSize, kCodeBase - 1, kCodeBase})
        EXPECT_FALSE(machine.walk(address).ok) << std::hex << address;
}

TEST_P(Space, ShowsCodeForReadingAndRunning) {
    const Hpa code = machine.guest.take_page();
    machine.core.space.map_code(machine.guest.window(), code, 3 * kPageSize);
    for (u64 offset = 0; offset < 3 * kPageSize; offset += kPageSize) {
        const memory::Translation found = machine.walk(kCodeBase + offset);
        EXPECT_TRUE(found.ok && found.user && !found.writable && found.executable);
        EXPECT_EQ(found.address, code + offset);
    }
    EXPECT_FALSE(machine.walk(kCodeBase + 3 * kPageSize).ok);
}

TEST_P(Space, ShowsNothingOfEarlierCode) {
    const Hpa first = machine.guest.take_page(), second = machine.guest.take_page();
    machine.core.space.map_code(machine.guest.window(), first, kMaxCodeBytes);
    machine.core.space.map_code(machine.guest.window(), second, 1);
    EXPECT_EQ(machine.walk(kCodeBase).address, second);
    for (u64 offset = kPageSize; offset < kMaxCodeBytes; offset += kPageSize)
        EXPECT_FALSE(machine.walk(kCodeBase + offset).ok);
    EXPECT_TRUE(machine.walk(kExitPage).ok);
}

TEST_P(Space, ShowsTheKernelsPagesAsTheyAreTouched) {
    EXPECT_FALSE(machine.walk(SandboxMachine::kKernelPage.value()).ok);
    ASSERT_TRUE(machine.fill(SandboxMachine::kKernelPage + 0x123));
    const memory::Translation found = machine.walk(SandboxMachine::kKernelPage.value());
    EXPECT_TRUE(found.ok && found.user && found.writable && !found.executable);
    EXPECT_EQ(found.address, machine.kernel_page);
    EXPECT_FALSE(machine.was_dropped);
}

TEST_P(Space, ShowsOnePageOfALargeOne) {
    constexpr Gva kLarge{0xffff'8881'0000'0000};
    constexpr Hpa kTarget{0x20'0000};
    machine.guest.map(kLarge, kTarget, test::kKernelData | page::kDirty, 2);
    ASSERT_TRUE(machine.fill(kLarge + 0x3456));
    EXPECT_EQ(machine.walk(kLarge.value() + 0x3456).address, kTarget + 0x3456);
    EXPECT_FALSE(machine.walk(kLarge.value()).ok);
}

TEST_P(Space, GivesNoRightTheKernelHasNot) {
    constexpr Gva kConstant{0xffff'ffff'8100'0000}, kUser{0xffff'ffff'ff60'0000},
        kDevice{0xffff'c900'0000'0000}, kHole{0xffff'c900'0001'0000}, kLow{0x7000'0000};
    machine.guest.map(kConstant, test::kReadOnly);
    machine.guest.map(kUser, test::kUserData);
    machine.guest.map(kDevice, Hpa{0xfee0'0000}, test::kKernelData | page::kDirty);
    machine.guest.map(kLow, test::kKernelData);
    EXPECT_TRUE(machine.fill(kConstant));
    EXPECT_FALSE(machine.walk(kConstant.value()).writable);
    EXPECT_FALSE(machine.fill(kConstant, true));
    for (const Gva refused : {kUser, kDevice, kHole, kLow}) {
        EXPECT_FALSE(machine.fill(refused)) << std::hex << refused.value();
        EXPECT_FALSE(machine.walk(refused.value()).ok) << std::hex << refused.value();
    }
}

TEST_P(Space, ShowsNoPageOfRootModes) {
    machine.own(machine.kernel_page);
    EXPECT_FALSE(machine.fill(SandboxMachine::kKernelPage));
}

TEST_P(Space, WritesNoPageTableOfRootModesForADirtyBit) {
    constexpr Gva kClean{0xffff'8882'0000'0000};
    machine.guest.map(kClean, test::kKernelData);
    machine.own(machine.guest.window().address_of(&machine.guest.entry(kClean, 1)));
    EXPECT_FALSE(machine.fill(kClean, true));
    EXPECT_TRUE(machine.fill(kClean, false));
}

TEST_P(Space, MarksAPageDirtyBeforeItIsWritten) {
    constexpr Gva kClean{0xffff'8882'0000'0000};
    machine.guest.map(kClean, test::kKernelData);
    ASSERT_TRUE(machine.fill(kClean));
    EXPECT_FALSE(machine.walk(kClean.value()).writable);
    EXPECT_FALSE(machine.guest.entry(kClean, 1) & page::kDirty);
    ASSERT_TRUE(machine.fill(kClean, true));
    EXPECT_TRUE(machine.walk(kClean.value()).writable);
    EXPECT_TRUE(machine.guest.entry(kClean, 1) & page::kDirty);
}

TEST_P(Space, LeavesRootModesImageAsItIs) {
    constexpr u64 kBeside = SandboxMachine::kImage + 2 * kPageSize;
    machine.guest.map(Gva{SandboxMachine::kImage}, test::kKernelData | page::kDirty);
    machine.guest.map(Gva{kBeside}, test::kKernelData | page::kDirty);
    const Hpa image = machine.walk(SandboxMachine::kImage).address;
    EXPECT_FALSE(machine.fill(Gva{SandboxMachine::kImage}));
    ASSERT_TRUE(machine.fill(Gva{kBeside}));
    EXPECT_TRUE(machine.walk(kBeside).user);
    machine.core.space.drop_guest_pages(machine.guest.window());
    EXPECT_FALSE(machine.walk(kBeside).ok);
    EXPECT_EQ(machine.walk(SandboxMachine::kImage).address, image);
    EXPECT_FALSE(machine.walk(SandboxMachine::kImage).user);
}

TEST_P(Space, ForgetsTheKernelsPages) {
    ASSERT_TRUE(machine.fill(SandboxMachine::kKernelPage));
    EXPECT_TRUE(machine.core.space.has_guest_pages());
    machine.core.space.drop_guest_pages(machine.guest.window());
    EXPECT_FALSE(machine.core.space.has_guest_pages());
    EXPECT_FALSE(machine.walk(SandboxMachine::kKernelPage.value()).ok);
    ASSERT_TRUE(machine.fill(SandboxMachine::kKernelPage));
    EXPECT_EQ(machine.walk(SandboxMachine::kKernelPage.value()).address, machine.kernel_page);
}

TEST_P(Space, StartsAnewWhenItIsFull) {
    constexpr u64 kStep = 0x20'0000;  // a table each
    constexpr u64 kFirst = 0xffff'8890'0000'0000;
    u32 drops = 0;
    for (u64 i = 0; i < 2 * sandbox::Space::kPoolPages; ++i) {
        machine.guest.map(Gva{kFirst + i * kStep}, machine.kernel_page,
                          test::kKernelData | page::kDirty);
        ASSERT_TRUE(machine.fill(Gva{kFirst + i * kStep})) << i;
        EXPECT_TRUE(machine.walk(kFirst + i * kStep).ok);
        if (machine.was_dropped) {
            ++drops;
            EXPECT_FALSE(machine.walk(kFirst).ok);
        }
    }
    EXPECT_GE(drops, 2u);
    EXPECT_TRUE(machine.walk(kStackBase).user);
}

TEST_P(Space, StartsAnewWhenItsListIsFull) {
    constexpr u64 kFirst = 0xffff'8890'0000'0000;
    bool has_dropped = false;
    for (u64 i = 0; i < sandbox::Space::kMaxSlots + 8; ++i) {
        machine.guest.map(Gva{kFirst + i * kPageSize}, machine.kernel_page,
                          test::kKernelData | page::kDirty);
        ASSERT_TRUE(machine.fill(Gva{kFirst + i * kPageSize})) << i;
        has_dropped |= machine.was_dropped;
        EXPECT_TRUE(machine.walk(kFirst + i * kPageSize).ok);
    }
    EXPECT_TRUE(has_dropped);
}

TEST_P(Space, LearnsOfTopLevelEntriesMadeLater) {
    constexpr Gva kLate{0xffff'ea00'0000'0000};
    if (machine.guest.paging().levels == 5)
        return;  // one entry covers more than this guest has
    machine.guest.map(kLate, test::kKernelData);
    ASSERT_TRUE(machine.fill(kLate));
    EXPECT_TRUE(machine.walk(kLate.value()).ok);
}

TEST(SpaceOfFourLevels, LeavesOutTheEntryOfAProcess) {
    SandboxMachine machine;
    constexpr Gva kLdt{0xffff'8800'0000'0000};
    machine.guest.map(kLdt, test::kKernelData);
    EXPECT_FALSE(machine.fill(kLdt));
}

}  // namespace
}  // namespace ringside::sandbox
