// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmx/entry_report.hpp"

#include "vcpu/exit_loop.hpp"
#include "x86/control_registers.hpp"
#include "x86/msr.hpp"

namespace ringside::vmx {

using enum VmcsField;

namespace {

u64 field(VmcsField which) {
    return x86::vmread(u32(which));
}

bool is_usable(SegmentIndex segment) {
    return !(field(rights_of(segment)) & rights::kUnusable);
}

bool is_canonical(u64 address) {
    return x86::is_canonical(address, x86::paging_levels(read<kGuestCr4>()));
}

/// §26.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs".
const char* check_registers() {
    constexpr u64 kCr0Needed = x86::cr0::PE | x86::cr0::NE | x86::cr0::PG;
    const u64 cr4 = read<kGuestCr4>();
    if ((read<kGuestCr0>() & kCr0Needed) != kCr0Needed)
        return "CR0: PE, NE and PG must be set";
    if ((cr4 & (x86::cr4::VMXE | x86::cr4::PAE)) != (x86::cr4::VMXE | x86::cr4::PAE))
        return "CR4: VMXE and PAE must be set";
    if ((cr4 & x86::cr4::CET) && !(read<kGuestCr0>() & x86::cr0::WP))
        return "CR4: CET needs CR0.WP";
    if (read<kGuestDr7>() >> 32)
        return "DR7: bits 63:32 must be 0";
    if (!is_canonical(read<kGuestSysenterEsp>()) || !is_canonical(read<kGuestSysenterEip>()))
        return "SYSENTER_ESP and SYSENTER_EIP must be canonical";
    constexpr u64 kLong = x86::efer::LongModeEnable::kMask | x86::efer::LongModeActive::kMask;
    if ((read<kGuestEfer>() & kLong) != kLong)
        return "EFER: LME and LMA must be set for a 64-bit guest";
    return nullptr;
}

// Segments: §26.3.1.2 "Checks on Guest Segment Registers".
constexpr u64 kTableIndicator = 4;

const char* check_system_segments() {
    constexpr u64 kLdt = 2, kBusyTask = 11;
    const auto is_present = [](u32 access, u64 type) {
        return rights::Type::get(access) == type && !rights::System::test(access) &&
               rights::Present::test(access);
    };
    if (!is_usable(SegmentIndex::kTr) || !is_present(read<kGuestTrRights>(), kBusyTask))
        return "TR: must be a busy 64-bit TSS";
    if (read<kGuestTr>() & kTableIndicator)
        return "TR: selector must not be in the LDT";
    if (!is_canonical(read<kGuestTrBase>()))
        return "TR: base must be canonical";
    if (!is_usable(SegmentIndex::kLdtr))
        return nullptr;
    if (!is_present(read<kGuestLdtrRights>(), kLdt) || read<kGuestLdtr>() & kTableIndicator)
        return "LDTR: must be a present LDT outside of itself";
    return is_canonical(read<kGuestLdtrBase>()) ? nullptr : "LDTR: base must be canonical";
}

constexpr u64 kAccessed = 1, kReadable = 2, kConforming = 4, kCode = 8;

const char* check_code_and_stack() {
    const u32 cs = read<kGuestCsRights>();
    if (!(rights::Type::get(cs) & kCode) || !(rights::Type::get(cs) & kAccessed))
        return "CS: must be an accessed code segment";
    if (!rights::System::test(cs) || !rights::Present::test(cs) || cs & rights::kUnusable)
        return "CS: must be present and usable";
    if (rights::Long::test(cs) && rights::Default::test(cs))
        return "CS: D must be 0 with L set";
    const u32 ss = read<kGuestSsRights>();
    if (is_usable(SegmentIndex::kSs) && rights::Type::get(ss) != 3 && rights::Type::get(ss) != 7)
        return "SS: must be an accessed, writable data segment";
    if (rights::Dpl::get(ss) != rights::Dpl::get(cs) && !(rights::Type::get(cs) & kConforming))
        return "SS: DPL must be CS's";
    const u32 level = read<kGuestSs>() & 3;
    if (level != (read<kGuestCs>() & 3) || level != rights::Dpl::get(ss))
        return "SS: RPL must be CS's and its own DPL";
    return nullptr;
}

const char* check_data_segments() {
    for (const SegmentIndex data :
         {SegmentIndex::kDs, SegmentIndex::kEs, SegmentIndex::kFs, SegmentIndex::kGs}) {
        if (!is_usable(data))
            continue;
        const u64 access = field(rights_of(data));
        const u64 type = rights::Type::get(access);
        if (!(type & kAccessed))
            return "DS, ES, FS, GS: must be accessed";
        if (!rights::System::test(access) || !rights::Present::test(access) ||
            ((type & kCode) && !(type & kReadable)))
            return "DS, ES, FS, GS: must be present data or readable code";
    }
    if (!is_canonical(read<kGuestFsBase>()) || !is_canonical(read<kGuestGsBase>()))
        return "FS, GS: base must be canonical";
    return nullptr;
}

/// §26.3.1.3 "Checks on Guest Descriptor-Table Registers", §26.3.1.4 "Checks on Guest RIP and
/// RFLAGS".
const char* check_pointers() {
    if (!is_canonical(read<kGuestGdtrBase>()) || !is_canonical(read<kGuestIdtrBase>()))
        return "GDTR, IDTR: base must be canonical";
    if (read<kGuestGdtrLimit>() >> 16 || read<kGuestIdtrLimit>() >> 16)
        return "GDTR, IDTR: limit has 16 bits";
    const u64 rip = read<kGuestRip>();
    if (!is_canonical(rip) || (rip >> 32 && !rights::Long::test(read<kGuestCsRights>())))
        return "RIP: must be canonical, and of 32 bits without CS.L";
    const u64 flags = read<kGuestRflags>();
    if (flags & ~x86::rflags::kDefined || !(flags & x86::rflags::Fixed1) || flags & x86::rflags::VM)
        return "RFLAGS: reserved bit or VM";
    return nullptr;
}

/// §26.3.1.5 "Checks on Guest Non-Register State".
const char* check_other_state() {
    const u32 activity = read<kActivity>();
    const u32 blocking = read<kInterruptibility>();
    const u32 event = read<kEntryInterruption>();
    const bool injects = Interruption::Valid::test(event);
    const u64 type = Interruption::Type::get(event);
    if (activity > u32(Activity::kWaitForSipi))
        return "activity state: no such state";
    if (activity == u32(Activity::kHalted) && rights::Dpl::get(read<kGuestSsRights>()) != 0)
        return "activity state: halted needs CPL 0";
    if (activity != u32(Activity::kActive) && (blocking & interruptibility::kShadow))
        return "activity state: must be active in the shadow of STI or MOV SS";
    if (blocking & ~0x1fu)
        return "interruptibility: reserved bit";
    if ((blocking & interruptibility::kShadow) == interruptibility::kShadow)
        return "interruptibility: STI and MOV SS at once";
    if ((blocking & interruptibility::kSti) && !(read<kGuestRflags>() & x86::rflags::IF))
        return "interruptibility: shadow of STI with IF clear";
    if (injects && type == u64(vcpu::EventType::kExternalInterrupt) &&
        (blocking & interruptibility::kShadow || !(read<kGuestRflags>() & x86::rflags::IF)))
        return "injection: an interrupt the guest cannot take";
    if (injects && type == u64(vcpu::EventType::kNmi) &&
        blocking & (interruptibility::kNmi | interruptibility::kMovSs))
        return "injection: an NMI while NMIs are blocked";
    const bool steps = (read<kGuestRflags>() & x86::rflags::TF) && !(read<kGuestDebugctl>() & 2);
    const bool is_held = blocking & interruptibility::kShadow || activity == u32(Activity::kHalted);
    if (is_held && steps != ((read<kPendingDebug>() & kPendingSingleStep) != 0))
        return "pending debug exceptions: BS must follow TF in a shadow";
    if (read<kVmcsLinkPointer>() != ~u64{0})
        return "VMCS link pointer: must be all ones";
    return nullptr;
}

}  // namespace

const char* first_failed_check() {
    for (const auto check : {check_registers, check_system_segments, check_code_and_stack,
                             check_data_segments, check_pointers, check_other_state})
        if (const char* failed = check())
            return failed;
    return nullptr;
}

const char* instruction_error_text(u32 error) {
    switch (error) {
        case 4:
            return "VMLAUNCH with a VMCS that is not clear";
        case 5:
            return "VMRESUME with a VMCS that was not launched";
        case 7:
            return "invalid control fields";
        case 8:
            return "invalid host-state fields";
        case 26:
            return "events blocked by MOV SS";
        default:
            return "another error number";
    }
}

void dump_vmcs(vcpu::EmergencyLog& log) {
    constexpr u32 kFieldsPerLine = 4;
    u32 column = 0;
    for (const NamedField& named : kNamedFields) {
        log.text(column == 0 ? "VMCS: " : " ").text(named.name).text("=").hex(field(named.field));
        if (++column == kFieldsPerLine) {
            log.end();
            column = 0;
        }
    }
    if (column != 0)
        log.end();
}

void* leave_after_refusal(vcpu::Vcpu& vcpu) {
    vcpu::EmergencyLog log = vcpu::lasting_log(vcpu);
    log.text("ringside: VMRESUME refused on core ").hex(vcpu.core);
    log.text(": ").text(instruction_error_text(read<kInstructionError>())).end();
    dump_vmcs(log);
    if (vcpu.machine->page_table_isolation && vcpu.backend->privilege_level() != 0)
        vcpu::stop_machine();
    return vcpu::abandon(vcpu);
}

}  // namespace ringside::vmx
