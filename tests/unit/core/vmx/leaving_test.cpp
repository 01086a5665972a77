// SPDX-License-Identifier: GPL-3.0-or-later
// Leaving root mode: the guest's state for the entry code, NMIs held back, and what is said when
// the processor has refused VMRESUME. Source: Intel SDM vol. 3A §6.7.1 "Handling Multiple NMIs",
// §7.7 "Task Management in 64-bit Mode", vol. 2A "LTR".
#include <cstring>
#include <string>

#include "unit/core/vmx/guest.hpp"
#include "vcpu/exit_loop.hpp"
#include "vmx/entry_report.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;

/// A local APIC whose NMI is taken at once by the handler in x86/host_vectors.S.
struct Leaving : Guest {
    Leaving() {
        processor.on_write_msr = [this](u32 msr, u64 value) {
            ASSERT_EQ(msr, kIcr);
            commands.push_back(value);
            keeps_when_sent = vcpu.keeps_nmis;
            ++vcpu.nmi_count;
            vcpu.keeps_nmis = 0;
        };
    }
    std::vector<u64> commands;
    u32 keeps_when_sent = 0;
};

TEST(VmxLeave, GivesTheEntryCodeTheWholeGuest) {
    Leaving guest;
    auto& saved = guest.saved;
    saved.rax = 0x100;
    saved.general = {.rcx = 1, .rdx = 2, .rbx = 3, .rbp = 4, .rsi = 5, .rdi = 6, .r15 = 15};
    guest.vmcs[kGuestDs] = 0x2b;
    guest.vmcs[kGuestEs] = 0x33;
    guest.vmcs[kGuestFs] = 0x3b;
    guest.vmcs[kGuestGs] = 0x43;
    guest.vmcs[kGuestFsBase] = 0x7f00'0000'1000;
    guest.vmcs[kGuestDebugctl] = 1;
    guest.vmcs[kGuestDr7] = 0x401;
    guest.processor.dr[7] = 0x400;  // what every exit loads

    EXPECT_EQ(guest.backend.prepare_devirtualize(), guest.leave.get());

    const LeaveBlock& out = *guest.leave;
    EXPECT_EQ(out.vmcs, Guest::kVmcsPage);
    EXPECT_EQ(out.cr0, 0x8005'0033u);
    EXPECT_EQ(out.cr3, 0x10'2003u);
    EXPECT_EQ(out.cr4, 0x37'06f0u);  // VMXE off
    EXPECT_EQ(out.efer, 0xd01u);
    EXPECT_EQ(out.sysenter_cs, 0x10u);
    EXPECT_EQ(out.sysenter_esp, 0xffff'fe12'3456'6200u);
    EXPECT_EQ(out.sysenter_eip, 0xffff'ffff'81a0'1000u);
    EXPECT_EQ(out.debugctl, 1u);
    EXPECT_EQ(out.fs_base, 0x7f00'0000'1000u);
    EXPECT_EQ(out.gs_base, 0xffff'8880'3fc0'0000u);
    EXPECT_EQ(out.gdtr.base, 0xffff'fe12'3456'5000u);
    EXPECT_EQ(out.gdtr.limit, 0x7fu);
    EXPECT_EQ(out.idtr.base, 0xffff'fe00'0000'0000u);
    EXPECT_EQ(out.idtr.limit, 0xfffu);
    EXPECT_EQ(out.tr, 0x40u);
    EXPECT_EQ(out.ldtr, 0u);
    EXPECT_EQ(out.ds, 0x2bu);
    EXPECT_EQ(out.es, 0x33u);
    EXPECT_EQ(out.fs, 0x3bu);
    EXPECT_EQ(out.gs, 0x43u);
    EXPECT_EQ(out.rax, 0x100u);
    EXPECT_EQ(std::memcmp(&out.registers, &saved.general, sizeof out.registers), 0);
    EXPECT_EQ(out.rip, 0xffff'ffff'8110'0000u);
    EXPECT_EQ(out.cs, 0x10u);
    EXPECT_EQ(out.rflags, 0x246u);
    EXPECT_EQ(out.rsp, 0xffff'c900'0001'0000u);
    EXPECT_EQ(out.ss, 0x18u);
    EXPECT_EQ(guest.processor.dr[7], 0x401u);
}

/// LTR reads the descriptor TR selects, refuses one marked busy and marks it: what it reads in the
/// table of this trick.
TEST(VmxLeave, HasATaskDescriptorOfItsOwnWhereTrSelects) {
    Leaving guest;
    guest.backend.prepare_devirtualize();
    const LeaveBlock& out = *guest.leave;
    const u64 entry = out.task_gdtr.base + 0x40;
    EXPECT_EQ(entry, reinterpret_cast<u64>(out.task));
    EXPECT_EQ(out.task_gdtr.limit, 0x40u + 15);  // 16 bytes, and not one more
    // Limit 15:0, base 15:0 | base 23:16, type 9 (available 64-bit TSS), present, limit 19:16,
    // base 31:24 | base 63:32
    EXPECT_EQ(out.task[0], 0x3400'8956'7000'4087u);
    EXPECT_EQ(out.task[1], 0xffff'fe12u);
}

TEST(VmxLeave, ShowsTheKernelVmxAsItWasAndNeOn) {
    Leaving guest;
    guest.vmcs[kCr0Shadow] = 0x8005'0013;
    guest.backend.prepare_devirtualize();
    EXPECT_EQ(guest.leave->cr0, 0x8005'0033u);
}

/// The NMI whose handler returns without IRET is one of ours, to this very processor.
TEST(VmxLeave, HoldsNmisBackByOneOfItsOwn) {
    Leaving guest;
    guest.backend.prepare_devirtualize();
    EXPECT_EQ(guest.commands, (std::vector<u64>{0x5'0000'4400}));
    EXPECT_EQ(guest.keeps_when_sent, 1u);
    EXPECT_EQ(guest.vcpu.keeps_nmis, 0u);
}

/// A foreign NMI may be the one that is kept. Ours waits behind it then, in its stead.
TEST(VmxLeave, IsContentWithAnNmiThatComesFirst) {
    Leaving guest;
    guest.processor.on_write_msr = [&](u32, u64) { guest.vcpu.keeps_nmis = 0; };
    EXPECT_EQ(guest.backend.prepare_devirtualize(), guest.leave.get());
    EXPECT_EQ(guest.vcpu.keeps_nmis, 0u);
}

TEST(VmxLeave, GoesOnWhenNoNmiComes) {
    Leaving guest;
    guest.processor.on_write_msr = nullptr;
    EXPECT_EQ(guest.backend.prepare_devirtualize(), guest.leave.get());
    EXPECT_EQ(guest.vcpu.keeps_nmis, 0u);
}

struct Refused : Leaving {
    Refused() {
        vcpu.is_virtualized = true;
        vmcs[kInstructionError] = 7;
    }
    std::string report() const { return vcpu.machine->report.text; }
};

TEST(VmxRefusal, OfVmresumeIsReportedAndEndsRootModeHere) {
    Refused guest;
    guest.vcpu.core = 3;
    EXPECT_EQ(leave_after_refusal(guest.vcpu), guest.leave.get());
    EXPECT_FALSE(guest.vcpu.is_virtualized);
    EXPECT_EQ(guest.machine->abandoned[3], 1u);
    EXPECT_EQ(guest.report().find(
                  "ringside: VMRESUME refused on core 3: invalid control fields\nVMCS: Vpid=0"),
              0u)
        << guest.report();
}

TEST(VmxRefusal, OnTablesWithoutTheKernelStopsTheMachine) {
    Refused guest;
    guest.machine->page_table_isolation = 1;
    EXPECT_EQ(leave_after_refusal(guest.vcpu), guest.leave.get());  // at CPL 0 they have it
    guest.vmcs[kGuestSsRights] = 0xc0f3;
    EXPECT_DEATH(leave_after_refusal(guest.vcpu), "the machine was stopped");
}

}  // namespace
}  // namespace ringside::vmx
