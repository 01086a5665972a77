// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmx/capabilities.hpp"

#include "x86/control_registers.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"

namespace ringside::vmx {
namespace {

/// Low half: bits that must be 1. High half: bits that may be 1.
constexpr u32 allowed(u64 capability) {
    return u32(capability >> 32);
}
constexpr u32 forced(u64 capability) {
    return u32(capability);
}
constexpr u32 adjust(u64 capability, u32 wanted) {
    return (wanted | forced(capability)) & allowed(capability);
}

/// A control that has to be there, and the sentence for its absence.
struct Requirement {
    u64 Capabilities::*controls;
    u32 bits;
    rs_error error;
};

constexpr Requirement kRequirements[] = {
    {&Capabilities::pin, pin::kInterruptExiting | pin::kNmiExiting, RS_ERR_VMX_NO_EXITING},
    {&Capabilities::pin, pin::kVirtualNmis, RS_ERR_VMX_NO_VIRTUAL_NMIS},
    {&Capabilities::processor, processor::kInterruptWindow | processor::kNmiWindow,
     RS_ERR_VMX_NO_WINDOWS},
    {&Capabilities::processor, processor::kCr8LoadExiting, RS_ERR_VMX_NO_WINDOWS},
    {&Capabilities::processor, processor::kMsrBitmaps, RS_ERR_VMX_NO_MSR_BITMAPS},
    {&Capabilities::exit, exit_control::kAcknowledgeInterrupt, RS_ERR_VMX_NO_ACKNOWLEDGE},
    {&Capabilities::exit,
     exit_control::kHost64 | exit_control::kSaveEfer | exit_control::kLoadEfer |
         exit_control::kSaveDebug,
     RS_ERR_VMX_NO_STATE_SWITCH},
    {&Capabilities::entry,
     entry_control::kGuest64 | entry_control::kLoadEfer | entry_control::kLoadDebug,
     RS_ERR_VMX_NO_STATE_SWITCH},
};

}  // namespace

Capabilities read_capabilities() {
    using x86::read_msr;
    Capabilities has;
    has.feature_control = read_msr(x86::IA32_FEATURE_CONTROL);
    has.basic = read_msr(x86::IA32_VMX_BASIC);
    if (!Capabilities::HasTrueControls::test(has.basic))
        return has;
    has.pin = read_msr(x86::IA32_VMX_TRUE_PINBASED_CTLS);
    has.processor = read_msr(x86::IA32_VMX_TRUE_PROCBASED_CTLS);
    has.exit = read_msr(x86::IA32_VMX_TRUE_EXIT_CTLS);
    has.entry = read_msr(x86::IA32_VMX_TRUE_ENTRY_CTLS);
    if (allowed(has.processor) & processor::kSecondary)
        has.secondary = read_msr(x86::IA32_VMX_PROCBASED_CTLS2);
    if (allowed(has.secondary) & (secondary::kEpt | secondary::kVpid))
        has.ept_vpid = read_msr(x86::IA32_VMX_EPT_VPID_CAP);
    has.cr0_fixed0 = read_msr(x86::IA32_VMX_CR0_FIXED0);
    has.cr0_fixed1 = read_msr(x86::IA32_VMX_CR0_FIXED1);
    has.cr4_fixed0 = read_msr(x86::IA32_VMX_CR4_FIXED0);
    has.cr4_fixed1 = read_msr(x86::IA32_VMX_CR4_FIXED1);
    return has;
}

Result<void> check_feature_control(u64 value) {
    using namespace x86::feature_control;
    if ((value & kLock) && !(value & kVmxOutsideSmx))
        return Error{RS_ERR_DISABLED_BY_FIRMWARE, value};
    return {};
}

u64 feature_control_to_write(u64 value) {
    using namespace x86::feature_control;
    return value & kLock ? 0 : value | kLock | kVmxOutsideSmx;
}

Result<Controls> choose_controls(const Capabilities& has, bool nested_paging) {
    if (!Capabilities::HasTrueControls::test(has.basic))
        return Error{RS_ERR_VMX_NO_TRUE_CONTROLS, has.basic};
    for (const Requirement& needed : kRequirements)
        if ((allowed(has.*needed.controls) & needed.bits) != needed.bits)
            return Error{needed.error, needed.bits};
    // Exits on every change of address space would be handled by nobody.
    if (forced(has.processor) & (processor::kCr3LoadExiting | processor::kCr3StoreExiting))
        return Error{RS_ERR_VMX_NO_TRUE_CONTROLS, has.processor};

    u32 second = secondary::kRdtscp | secondary::kInvpcid | secondary::kXsaves |
                 secondary::kUserWait | secondary::kPconfig;
    constexpr u64 kVpidNeeds =
        ept_vpid::kInvvpid | ept_vpid::kInvvpidSingle | ept_vpid::kInvvpidAll;
    if ((has.ept_vpid & kVpidNeeds) == kVpidNeeds)
        second |= secondary::kVpid;
    if (nested_paging) {
        constexpr u64 kEptNeeds = ept_vpid::kWalk4 | ept_vpid::kWriteBack | ept_vpid::kLarge2M |
                                  ept_vpid::kInvept | ept_vpid::kInveptAll;
        if (!(allowed(has.secondary) & secondary::kEpt) || (has.ept_vpid & kEptNeeds) != kEptNeeds)
            return Error{RS_ERR_VMX_NO_EPT, has.ept_vpid};
        second |= secondary::kEpt;
    }
    Controls chosen;
    chosen.pin = adjust(has.pin, pin::kNmiExiting | pin::kVirtualNmis);
    chosen.has_timer = (allowed(has.pin) & pin::kPreemptionTimer) != 0;
    chosen.processor = adjust(has.processor, processor::kMsrBitmaps | processor::kSecondary);
    chosen.secondary = adjust(has.secondary, second);
    chosen.exit = adjust(has.exit, exit_control::kHost64 | exit_control::kAcknowledgeInterrupt |
                                       exit_control::kSaveEfer | exit_control::kLoadEfer |
                                       exit_control::kSaveDebug);
    chosen.entry = adjust(
        has.entry, entry_control::kGuest64 | entry_control::kLoadEfer | entry_control::kLoadDebug);
    return chosen;
}

Result<void> check_control_registers(const Capabilities& has, u64 cr0, u64 cr4) {
    // The guest's CR4 gets VMXE from us; everything else must be as it is.
    if ((cr0 & has.cr0_fixed0) != has.cr0_fixed0 || (cr0 & ~has.cr0_fixed1))
        return Error{RS_ERR_UNSUPPORTED_STATE, cr0};
    const u64 entered = cr4 | x86::cr4::VMXE;
    if ((entered & has.cr4_fixed0) != has.cr4_fixed0 || (entered & ~has.cr4_fixed1))
        return Error{RS_ERR_UNSUPPORTED_STATE, cr4};
    return {};
}

Result<void> check_processor(const Capabilities& has, u64 cr0, u64 cr4) {
    if (cr4 & x86::cr4::VMXE)
        return Error{RS_ERR_OTHER_HYPERVISOR, cr4};
    if (cr4 & x86::cr4::FRED)
        return Error{RS_ERR_UNSUPPORTED_STATE, cr4};
    RS_TRY(check_feature_control(has.feature_control));
    if (const auto chosen = choose_controls(has, false); !chosen)
        return chosen.error();
    return check_control_registers(has, cr0, cr4);
}

}  // namespace ringside::vmx
