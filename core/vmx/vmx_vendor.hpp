// SPDX-License-Identifier: GPL-2.0-or-later
// Launching under Intel VMX.
#pragma once

#include "vcpu/vendor.hpp"
#include "vmx/vmx_backend.hpp"

namespace ringside::vmx {

class VmxVendor final : public vcpu::Vendor {
public:
    Result<void> probe() override;
    Result<void> prepare_machine(vcpu::LaunchContext& context) override;
    Result<void> hide(vcpu::LaunchContext& context, Hpa page) override;
    Result<void> prepare_core(vcpu::LaunchContext& context, vcpu::VcpuBlock& block) override;
    bool launch(vcpu::LaunchContext& context, vcpu::VcpuBlock& block) override;
    u64 hypercall(vcpu::Hypercall operation, u64 a, u64 b) override;
    void left() override {}  // entry.S has ended VMX operation
    void release_machine(vcpu::LaunchContext& context) override;

private:
    Result<void> build_nested_tables(vcpu::LaunchContext& context, const Capabilities& has);
    bool enter(vcpu::LaunchContext& context, vcpu::VcpuBlock& block, const Controls& controls);

    void* msr_bitmap_ = nullptr;
    void* decoy_ = nullptr;  ///< what the guest sees where root's pages are hidden
    Hpa ept_root_;
};

}  // namespace ringside::vmx
