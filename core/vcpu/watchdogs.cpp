// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/watchdogs.hpp"

namespace ringside::vcpu {
namespace {

/// The kernel's word changes from one value to another; any third is somebody else's.
void exchange_suppression(Machine& machine, u32 from, u32 to) {
    if (machine.stall_suppression == 0)
        return;
    if (void* const word = machine.window.at(Hpa{machine.stall_suppression}))
        std::atomic_ref<u32>(*static_cast<u32*>(word)).compare_exchange_strong(from, to);
}

}  // namespace

void hold_stall_reports_back(Machine& machine) {
    exchange_suppression(machine, 0, kHeldBackByUs);
}

void let_stalls_be_reported(Machine& machine) {
    exchange_suppression(machine, kHeldBackByUs, 0);
}

void reconsider_stall_reports(Machine& machine, u64 tsc) {
    const Halt& halt = machine.halt;
    if (std::atomic_ref<const u32>(halt.is_taken).load(std::memory_order_acquire) != 0)
        return;
    const u64 since = tsc - std::atomic_ref<const u64>(halt.resumed_tsc).load();
    if (since >= kStallGraceMs * machine.short_circuit.ticks_per_ms)
        let_stalls_be_reported(machine);
}

void tell_watchdogs(Vcpu& vcpu) {
    Machine& machine = *vcpu.machine;
    if (vcpu.stood_ticks < kLongHaltMs * machine.short_circuit.ticks_per_ms)
        return;
    vcpu.stood_ticks = 0;
    std::atomic_ref<u32>(machine.wakeups[vcpu.core]).fetch_or(kTellWatchdogs);
    vcpu.waiting.nmi = true;
}

}  // namespace ringside::vcpu
