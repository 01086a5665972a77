// SPDX-License-Identifier: GPL-2.0-or-later
// vcpu::Backend over Intel VMX: the current VMCS of this CPU.
#pragma once

#include "vcpu/vcpu.hpp"
#include "vmx/capabilities.hpp"
#include "vmx/entry.h"
#include "x86/instructions.hpp"

namespace ringside::vmx {

/// The first words of the host stack, above the guest's general registers and rax; root addresses.
struct HostStackTop {
    vcpu::Vcpu* vcpu;
    struct LeaveBlock* leave;
    u64 padding;  ///< keeps the stack aligned behind 15 pushes
};
static_assert(sizeof(HostStackTop) == VMX_STACK_TOP_BYTES);
static_assert(offsetof(HostStackTop, vcpu) == VMX_STACK_VCPU);
static_assert(offsetof(HostStackTop, leave) == VMX_STACK_LEAVE_BLOCK);

/// What entry.S saves at an exit, lowest address first.
struct SavedRegisters {
    vcpu::GuestRegisters general;
    u64 rax;
};
static_assert(sizeof(SavedRegisters) == VMX_SAVED_REGISTERS_BYTES);
static_assert((sizeof(SavedRegisters) + sizeof(HostStackTop)) % 16 == 0);

/// Everything needed to be the guest again. In root mode it is read up to the change of CR3, behind
/// it as the guest's kernel sees it.
struct LeaveBlock {
    u64 vmcs;  ///< physical address
    u64 cr0, cr3, cr4, efer;
    u64 sysenter_cs, sysenter_esp, sysenter_eip;
    u64 debugctl, fs_base, gs_base;
    alignas(16) x86::DescriptorTable task_gdtr;  ///< a table whose TR entry is `task`, available
    alignas(16) x86::DescriptorTable gdtr;
    alignas(16) x86::DescriptorTable idtr;
    alignas(16) u64 task[2];
    u64 tr, ldtr, ds, es, fs, gs;
    u64 rax;
    vcpu::GuestRegisters registers;
    u64 rip, cs, rflags, rsp, ss;
};
static_assert(offsetof(LeaveBlock, vmcs) == VMX_LEAVE_VMCS &&
              offsetof(LeaveBlock, cr0) == VMX_LEAVE_CR0);
static_assert(offsetof(LeaveBlock, cr3) == VMX_LEAVE_CR3 &&
              offsetof(LeaveBlock, cr4) == VMX_LEAVE_CR4);
static_assert(offsetof(LeaveBlock, efer) == VMX_LEAVE_EFER);
static_assert(offsetof(LeaveBlock, sysenter_cs) == VMX_LEAVE_SYSENTER_CS);
static_assert(offsetof(LeaveBlock, debugctl) == VMX_LEAVE_DEBUGCTL);
static_assert(offsetof(LeaveBlock, fs_base) == VMX_LEAVE_FS_BASE);
static_assert(offsetof(LeaveBlock, task_gdtr) == VMX_LEAVE_TASK_GDTR);
static_assert(offsetof(LeaveBlock, gdtr) == VMX_LEAVE_GDTR &&
              offsetof(LeaveBlock, idtr) == VMX_LEAVE_IDTR);
static_assert(offsetof(LeaveBlock, tr) == VMX_LEAVE_TR &&
              offsetof(LeaveBlock, ldtr) == VMX_LEAVE_LDTR);
static_assert(offsetof(LeaveBlock, ds) == VMX_LEAVE_DS && offsetof(LeaveBlock, gs) == VMX_LEAVE_GS);
static_assert(offsetof(LeaveBlock, rax) == VMX_LEAVE_REGISTERS);
static_assert(offsetof(LeaveBlock, rip) == VMX_LEAVE_REGISTERS + 15 * 8);

class VmxBackend final : public vcpu::Backend {
public:
    /// All pointers are root addresses.
    VmxBackend(vcpu::Vcpu* vcpu, SavedRegisters* saved, Controls controls, u64 cr4_fixed1, u64 vmcs,
               LeaveBlock* leave_in_root, LeaveBlock* leave_in_kernel)
        : vcpu_{*vcpu},
          saved_{*saved},
          controls_{controls},
          cr4_fixed1_{cr4_fixed1},
          vmcs_{vmcs},
          leave_{leave_in_root},
          leave_in_kernel_{leave_in_kernel} {}

    vcpu::Exit decode_exit(vcpu::PendingEvent& in_flight) override;
    u64 read_register(vcpu::Register which) override;
    bool write_register(vcpu::Register which, u64 value) override;
    u16 table_limit(vcpu::Register table) override;
    bool runs_64bit_code() override;
    u8 privilege_level() override;
    void skip_instruction(u32 length) override;
    void intercept_interrupts(bool on) override;
    void intercept_exceptions(u32 mask) override;
    vcpu::PendingEvent read_exception() override;
    s32 take_interrupt() override;
    s32 halt() override { return -1; }  // never asked: the guest halts by itself
    vcpu::Interruptibility interruptibility() override;
    vcpu::Injected inject(const vcpu::PendingEvent& event, vcpu::PendingEvent& fault) override;
    void make_runnable() override;
    bool delivers_at_once() override { return false; }
    void exit_behind_injection() override;
    void set_windows(const vcpu::EntryPlan& plan) override;
    bool write_control_register(u32 number, u64 value) override;
    bool read_msr(u32 msr, u64& value) override;
    bool write_msr(u32 msr, u64 value, bool& leave) override;
    // NMIs cannot be held back here: entry.S looks once more, and an NMI that comes behind that
    // look has it repeated.
    void block_nmis() override {}
    void unblock_nmis() override {}
    void report_entry_failure(vcpu::EmergencyLog& log) override;
    void* prepare_devirtualize() override;

    /// Takes back the event of an entry that did not happen.
    vcpu::PendingEvent withdraw();

private:
    vcpu::Exit decode_control_register(u64 qualification);
    u64 general_register(u32 number);
    vcpu::PendingEvent injected_event();
    void flush_guest_translations();
    void block_nmis_of_faulting_iret(u32 information);
    void write_instruction_length(u8 length);
    bool single_steps(u64 flags);
    void keep_pending_step(u64 flags);
    void hold_nmis_until_iret();

    vcpu::Vcpu& vcpu_;
    SavedRegisters& saved_;
    Controls controls_;  ///< as the VMCS has them now
    u64 cr4_fixed1_;
    u64 vmcs_;
    LeaveBlock* leave_;
    LeaveBlock* leave_in_kernel_;
    bool has_timer_ = false;    ///< the preemption timer is on, for one entry
    s32 acknowledged_ = -1;     ///< vector of the exit just decoded
    u32 interruptibility_ = 0;  ///< of the guest, as the VMCS has it now
};

}  // namespace ringside::vmx
