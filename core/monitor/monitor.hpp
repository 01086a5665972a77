// SPDX-License-Identifier: GPL-2.0-or-later
// The sources of events and the exits served for the guest's sake; one file each.
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::monitor {

/// Fills in a handler for every exit reason.
void fill(vcpu::ExitTable& table);

/// Runs the post stage of an interrupt that is about to be delivered.
void on_commit(vcpu::Vcpu& vcpu, u8 vector);

/// Runs the events of an NMI of the guest's. False: it does not get it.
bool on_guest_nmi(vcpu::Vcpu& vcpu);

vcpu::After on_external_interrupt(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_exception(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_halt(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_hypercall(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_cpuid(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_write_control_register(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_set_extended_control(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_read_msr(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_write_msr(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_triple_fault(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_init(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_entry_failed(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);
vcpu::After on_unexpected(vcpu::Vcpu& vcpu, const vcpu::Exit& exit);

}  // namespace ringside::monitor
