// SPDX-License-Identifier: GPL-2.0-or-later
// What watches over the kernel's time must not report a machine that stood still for the debugger
// (specification 5.1, BRK-6). Time goes on meanwhile, nothing of it is hidden from the guest: its
// watchdogs are told instead, as the kernel's own debugger tells them.
#pragma once

#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// A core that stood for less in all is not told: a thousand short halts stay cheap, and the
/// shortest patience of a watchdog is a second.
inline constexpr u64 kLongHaltMs = 200;

/// How long after the last halt RCU reports no stall: readers and callbacks that waited are done.
inline constexpr u64 kStallGraceMs = 30'000;

/// What the kernel's `rcu_cpu_stall_suppress` is set to. The kernel itself uses 1 (the user, a
/// panic) and 2 (sysrq), which are left alone.
inline constexpr u32 kHeldBackByUs = 4;

/// Has RCU report no stalls; all cores that come to stand do.
void hold_stall_reports_back(Machine& machine);
/// Ends that if the last halt is long enough ago.
/// Context: root mode, while nothing is halted or about to be: a core that is here comes to stand
/// behind it.
void reconsider_stall_reports(Machine& machine, u64 tsc);
/// Ends that at once.
void let_stalls_be_reported(Machine& machine);

/// The machine goes on, and this core has stood for `ticks` of the TSC more. If that is long in
/// all, the guest's next entry gives it an NMI, before any interrupt: what has a higher place in an
/// entry is interrupted by the NMI's window before its first instruction, and a handler of an NMI
/// the machine was halted in takes no interrupts until it returns, which is when this one comes.
/// Context: root mode, own vCPU, before the entry is prepared.
void tell_watchdogs(Vcpu& vcpu);

}  // namespace ringside::vcpu
