// SPDX-License-Identifier: GPL-2.0-or-later
// Why the processor may have refused a VM entry. It says only that the guest state is invalid, so
// its checks are made again here, one by one.
#pragma once

#include "vcpu/emergency_log.hpp"
#include "vcpu/vcpu.hpp"
#include "vmx/capabilities.hpp"

namespace ringside::vmx {

/// The first check on the guest state of the current VMCS that fails, in words; nullptr if none of
/// those known here does.
/// Source: Intel SDM vol. 3C §26.3.1 "Checks on the Guest State Area".
const char* first_failed_check();

/// What the VM-instruction error field says about a failed VMLAUNCH or VMRESUME.
/// Source: Intel SDM vol. 3C §30.4 "VM Instruction Error Numbers".
const char* instruction_error_text(u32 error);

/// Every field of the current VMCS, several a line.
void dump_vmcs(vcpu::EmergencyLog& log);

/// VMRESUME gave an error number: reports it and leaves, if the guest can go on without us.
void* leave_after_refusal(vcpu::Vcpu& vcpu);

}  // namespace ringside::vmx
