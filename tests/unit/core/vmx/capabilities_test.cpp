// SPDX-License-Identifier: GPL-3.0-or-later
// Which processors are taken, and with which controls. Source: Intel SDM vol. 3D appendix A "VMX
// Capability Reporting Facility"; bits of the controls: vol. 3C §24.6 to §24.8.
#include "vmx/capabilities.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "support/fake_processor.hpp"
#include "unit/core/vmx/processors.hpp"

namespace ringside::vmx {
namespace {

constexpr u64 bit(u32 number) {
    return u64{1} << number;
}
/// The bit of a capability MSR that says that a control may be 1.
constexpr u64 may_be_1(u32 control) {
    return bit(32 + control);
}

u32 refusal(const Capabilities& has, bool nested_paging = false) {
    const auto chosen = choose_controls(has, nested_paging);
    return chosen ? u32{RS_OK} : chosen.error().code;
}

std::string sentence(u32 code) {
    switch (code) {
#define RS_TEXT(name, number, errno_name, text) \
    case RS_ERR_##name:                         \
        return text;
        RS_ERROR_TABLE(RS_TEXT)
#undef RS_TEXT
        default:
            return "";
    }
}

TEST(ChooseControls, TakesABroadwell) {
    const auto chosen = choose_controls(broadwell(), false);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->pin, 0x3eu);               // NMI exiting 3, virtual NMIs 5
    EXPECT_EQ(chosen->processor, 0x9400'6172u);  // MSR bitmaps 28, secondary controls 31
    EXPECT_EQ(chosen->secondary, 0x1028u);       // RDTSCP 3, VPID 5, INVPCID 12
    // Save debug controls 2, 64-bit host 9, acknowledge 15, save EFER 20, load EFER 21
    EXPECT_EQ(chosen->exit, 0x0033'efffu);
    EXPECT_EQ(chosen->entry, 0x93ffu);  // load debug controls 2, 64-bit guest 9, load EFER 15
    EXPECT_TRUE(chosen->has_vpid());
}

TEST(ChooseControls, AddsEptForNestedPaging) {
    const auto chosen = choose_controls(broadwell(), true);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->secondary, 0x102au);
}

/// Bit 31 of the secondary controls would exit when the guest takes no event for a while.
TEST(ChooseControls, TakesOnlyWhatTheGuestWouldLoseOnANewProcessor) {
    const auto chosen = choose_controls(arrow_lake(), false);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->secondary,
              0x0410'1028u);  // XSAVES 20, TPAUSE and UMWAIT 26 beside the others
}

TEST(ChooseControls, TakesEachOptionalControlExactlyIfItMayBe1) {
    for (const u32 control : {3, 12, 20, 26, 27}) {  // RDTSCP INVPCID XSAVES UMWAIT PCONFIG
        Capabilities has = broadwell();
        has.secondary = 0;
        EXPECT_EQ(choose_controls(has, false)->secondary, 0u) << control;
        has.secondary = may_be_1(control);
        EXPECT_EQ(choose_controls(has, false)->secondary, bit(control)) << control;
        has.secondary = ~u64{0} << 32 & ~may_be_1(control);
        EXPECT_EQ(choose_controls(has, false)->secondary & bit(control), 0u) << control;
    }
}

TEST(ChooseControls, TakesNoControlThatNothingIsKnownOf) {
    Capabilities has = broadwell();
    has.secondary = ~u64{0} << 32;
    EXPECT_EQ(choose_controls(has, true)->secondary, 0x0c10'102au);
    has.secondary = 0xffff'ffff'0000'0004;  // descriptor-table exiting cannot be off
    EXPECT_EQ(choose_controls(has, true)->secondary, 0x0c10'102eu);
}

TEST(ChooseControls, DoWithoutSecondaryControls) {
    Capabilities has = broadwell();
    has.processor &= ~may_be_1(31);
    has.secondary = has.ept_vpid = 0;
    const auto chosen = choose_controls(has, false);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->processor, 0x1400'6172u);
    EXPECT_EQ(chosen->secondary, 0u);
    EXPECT_FALSE(chosen->has_vpid());
    EXPECT_EQ(refusal(has, true), RS_ERR_VMX_NO_EPT);
}

TEST(ChooseControls, TagsTranslationsOnlyWhereAllKindsCanBeDropped) {
    for (const u32 kind : {32, 41, 42}) {  // INVVPID, of one context, of all contexts
        Capabilities has = broadwell();
        has.ept_vpid &= ~bit(kind);
        const auto chosen = choose_controls(has, true);
        ASSERT_TRUE(chosen) << kind;
        EXPECT_FALSE(chosen->has_vpid()) << kind;
    }
    for (const u32 kind : {40, 43}) {  // of one address, of one context but for global ones
        Capabilities has = broadwell();
        has.ept_vpid &= ~bit(kind);
        EXPECT_TRUE(choose_controls(has, true)->has_vpid()) << kind;
    }
}

TEST(ChooseControls, NeedEptOnlyForNestedPaging) {
    // Walks of 4 levels, write-back tables, 2 MiB leaves, INVEPT, of all contexts
    for (const u32 property : {6, 14, 16, 20, 26}) {
        Capabilities has = broadwell();
        has.ept_vpid &= ~bit(property);
        EXPECT_EQ(refusal(has, true), RS_ERR_VMX_NO_EPT) << property;
        EXPECT_EQ(refusal(has, false), RS_OK) << property;
    }
    // Execute-only, uncacheable tables, 1 GiB leaves, accessed and dirty flags, of one context
    for (const u32 property : {0, 8, 17, 21, 25}) {
        Capabilities has = broadwell();
        has.ept_vpid &= ~bit(property);
        EXPECT_EQ(refusal(has, true), RS_OK) << property;
    }
    Capabilities has = broadwell();
    has.secondary &= ~may_be_1(1);
    EXPECT_EQ(refusal(has, true), RS_ERR_VMX_NO_EPT);
    EXPECT_EQ(refusal(has, false), RS_OK);
}

struct Need {
    u64 Capabilities::*controls;
    u32 control;
    u32 error;
};
constexpr Need kNeeds[] = {
    {&Capabilities::pin, 0, RS_ERR_VMX_NO_EXITING},
    {&Capabilities::pin, 3, RS_ERR_VMX_NO_EXITING},
    {&Capabilities::pin, 5, RS_ERR_VMX_NO_VIRTUAL_NMIS},
    {&Capabilities::processor, 2, RS_ERR_VMX_NO_WINDOWS},   // interrupt window
    {&Capabilities::processor, 19, RS_ERR_VMX_NO_WINDOWS},  // MOV to CR8
    {&Capabilities::processor, 22, RS_ERR_VMX_NO_WINDOWS},  // NMI window
    {&Capabilities::processor, 28, RS_ERR_VMX_NO_MSR_BITMAPS},
    {&Capabilities::exit, 15, RS_ERR_VMX_NO_ACKNOWLEDGE},
    {&Capabilities::exit, 2, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::exit, 9, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::exit, 20, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::exit, 21, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::entry, 2, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::entry, 9, RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::entry, 15, RS_ERR_VMX_NO_STATE_SWITCH},
};

TEST(ChooseControls, RefuseAProcessorByWhatItLacks) {
    for (const Need& need : kNeeds) {
        Capabilities has = broadwell();
        has.*need.controls &= ~may_be_1(need.control);
        EXPECT_EQ(refusal(has), need.error) << need.control;
        const auto chosen = choose_controls(has, false);
        ASSERT_FALSE(chosen);
        EXPECT_NE(chosen.error().detail & bit(need.control), 0u) << need.control;
    }
}

TEST(ChooseControls, RefuseAProcessorWithoutTrueControls) {
    EXPECT_EQ(refusal(penryn()), RS_ERR_VMX_NO_TRUE_CONTROLS);
    Capabilities has = broadwell();
    has.basic &= ~bit(55);
    EXPECT_EQ(refusal(has), RS_ERR_VMX_NO_TRUE_CONTROLS);
}

TEST(ChooseControls, RefuseExitsOnEveryChangeOfAddressSpace) {
    for (const u32 control : {15, 16}) {  // MOV to CR3, MOV from CR3
        Capabilities has = broadwell();
        has.processor |= bit(control);  // must be 1
        EXPECT_EQ(refusal(has), RS_ERR_VMX_NO_TRUE_CONTROLS) << control;
    }
}

TEST(ChooseControls, SayEachReasonInASentenceOfItsOwn) {
    std::set<u32> codes{RS_ERR_VMX_NO_TRUE_CONTROLS, RS_ERR_VMX_NO_EPT};
    for (const Need& need : kNeeds)
        codes.insert(need.error);
    EXPECT_EQ(codes.size(), 8u);
    std::set<std::string> sentences;
    for (const u32 code : codes)
        sentences.insert(sentence(code));
    EXPECT_EQ(sentences.size(), codes.size());
    for (const std::string& text : sentences)
        EXPECT_EQ(text.find("this processor's VMX "), 0u) << text;
}

TEST(FeatureControl, AllowsVmxUnlessLockedWithoutIt) {
    EXPECT_TRUE(check_feature_control(0x5));
    EXPECT_TRUE(check_feature_control(0x0));  // unlocked: we do it
    EXPECT_TRUE(check_feature_control(0x4));
    for (const u64 off :
         {0x1, 0x3, 0x9}) {  // locked; with VMX in SMX operation only; as firmware may
        const auto checked = check_feature_control(off);
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().code, RS_ERR_DISABLED_BY_FIRMWARE);
        EXPECT_EQ(checked.error().detail, off);
    }
}

TEST(FeatureControl, IsWrittenOnlyWhileUnlocked) {
    EXPECT_EQ(feature_control_to_write(0x5), 0u);
    EXPECT_EQ(feature_control_to_write(0x1), 0u);
    EXPECT_EQ(feature_control_to_write(0x0), 0x5u);
    EXPECT_EQ(feature_control_to_write(0x4), 0x5u);
    EXPECT_EQ(feature_control_to_write(0x10'0002), 0x10'0007u);  // what else is set stays
}

constexpr u64 kCr0 = 0x8005'0033, kCr4 = 0x3706f0;

u32 kernel_refusal(const Capabilities& has, u64 cr0, u64 cr4) {
    const auto checked = check_processor(has, cr0, cr4);
    return checked ? u32{RS_OK} : checked.error().code;
}

TEST(CheckProcessor, TakesAKernelOfLinux) {
    EXPECT_EQ(kernel_refusal(broadwell(), kCr0, kCr4), RS_OK);
    EXPECT_EQ(kernel_refusal(arrow_lake(), kCr0, kCr4), RS_OK);
}

TEST(CheckProcessor, RefusesRegistersNoGuestMayHave) {
    for (const u64 cr0 : {kCr0 & ~bit(0), kCr0 & ~bit(5), kCr0 & ~bit(31), kCr0 | bit(32)})
        EXPECT_EQ(kernel_refusal(broadwell(), cr0, kCr4), RS_ERR_UNSUPPORTED_STATE) << cr0;
    EXPECT_EQ(kernel_refusal(broadwell(), kCr0, kCr4 | bit(22)), RS_ERR_UNSUPPORTED_STATE);  // PKE
    EXPECT_EQ(kernel_refusal(arrow_lake(), kCr0, kCr4 | bit(22)), RS_OK);
    Capabilities has = broadwell();
    has.cr4_fixed0 |= bit(7);
    EXPECT_EQ(kernel_refusal(has, kCr0, kCr4 & ~bit(7)), RS_ERR_UNSUPPORTED_STATE);
    has = broadwell();
    has.cr4_fixed1 &= ~bit(13);  // VMXE, which root mode sets
    EXPECT_EQ(kernel_refusal(has, kCr0, kCr4), RS_ERR_UNSUPPORTED_STATE);
}

TEST(CheckProcessor, LeavesVmxToWhoeverUsesItAlready) {
    EXPECT_EQ(kernel_refusal(broadwell(), kCr0, kCr4 | bit(13)), RS_ERR_OTHER_HYPERVISOR);
    EXPECT_EQ(kernel_refusal(penryn(), kCr0, kCr4 | bit(13)), RS_ERR_OTHER_HYPERVISOR);
}

TEST(CheckProcessor, RefusesFred) {
    Capabilities has = arrow_lake();
    has.cr4_fixed1 |= bit(32);
    EXPECT_EQ(kernel_refusal(has, kCr0, kCr4 | bit(32)), RS_ERR_UNSUPPORTED_STATE);
}

TEST(CheckProcessor, NamesTheFirmwareAndThenTheProcessor) {
    Capabilities has = penryn();
    has.feature_control = 0x1;
    EXPECT_EQ(kernel_refusal(has, kCr0, kCr4), RS_ERR_DISABLED_BY_FIRMWARE);
    EXPECT_EQ(kernel_refusal(penryn(), kCr0, kCr4), RS_ERR_VMX_NO_TRUE_CONTROLS);
    has = broadwell();
    has.pin &= ~may_be_1(5);
    EXPECT_EQ(kernel_refusal(has, 0, kCr4), RS_ERR_VMX_NO_VIRTUAL_NMIS);
}

TEST(ReadCapabilities, AsksForNothingTheProcessorDoesNotHave) {
    // An MSR that is missing here raises #GP, which fails the test.
    test::FakeProcessor processor;
    processor.msrs = {{0x3a, 5}, {0x480, penryn().basic}};
    EXPECT_EQ(refusal(read_capabilities()), RS_ERR_VMX_NO_TRUE_CONTROLS);

    const Capabilities real = broadwell();
    processor.msrs = {{0x3a, 5},
                      {0x480, real.basic},
                      {0x48d, real.pin},
                      {0x48e, real.processor & ~may_be_1(31)},
                      {0x48f, real.exit},
                      {0x490, real.entry},
                      {0x486, real.cr0_fixed0},
                      {0x487, real.cr0_fixed1},
                      {0x488, real.cr4_fixed0},
                      {0x489, real.cr4_fixed1}};
    EXPECT_EQ(refusal(read_capabilities()), RS_OK);
    processor.msrs[0x48e] |= may_be_1(31);
    processor.msrs[0x48b] = may_be_1(3);  // neither EPT nor VPID
    EXPECT_EQ(choose_controls(read_capabilities(), false)->secondary, 0x8u);
    processor.msrs[0x48b] = real.secondary;
    processor.msrs[0x48c] = real.ept_vpid;
    const Capabilities has = read_capabilities();
    EXPECT_EQ(std::memcmp(&has, &real, sizeof has), 0);
    EXPECT_EQ(has.revision(), 0x12u);
}

}  // namespace
}  // namespace ringside::vmx
