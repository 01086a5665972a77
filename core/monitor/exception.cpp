// SPDX-License-Identifier: GPL-2.0-or-later
// Exceptions and the guest's NMIs: the source of !exception events.
#include "event/pipeline.hpp"
#include "monitor/monitor.hpp"
#include "vcpu/guest_view.hpp"
#include "vcpu/user_code.hpp"

namespace ringside::monitor {
namespace {

constexpr u8 kDebug = 1, kNmi = 2, kDoubleFault = 8, kPageFault = 14;

/// The register that delivering the exception changes, RS_FULL_REGISTER_COUNT if none.
vcpu::Register changed_register(u8 vector) {
    return vector == kPageFault ? RS_FULL_CR2
           : vector == kDebug   ? RS_FULL_DR6
                                : RS_FULL_REGISTER_COUNT;
}

/// The exception came while another event was being delivered. What the guest gets in the end is
/// what the processor would give it; an interrupt or NMI is given again behind the exception.
/// @return false: a triple fault
bool resolve_in_flight(vcpu::Vcpu& vcpu, vcpu::PendingEvent& exception) {
    vcpu::PendingEvent& first = vcpu.waiting.in_flight;
    if (!first.valid) [[likely]]
        return true;
    switch (first.type) {
        case vcpu::EventType::kExternalInterrupt:
            vcpu.waiting.interrupts.add(first.vector);
            // It was counted if it came through us.
            if (vcpu.core_state->wants_interrupts)
                vcpu.core_state->stats->delivered.add(~u64{0});
            break;
        case vcpu::EventType::kNmi:
            vcpu.waiting.nmi = true;
            vcpu.waiting.nmi_blocked = false;
            break;
        case vcpu::EventType::kException:
            switch (vcpu::meeting_of(first.vector, exception.vector)) {
                case vcpu::Meeting::kShutdown:
                    return false;
                case vcpu::Meeting::kDoubleFault:
                    exception = {.type = vcpu::EventType::kException,
                                 .vector = kDoubleFault,
                                 .valid = true,
                                 .has_error_code = true};
                    break;
                case vcpu::Meeting::kSecond:
                    break;
            }
            break;
        default:
            break;  // of an instruction, which raises it again
    }
    first = {};
    return true;
}

}  // namespace

/// Runs the events of an exception, both stages, and gives it to the guest unless one of them says
/// otherwise. CR2 and DR6 say what the handler would find.
vcpu::After on_exception(vcpu::Vcpu& vcpu, const vcpu::Exit& exit) {
    vcpu::Backend& backend = *vcpu.backend;
    vcpu::PendingEvent exception = backend.read_exception();
    if (vcpu.machine->has_link && vcpu.machine->exits.debug_exception(vcpu, exception)) [[unlikely]]
        return vcpu::After::kResume;
    if (!resolve_in_flight(vcpu, exception)) {
        return on_triple_fault(vcpu, exit);
    }
    const vcpu::Register changed = changed_register(exception.vector);
    u64 before = 0;
    if (changed != RS_FULL_REGISTER_COUNT) {
        before = backend.read_register(changed);
        backend.write_register(changed, exception.address);
        exception.address = 0;
    }
    vcpu::GuestView guest{vcpu};
    vcpu::UserCode code{vcpu};
    switch (event::run_pre_stage(*vcpu.core_state, exception.vector, guest, code)) {
        case event::Verdict::kDeliverWithPost:
            event::run_post_stage(*vcpu.core_state, exception.vector, guest, code);
            [[fallthrough]];
        case event::Verdict::kDeliver:
            vcpu.waiting.exception = exception;
            break;
        case event::Verdict::kIgnore:
            if (changed != RS_FULL_REGISTER_COUNT)
                backend.write_register(changed, before);
            // A fault comes again with its instruction; INT3 and INTO are over.
            if (vcpu::is_software(exception.type))
                backend.skip_instruction(exception.instruction_length);
            break;
    }
    return vcpu::After::kResume;
}

bool on_guest_nmi(vcpu::Vcpu& vcpu) {
    vcpu::GuestView guest{vcpu};
    vcpu::UserCode code{vcpu};
    const event::Verdict verdict = event::run_pre_stage(*vcpu.core_state, kNmi, guest, code);
    if (verdict == event::Verdict::kDeliverWithPost)
        event::run_post_stage(*vcpu.core_state, kNmi, guest, code);
    return verdict != event::Verdict::kIgnore;
}

}  // namespace ringside::monitor
