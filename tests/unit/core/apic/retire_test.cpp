// SPDX-License-Identifier: GPL-3.0-or-later
// SC-7: an ignored interrupt is ended where it is in service, and nothing else is.
#include "apic/retire.hpp"

#include <gtest/gtest.h>

#include "support/fake_controllers.hpp"

namespace ringside::apic {
namespace {

using test::FakeControllers;

constexpr u8 kPicBase = 0x30;

Accepted end_of(FakeControllers& hardware, u8 vector) {
    const Accepted accepted = identify(hardware, vector, kPicBase);
    retire(hardware, accepted);
    return accepted;
}

TEST(Retire, EndsTheVectorInServiceWithOneEoi) {
    FakeControllers hardware;
    hardware.in_service = {0x41, 0x52};  // a lower class waits for its own EOI
    hardware.send_edge(0x61);
    ASSERT_EQ(hardware.accept(), 0x61);
    EXPECT_EQ(end_of(hardware, 0x61).origin, Origin::kLocalApic);
    EXPECT_EQ(hardware.local_eois, 1u);
    EXPECT_EQ(hardware.in_service, (std::set<u8>{0x41, 0x52}));
}

TEST(Retire, FindsTheHighestOfEachWord) {
    for (u32 vector = 0x20; vector < 0x100; ++vector) {
        FakeControllers hardware;
        hardware.in_service = {0x10, u8(vector)};
        end_of(hardware, u8(vector));
        EXPECT_EQ(hardware.in_service, std::set<u8>{0x10}) << vector;
    }
}

TEST(Retire, EndsNothingWhenAnotherVectorIsHighest) {
    FakeControllers hardware;
    hardware.in_service = {0x41, 0x61};
    EXPECT_EQ(end_of(hardware, 0x41).origin, Origin::kNone);
    EXPECT_EQ(hardware.in_service, (std::set<u8>{0x41, 0x61}));
}

TEST(Retire, ASpuriousInterruptHasNoEoi) {
    FakeControllers hardware;
    hardware.in_service = {0x41};
    EXPECT_EQ(end_of(hardware, 0xff).origin, Origin::kNone);
    EXPECT_EQ(hardware.local_eois, 0u);
}

TEST(Retire, AnIpiWithTheSpuriousVectorHasOne) {
    FakeControllers hardware;
    hardware.send_edge(0xff);
    ASSERT_EQ(hardware.accept(), 0xff);
    end_of(hardware, 0xff);
    EXPECT_EQ(hardware.local_eois, 1u);
    EXPECT_TRUE(hardware.in_service.empty());
}

TEST(Retire, EndsALineOfTheMaster) {
    FakeControllers hardware;
    hardware.master.in_service = 1 << 4 | 1 << 6;
    EXPECT_EQ(end_of(hardware, kPicBase + 4).origin, Origin::kPic);
    EXPECT_EQ(hardware.master.in_service, 1 << 6);
    EXPECT_EQ(hardware.local_eois, 0u);
    EXPECT_FALSE(hardware.master.shows_in_service);  // as the guest left it
}

TEST(Retire, EndsALineOfTheSlaveInBoth) {
    FakeControllers hardware;
    hardware.master.in_service = 1 << 2 | 1 << 5;
    hardware.slave.in_service = 1 << 3 | 1 << 6;
    EXPECT_EQ(end_of(hardware, kPicBase + 11).origin, Origin::kPic);
    EXPECT_EQ(hardware.slave.in_service, 1 << 6);
    EXPECT_EQ(hardware.master.in_service, 1 << 5);
    EXPECT_FALSE(hardware.slave.shows_in_service);
}

TEST(Retire, TheSlavesSpuriousLineIsInServiceInTheMasterAlone) {
    FakeControllers hardware;
    hardware.master.in_service = 1 << 2;
    EXPECT_EQ(end_of(hardware, kPicBase + 15).origin, Origin::kPicCascade);
    EXPECT_EQ(hardware.master.in_service, 0);
}

TEST(Retire, TheMastersSpuriousLineHasNoEoi) {
    FakeControllers hardware;
    hardware.master.in_service = 1 << 1;
    EXPECT_EQ(end_of(hardware, kPicBase + 7).origin, Origin::kNone);
    EXPECT_EQ(hardware.master.in_service, 1 << 1);
}

TEST(Retire, A8259IsAskedForItsOwnVectorsOnlyAndIfItIsInUse) {
    FakeControllers hardware;
    hardware.master.in_service = hardware.slave.in_service = 0xff;
    EXPECT_EQ(identify(hardware, kPicBase - 1, kPicBase).origin, Origin::kNone);
    EXPECT_EQ(identify(hardware, kPicBase + 16, kPicBase).origin, Origin::kNone);
    EXPECT_EQ(identify(hardware, 4, 0).origin, Origin::kNone);
}

TEST(Retire, WithoutALocalApicOnlyThe8259Counts) {
    FakeControllers hardware;
    hardware.is_enabled = false;
    hardware.in_service = {kPicBase + 1};
    hardware.master.in_service = 1 << 1;
    EXPECT_EQ(end_of(hardware, kPicBase + 1).origin, Origin::kPic);
    EXPECT_EQ(hardware.local_eois, 0u);
}

TEST(Retire, TheTriggerModeIsReadBeforeTheEoi) {
    FakeControllers hardware;
    hardware.io_apics.resize(1);
    hardware.route(0, 10, 0x45);
    hardware.assert_line(0, 10);
    ASSERT_EQ(hardware.accept(), 0x45);
    EXPECT_TRUE(identify(hardware, 0x45, kPicBase).is_level);
    hardware.in_service.insert(0x46);
    EXPECT_FALSE(identify(hardware, 0x46, kPicBase).is_level);
}

}  // namespace
}  // namespace ringside::apic
