// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmx/vmx_vendor.hpp"

#include "vmx/entry_report.hpp"
#include "vmx/ept.hpp"
#include "vmx/msr_bitmap.hpp"
#include "x86/control_registers.hpp"
#include "x86/cpuid.hpp"
#include "x86/msr.hpp"

extern "C" {
ringside::u64 rs_vmx_launch();
ringside::u64 rs_vmx_hypercall(ringside::u64 operation, ringside::u64 a, ringside::u64 b);
void rs_vmx_exit_stub();
}

namespace ringside::vmx {

using enum VmcsField;
using vcpu::LaunchContext;
using vcpu::VcpuBlock;
using x86::read_msr;

namespace {

/// The vendor pages of a block.
u8* vmxon_region(VcpuBlock& block) {
    return block.vendor_pages[0];
}
u8* vmcs_region(VcpuBlock& block) {
    return block.vendor_pages[1];
}

struct VendorState {
    alignas(VmxBackend) u8 backend[sizeof(VmxBackend)];
    alignas(16) LeaveBlock leave;
};
static_assert(sizeof(VendorState) <= kPageSize);

VendorState& vendor_state(VcpuBlock& block) {
    return *reinterpret_cast<VendorState*>(block.vendor_state);
}

HostStackTop* stack_top(VcpuBlock& block) {
    return reinterpret_cast<HostStackTop*>(block.stack + sizeof block.stack - sizeof(HostStackTop));
}
SavedRegisters* saved_registers(VcpuBlock& block) {
    return reinterpret_cast<SavedRegisters*>(stack_top(block)) - 1;
}

/// The memory types of this machine, which are the same on all CPUs.
memory::Mtrrs read_mtrrs() {
    memory::Mtrrs types;
    if (!x86::has_mtrrs())
        return types;
    types.default_type = read_msr(x86::IA32_MTRR_DEF_TYPE);
    constexpr u64 kCount = 0xff, kHasFixed = 1 << 8;
    const u64 has = read_msr(x86::IA32_MTRRCAP);
    const u32 count = u32(has & kCount);
    types.variable_count =
        count < memory::Mtrrs::kMaxVariable ? count : memory::Mtrrs::kMaxVariable;
    for (u32 i = 0; i < types.variable_count; ++i) {
        types.base[i] = read_msr(x86::IA32_MTRR_PHYSBASE0 + 2 * i);
        types.mask[i] = read_msr(x86::IA32_MTRR_PHYSBASE0 + 2 * i + 1);
    }
    if (!(has & kHasFixed))
        return types;
    types.fixed[0] = read_msr(x86::IA32_MTRR_FIX64K_00000);
    for (u32 i = 0; i < 2; ++i)
        types.fixed[1 + i] = read_msr(x86::IA32_MTRR_FIX16K_80000 + i);
    for (u32 i = 0; i < 8; ++i)
        types.fixed[3 + i] = read_msr(x86::IA32_MTRR_FIX4K_C0000 + i);
    return types;
}

/// Writes fields and remembers whether one was refused.
class Writer {
public:
    void set(VmcsField field, u64 value) { is_good_ = x86::vmwrite(u32(field), value) && is_good_; }
    bool is_good() const { return is_good_; }

private:
    bool is_good_ = true;
};

u64 descriptor_of(u16 selector, const x86::DescriptorTable& gdt) {
    return reinterpret_cast<const u64*>(gdt.base)[selector >> 3];
}

/// A null selector makes a segment unusable; the accessed bit is set in what the processor holds.
void capture_segment(Writer& vmcs, SegmentIndex segment, u16 selector,
                     const x86::DescriptorTable& gdt, u64 base) {
    constexpr u32 kAccessed = 1;
    const bool is_null = (selector & ~7) == 0;
    const u64 raw = is_null ? 0 : descriptor_of(selector, gdt);
    u32 access = rights::from_packed(x86::descriptor::packed_attributes(raw));
    if (rights::System::test(access))
        access |= kAccessed;
    vmcs.set(selector_of(segment), selector);
    vmcs.set(limit_of(segment), x86::descriptor::limit(raw));
    vmcs.set(rights_of(segment), is_null ? rights::kUnusable : access);
    vmcs.set(base_of(segment), base);
}

/// A system segment's base has a second descriptor word; an LDT there is none of is unusable.
u64 system_base(u16 selector, const x86::DescriptorTable& gdt) {
    if ((selector & ~7) == 0)
        return 0;
    const u64* words = reinterpret_cast<const u64*>(gdt.base) + (selector >> 3);
    return x86::descriptor::base(words[0]) | words[1] << 32;
}

/// The state of the CPU this runs on; the rest is captured by rs_vmx_launch.
void capture_guest(Writer& vmcs) {
    const x86::DescriptorTable gdt = x86::read_gdtr();
    const x86::DescriptorTable idt = x86::read_idtr();
    const u16 tr = x86::read_tr();
    const u16 ldtr = x86::read_ldtr();
    capture_segment(vmcs, SegmentIndex::kEs, x86::read_es(), gdt, 0);
    capture_segment(vmcs, SegmentIndex::kCs, x86::read_cs(), gdt, 0);
    capture_segment(vmcs, SegmentIndex::kSs, x86::read_ss(), gdt, 0);
    capture_segment(vmcs, SegmentIndex::kDs, x86::read_ds(), gdt, 0);
    capture_segment(vmcs, SegmentIndex::kFs, x86::read_fs(), gdt, read_msr(x86::IA32_FS_BASE));
    capture_segment(vmcs, SegmentIndex::kGs, x86::read_gs(), gdt, read_msr(x86::IA32_GS_BASE));
    capture_segment(vmcs, SegmentIndex::kLdtr, ldtr, gdt, system_base(ldtr, gdt));
    capture_segment(vmcs, SegmentIndex::kTr, tr, gdt, system_base(tr, gdt));
    vmcs.set(kGuestGdtrBase, gdt.base);
    vmcs.set(kGuestGdtrLimit, gdt.limit);
    vmcs.set(kGuestIdtrBase, idt.base);
    vmcs.set(kGuestIdtrLimit, idt.limit);
    const u64 cr4 = x86::read_cr<4>();
    vmcs.set(kGuestCr0, x86::read_cr<0>());
    vmcs.set(kGuestCr3, x86::read_cr<3>());
    vmcs.set(kGuestCr4, cr4 | x86::cr4::VMXE);
    vmcs.set(kCr0Shadow, x86::read_cr<0>());
    vmcs.set(kCr4Shadow, cr4 & ~x86::cr4::VMXE);
    vmcs.set(kGuestDr7, x86::read_dr<7>());
    vmcs.set(kGuestDebugctl, read_msr(x86::IA32_DEBUGCTL));
    vmcs.set(kGuestEfer, read_msr(x86::IA32_EFER));
    vmcs.set(kGuestSysenterCs, read_msr(x86::IA32_SYSENTER_CS));
    vmcs.set(kGuestSysenterEsp, read_msr(x86::IA32_SYSENTER_ESP));
    vmcs.set(kGuestSysenterEip, read_msr(x86::IA32_SYSENTER_EIP));
    vmcs.set(kInterruptibility, 0);
    vmcs.set(kActivity, u32(Activity::kActive));
    vmcs.set(kPendingDebug, 0);
    vmcs.set(kVmcsLinkPointer, ~u64{0});
}

/// Root mode as every exit finds it; root addresses.
void set_host(Writer& vmcs, const LaunchContext& context, VcpuBlock& block) {
    constexpr u16 kCode = 0x10, kData = 0x18, kTask = 0x28;
    const RootMemory& memory = context.memory;
    vmcs.set(kHostCs, kCode);
    vmcs.set(kHostSs, kData);
    for (const VmcsField null : {kHostDs, kHostEs, kHostFs, kHostGs})
        vmcs.set(null, 0);
    vmcs.set(kHostTr, kTask);
    vmcs.set(kHostTrBase, reinterpret_cast<u64>(memory.to_root(&block.vcpu.host.tss)));
    vmcs.set(kHostGdtrBase, reinterpret_cast<u64>(memory.to_root(&block.vcpu.host.gdt)));
    vmcs.set(kHostIdtrBase, context.host_idt);
    vmcs.set(kHostFsBase, 0);
    vmcs.set(kHostGsBase, 0);
    // No SYSCALL and no SYSENTER in root mode: both would enter the kernel at CPL 0.
    vmcs.set(kHostEfer, read_msr(x86::IA32_EFER) & ~x86::efer::SystemCallEnable::kMask);
    vmcs.set(kHostSysenterCs, 0);
    vmcs.set(kHostSysenterEsp, 0);
    vmcs.set(kHostSysenterEip, 0);
    vmcs.set(kHostCr0, x86::kHostCr0);
    vmcs.set(kHostCr3, context.host_cr3.value());
    vmcs.set(kHostCr4, x86::host_cr4(x86::read_cr<4>()) | x86::cr4::VMXE);
    vmcs.set(kHostRsp, reinterpret_cast<u64>(memory.to_root(stack_top(block))));
    vmcs.set(kHostRip, reinterpret_cast<u64>(&rs_vmx_exit_stub));
}

void set_controls(Writer& vmcs, const Controls& controls, Hpa msr_bitmap, Hpa ept_root) {
    vmcs.set(kPinControls, controls.pin);
    vmcs.set(kProcessorControls, controls.processor);
    if (controls.processor & processor::kSecondary)
        vmcs.set(kSecondaryControls, controls.secondary);
    vmcs.set(kExitControls, controls.exit);
    vmcs.set(kEntryControls, controls.entry);
    for (const VmcsField none :
         {kExceptionBitmap, kPageFaultMask, kPageFaultMatch, kCr3TargetCount, kExitMsrStoreCount,
          kExitMsrLoadCount, kEntryMsrLoadCount, kEntryInterruption})
        vmcs.set(none, 0);
    vmcs.set(kMsrBitmap, msr_bitmap.value());
    vmcs.set(kCr0Mask, x86::cr0::PE | x86::cr0::NE | x86::cr0::PG);
    vmcs.set(kCr4Mask, x86::cr4::VMXE);
    if (controls.has_vpid())
        vmcs.set(kVpid, kGuestVpid);
    if (controls.secondary & secondary::kEpt)
        vmcs.set(kEptPointer, ept_pointer(ept_root));
    if (controls.secondary & secondary::kXsaves)
        vmcs.set(kXssExitBitmap, 0);
    if (controls.secondary & secondary::kPconfig)
        vmcs.set(kPconfigExitBitmap, 0);
}

/// VMX operation on this CPU, with its VMCS current, for as long as it lives or until kept.
class VmxOperation {
public:
    VmxOperation(Hpa region, Hpa vmcs) {
        x86::write_cr<4>(x86::read_cr<4>() | x86::cr4::VMXE);
        is_on_ = x86::vmxon(region.value());
        is_good_ = is_on_ && x86::vmclear(vmcs.value()) && x86::vmptrld(vmcs.value());
    }
    ~VmxOperation() {
        if (is_kept_)
            return;
        if (is_on_)
            x86::vmxoff();
        x86::write_cr<4>(x86::read_cr<4>() & ~x86::cr4::VMXE);
    }
    VmxOperation(const VmxOperation&) = delete;
    VmxOperation& operator=(const VmxOperation&) = delete;

    bool is_good() const { return is_good_; }
    void keep() { is_kept_ = true; }

private:
    bool is_on_ = false;
    bool is_good_ = false;
    bool is_kept_ = false;
};

}  // namespace

Result<void> VmxVendor::probe() {
    if (!x86::has_vmx())
        return Error{RS_ERR_NO_SVM};
    return check_processor(read_capabilities(), x86::read_cr<0>(), x86::read_cr<4>());
}

Result<void> VmxVendor::prepare_machine(LaunchContext& context) {
    if (context.encryption)
        return Error{RS_ERR_UNSUPPORTED_STATE, context.encryption};
    msr_bitmap_ = context.memory.allocate(sizeof(MsrBitmap));
    if (!msr_bitmap_)
        return Error{RS_ERR_CANNOT_CREATE};
    const Capabilities has = read_capabilities();
    if (auto chosen = choose_controls(has, context.nested_paging); !chosen)
        return chosen.error();
    return context.nested_paging ? build_nested_tables(context, has) : Result<void>{};
}

Result<void> VmxVendor::build_nested_tables(LaunchContext& context, const Capabilities& has) {
    const bool has_1g = (has.ept_vpid & ept_vpid::kLarge1G) != 0;
    const u64 end = identity_end(x86::physical_address_bits(), has_1g);
    if (end == 0)
        return Error{RS_ERR_VMX_NO_EPT, has.ept_vpid};
    decoy_ = context.memory.allocate(kPageSize);
    const u64 root = context.memory.take_page();
    if (!decoy_ || !root)
        return Error{RS_ERR_CANNOT_CREATE};
    ept_root_ = Hpa{root};
    memory::PageTable<EptFormat> table{context.memory, context.kernel_window(), ept_root_,
                                       kEptLevels};
    return map_identity(table, read_mtrrs(), end, has_1g ? 3 : 2);
}

Result<void> VmxVendor::hide(LaunchContext& context, Hpa page) {
    if (!context.nested_paging)
        return {};
    memory::PageTable<EptFormat> table{context.memory, context.kernel_window(), ept_root_,
                                       kEptLevels};
    return table.map(page.value(), kPageSize, context.memory.physical(decoy_),
                     EptFormat::rights(memory::MemoryType::kWriteBack), 1);
}

Result<void> VmxVendor::prepare_core(LaunchContext& context, VcpuBlock& block) {
    RootMemory& memory = context.memory;
    HostStackTop* top = stack_top(block);
    *top = {.vcpu = memory.to_root(&block.vcpu),
            .leave = memory.to_root(&vendor_state(block).leave),
            .padding = 0};
    block.vcpu.registers = &memory.to_root(saved_registers(block))->general;
    return {};
}

bool VmxVendor::launch(LaunchContext& context, VcpuBlock& block) {
    const Capabilities has = read_capabilities();
    const auto controls = choose_controls(has, context.nested_paging);
    if (!controls)
        return false;
    if (const u64 value = feature_control_to_write(has.feature_control))
        x86::write_msr(x86::IA32_FEATURE_CONTROL, value);
    for (u8* region : {vmxon_region(block), vmcs_region(block)})
        *reinterpret_cast<u32*>(region) = has.revision();

    RootMemory& memory = context.memory;
    VendorState& state = vendor_state(block);
    auto* backend = ::new (state.backend) VmxBackend{memory.to_root(&block.vcpu),
                                                     memory.to_root(saved_registers(block)),
                                                     *controls,
                                                     has.cr4_fixed1,
                                                     memory.physical(vmcs_region(block)).value(),
                                                     memory.to_root(&state.leave),
                                                     &state.leave};
    block.vcpu.backend = memory.to_root(backend);
    return enter(context, block, *controls);
}

bool VmxVendor::enter(LaunchContext& context, VcpuBlock& block, const Controls& controls) {
    RootMemory& memory = context.memory;
    VmxOperation operation{memory.physical(vmxon_region(block)),
                           memory.physical(vmcs_region(block))};
    if (!operation.is_good())
        return false;
    // What an earlier launch left in the caches of the processor.
    constexpr u64 kAllContexts = 2;
    if (controls.secondary & secondary::kEpt)
        x86::invept(kAllContexts, 0);
    if (controls.has_vpid())
        x86::invvpid(kAllContexts, 0);
    Writer vmcs;
    set_controls(vmcs, controls, memory.physical(msr_bitmap_), ept_root_);
    set_host(vmcs, context, block);
    capture_guest(vmcs);
    if (context.breaks_entry)
        vmcs.set(kActivity, u32(Activity::kWaitForSipi) + 1);
    vcpu::LeaveReport& report = context.machine.report;
    vcpu::EmergencyLog log{false, report.text, vcpu::LeaveReport::kBytes};
    if (!vmcs.is_good()) {
        log.text("ringside: the processor refused a field of the VMCS").end();
        dump_vmcs(log);
        return false;
    }
    // Root mode's translations have the tag of the kernel's until now; none of those may stay.
    x86::flush_all_translations();
    const u64 status = rs_vmx_launch();
    if (status == 0) {  // as guest
        operation.keep();
        return true;
    }
    if (status == vcpu::kLeft) {  // root mode has ended VMX operation
        operation.keep();
        return false;
    }
    log.text("ringside: VMLAUNCH refused: ");
    log.text(instruction_error_text(read<kInstructionError>())).end();
    dump_vmcs(log);
    return false;
}

u64 VmxVendor::hypercall(vcpu::Hypercall operation, u64 a, u64 b) {
    return rs_vmx_hypercall(u64(operation), a, b);
}

void VmxVendor::release_machine(LaunchContext& context) {
    if (msr_bitmap_)
        context.memory.release(msr_bitmap_, sizeof(MsrBitmap));
    if (decoy_)
        context.memory.release(decoy_, kPageSize);
    msr_bitmap_ = decoy_ = nullptr;
}

}  // namespace ringside::vmx
