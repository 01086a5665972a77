// SPDX-License-Identifier: GPL-2.0-or-later
#include "svm/svm_backend.hpp"

#include "svm/software_delivery.hpp"
#include "vcpu/emergency_log.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/register_rules.hpp"
#include "x86/control_registers.hpp"
#include "x86/exception.hpp"
#include "x86/msr.hpp"

extern "C" {
ringside::s32 rs_take_interrupt();
ringside::s32 rs_halt(const ringside::u32* nmi_count, ringside::u32 nmi_seen);
int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value);
int rs_safe_write_msr(ringside::u32 msr, ringside::u64 value);

/// Called by entry.S after every #VMEXIT.
void* rs_svm_exit(ringside::vcpu::Vcpu* vcpu) {
    return ringside::vcpu::handle_exit(*vcpu);
}
}

namespace ringside::svm {

using vcpu::Exit;
using vcpu::ExitReason;
using vcpu::Injected;
using vcpu::PendingEvent;
namespace rflags = x86::rflags;

namespace {

vcpu::PendingEvent event_of(u64 raw) {
    return {.type = vcpu::EventType(EventInjection::Type::get(raw)),
            .vector = u8(EventInjection::Vector::get(raw)),
            .valid = true,
            .has_error_code = EventInjection::ErrorValid::test(raw),
            .error_code = u32(EventInjection::ErrorCode::get(raw))};
}

u64 raw_of(const vcpu::PendingEvent& event) {
    return EventInjection::Vector::make(event.vector) |
           EventInjection::Type::make(u64(event.type)) | EventInjection::Valid::make(1) |
           EventInjection::ErrorValid::make(event.has_error_code) |
           EventInjection::ErrorCode::make(event.has_error_code ? event.error_code : 0);
}

}  // namespace

Exit SvmBackend::decode_exit(PendingEvent& in_flight) {
    // VMEXIT_INVALID is -1; QEMU TCG: in 32 bits.
    const bool is_invalid = u32(vmcb_.exit_code) == u32(ExitCode::kInvalid);
    const ExitCode code = is_invalid ? ExitCode::kInvalid : ExitCode(vmcb_.exit_code);
    vmcb_.event_injection = 0;
    vmcb_.tlb_control = 0;
    if (EventInjection::Valid::test(vmcb_.exit_interrupt_info)) [[unlikely]]
        in_flight = event_of(vmcb_.exit_interrupt_info);
    if (traits_.shadow_lost) [[unlikely]]
        remember_lost_shadow(code);

    may_halt_ = false;
    Exit exit{.code = vmcb_.exit_code};
    if (code == ExitCode::kIntr) [[likely]] {
        exit.reason = ExitReason::kExternalInterrupt;
        return exit;
    }
    switch (code) {
        case ExitCode::kNmi:
            exit.reason = ExitReason::kNmi;
            break;
        case ExitCode::kVintr:
            exit.reason = ExitReason::kInterruptWindow;
            break;
        case ExitCode::kHlt:
            exit.reason = ExitReason::kHalt;
            break;
        case ExitCode::kIret:
            exit.reason = ExitReason::kNmiUnblocked;
            break;
        case ExitCode::kVmmcall:
            exit.reason = ExitReason::kHypercall;
            break;
        case ExitCode::kMsr:
            exit.reason = vmcb_.exit_info1 & 1 ? ExitReason::kWriteMsr : ExitReason::kReadMsr;
            break;
        case ExitCode::kVmrun:
        case ExitCode::kVmload:
        case ExitCode::kVmsave:
        case ExitCode::kStgi:
        case ExitCode::kClgi:
        case ExitCode::kSkinit:
            exit.reason = ExitReason::kVirtualizationInstruction;
            break;
        case ExitCode::kNestedPageFault:
            exit.reason = ExitReason::kNestedPageFault;
            exit.address = vmcb_.exit_info2;
            exit.detail = vmcb_.exit_info1;
            break;
        case ExitCode::kShutdown:
            exit.reason = ExitReason::kTripleFault;
            break;
        case ExitCode::kInvalid:
            exit.reason = ExitReason::kEntryFailed;
            break;
        case ExitCode::kSoftwareInterrupt:
            decode_software_interrupt(exit);
            break;
        default:
            if (code >= ExitCode::kException && code <= ExitCode::kExceptionLast)
                exit.reason = ExitReason::kException;
            break;
    }
    return exit;
}

/// QEMU TCG: INT3 and INTO exit as software interrupts, and so does INT n, which is then delivered
/// from here.
void SvmBackend::decode_software_interrupt(Exit& exit) {
    constexpr u8 kInt3 = 0xcc, kInto = 0xce, kIntN = 0xcd;
    const DeliveryMemory memory{
        vcpu_.walks, vcpu_.machine->window, {vmcb_.cr3, x86::paging_levels(vmcb_.cr4)}, false};
    PendingEvent fault;
    u8 bytes[2] = {};
    // The instruction has just been fetched, so its page is there.
    const Gva at{vmcb_.cs.base + vmcb_.rip};
    if (!memory.read(at, bytes[0], fault))
        return;
    soft_vector_ = bytes[0] == kInt3 ? 3 : 4;
    exit.reason = ExitReason::kException;
    if (bytes[0] == kInt3 || bytes[0] == kInto)
        return;
    exit.reason = ExitReason::kInterruptWindow;  // nothing to do but to deliver it
    // Something else: another core has taken the breakpoint out, and what was below it runs.
    if (bytes[0] != kIntN || !memory.read(Gva{at.value() + 1}, bytes[1], fault))
        return;
    vcpu_.waiting.exception = {.type = vcpu::EventType::kSoftwareInterrupt,
                               .vector = bytes[1],
                               .valid = true,
                               .instruction_length = 2};
}

PendingEvent SvmBackend::read_exception() {
    constexpr u8 kDebug = 1, kBreakpoint = 3, kOverflow = 4, kPageFault = 14;
    const bool is_soft = ExitCode(vmcb_.exit_code) == ExitCode::kSoftwareInterrupt;
    const u8 vector = is_soft ? soft_vector_ : u8(vmcb_.exit_code - u64(ExitCode::kException));
    PendingEvent event{.type = vcpu::EventType::kException,
                       .vector = vector,
                       .valid = true,
                       .has_error_code = x86::has_error_code(vector)};
    if (event.has_error_code)
        event.error_code = u32(vmcb_.exit_info1);
    if (vector == kPageFault)
        event.address = vmcb_.exit_info2;
    if (vector == kDebug)
        event.address = vmcb_.dr6;
    if (vector == kBreakpoint || vector == kOverflow) {
        event.type = vcpu::EventType::kSoftwareException;
        event.instruction_length = 1;
    }
    return event;
}

void SvmBackend::intercept_exceptions(u32 mask) {
    constexpr u32 kNmi = 1u << 2, kSoft = 1u << 3 | 1u << 4;
    vmcb_.intercept_exceptions = mask & ~kNmi;
    if (traits_.soft_as_interrupt && (mask & kSoft))
        vmcb_.intercept_misc1 |= misc1::kSoftwareInterrupt;
    else
        vmcb_.intercept_misc1 &= ~misc1::kSoftwareInterrupt;
}

/// QEMU TCG: the shadow of STI is gone after an exit, so in `sti; hlt` an interrupt could come
/// between the two and the wake-up be lost in the HLT. The place is kept; when the interrupt comes
/// there, the HLT counts as done.
void SvmBackend::remember_lost_shadow(ExitCode code) {
    if (code == ExitCode::kIntr)
        step_over_lost_halt();
    shadowed_rip_ = vmcb_.interrupt_shadow & kInterruptShadow ? vmcb_.rip : 0;
}

void SvmBackend::step_over_lost_halt() {
    constexpr u8 kHlt = 0xf4;
    if (shadowed_rip_ == 0 || shadowed_rip_ != vmcb_.rip)
        return;
    const DeliveryMemory memory{
        vcpu_.walks, vcpu_.machine->window, {vmcb_.cr3, x86::paging_levels(vmcb_.cr4)}, false};
    PendingEvent fault;
    u8 byte = 0;
    if (memory.read(Gva{vmcb_.rip}, byte, fault) && byte == kHlt)
        ++vmcb_.rip;
}

u64 SvmBackend::read_register(vcpu::Register which) {
    switch (which) {
        case RS_FULL_RAX:
            return vmcb_.rax;
        case RS_FULL_RSP:
            return vmcb_.rsp;
        case RS_FULL_RIP:
            return vmcb_.rip;
        case RS_FULL_RFLAGS:
            return vmcb_.rflags;
        case RS_FULL_CR3:
            return vmcb_.cr3;
        case RS_FULL_CR4:
            return vmcb_.cr4;
        case RS_FULL_CR0:
            return vmcb_.cr0;
        case RS_FULL_CR2:
            return vmcb_.cr2;
        case RS_FULL_CS:
            return vmcb_.cs.selector;
        case RS_FULL_DS:
            return vmcb_.ds.selector;
        case RS_FULL_ES:
            return vmcb_.es.selector;
        case RS_FULL_FS:
            return vmcb_.fs.selector;
        case RS_FULL_GS:
            return vmcb_.gs.selector;
        case RS_FULL_SS:
            return vmcb_.ss.selector;
        case RS_FULL_DR6:
            return vmcb_.dr6;
        case RS_FULL_DR7:
            return vmcb_.dr7;
        case RS_FULL_GDTR:
            return vmcb_.gdtr.base;
        case RS_FULL_IDTR:
            return vmcb_.idtr.base;
        case RS_FULL_LDTR:
            return vmcb_.ldtr.selector;
        case RS_FULL_TR:
            return vmcb_.tr.selector;
        case RS_FULL_GSBASE:
            return vmcb_.gs.base;
        case RS_FULL_FSBASE:
            return vmcb_.fs.base;
        case RS_FULL_KGSBASE:
            return vmcb_.kernel_gs_base;
        case RS_FULL_EFER:
            return vmcb_.efer & ~x86::efer::SVME::kMask;
        case RS_FULL_CPL:
            return vmcb_.cpl;
        default:
            return vcpu::read_live_register(which);
    }
}

bool SvmBackend::write_register(vcpu::Register which, u64 value) {
    const u32 levels = x86::paging_levels(vmcb_.cr4);
    const bool canonical = x86::is_canonical(value, levels);
    switch (which) {
        case RS_FULL_RAX:
            vmcb_.rax = value;
            return true;
        case RS_FULL_RSP:
            if (!canonical)
                return false;
            vmcb_.rsp = value;
            return true;
        case RS_FULL_RIP:
            if (!canonical)
                return false;
            vmcb_.rip = value;
            return true;
        case RS_FULL_RFLAGS:
            if (!vcpu::is_allowed_rflags(value))
                return false;
            vmcb_.rflags = value;
            return true;
        case RS_FULL_CR0:
            if (!vcpu::is_allowed_cr0(value, vmcb_.cr4))
                return false;
            vmcb_.cr0 = value;
            return true;
        case RS_FULL_CR2:
            vmcb_.cr2 = value;
            return true;
        case RS_FULL_CR3:
            if (!vcpu::is_allowed_cr3(value, vcpu_.machine->ram))
                return false;
            vmcb_.cr3 = value;
            vmcb_.tlb_control = kTlbFlushAll;
            return true;
        case RS_FULL_CR4:
            if (!vcpu::is_allowed_cr4(value, vmcb_.cr4))
                return false;
            vmcb_.cr4 = value;
            vmcb_.tlb_control = kTlbFlushAll;
            return true;
        case RS_FULL_DR6:
            if (!vcpu::is_allowed_debug_register(value))
                return false;
            vmcb_.dr6 = value;
            return true;
        case RS_FULL_DR7:
            if (!vcpu::is_allowed_debug_register(value))
                return false;
            vmcb_.dr7 = value | vcpu::kDr7Fixed;
            return true;
        case RS_FULL_FSBASE:
            if (!canonical)
                return false;
            vmcb_.fs.base = value;
            return true;
        case RS_FULL_GSBASE:
            if (!canonical)
                return false;
            vmcb_.gs.base = value;
            return true;
        case RS_FULL_KGSBASE:
            if (!canonical)
                return false;
            vmcb_.kernel_gs_base = value;
            return true;
        default:
            return vcpu::write_live_register(which, value);
    }
}

void SvmBackend::skip_instruction(u32 length) {
    vmcb_.rip = traits_.has_next_rip && vmcb_.next_rip ? vmcb_.next_rip : vmcb_.rip + length;
    vmcb_.interrupt_shadow = 0;
}

void SvmBackend::intercept_interrupts(bool on) {
    if (on)
        vmcb_.intercept_misc1 |= misc1::kIntr;
    else
        vmcb_.intercept_misc1 &= ~misc1::kIntr;
}

s32 SvmBackend::take_interrupt() {
    return rs_take_interrupt();
}

s32 SvmBackend::halt() {
    vmcb_.interrupt_shadow = 0;
    if (!(vmcb_.rflags & rflags::IF)) {
        may_halt_ = true;  // only an NMI ends this one
        return -1;
    }
    return rs_halt(&vcpu_.nmi_count, vcpu_.nmi_seen);
}

vcpu::Interruptibility SvmBackend::interruptibility() {
    return {.interrupt_flag = (vmcb_.rflags & rflags::IF) != 0,
            .shadow = (vmcb_.interrupt_shadow & kInterruptShadow) != 0,
            .nmi_shadow = (vmcb_.interrupt_shadow & kInterruptShadow) != 0,
            .task_priority = vcpu_.waiting.interrupts.empty() ? u8{0} : u8(x86::read_cr<8>())};
}

/// An NMI that is held back now comes at the entry, behind the event that is delivered by it: GIF
/// is set first, and the NMI exits before another instruction runs.
void SvmBackend::exit_behind_injection() {
    if (std::atomic_ref<u32>(vcpu_.owed_nmi).exchange(1) == 0)
        vcpu_.machine->apic.send_nmi(vcpu_.apic_id);
}

Injected SvmBackend::inject(const PendingEvent& event, PendingEvent& fault) {
    has_delivered_ = false;
    if (event.type == vcpu::EventType::kExternalInterrupt && traits_.software_delivery) {
        const DeliveryMemory memory{vcpu_.walks,
                                    vcpu_.machine->window,
                                    {vmcb_.cr3, x86::paging_levels(vmcb_.cr4)},
                                    (vmcb_.cr4 & x86::cr4::SMAP) != 0};
        has_delivered_ = deliver_interrupt(vmcb_, memory, event.vector, fault);
        return has_delivered_ ? Injected::kDone : Injected::kRefused;
    }
    constexpr u8 kPageFault = 14;
    if (event.type == vcpu::EventType::kException && event.vector == kPageFault && event.address)
        vmcb_.cr2 = event.address;
    vmcb_.event_injection = raw_of(event);
    if (vcpu::is_software(event.type)) [[unlikely]] {
        // The return address is behind the instruction; #BP and #OF are injected as exceptions.
        vmcb_.rip += event.instruction_length;
        vmcb_.next_rip = vmcb_.rip;
        if (event.type != vcpu::EventType::kSoftwareInterrupt)
            vmcb_.event_injection = raw_of(
                {.type = vcpu::EventType::kException, .vector = event.vector, .valid = true});
    }
    return Injected::kDone;
}

void SvmBackend::set_windows(const vcpu::EntryPlan& plan) {
    // V_IRQ only detects the moment; its intercept comes before any delivery. A vector held back by
    // the task priority is looked at again at every exit: this kernel sets its TPR once, and the
    // interrupt intercept keeps exits coming.
    u32 intercepts = vmcb_.intercept_misc1 & ~(misc1::kVintr | misc1::kIret | misc1::kHlt);
    if (traits_.halt_in_root && (intercepts & misc1::kIntr) && !may_halt_)
        intercepts |= misc1::kHlt;
    if (plan.interrupt_window) [[unlikely]] {
        intercepts |= misc1::kVintr;
        vmcb_.interrupt_control =
            int_ctl::V_IRQ::make(1) | int_ctl::V_IGN_TPR::make(1) | int_ctl::V_INTR_PRIO::make(15);
    } else {
        vmcb_.interrupt_control = 0;
    }
    if (plan.nmi_window) [[unlikely]]
        intercepts |= open_nmi_window();
    vmcb_.intercept_misc1 = intercepts;
}

/// The guest leaves its NMI handler by an IRET. An NMI that only waits for a shadow or another
/// event has no such sign: one of ours exits as soon as the processor takes NMIs.
u32 SvmBackend::open_nmi_window() {
    if (vcpu_.waiting.nmi_blocked)
        return misc1::kIret;
    if (std::atomic_ref<u32>(vcpu_.owed_nmi).exchange(1) == 0)
        vcpu_.machine->apic.send_nmi(vcpu_.apic_id);
    return 0;
}

bool SvmBackend::write_control_register(u32, u64) {
    return false;  // none is intercepted
}

/// Where an MSR is kept that the processor exchanges at VMLOAD and VMSAVE; nullptr: it is none.
u64* SvmBackend::saved_msr(u32 msr) {
    switch (msr) {
        case x86::IA32_STAR:
            return &vmcb_.star;
        case x86::IA32_LSTAR:
            return &vmcb_.lstar;
        case x86::IA32_CSTAR:
            return &vmcb_.cstar;
        case x86::IA32_FMASK:
            return &vmcb_.sfmask;
        case x86::IA32_SYSENTER_CS:
            return &vmcb_.sysenter_cs;
        case x86::IA32_SYSENTER_ESP:
            return &vmcb_.sysenter_esp;
        case x86::IA32_SYSENTER_EIP:
            return &vmcb_.sysenter_eip;
        default:
            return nullptr;
    }
}

/// Has the processor say what it makes of the value; root mode's own stays as it was.
bool SvmBackend::write_saved_msr(u32 msr, u64 value, u64& saved) {
    u64 own = 0, kept = 0;
    if (rs_safe_read_msr(msr, &own) != 0 || rs_safe_write_msr(msr, value) != 0)
        return false;
    const bool is_read = rs_safe_read_msr(msr, &kept) == 0;
    rs_safe_write_msr(msr, own);
    if (is_read)
        saved = kept;
    return is_read;
}

bool SvmBackend::read_msr(u32 msr, u64& value) {
    if (const u64* saved = saved_msr(msr)) {
        value = *saved;
        return true;
    }
    switch (msr) {
        case x86::IA32_EFER:
            value = vmcb_.efer & ~x86::efer::SVME::kMask;
            return true;
        case x86::VM_HSAVE_PA:
            value = 0;
            return true;
        case x86::IA32_PAT:
            if (has_own_pat()) {
                value = vmcb_.guest_pat;
                return true;
            }
            [[fallthrough]];
        default:
            return rs_safe_read_msr(msr, &value) == 0;
    }
}

bool SvmBackend::write_msr(u32 msr, u64 value, bool& leave) {
    if (!vcpu::is_allowed_msr_value(msr, value, x86::paging_levels(vmcb_.cr4)))
        return false;
    if (u64* saved = saved_msr(msr))
        return write_saved_msr(msr, value, *saved);
    switch (msr) {
        case x86::IA32_EFER: {
            // SVME stays set below the guest whatever it writes; long mode stays; a bit that was
            // not set before must be one every processor has.
            constexpr u64 kLongMode = 0x500;
            constexpr u64 kEverywhere = kLongMode | x86::efer::SystemCallEnable::kMask |
                                        x86::efer::NoExecuteEnable::kMask | x86::efer::SVME::kMask;
            if (value & ~(vmcb_.efer | kEverywhere) || !(value & 0x100))
                return false;
            vmcb_.efer = value | kLongMode | x86::efer::SVME::kMask;
            // The kernel's own emergency-off clears VM_HSAVE_PA first, then EFER.SVME.
            leave = hsave_cleared_ && !x86::efer::SVME::test(value);
            return true;
        }
        case x86::VM_HSAVE_PA:
            // The same; kernels that clear SVME only if they read it as set stop here. One that has
            // set an address before is KVM, which does the same when it merely ends.
            hsave_cleared_ = value == 0;
            hsave_used_ |= value != 0;
            leave = hsave_cleared_ && !hsave_used_;
            return true;
        case x86::IA32_PAT:
            if (has_own_pat()) {
                vmcb_.guest_pat = value;
                return true;
            }
            [[fallthrough]];
        default:
            return rs_safe_write_msr(msr, value) == 0;
    }
}

void SvmBackend::report_entry_failure(vcpu::EmergencyLog& log) {
    log.text("ringside: VMCB cr0 ").hex(vmcb_.cr0).text(" cr3 ").hex(vmcb_.cr3);
    log.text(" cr4 ").hex(vmcb_.cr4).text(" efer ").hex(vmcb_.efer).text(" rip ").hex(vmcb_.rip);
    log.text(" rflags ").hex(vmcb_.rflags).text(" cs ").hex(vmcb_.cs.attributes);
    log.text(" asid ").hex(vmcb_.asid).text(" intercepts ").hex(vmcb_.intercept_misc2);
    log.text(" injection ").hex(vmcb_.event_injection).end();
}

void* SvmBackend::prepare_devirtualize() {
    LeaveBlock& out = *leave_;
    out.cr0 = vmcb_.cr0;
    out.cr3 = vmcb_.cr3;
    out.cr4 = vmcb_.cr4;
    out.efer = vmcb_.efer & ~x86::efer::SVME::kMask;
    out.gdtr = {u16(vmcb_.gdtr.limit), vmcb_.gdtr.base};
    out.idtr = {u16(vmcb_.idtr.limit), vmcb_.idtr.base};
    out.ds = vmcb_.ds.selector;
    out.es = vmcb_.es.selector;
    out.rax = vmcb_.rax;
    out.registers = *vcpu_.registers;
    out.rip = vmcb_.rip;
    out.cs = vmcb_.cs.selector;
    out.rflags = vmcb_.rflags;
    out.rsp = vmcb_.rsp;
    out.ss = vmcb_.ss.selector;
    x86::write_cr<2>(vmcb_.cr2);
    x86::write_dr<6>(vmcb_.dr6);
    x86::write_dr<7>(vmcb_.dr7);
    return leave_in_kernel_;
}

}  // namespace ringside::svm
