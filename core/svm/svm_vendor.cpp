// SPDX-License-Identifier: GPL-2.0-or-later
#include "svm/svm_vendor.hpp"

#include "base/memory.hpp"
#include "x86/control_registers.hpp"
#include "x86/cpuid.hpp"
#include "x86/msr.hpp"

extern "C" {
ringside::u64 rs_svm_launch(ringside::svm::LaunchBlock* block);
ringside::u64 rs_svm_hypercall(ringside::u64 operation, ringside::u64 a, ringside::u64 b);
}

namespace ringside::svm {

using vcpu::LaunchContext;
using vcpu::VcpuBlock;

namespace {

/// The three vendor pages of a block, and the launch data behind the backend object.
Vmcb* guest_vmcb(VcpuBlock& block) {
    return reinterpret_cast<Vmcb*>(block.vendor_pages[0]);
}
Hpa guest_vmcb_page(const RootMemory& memory, VcpuBlock& block) {
    return memory.physical(block.vendor_pages[0]);
}
Hpa host_vmcb_page(const RootMemory& memory, VcpuBlock& block) {
    return memory.physical(block.vendor_pages[1]);
}
Hpa save_area_page(const RootMemory& memory, VcpuBlock& block) {
    return memory.physical(block.vendor_pages[2]);
}

struct VendorState {
    alignas(SvmBackend) u8 backend[sizeof(SvmBackend)];
    alignas(16) LaunchBlock launch;
    alignas(16) LeaveBlock leave;
};
static_assert(sizeof(VendorState) <= kPageSize);

VendorState& vendor_state(VcpuBlock& block) {
    return *reinterpret_cast<VendorState*>(block.vendor_state);
}

Segment captured_segment(u16 selector, const x86::DescriptorTable& gdt) {
    const u64 raw = selector & ~7 ? reinterpret_cast<const u64*>(gdt.base)[selector >> 3] : 0;
    return {.selector = selector,
            .attributes = x86::descriptor::packed_attributes(raw),
            .limit = x86::descriptor::limit(raw),
            .base = 0};
}

/// Fills the save area with the state of the CPU this runs on; the rest is captured by
/// rs_svm_launch.
void capture_guest(Vmcb& vmcb) {
    const x86::DescriptorTable gdt = x86::read_gdtr();
    const x86::DescriptorTable idt = x86::read_idtr();
    vmcb.gdtr = {.limit = gdt.limit, .base = gdt.base};
    vmcb.idtr = {.limit = idt.limit, .base = idt.base};
    vmcb.cs = captured_segment(x86::read_cs(), gdt);
    vmcb.ss = captured_segment(x86::read_ss(), gdt);
    vmcb.ds = captured_segment(x86::read_ds(), gdt);
    vmcb.es = captured_segment(x86::read_es(), gdt);
    vmcb.cr0 = x86::read_cr<0>();
    vmcb.cr2 = x86::read_cr<2>();
    vmcb.cr3 = x86::read_cr<3>();
    vmcb.cr4 = x86::read_cr<4>();
    vmcb.dr6 = x86::read_dr<6>();
    vmcb.dr7 = x86::read_dr<7>();
    vmcb.efer = x86::read_msr(x86::IA32_EFER);
    vmcb.guest_pat = x86::read_msr(x86::IA32_PAT);
    vmcb.cpl = 0;
}

}  // namespace

Result<void> SvmVendor::probe() {
    if (!x86::has_svm())
        return Error{RS_ERR_NO_SVM};
    const u64 vm_cr = x86::read_msr(x86::VM_CR);
    if (x86::vm_cr::SVMDIS::test(vm_cr))
        return Error{RS_ERR_DISABLED_BY_FIRMWARE, vm_cr};
    if (x86::efer::SVME::test(x86::read_msr(x86::IA32_EFER)))
        return Error{RS_ERR_OTHER_HYPERVISOR};
    constexpr u64 kUnsupported = x86::cr4::FRED | x86::cr4::CET;
    const bool emulated = x86::is_qemu_tcg();
    if (x86::read_cr<4>() & (emulated ? kUnsupported : x86::cr4::FRED))
        return Error{RS_ERR_UNSUPPORTED_STATE, x86::read_cr<4>()};
    traits_ = {.software_delivery = emulated,
               .halt_in_root = emulated,
               .shadow_lost = emulated,
               .saves_over_refused = emulated,
               .soft_as_interrupt = emulated,
               .has_next_rip = x86::has_svm_next_rip()};
    return {};
}

Result<void> SvmVendor::prepare_machine(LaunchContext& context) {
    msr_map_ = context.memory.allocate(sizeof(MsrPermissionMap));
    if (!msr_map_)
        return Error{RS_ERR_CANNOT_CREATE};
    auto& map = *static_cast<MsrPermissionMap*>(msr_map_);
    map.intercept(x86::IA32_EFER);
    map.intercept(x86::VM_HSAVE_PA);
    map.intercept(x86::VM_CR);
    return context.nested_paging ? build_nested_tables(context) : Result<void>{};
}

Result<void> SvmVendor::build_nested_tables(LaunchContext& context) {
    if (!x86::has_nested_paging() || !x86::has_gigabyte_pages())
        return Error{RS_ERR_UNSUPPORTED_STATE};
    decoy_ = context.memory.allocate(kPageSize);
    const u64 root = context.memory.take_page();
    if (!decoy_ || !root)
        return Error{RS_ERR_CANNOT_CREATE};
    nested_cr3_ = Hpa{root};
    nested_levels_ = context.paging_levels;
    // All physical addresses the processor has, device registers included; 256 TiB are enough for
    // any machine this runs on, and take 2 MiB of tables.
    constexpr u32 kMaxBits = 48;
    const u32 bits = x86::physical_address_bits();
    const u64 bytes = u64{1} << (bits < kMaxBits ? bits : kMaxBits);
    memory::PageTable<NestedFormat> table{context.memory, context.kernel_window(), nested_cr3_,
                                          nested_levels_};
    return table.map(0, bytes, Hpa{0}, x86::page::kWritable, 3);
}

Result<void> SvmVendor::hide(LaunchContext& context, Hpa page) {
    if (!context.nested_paging)
        return {};
    memory::PageTable<NestedFormat> table{context.memory, context.kernel_window(), nested_cr3_,
                                          nested_levels_};
    return table.map(page.value(), kPageSize, context.memory.physical(decoy_), x86::page::kWritable,
                     1);
}

Result<void> SvmVendor::prepare_core(LaunchContext& context, VcpuBlock& block) {
    RootMemory& memory = context.memory;
    Vmcb& vmcb = *guest_vmcb(block);
    vmcb.intercept_misc1 = misc1::kNmi | misc1::kMsrProtection | misc1::kShutdown;
    vmcb.intercept_misc2 = misc2::kVmrun | misc2::kVmmcall | misc2::kVmload | misc2::kVmsave |
                           misc2::kStgi | misc2::kClgi | misc2::kSkinit;
    vmcb.msr_permission_map = memory.physical(msr_map_).value() | context.encryption;
    vmcb.asid = 1;
    vmcb.tlb_control = kTlbFlushAll;
    if (context.nested_paging) {
        vmcb.nested_control = kNestedPagingEnable;
        vmcb.nested_cr3 = nested_cr3_.value() | context.encryption;
    }

    VendorState& state = vendor_state(block);
    auto* backend =
        ::new (state.backend) SvmBackend{memory.to_root(&vmcb), memory.to_root(&block.vcpu),
                                         traits_, memory.to_root(&state.leave), &state.leave};
    block.vcpu.backend = memory.to_root(backend);

    auto* top =
        reinterpret_cast<HostStackTop*>(block.stack + sizeof block.stack - sizeof(HostStackTop));
    *top = {.guest_vmcb_hpa = guest_vmcb_page(memory, block).value() | context.encryption,
            .host_vmcb_hpa = host_vmcb_page(memory, block).value() | context.encryption,
            .vcpu = memory.to_root(&block.vcpu),
            .leave = memory.to_root(&state.leave)};
    auto* registers = reinterpret_cast<vcpu::GuestRegisters*>(top) - 1;
    block.vcpu.registers = memory.to_root(registers);

    state.launch = {
        .guest_vmcb_hpa = top->guest_vmcb_hpa,
        .host_vmcb_hpa = top->host_vmcb_hpa,
        .vmcb = &vmcb,
        .host_cr3 = context.host_cr3.value() | context.encryption,
        .host_rsp = reinterpret_cast<u64>(memory.to_root(top)),
        .host_cr0 = x86::kHostCr0,
        .host_cr4 = 0,
        .host_block = reinterpret_cast<u64>(memory.to_root(&state.launch)),
        .host_gdtr = {u16(sizeof block.vcpu.host.gdt - 1),
                      reinterpret_cast<u64>(memory.to_root(&block.vcpu.host.gdt))},
        .host_idtr = {u16(kPageSize - 1), context.host_idt},
    };
    return {};
}

bool SvmVendor::launch(LaunchContext& context, VcpuBlock& block) {
    VendorState& state = vendor_state(block);
    if (context.breaks_entry && traits_.saves_over_refused)
        return false;
    const u64 efer = x86::read_msr(x86::IA32_EFER);
    if (x86::efer::SVME::test(efer))
        return false;
    x86::write_msr(x86::IA32_EFER, efer | x86::efer::SVME::kMask);
    x86::write_msr(x86::VM_HSAVE_PA,
                   save_area_page(context.memory, block).value() | context.encryption);
    capture_guest(*guest_vmcb(block));
    state.launch.host_cr4 = x86::host_cr4(x86::read_cr<4>());
    if (context.breaks_entry)
        guest_vmcb(block)->asid = 0;  // the host's
    // 0: this runs as the guest now. Else the processor refused and the CPU was left again.
    if (rs_svm_launch(&state.launch) == 0)
        return true;
    left();
    return false;
}

void SvmVendor::left() {
    x86::write_msr(x86::VM_HSAVE_PA, 0);
}

u64 SvmVendor::hypercall(vcpu::Hypercall operation, u64 a, u64 b) {
    return rs_svm_hypercall(u64(operation), a, b);
}

void SvmVendor::release_machine(LaunchContext& context) {
    if (msr_map_)
        context.memory.release(msr_map_, sizeof(MsrPermissionMap));
    if (decoy_)
        context.memory.release(decoy_, kPageSize);
    msr_map_ = decoy_ = nullptr;
}

}  // namespace ringside::svm
