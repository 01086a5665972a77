// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/user_code.hpp"

#include "sandbox/sandbox.hpp"
#include "x86/msr.hpp"

extern "C" {
int rs_safe_read_counter(ringside::u32 counter, ringside::u64* value);
}

namespace ringside::vcpu {

event::CodeResult UserCode::run(const event::CodeCall& call) {
    sandbox::Sandbox sandbox{*vcpu_.sandbox, vcpu_.machine->sandbox, *this};
    return sandbox.run(call);
}

bool UserCode::read_msr(u32 msr, u64& value) {
    switch (msr) {
        case x86::IA32_EFER:
            value = view_.read_register(RS_FULL_EFER);
            return true;
        case x86::IA32_FS_BASE:
            value = view_.read_register(RS_FULL_FSBASE);
            return true;
        case x86::IA32_GS_BASE:
            value = view_.read_register(RS_FULL_GSBASE);
            return true;
        case x86::IA32_KERNEL_GS_BASE:
            value = view_.read_register(RS_FULL_KGSBASE);
            return true;
        default:
            return vcpu_.backend->read_msr(msr, value);
    }
}

bool UserCode::read_counter(u32 counter, u64& value) {
    return rs_safe_read_counter(counter, &value) == 0;
}

u64 UserCode::kernel_cr3() {
    return view_.kernel_cr3();
}

}  // namespace ringside::vcpu
