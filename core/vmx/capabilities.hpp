// SPDX-License-Identifier: GPL-2.0-or-later
// What a processor's VMX can do, and the controls root mode chooses from it. Pure: the MSRs are
// read once, tests make sets of their own.
#pragma once

#include "base/result.hpp"
#include "vmx/vmcs.hpp"

namespace ringside::vmx {

/// The capability MSRs as read.
struct Capabilities {
    u64 feature_control = 0;  ///< IA32_FEATURE_CONTROL
    u64 basic = 0;            ///< IA32_VMX_BASIC
    u64 pin = 0;              ///< the TRUE controls: low half must be 1, high half may be 1
    u64 processor = 0;
    u64 secondary = 0;  ///< 0 if there are no secondary controls
    u64 exit = 0;
    u64 entry = 0;
    u64 ept_vpid = 0;  ///< 0 if there is neither EPT nor VPID
    u64 cr0_fixed0 = 0, cr0_fixed1 = 0;
    u64 cr4_fixed0 = 0, cr4_fixed1 = 0;

    using Revision = Bits<0, 30>;
    using HasTrueControls = Bits<55>;

    u32 revision() const { return u32(Revision::get(basic)); }
};

/// Reads the MSRs of the CPU this runs on, which has VMX. CPL 0.
Capabilities read_capabilities();

/// The controls of every VMCS, before an event asks for more.
struct Controls {
    u32 pin = 0;
    u32 processor = 0;
    u32 secondary = 0;
    u32 exit = 0;
    u32 entry = 0;

    bool has_timer = false;  ///< the preemption timer can be switched on

    bool has_vpid() const { return (secondary & secondary::kVpid) != 0; }
};

/// The tag of the guest's translations; root mode's have 0.
inline constexpr u16 kGuestVpid = 1;

/// EPT properties. Source: Intel SDM vol. 3D appendix A.10 "VPID and EPT Capabilities".
namespace ept_vpid {
inline constexpr u64 kWalk4 = 1ull << 6, kWriteBack = 1ull << 14, kLarge2M = 1ull << 16,
                     kLarge1G = 1ull << 17, kInvept = 1ull << 20, kInveptAll = 1ull << 26,
                     kInvvpid = 1ull << 32, kInvvpidSingle = 1ull << 41, kInvvpidAll = 1ull << 42;
}

/// Whether VMXON is allowed. A register the firmware left unlocked counts as allowed; set_up it
/// with feature_control_to_write().
/// @return RS_ERR_DISABLED_BY_FIRMWARE when it is locked with VMX off.
Result<void> check_feature_control(u64 value);
/// What must be written to IA32_FEATURE_CONTROL before VMXON, 0 if nothing.
u64 feature_control_to_write(u64 value);

/// Chooses the controls, or names what is missing.
/// @return RS_ERR_VMX_NO_...: the feature root mode cannot do without.
Result<Controls> choose_controls(const Capabilities& has, bool nested_paging);

/// Whether CR0 and CR4 of the running kernel are ones a VMX guest may have.
Result<void> check_control_registers(const Capabilities& has, u64 cr0, u64 cr4);

/// Whether a kernel that runs with these registers can be put under root mode on this processor.
/// @return RS_ERR_OTHER_HYPERVISOR when VMX operation is somebody else's, RS_ERR_UNSUPPORTED_STATE
///         for FRED, and what the checks above say.
Result<void> check_processor(const Capabilities& has, u64 cr0, u64 cr4);

}  // namespace ringside::vmx
