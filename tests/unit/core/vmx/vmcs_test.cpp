// SPDX-License-Identifier: GPL-3.0-or-later
// Source: Intel SDM vol. 3D appendix B "Field Encoding in VMCS", vol. 3C §24.11.2 "VMREAD, VMWRITE,
// and Encodings of VMCS Fields", §24.4.1 "Guest Register State".
#include "vmx/vmcs.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "support/fake_vmcs.hpp"
#include "x86/segments.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;

TEST(VmcsFields, HaveTheWidthOfTheirEncoding) {
    static_assert(sizeof(FieldValue<kVpid>) == 2 && sizeof(FieldValue<kGuestTr>) == 2 &&
                  sizeof(FieldValue<kHostCs>) == 2);
    static_assert(sizeof(FieldValue<kMsrBitmap>) == 8 && sizeof(FieldValue<kGuestEfer>) == 8 &&
                  sizeof(FieldValue<kGuestPhysicalAddress>) == 8);
    static_assert(sizeof(FieldValue<kPinControls>) == 4 && sizeof(FieldValue<kExitReason>) == 4 &&
                  sizeof(FieldValue<kActivity>) == 4 && sizeof(FieldValue<kHostSysenterCs>) == 4);
    static_assert(sizeof(FieldValue<kCr0Mask>) == 8 && sizeof(FieldValue<kGuestRip>) == 8 &&
                  sizeof(FieldValue<kExitQualification>) == 8);
    EXPECT_EQ(width_of(VmcsField(0x0000)), FieldWidth::k16);
    EXPECT_EQ(width_of(VmcsField(0x0c0c)), FieldWidth::k16);
    EXPECT_EQ(width_of(VmcsField(0x2000)), FieldWidth::k64);
    EXPECT_EQ(width_of(VmcsField(0x2c06)), FieldWidth::k64);
    EXPECT_EQ(width_of(VmcsField(0x4000)), FieldWidth::k32);
    EXPECT_EQ(width_of(VmcsField(0x4c00)), FieldWidth::k32);
    EXPECT_EQ(width_of(VmcsField(0x6000)), FieldWidth::kNatural);
    EXPECT_EQ(width_of(VmcsField(0x6c16)), FieldWidth::kNatural);
}

TEST(VmcsFields, AreCutToTheirWidthWhenRead) {
    test::FakeVmcs vmcs;
    vmcs[kGuestCs] = 0x1'0010;
    vmcs[kExitReason] = 0x1'8000'0021;
    vmcs[kGuestRip] = 0xffff'ffff'8100'0000;
    EXPECT_EQ(read<kGuestCs>(), 0x10u);
    EXPECT_EQ(read<kExitReason>(), 0x8000'0021u);
    EXPECT_EQ(read<kGuestRip>(), 0xffff'ffff'8100'0000u);
    EXPECT_TRUE(write<kGuestRsp>(0x1234));
    EXPECT_EQ(vmcs[kGuestRsp], 0x1234u);
}

TEST(VmcsFields, AreNamedOnceEach) {
    std::set<u32> encodings;
    std::set<std::string> names;
    for (const NamedField& named : kNamedFields) {
        EXPECT_TRUE(encodings.insert(u32(named.field)).second) << named.name;
        EXPECT_TRUE(names.insert(named.name).second) << named.name;
        // Bit 0 asks for the upper half of a 64-bit field, bit 12 and 31:15 are reserved.
        EXPECT_EQ(u32(named.field) & ~0x6ffeu, 0u) << named.name;
    }
    EXPECT_EQ(std::string(kNamedFields[0].name), "Vpid");
    EXPECT_EQ(kNamedFields[0].field, VmcsField(0));
    EXPECT_TRUE(names.contains("GuestRip"));
    EXPECT_TRUE(encodings.contains(0x681e));
}

/// Bits 11:10 of an encoding: 0 control, 1 read-only, 2 guest state, 3 host state.
TEST(VmcsFields, AreNamedByTheirKind) {
    for (const NamedField& named : kNamedFields) {
        const std::string name = named.name;
        const u32 kind = u32(named.field) >> 10 & 3;
        EXPECT_EQ(name.starts_with("Host"), kind == 3) << name;
        if (name.starts_with("Guest") && name != "GuestPhysicalAddress") {
            EXPECT_EQ(kind, 2u) << name;
        }
    }
    EXPECT_EQ(u32(kGuestPhysicalAddress) >> 10 & 3, 1u);
    EXPECT_EQ(u32(kIdtVectoring) >> 10 & 3, 1u);
    EXPECT_EQ(u32(kEntryInterruption) >> 10 & 3, 0u);
}

struct SegmentFields {
    SegmentIndex segment;
    VmcsField selector, limit, rights, base;
};
constexpr SegmentFields kSegments[] = {
    {SegmentIndex::kEs, kGuestEs, kGuestEsLimit, kGuestEsRights, kGuestEsBase},
    {SegmentIndex::kCs, kGuestCs, kGuestCsLimit, kGuestCsRights, kGuestCsBase},
    {SegmentIndex::kSs, kGuestSs, kGuestSsLimit, kGuestSsRights, kGuestSsBase},
    {SegmentIndex::kDs, kGuestDs, kGuestDsLimit, kGuestDsRights, kGuestDsBase},
    {SegmentIndex::kFs, kGuestFs, kGuestFsLimit, kGuestFsRights, kGuestFsBase},
    {SegmentIndex::kGs, kGuestGs, kGuestGsLimit, kGuestGsRights, kGuestGsBase},
    {SegmentIndex::kLdtr, kGuestLdtr, kGuestLdtrLimit, kGuestLdtrRights, kGuestLdtrBase},
    {SegmentIndex::kTr, kGuestTr, kGuestTrLimit, kGuestTrRights, kGuestTrBase},
};

TEST(VmcsFields, OfASegmentAreFoundByItsIndex) {
    for (const SegmentFields& fields : kSegments) {
        EXPECT_EQ(selector_of(fields.segment), fields.selector);
        EXPECT_EQ(limit_of(fields.segment), fields.limit);
        EXPECT_EQ(rights_of(fields.segment), fields.rights);
        EXPECT_EQ(base_of(fields.segment), fields.base);
    }
    EXPECT_EQ(u32(kGuestEs), 0x800u);
    EXPECT_EQ(u32(kGuestLdtr), 0x80cu);
    EXPECT_EQ(u32(kGuestTrLimit), 0x480eu);
    EXPECT_EQ(u32(kGuestFsRights), 0x481cu);
    EXPECT_EQ(u32(kGuestGsBase), 0x6810u);
}

/// Descriptors of Linux' GDT, and access rights as a processor has them in a VMCS.
TEST(AccessRights, AreMadeOfADescriptor) {
    using x86::descriptor::packed_attributes;
    EXPECT_EQ(rights::from_packed(packed_attributes(0x00af9b000000ffff)), 0xa09bu);  // kernel code
    EXPECT_EQ(rights::from_packed(packed_attributes(0x00cf93000000ffff)), 0xc093u);  // kernel data
    EXPECT_EQ(rights::from_packed(packed_attributes(0x00cffb000000ffff)), 0xc0fbu);  // 32-bit user
    EXPECT_EQ(rights::from_packed(packed_attributes(0x00008b1234566fff)), 0x8bu);    // busy TSS
    EXPECT_EQ(rights::from_packed(0xfff), 0xf0ffu);
}

TEST(AccessRights, HaveTheManualsBits) {
    constexpr u32 kUser32 = 0xc0fb;
    EXPECT_EQ(rights::Type::get(kUser32), 0xbu);
    EXPECT_TRUE(rights::System::test(kUser32));
    EXPECT_EQ(rights::Dpl::get(kUser32), 3u);
    EXPECT_TRUE(rights::Present::test(kUser32));
    EXPECT_FALSE(rights::Long::test(kUser32));
    EXPECT_TRUE(rights::Default::test(kUser32));
    EXPECT_TRUE(rights::Granularity::test(kUser32));
    EXPECT_TRUE(rights::Long::test(0xa09b));
    EXPECT_EQ(rights::kUnusable, 0x1'0000u);
}

}  // namespace
}  // namespace ringside::vmx
