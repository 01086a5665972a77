// SPDX-License-Identifier: GPL-2.0-or-later
// Launching under AMD SVM.
#pragma once

#include "svm/svm_backend.hpp"
#include "vcpu/vendor.hpp"

namespace ringside::svm {

class SvmVendor final : public vcpu::Vendor {
public:
    Result<void> probe() override;
    Result<void> prepare_machine(vcpu::LaunchContext& context) override;
    Result<void> hide(vcpu::LaunchContext& context, Hpa page) override;
    Result<void> prepare_core(vcpu::LaunchContext& context, vcpu::VcpuBlock& block) override;
    bool launch(vcpu::LaunchContext& context, vcpu::VcpuBlock& block) override;
    u64 hypercall(vcpu::Hypercall operation, u64 a, u64 b) override;
    void left() override;
    void release_machine(vcpu::LaunchContext& context) override;

private:
    Result<void> build_nested_tables(vcpu::LaunchContext& context);

    Traits traits_;
    void* msr_map_ = nullptr;
    void* decoy_ = nullptr;  ///< what the guest sees where root's pages are hidden
    Hpa nested_cr3_;
    u32 nested_levels_ = 4;
};

}  // namespace ringside::svm
