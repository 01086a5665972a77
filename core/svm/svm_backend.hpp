// SPDX-License-Identifier: GPL-2.0-or-later
// vcpu::Backend over AMD SVM.
#pragma once

#include "svm/entry.h"
#include "svm/vmcb.hpp"
#include "vcpu/vcpu.hpp"
#include "x86/instructions.hpp"

namespace ringside::svm {

/// What the launch code needs; kernel addresses but where it says host.
struct LaunchBlock {
    u64 guest_vmcb_hpa;
    u64 host_vmcb_hpa;
    Vmcb* vmcb;
    u64 host_cr3;
    u64 host_rsp;
    u64 host_cr0;
    u64 host_cr4;
    u64 host_block;  ///< this block as root mode sees it
    alignas(16) x86::DescriptorTable host_gdtr;
    alignas(16) x86::DescriptorTable host_idtr;
};
static_assert(offsetof(LaunchBlock, guest_vmcb_hpa) == LAUNCH_GUEST_VMCB_HPA);
static_assert(offsetof(LaunchBlock, host_vmcb_hpa) == LAUNCH_HOST_VMCB_HPA);
static_assert(offsetof(LaunchBlock, vmcb) == LAUNCH_VMCB);
static_assert(offsetof(LaunchBlock, host_cr3) == LAUNCH_HOST_CR3);
static_assert(offsetof(LaunchBlock, host_rsp) == LAUNCH_HOST_RSP);
static_assert(offsetof(LaunchBlock, host_cr0) == LAUNCH_HOST_CR0);
static_assert(offsetof(LaunchBlock, host_cr4) == LAUNCH_HOST_CR4);
static_assert(offsetof(LaunchBlock, host_block) == LAUNCH_HOST_BLOCK);
static_assert(offsetof(LaunchBlock, host_gdtr) == LAUNCH_HOST_GDTR);
static_assert(offsetof(LaunchBlock, host_idtr) == LAUNCH_HOST_IDTR);

/// The first words of the host stack; root addresses.
struct HostStackTop {
    u64 guest_vmcb_hpa;
    u64 host_vmcb_hpa;
    vcpu::Vcpu* vcpu;
    struct LeaveBlock* leave;
};
static_assert(offsetof(HostStackTop, guest_vmcb_hpa) == STACK_GUEST_VMCB_HPA);
static_assert(offsetof(HostStackTop, host_vmcb_hpa) == STACK_HOST_VMCB_HPA);
static_assert(offsetof(HostStackTop, vcpu) == STACK_VCPU);
static_assert(offsetof(HostStackTop, leave) == STACK_LEAVE_BLOCK);
static_assert(sizeof(vcpu::GuestRegisters) == GUEST_REGISTERS_BYTES);

/// Everything needed to be the guest again.
struct LeaveBlock {
    u64 cr0, cr3, cr4, efer;
    alignas(16) x86::DescriptorTable gdtr;
    alignas(16) x86::DescriptorTable idtr;
    alignas(16) u64 ds;
    u64 es;
    u64 rax;
    vcpu::GuestRegisters registers;
    u64 rip, cs, rflags, rsp, ss;
};
static_assert(offsetof(LeaveBlock, cr0) == LEAVE_CR0 && offsetof(LeaveBlock, cr3) == LEAVE_CR3);
static_assert(offsetof(LeaveBlock, cr4) == LEAVE_CR4 && offsetof(LeaveBlock, efer) == LEAVE_EFER);
static_assert(offsetof(LeaveBlock, gdtr) == LEAVE_GDTR && offsetof(LeaveBlock, idtr) == LEAVE_IDTR);
static_assert(offsetof(LeaveBlock, ds) == LEAVE_DS && offsetof(LeaveBlock, es) == LEAVE_ES);
static_assert(offsetof(LeaveBlock, rax) == LEAVE_REGISTERS);
static_assert(offsetof(LeaveBlock, rip) == LEAVE_REGISTERS + 15 * 8);
static_assert(offsetof(Vmcb, rip) == VMCB_RIP && offsetof(Vmcb, rsp) == VMCB_RSP);
static_assert(offsetof(Vmcb, rflags) == VMCB_RFLAGS && offsetof(Vmcb, rax) == VMCB_RAX);

/// Differences between machines, found once at load.
struct Traits {
    bool software_delivery = false;   ///< QEMU TCG: EVENTINJ can deliver an interrupt twice
    bool halt_in_root = false;        ///< QEMU TCG: a guest halted with GIF = 0 would never wake
    bool shadow_lost = false;         ///< QEMU TCG: VMRUN does not restore the interrupt shadow
    bool saves_over_refused = false;  ///< QEMU TCG: a refused VMRUN saves root mode over the guest
    bool soft_as_interrupt = false;   ///< QEMU TCG: INT3 and INTO exit as INT n does
    bool has_next_rip = false;        ///< NRIPS
};

class SvmBackend final : public vcpu::Backend {
public:
    /// All pointers are root addresses.
    SvmBackend(Vmcb* vmcb, vcpu::Vcpu* vcpu, Traits traits, LeaveBlock* leave_in_root,
               LeaveBlock* leave_in_kernel)
        : vmcb_{*vmcb},
          vcpu_{*vcpu},
          traits_{traits},
          leave_{leave_in_root},
          leave_in_kernel_{leave_in_kernel} {}

    vcpu::Exit decode_exit(vcpu::PendingEvent& in_flight) override;
    u64 read_register(vcpu::Register which) override;
    bool write_register(vcpu::Register which, u64 value) override;
    u16 table_limit(vcpu::Register table) override {
        return u16(table == RS_FULL_GDTR ? vmcb_.gdtr.limit : vmcb_.idtr.limit);
    }
    bool runs_64bit_code() override { return CodeSegment::Long::test(vmcb_.cs.attributes); }
    u8 privilege_level() override { return vmcb_.cpl; }
    void skip_instruction(u32 length) override;
    void intercept_interrupts(bool on) override;
    void intercept_exceptions(u32 mask) override;
    vcpu::PendingEvent read_exception() override;
    s32 take_interrupt() override;
    s32 halt() override;
    vcpu::Interruptibility interruptibility() override;
    vcpu::Injected inject(const vcpu::PendingEvent& event, vcpu::PendingEvent& fault) override;
    void make_runnable() override { vmcb_.interrupt_shadow = 0; }
    bool delivers_at_once() override { return has_delivered_; }
    void exit_behind_injection() override;
    void set_windows(const vcpu::EntryPlan& plan) override;
    bool write_control_register(u32 number, u64 value) override;
    bool read_msr(u32 msr, u64& value) override;
    bool write_msr(u32 msr, u64 value, bool& leave) override;
    void block_nmis() override { asm volatile("clgi" : : : "memory"); }
    void unblock_nmis() override { asm volatile("stgi" : : : "memory"); }
    void report_entry_failure(vcpu::EmergencyLog& log) override;
    void* prepare_devirtualize() override;

private:
    void decode_software_interrupt(vcpu::Exit& exit);
    void remember_lost_shadow(ExitCode code);
    void step_over_lost_halt();
    u32 open_nmi_window();
    u64* saved_msr(u32 msr);
    bool write_saved_msr(u32 msr, u64 value, u64& saved);
    /// With nested paging the guest's PAT is not root mode's.
    bool has_own_pat() const { return vmcb_.nested_control & kNestedPagingEnable; }

    Vmcb& vmcb_;
    vcpu::Vcpu& vcpu_;
    Traits traits_;
    LeaveBlock* leave_;
    LeaveBlock* leave_in_kernel_;
    u8 soft_vector_ = 0;          ///< of the INT3 or INTO that exited as software interrupt
    bool has_delivered_ = false;  ///< the last inject() has taken place
    bool may_halt_ = false;       ///< the next entry lets the guest halt by itself
    u64 shadowed_rip_ = 0;        ///< where an exit found a shadow that the next entry loses
    bool hsave_cleared_ = false;
    bool hsave_used_ = false;
};

}  // namespace ringside::svm
