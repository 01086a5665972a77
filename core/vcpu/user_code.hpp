// SPDX-License-Identifier: GPL-2.0-or-later
// The user's machine code, run against the guest of one vCPU.
#pragma once

#include "event/code.hpp"
#include "sandbox/guest.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::vcpu {

/// Made for one exit, at no cost. Root mode, own vCPU, interrupts off.
class UserCode final : public event::CodeRunner, private sandbox::Guest {
public:
    explicit UserCode(Vcpu& vcpu) : vcpu_{vcpu}, view_{vcpu} {}

    event::CodeResult run(const event::CodeCall& call) override;

private:
    u64 read_register(Register which) override { return view_.read_register(which); }
    bool write_register(Register which, u64 value) override {
        return view_.write_register(which, value);
    }
    bool read_msr(u32 msr, u64& value) override;
    bool read_counter(u32 counter, u64& value) override;
    u16 table_limit(Register table) override { return vcpu_.backend->table_limit(table); }
    u64 kernel_cr3() override;

    Vcpu& vcpu_;
    GuestView view_;
};

}  // namespace ringside::vcpu
