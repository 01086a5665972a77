// SPDX-License-Identifier: GPL-2.0-or-later
// Requests of the kernel's side, and hypercalls meant for a hypervisor below us.
#include "vcpu/hypercall.hpp"

#include "event/pipeline.hpp"
#include "inspect/inspect.hpp"
#include "monitor/monitor.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::monitor {
namespace {

using vcpu::After;
using vcpu::Hypercall;
using vcpu::Vcpu;

constexpr u32 kHypercallBytes = 3;  ///< VMMCALL and VMCALL

/// Runs the guest's call in its stead: the hypervisor below sees the same registers.
void forward(Vcpu& vcpu) {
    u64 rax = vcpu.backend->read_register(RS_FULL_RAX);
    auto& r = *vcpu.registers;
    if (vcpu.machine->is_intel)
        asm volatile("vmcall"
                     : "+a"(rax), "+b"(r.rbx), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi)
                     :
                     : "memory");
    else
        asm volatile("vmmcall"
                     : "+a"(rax), "+b"(r.rbx), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi)
                     :
                     : "memory");
    vcpu.backend->write_register(RS_FULL_RAX, rax);
}

/// Whether leaving now would lose no interrupt and no NMI, one of ours on its way included: it
/// would reach a kernel that knows nothing of it.
bool has_nothing_to_deliver(Vcpu& vcpu) {
    return vcpu.waiting.interrupts.empty() && !vcpu.waiting.in_flight.valid && !vcpu.waiting.nmi &&
           vcpu.waiting.injections.empty() && vcpu.nmi_count == vcpu.nmi_seen &&
           std::atomic_ref<u32>(vcpu.owed_nmi).load() == 0;
}

}  // namespace

After on_hypercall(Vcpu& vcpu, const vcpu::Exit&) {
    vcpu::Backend& backend = *vcpu.backend;
    const bool privileged = backend.privilege_level() == 0;
    const bool ours = u32(backend.read_register(RS_FULL_RAX)) == vcpu::kHypercallMagic;
    if (!privileged || !ours) {
        if (vcpu.machine->forward_hypercalls && privileged) {
            forward(vcpu);
            backend.skip_instruction(kHypercallBytes);
        } else {
            vcpu::queue_undefined_instruction(vcpu);
        }
        return After::kResume;
    }
    backend.skip_instruction(kHypercallBytes);
    u64 result = 0;
    switch (Hypercall(vcpu.registers->rcx)) {
        case Hypercall::kPing:
            result = vcpu::kPingAnswer + vcpu.core;
            break;
        case Hypercall::kAdopt:
            vcpu::signal_other_cores(vcpu);  // this core adopts on its way out
            break;
        case Hypercall::kEvaluate: {
            vcpu::GuestView guest{vcpu};
            event::evaluate(*vcpu.core_state,
                            *reinterpret_cast<event::Evaluation*>(vcpu.registers->rdx), guest);
            break;
        }
        case Hypercall::kInspect: {
            auto& asked = *reinterpret_cast<inspect::Inspection*>(vcpu.registers->rdx);
            asked.result = inspect::answer(vcpu, asked.number, {asked.image, asked.bytes});
            break;
        }
        case Hypercall::kLink:
            result = vcpu.machine->exits.request_link(vcpu, vcpu.registers->rdx,
                                                      reinterpret_cast<void*>(vcpu.registers->r8));
            break;
        case Hypercall::kDevirtualize: {
            const bool at_any_cost = vcpu.registers->rdx != 0;
            if (at_any_cost)
                vcpu::return_interrupts(vcpu);
            if (at_any_cost || has_nothing_to_deliver(vcpu)) {
                backend.write_register(RS_FULL_RAX, vcpu::kLeft);
                return After::kDevirtualize;
            }
            result = vcpu::kBusy;
            break;
        }
        default:
            result = ~u64{0};
    }
    backend.write_register(RS_FULL_RAX, result);
    return After::kResume;
}

}  // namespace ringside::monitor
