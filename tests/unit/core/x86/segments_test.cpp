// SPDX-License-Identifier: GPL-3.0-or-later
#include "x86/segments.hpp"

#include <gtest/gtest.h>

namespace ringside::x86 {
namespace {

TEST(Descriptor, PacksTheAttributesOfLinuxSegments) {
    // Linux' GDT: kernel code, kernel data, user code, user data, user code of 32 bits.
    EXPECT_EQ(descriptor::packed_attributes(0x00af9b000000ffff), 0xa9bu);
    EXPECT_EQ(descriptor::packed_attributes(0x00cf93000000ffff), 0xc93u);
    EXPECT_EQ(descriptor::packed_attributes(0x00affb000000ffff), 0xafbu);
    EXPECT_EQ(descriptor::packed_attributes(0x00cff3000000ffff), 0xcf3u);
    EXPECT_EQ(descriptor::packed_attributes(0x00cffb000000ffff), 0xcfbu);
}

TEST(Descriptor, ScalesTheLimitByPages) {
    EXPECT_EQ(descriptor::limit(0x00cf93000000ffff), 0xffff'ffffu);
    EXPECT_EQ(descriptor::limit(0x0080'9300'0000'0000), 0xfffu);
    EXPECT_EQ(descriptor::limit(0x0040'9300'0000'1234), 0x1234u);
    EXPECT_EQ(descriptor::limit(0x0045'9300'0000'1234), 0x51234u);
}

TEST(Descriptor, CollectsTheThreePartsOfTheBase) {
    EXPECT_EQ(descriptor::base(0xfe40'93dc'ba98'0000), 0xfedc'ba98u);
}

TEST(Descriptor, NamesTheBitsOfTheManual) {
    constexpr u64 kUserCode = 0x00affb000000ffff;
    EXPECT_EQ(descriptor::Type::get(kUserCode), 0xbu);
    EXPECT_TRUE(descriptor::System::test(kUserCode));
    EXPECT_EQ(descriptor::Dpl::get(kUserCode), 3u);
    EXPECT_TRUE(descriptor::Present::test(kUserCode));
    EXPECT_TRUE(descriptor::Long::test(kUserCode));
    EXPECT_FALSE(descriptor::Default::test(kUserCode));
    EXPECT_TRUE(descriptor::Granularity::test(kUserCode));
}

TEST(Gate, LaysOutAnInterruptGate) {
    // Offset 0xffffffffc0123456, selector 0x10, IST 1, type 0xe, DPL 0, present.
    constexpr Gate gate = Gate::interrupt(0xffffffffc0123456, 0x10, 1);
    EXPECT_EQ(gate.low, 0xc012'8e01'0010'3456u);
    EXPECT_EQ(gate.high, 0xffff'ffffu);
    EXPECT_TRUE(gate.is_system_clear());
}

TEST(Gate, GivesItsPartsBack) {
    // The gate Linux makes for int 0x80: DPL 3.
    constexpr Gate gate{0x8180'ee00'0010'0a40, 0xffff'ffff};
    EXPECT_EQ(gate.offset(), 0xffff'ffff'8180'0a40u);
    EXPECT_EQ(Gate::Selector::get(gate.low), 0x10u);
    EXPECT_EQ(Gate::Ist::get(gate.low), 0u);
    EXPECT_EQ(Gate::Type::get(gate.low), Gate::kInterruptGate);
    EXPECT_EQ(Gate::Dpl::get(gate.low), 3u);
    EXPECT_TRUE(Gate::Present::test(gate.low));
}

TEST(Gate, KnowsASegmentDescriptorInItsPlace) {
    EXPECT_FALSE((Gate{0x00af'9b00'0000'ffff, 0}.is_system_clear()));
}

TEST(TssDescriptor, LaysOutItsTwoWords) {
    // Base 0x0000123456789abc, limit 0x67, type 9 (available 64-bit TSS), present.
    EXPECT_EQ(tss_descriptor_low(0x0000'1234'5678'9abc, 0x67), 0x5600'8978'9abc'0067u);
    EXPECT_EQ(tss_descriptor_high(0x0000'1234'5678'9abc), 0x1234u);
    EXPECT_EQ(tss_descriptor_low(0, 0xf'1234), 0x000f'8900'0000'1234u);
}

TEST(TaskStateSegment, HasTheOffsetsOfTheManual) {
    EXPECT_EQ(offsetof(TaskStateSegment, rsp), 0x04u);
    EXPECT_EQ(offsetof(TaskStateSegment, ist), 0x24u);
    EXPECT_EQ(offsetof(TaskStateSegment, io_map_base), 0x66u);
}

}  // namespace
}  // namespace ringside::x86
