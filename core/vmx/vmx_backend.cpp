// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmx/vmx_backend.hpp"

#include "vcpu/exit_loop.hpp"
#include "vcpu/register_rules.hpp"
#include "vmx/entry_report.hpp"
#include "x86/msr.hpp"

extern "C" {
int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value);
int rs_safe_write_msr(ringside::u32 msr, ringside::u64 value);
void rs_open_nmis();
}

namespace ringside::vmx {

using enum VmcsField;
using vcpu::Exit;
using vcpu::ExitReason;
using vcpu::Injected;
using vcpu::PendingEvent;
namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;

namespace {

/// Bits of CR0 and CR4 that VMX operation fixes and the guest sees as it wrote them.
constexpr u64 kOwnedCr0 = cr0::PE | cr0::NE | cr0::PG;
constexpr u64 kOwnedCr4 = cr4::VMXE;

PendingEvent event_of(u32 information, u32 error_code, u32 instruction_length) {
    const auto type = vcpu::EventType(Interruption::Type::get(information));
    const bool has_code = Interruption::ErrorValid::test(information);
    return {.type = type,
            .vector = u8(Interruption::Vector::get(information)),
            .valid = true,
            .has_error_code = has_code,
            .instruction_length = u8(vcpu::is_software(type) ? instruction_length : 0),
            .error_code = has_code ? error_code : 0};
}

/// Those that exit whatever the controls say; #UD for a guest without VMX.
bool is_virtualization_instruction(ExitCode code) {
    switch (code) {
        case ExitCode::kGetsec:
        case ExitCode::kInvept:
        case ExitCode::kInvvpid:
        case ExitCode::kVmfunc:
        case ExitCode::kSeamcall:
        case ExitCode::kTdcall:
            return true;
        default:
            return code >= ExitCode::kVmclear && code <= ExitCode::kVmxon;
    }
}

}  // namespace

Exit VmxBackend::decode_exit(PendingEvent& in_flight) {
    const u32 reason = read<kExitReason>();
    const ExitCode code = ExitCode(reason & 0xffff);
    Exit exit{.code = reason};
    acknowledged_ = -1;
    interruptibility_ = read<kInterruptibility>();
    if (has_timer_) [[unlikely]] {
        has_timer_ = false;
        write<kPinControls>(controls_.pin);
    }
    vcpu_.waiting.nmi_blocked = (interruptibility_ & interruptibility::kNmi) != 0;
    if (reason & kEntryFailure) [[unlikely]] {
        // The guest did not run: what was to be delivered still is, and the other fields are old.
        in_flight = injected_event();
        exit.reason = ExitReason::kEntryFailed;
        exit.detail = read<kExitQualification>();
        return exit;
    }
    if (const u32 vectoring = read<kIdtVectoring>(); Interruption::Valid::test(vectoring))
        [[unlikely]]
        in_flight =
            event_of(vectoring, read<kIdtVectoringErrorCode>(), read<kExitInstructionLength>());
    if (code == ExitCode::kExternalInterrupt) [[likely]] {
        const u32 information = read<kExitInterruption>();
        if (Interruption::Valid::test(information))
            acknowledged_ = s32(Interruption::Vector::get(information));
        exit.reason = ExitReason::kExternalInterrupt;
        return exit;
    }
    switch (code) {
        case ExitCode::kExceptionOrNmi:
            if (const u32 information = read<kExitInterruption>();
                vcpu::EventType(Interruption::Type::get(information)) != vcpu::EventType::kNmi) {
                block_nmis_of_faulting_iret(information);
                exit.reason = ExitReason::kException;
                break;
            }
            // The exit has taken the NMI, and keeps others out until an IRET.
            ++vcpu_.nmi_count;
            rs_open_nmis();
            exit.reason = ExitReason::kNmi;
            break;
        case ExitCode::kInterruptWindow:
            exit.reason = ExitReason::kInterruptWindow;
            break;
        case ExitCode::kPreemptionTimer:
            exit.reason = ExitReason::kTimer;
            break;
        case ExitCode::kNmiWindow:
            exit.reason = ExitReason::kNmiUnblocked;
            break;
        case ExitCode::kTripleFault:
            exit.reason = ExitReason::kTripleFault;
            break;
        case ExitCode::kInit:
        case ExitCode::kSipi:
            exit.reason = ExitReason::kInit;
            break;
        case ExitCode::kCpuid:
            exit.reason = ExitReason::kCpuid;
            break;
        case ExitCode::kInvd:
        case ExitCode::kWbinvd:
            exit.reason = ExitReason::kInvalidateCaches;
            break;
        case ExitCode::kVmcall:
            exit.reason = ExitReason::kHypercall;
            break;
        case ExitCode::kCrAccess:
            return decode_control_register(read<kExitQualification>());
        case ExitCode::kReadMsr:
            exit.reason = ExitReason::kReadMsr;
            break;
        case ExitCode::kWriteMsr:
            exit.reason = ExitReason::kWriteMsr;
            break;
        case ExitCode::kXsetbv:
            exit.reason = ExitReason::kSetExtendedControl;
            break;
        case ExitCode::kEptViolation:
        case ExitCode::kEptMisconfiguration:
            exit.reason = ExitReason::kNestedPageFault;
            exit.address = read<kGuestPhysicalAddress>();
            exit.detail = read<kExitQualification>();
            break;
        default:
            if (is_virtualization_instruction(code))
                exit.reason = ExitReason::kVirtualizationInstruction;
            break;
    }
    return exit;
}

/// Only writes exit: to the bits of CR0 and CR4 that are ours, and to CR8 on demand.
Exit VmxBackend::decode_control_register(u64 qualification) {
    Exit exit{.reason = ExitReason::kWriteControlRegister,
              .code = u32(ExitCode::kCrAccess),
              .address = CrAccess::Number::get(qualification)};
    switch (CrAccess::Kind::get(qualification)) {
        case CrAccess::kMovTo:
            exit.detail = general_register(u32(CrAccess::Gpr::get(qualification)));
            break;
        case CrAccess::kClts:
            exit.detail = read_register(RS_FULL_CR0) & ~cr0::TS;
            break;
        case CrAccess::kLmsw: {
            // Loads the low four bits, and cannot clear PE.
            constexpr u64 kLoaded = 0xf;
            const u64 old = read_register(RS_FULL_CR0);
            exit.detail = (old & ~kLoaded) | (old & cr0::PE) |
                          (CrAccess::LmswSource::get(qualification) & kLoaded);
            break;
        }
        default:
            exit.reason = ExitReason::kUnknown;
    }
    return exit;
}

u64 VmxBackend::general_register(u32 number) {
    const vcpu::GuestRegisters& r = saved_.general;
    const u64 values[] = {saved_.rax, r.rcx, r.rdx, r.rbx, read<kGuestRsp>(),
                          r.rbp,      r.rsi, r.rdi, r.r8,  r.r9,
                          r.r10,      r.r11, r.r12, r.r13, r.r14,
                          r.r15};
    return values[number];
}

u16 VmxBackend::table_limit(vcpu::Register table) {
    return u16(table == RS_FULL_GDTR ? read<kGuestGdtrLimit>() : read<kGuestIdtrLimit>());
}

u8 VmxBackend::privilege_level() {
    return u8(rights::Dpl::get(read<kGuestSsRights>()));
}

u64 VmxBackend::read_register(vcpu::Register which) {
    switch (which) {
        case RS_FULL_RAX:
            return saved_.rax;
        case RS_FULL_RSP:
            return read<kGuestRsp>();
        case RS_FULL_RIP:
            return read<kGuestRip>();
        case RS_FULL_RFLAGS:
            return read<kGuestRflags>();
        case RS_FULL_CR0:
            return (read<kGuestCr0>() & ~kOwnedCr0) | (read<kCr0Shadow>() & kOwnedCr0);
        case RS_FULL_CR2:
            return x86::read_cr<2>();
        case RS_FULL_CR3:
            return read<kGuestCr3>();
        case RS_FULL_CR4:
            return (read<kGuestCr4>() & ~kOwnedCr4) | (read<kCr4Shadow>() & kOwnedCr4);
        case RS_FULL_CS:
            return read<kGuestCs>();
        case RS_FULL_DS:
            return read<kGuestDs>();
        case RS_FULL_ES:
            return read<kGuestEs>();
        case RS_FULL_FS:
            return read<kGuestFs>();
        case RS_FULL_GS:
            return read<kGuestGs>();
        case RS_FULL_SS:
            return read<kGuestSs>();
        case RS_FULL_DR6:
            return x86::read_dr<6>();
        case RS_FULL_DR7:
            return read<kGuestDr7>();
        case RS_FULL_GDTR:
            return read<kGuestGdtrBase>();
        case RS_FULL_IDTR:
            return read<kGuestIdtrBase>();
        case RS_FULL_LDTR:
            return read<kGuestLdtr>();
        case RS_FULL_TR:
            return read<kGuestTr>();
        case RS_FULL_GSBASE:
            return read<kGuestGsBase>();
        case RS_FULL_FSBASE:
            return read<kGuestFsBase>();
        case RS_FULL_KGSBASE:
            return x86::read_msr(x86::IA32_KERNEL_GS_BASE);
        case RS_FULL_EFER:
            return read<kGuestEfer>();
        case RS_FULL_CPL:
            return privilege_level();
        default:
            return vcpu::read_live_register(which);
    }
}

bool VmxBackend::write_register(vcpu::Register which, u64 value) {
    const bool canonical = x86::is_canonical(value, x86::paging_levels(read<kGuestCr4>()));
    switch (which) {
        case RS_FULL_RAX:
            saved_.rax = value;
            return true;
        case RS_FULL_RSP:
            return canonical && write<kGuestRsp>(value);
        case RS_FULL_RIP:
            // A 32-bit program has a 32-bit RIP.
            if (!canonical || (!rights::Long::test(read<kGuestCsRights>()) && value >> 32))
                return false;
            // Neither a shadow nor a HLT follows the guest to another instruction.
            interruptibility_ &= ~interruptibility::kShadow;
            write<kInterruptibility>(interruptibility_);
            write<kActivity>(u32(Activity::kActive));
            return write<kGuestRip>(value);
        case RS_FULL_RFLAGS:
            if (!vcpu::is_allowed_rflags(value))
                return false;
            if (!(value & x86::rflags::IF)) {  // a shadow of STI with IF clear is no state to enter
                interruptibility_ &= ~interruptibility::kSti;
                write<kInterruptibility>(interruptibility_);
            }
            keep_pending_step(value);
            return write<kGuestRflags>(value);
        case RS_FULL_CR0:
            return write_control_register(0, value);
        case RS_FULL_CR2:
            x86::write_cr<2>(value);
            return true;
        case RS_FULL_CR3:
            if (!vcpu::is_allowed_cr3(value, vcpu_.machine->ram))
                return false;
            flush_guest_translations();
            return write<kGuestCr3>(value);
        case RS_FULL_CR4:
            return vcpu::is_allowed_cr4(value, read_register(RS_FULL_CR4)) &&
                   write_control_register(4, value);
        case RS_FULL_DR6:
            if (!vcpu::is_allowed_debug_register(value))
                return false;
            x86::write_dr<6>(value);
            return true;
        case RS_FULL_DR7:
            return vcpu::is_allowed_debug_register(value) &&
                   write<kGuestDr7>(value | vcpu::kDr7Fixed);
        case RS_FULL_FSBASE:
            return canonical && write<kGuestFsBase>(value);
        case RS_FULL_GSBASE:
            return canonical && write<kGuestGsBase>(value);
        case RS_FULL_KGSBASE:
            if (!canonical)
                return false;
            x86::write_msr(x86::IA32_KERNEL_GS_BASE, value);
            return true;
        default:
            return vcpu::write_live_register(which, value);
    }
}

void VmxBackend::skip_instruction(u32) {
    write<kGuestRip>(read<kGuestRip>() + read<kExitInstructionLength>());
    if (interruptibility_ & interruptibility::kShadow) {
        interruptibility_ &= ~interruptibility::kShadow;
        write<kInterruptibility>(interruptibility_);
    }
    // The single step the guest asked for is over this instruction, too.
    if (single_steps(read<kGuestRflags>())) [[unlikely]]
        write<kPendingDebug>(read<kPendingDebug>() | kPendingSingleStep);
}

/// Whether a guest with these flags traps behind each instruction, and not at branches only.
bool VmxBackend::single_steps(u64 flags) {
    constexpr u64 kBranchStep = 1 << 1;
    return (flags & x86::rflags::TF) && !(read<kGuestDebugctl>() & kBranchStep);
}

/// In a shadow and in HLT the processor is entered only if a pending single step says what TF says.
void VmxBackend::keep_pending_step(u64 flags) {
    if (!(interruptibility_ & interruptibility::kShadow) &&
        Activity(read<kActivity>()) != Activity::kHalted)
        return;
    const u64 others = read<kPendingDebug>() & ~kPendingSingleStep;
    write<kPendingDebug>(single_steps(flags) ? others | kPendingSingleStep : others);
}

void VmxBackend::intercept_interrupts(bool on) {
    controls_.pin =
        on ? controls_.pin | pin::kInterruptExiting : controls_.pin & ~pin::kInterruptExiting;
    write<kPinControls>(controls_.pin);
}

void VmxBackend::make_runnable() {
    if (Activity(read<kActivity>()) != Activity::kActive)
        write<kActivity>(u32(Activity::kActive));
    if (!(interruptibility_ & interruptibility::kShadow))
        return;
    interruptibility_ &= ~interruptibility::kShadow;
    write<kInterruptibility>(interruptibility_);
}

/// The VMX-preemption timer with nothing left on it: it exits behind the injected event.
/// Source: Intel SDM vol. 3C §26.5.1 "VMX-Preemption Timer", §26.6.
void VmxBackend::exit_behind_injection() {
    if (!controls_.has_timer)
        return;  // processors of before 2008: the step ends at a later exit
    write<kPreemptionTimer>(0);
    write<kPinControls>(controls_.pin | pin::kPreemptionTimer);
    has_timer_ = true;
}

s32 VmxBackend::take_interrupt() {
    return acknowledged_;
}

void VmxBackend::intercept_exceptions(u32 mask) {
    constexpr u32 kNmi = 1u << 2;
    write<kExceptionBitmap>(mask & ~kNmi);
}

PendingEvent VmxBackend::read_exception() {
    constexpr u8 kDebug = 1, kPageFault = 14;
    PendingEvent event =
        event_of(read<kExitInterruption>(), read<kExitErrorCode>(), read<kExitInstructionLength>());
    if (event.vector == kPageFault)
        event.address = read<kExitQualification>();
    if (event.vector == kDebug) {
        // The conditions met, as DR6 would get them; BD, BS and BT are sticky, B0 to B3 are not.
        // Source: Intel SDM vol. 3C table 27-1 "Exit Qualification for Debug Exceptions".
        constexpr u64 kBreakpoints = 0xf, kConditions = 0x600f;
        event.address =
            (x86::read_dr<6>() & ~kBreakpoints) | (read<kExitQualification>() & kConditions);
    }
    return event;
}

/// An IRET that faulted had ended the blocking of NMIs already; its fault is to be delivered with
/// them blocked. Source: Intel SDM vol. 3C section 27.2.3 "Information About NMI Unblocking Due to
/// IRET".
void VmxBackend::block_nmis_of_faulting_iret(u32 information) {
    constexpr u8 kDoubleFault = 8;
    if (!Interruption::NmiUnblocking::test(information) ||
        Interruption::Vector::get(information) == kDoubleFault ||
        Interruption::Valid::test(read<kIdtVectoring>()))
        return;
    interruptibility_ |= interruptibility::kNmi;
    write<kInterruptibility>(interruptibility_);
    vcpu_.waiting.nmi_blocked = true;
}

vcpu::Interruptibility VmxBackend::interruptibility() {
    return {.interrupt_flag = (read<kGuestRflags>() & x86::rflags::IF) != 0,
            .shadow = (interruptibility_ & interruptibility::kShadow) != 0,
            .nmi_shadow = (interruptibility_ & interruptibility::kMovSs) != 0,
            .task_priority = vcpu_.waiting.interrupts.empty() ? u8{0} : u8(x86::read_cr<8>())};
}

Injected VmxBackend::inject(const PendingEvent& event, PendingEvent&) {
    constexpr u8 kPageFault = 14;
    if (event.type == vcpu::EventType::kException && event.vector == kPageFault && event.address)
        x86::write_cr<2>(event.address);
    // An NMI whose delivery was cut short blocks itself no more until it is delivered. Behind STI
    // some processors take NMIs and some refuse to be entered with one: that shadow ends here.
    constexpr u32 kInTheWay = interruptibility::kNmi | interruptibility::kSti;
    if (event.type == vcpu::EventType::kNmi && (interruptibility_ & kInTheWay)) [[unlikely]] {
        interruptibility_ &= ~kInTheWay;
        write<kInterruptibility>(interruptibility_);
    }
    if (event.has_error_code)
        write<kEntryErrorCode>(event.error_code);
    if (vcpu::is_software(event.type))
        write_instruction_length(event.instruction_length);
    if (Activity(read<kActivity>()) != Activity::kActive)
        write<kActivity>(u32(Activity::kActive));
    write<kEntryInterruption>(
        Interruption::Vector::make(event.vector) | Interruption::Type::make(u64(event.type)) |
        Interruption::ErrorValid::make(event.has_error_code) | Interruption::Valid::make(1));
    return Injected::kDone;
}

/// An event of a script's belongs to no instruction and returns to where the guest is; a length of
/// 0 is refused by many processors.
void VmxBackend::write_instruction_length(u8 length) {
    if (length == 0)
        write<kGuestRip>(read<kGuestRip>() - 1);
    write<kEntryInstructionLength>(length == 0 ? 1u : length);
}

PendingEvent VmxBackend::injected_event() {
    const u32 information = read<kEntryInterruption>();
    if (!Interruption::Valid::test(information))
        return {};
    return event_of(information, read<kEntryErrorCode>(), read<kEntryInstructionLength>());
}

PendingEvent VmxBackend::withdraw() {
    const PendingEvent event = injected_event();
    write<kEntryInterruption>(0);
    return event;
}

void VmxBackend::report_entry_failure(vcpu::EmergencyLog& log) {
    const char* check = first_failed_check();
    log.text("ringside: failed check: ").text(check ? check : "none of those known").end();
    dump_vmcs(log);
}

void VmxBackend::set_windows(const vcpu::EntryPlan& plan) {
    u32 controls = controls_.processor & ~(processor::kInterruptWindow | processor::kNmiWindow |
                                           processor::kCr8LoadExiting);
    if (plan.interrupt_window)
        controls |= processor::kInterruptWindow;
    // The hardware tracks NMI blocking by itself: a window is needed only for an NMI that waits.
    if (plan.nmi_window && vcpu_.waiting.nmi)
        controls |= processor::kNmiWindow;
    if (plan.priority_window)
        controls |= processor::kCr8LoadExiting;
    if (controls == controls_.processor) [[likely]]
        return;
    controls_.processor = controls;
    write<kProcessorControls>(controls);
}

bool VmxBackend::write_control_register(u32 number, u64 value) {
    switch (number) {
        case 0:
            // Without paging in 64-bit mode #GP is what the processor answers, too.
            if (!vcpu::is_allowed_cr0(value, read<kGuestCr4>()))
                return false;
            write<kCr0Shadow>(value);
            return write<kGuestCr0>(value | kOwnedCr0);
        case 4: {
            const u64 old = read<kGuestCr4>();
            constexpr u64 kFixedInLongMode = cr4::PAE | cr4::LA57;
            if ((value & ~cr4_fixed1_) || ((value ^ old) & kFixedInLongMode))
                return false;
            constexpr u64 kProcessContext = 0xfff;
            if ((value & ~old & cr4::PCIDE) && (read<kGuestCr3>() & kProcessContext))
                return false;
            if ((value & cr4::CET) && !(read<kGuestCr0>() & cr0::WP))
                return false;
            if ((value ^ old) & (cr4::PGE | cr4::PCIDE | cr4::SMEP | cr4::SMAP | cr4::PKE))
                flush_guest_translations();
            write<kCr4Shadow>(value);
            return write<kGuestCr4>(value | kOwnedCr4);
        }
        default:
            return vcpu::write_live_register(RS_FULL_CR8, value);
    }
}

/// Without VPIDs every entry does that by itself.
void VmxBackend::flush_guest_translations() {
    constexpr u64 kSingleContext = 1;
    if (controls_.has_vpid())
        x86::invvpid(kSingleContext, kGuestVpid);
}

bool VmxBackend::read_msr(u32 msr, u64& value) {
    switch (msr) {
        case x86::IA32_SYSENTER_CS:
            value = read<kGuestSysenterCs>();
            return true;
        case x86::IA32_SYSENTER_ESP:
            value = read<kGuestSysenterEsp>();
            return true;
        case x86::IA32_SYSENTER_EIP:
            value = read<kGuestSysenterEip>();
            return true;
        case x86::IA32_DEBUGCTL:
            value = read<kGuestDebugctl>();
            return true;
        case x86::IA32_EFER:
            value = read<kGuestEfer>();
            return true;
    }
    return rs_safe_read_msr(msr, &value) == 0;
}

bool VmxBackend::write_msr(u32 msr, u64 value, bool& leave) {
    leave = false;
    if (!vcpu::is_allowed_msr_value(msr, value, x86::paging_levels(read<kGuestCr4>())))
        return false;
    switch (msr) {
        case x86::IA32_SYSENTER_CS:
            return value >> 32 == 0 && write<kGuestSysenterCs>(u32(value));
        case x86::IA32_SYSENTER_ESP:
            return write<kGuestSysenterEsp>(value);
        case x86::IA32_SYSENTER_EIP:
            return write<kGuestSysenterEip>(value);
        case x86::IA32_DEBUGCTL: {
            // Others may not exist here, or need what root mode has not: a buffer for traces.
            constexpr u64 kLastBranches = 1 << 0, kBranchStep = 1 << 1;
            const u64 changed = value ^ read<kGuestDebugctl>();
            return !(changed & ~(kLastBranches | kBranchStep)) && write<kGuestDebugctl>(value);
        }
        case x86::IA32_EFER: {
            // Long mode stays.
            constexpr u64 kSwitchable =
                x86::efer::SystemCallEnable::kMask | x86::efer::NoExecuteEnable::kMask;
            return !((value ^ read<kGuestEfer>()) & ~kSwitchable) && write<kGuestEfer>(value);
        }
    }
    return rs_safe_write_msr(msr, value) == 0;
}

bool VmxBackend::runs_64bit_code() {
    return rights::Long::test(read<kGuestCsRights>());
}

/// Between root mode's tables and the kernel's an NMI would find neither. The handler of one that
/// we send to ourselves returns without IRET, so the next must wait for the IRET that ends it all.
/// If a foreign one is the first to be kept, ours waits for that IRET in its stead.
void VmxBackend::hold_nmis_until_iret() {
    constexpr u32 kMaxSpins = 10'000'000;
    const std::atomic_ref<u32> keeps{vcpu_.keeps_nmis};
    keeps.store(1);
    vcpu_.machine->apic.send_nmi(vcpu_.apic_id);
    // Not the count: one that came just before it was asked to keep NMIs does not.
    for (u32 spins = 0; keeps.load(std::memory_order_relaxed) != 0 && spins < kMaxSpins; ++spins)
        x86::compiler_barrier();
    keeps.store(0);
}

void* VmxBackend::prepare_devirtualize() {
    hold_nmis_until_iret();
    LeaveBlock& out = *leave_;
    out.vmcs = vmcs_;
    out.cr0 = read_register(RS_FULL_CR0) | cr0::NE;
    out.cr3 = read<kGuestCr3>();
    out.cr4 = read<kGuestCr4>() & ~cr4::VMXE;
    out.efer = read<kGuestEfer>();
    out.sysenter_cs = read<kGuestSysenterCs>();
    out.sysenter_esp = read<kGuestSysenterEsp>();
    out.sysenter_eip = read<kGuestSysenterEip>();
    out.debugctl = read<kGuestDebugctl>();
    out.fs_base = read<kGuestFsBase>();
    out.gs_base = read<kGuestGsBase>();
    out.gdtr = {u16(read<kGuestGdtrLimit>()), read<kGuestGdtrBase>()};
    out.idtr = {u16(read<kGuestIdtrLimit>()), read<kGuestIdtrBase>()};
    // LTR marks the descriptor it reads as busy: it gets one of its own, at the right selector.
    out.tr = read<kGuestTr>();
    out.task[0] = x86::tss_descriptor_low(read<kGuestTrBase>(), read<kGuestTrLimit>());
    out.task[1] = x86::tss_descriptor_high(read<kGuestTrBase>());
    const u64 index_bytes = out.tr & ~u64{7};
    out.task_gdtr = {u16(index_bytes + sizeof out.task - 1),
                     reinterpret_cast<u64>(leave_in_kernel_->task) - index_bytes};
    out.ldtr = read<kGuestLdtr>();
    out.ds = read<kGuestDs>();
    out.es = read<kGuestEs>();
    out.fs = read<kGuestFs>();
    out.gs = read<kGuestGs>();
    out.rax = saved_.rax;
    out.registers = saved_.general;
    out.rip = read<kGuestRip>();
    out.cs = read<kGuestCs>();
    out.rflags = read<kGuestRflags>();
    out.rsp = read<kGuestRsp>();
    out.ss = read<kGuestSs>();
    x86::write_dr<7>(read<kGuestDr7>());
    return leave_in_kernel_;
}

}  // namespace ringside::vmx

extern "C" {

/// Called by entry.S after every VM exit.
void* rs_vmx_exit(ringside::vcpu::Vcpu* vcpu) {
    // The launch ran on the kernel's translations, which have root mode's tag (VPID 0), and an exit
    // drops none: those of the module's pages lead to the kernel's copy.
    if (vcpu->exits == 0) [[unlikely]]
        ringside::x86::flush_all_translations();
    return ringside::vcpu::handle_exit(*vcpu);
}

/// Called by entry.S when an NMI came behind the preparation of an entry.
void rs_vmx_reconsider(ringside::vcpu::Vcpu* vcpu) {
    auto& backend = static_cast<ringside::vmx::VmxBackend&>(*vcpu->backend);
    vcpu->waiting.in_flight = backend.withdraw();
    ringside::vcpu::settle_entry(*vcpu);
}

/// Called by entry.S when VMRESUME itself failed, which means that root mode broke its own VMCS.
void* rs_vmx_resume_refused(ringside::vcpu::Vcpu* vcpu) {
    return ringside::vmx::leave_after_refusal(*vcpu);
}
}
