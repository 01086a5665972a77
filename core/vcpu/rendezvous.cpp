// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/rendezvous.hpp"

#include <atomic>

#include "vcpu/exit_loop.hpp"
#include "x86/instructions.hpp"

namespace ringside::vcpu {
namespace {

bool runs_guest(Vcpu* other, const Vcpu& self, u32 ticket) {
    return other != nullptr && other != &self &&
           std::atomic_ref<bool>(other->is_virtualized).load(std::memory_order_acquire) &&
           std::atomic_ref<u32>(other->stands_for).load(std::memory_order_acquire) != ticket;
}

bool all_stand(const Vcpu& vcpu, u32 ticket) {
    const Machine& machine = *vcpu.machine;
    for (u32 core = 0; core < machine.core_count; ++core)
        if (runs_guest(machine.vcpus[core], vcpu, ticket))
            return false;
    return true;
}

}  // namespace

bool while_others_stand(Vcpu& vcpu, void (*work)(void*), void* argument) {
    Rendezvous& meeting = vcpu.machine->rendezvous;
    std::atomic_ref<u32> is_taken{meeting.is_taken};
    if (is_taken.exchange(1, std::memory_order_acquire) != 0)
        return false;
    // Never the same twice in a row, so that a core that comes late is not taken for one that
    // stands.
    const u32 ticket = meeting.last_ticket =
        meeting.last_ticket == ~u32{0} ? 1 : meeting.last_ticket + 1;
    std::atomic_ref<u32> ticket_in_effect{meeting.ticket};
    ticket_in_effect.store(ticket, std::memory_order_seq_cst);
    signal_other_cores(vcpu);
    // No PAUSE: an emulator may make a whole trip of it.
    const u64 start = x86::read_tsc();
    const u64 patience = kPatienceMs * vcpu.machine->short_circuit.ticks_per_ms;
    bool stand = all_stand(vcpu, ticket);
    while (!stand && x86::read_tsc() - start < patience)
        stand = all_stand(vcpu, ticket);
    if (stand)
        work(argument);
    ticket_in_effect.store(0, std::memory_order_release);
    is_taken.store(0, std::memory_order_release);
    return stand;
}

void stand_if_asked(Vcpu& vcpu) {
    std::atomic_ref<u32> ticket_in_effect{vcpu.machine->rendezvous.ticket};
    while (const u32 ticket = ticket_in_effect.load(std::memory_order_acquire))
        [[unlikely]] {
            std::atomic_ref<u32>(vcpu.stands_for).store(ticket, std::memory_order_release);
            while (ticket_in_effect.load(std::memory_order_acquire) == ticket)
                x86::compiler_barrier();
        }
}

}  // namespace ringside::vcpu
