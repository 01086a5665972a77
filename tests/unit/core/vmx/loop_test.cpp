// SPDX-License-Identifier: GPL-3.0-or-later
// The exit loop, the handlers and the VMX backend together, from one VM exit to what the next entry
// finds in the VMCS.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/fake_machine.hpp"
#include "unit/core/vmx/guest.hpp"

extern "C" {
void* rs_vmx_exit(ringside::vcpu::Vcpu* vcpu);
void rs_vmx_reconsider(ringside::vcpu::Vcpu* vcpu);
}

namespace ringside::vmx {
namespace {

using enum VmcsField;

constexpr u32 kNmi = 0, kInterrupt = 1, kInterruptWindow = 7, kNmiWindow = 8, kCpuid = 10;
constexpr u32 kWriteCr = 28, kRefused = 0x8000'0021;
constexpr u64 kControls = 0x9400'6172;

struct VmxMachine {
    VmxMachine()
        : backend{&vcpu,      &saved,      {.pin = 0x3e, .processor = 0x9400'6172},
                  0x37'67ff,  0x1234'5000, leave.get(),
                  leave.get()} {
        fill_linux_guest(vmcs);
        vmcs[kProcessorControls] = kControls;
        processor.cr[4] = 0x26f0;
        processor.msrs = {{0x80b, 0}, {0x830, 0}};
        processor.on_write_msr = [this](u32 msr, u64 value) {
            writes.emplace_back(msr, value);
            if (msr == 0x830 && std::exchange(vcpu.keeps_nmis, 0) != 0)
                ++vcpu.nmi_count;
        };
        machine.machine->apic = {true, 0};
        vcpu.backend = &backend;
        vcpu.registers = &saved.general;
    }
    /// One exit; true if the guest is entered again. As the processor does, it takes the event of
    /// the last entry, unless that is refused.
    bool exit(u32 reason, u64 information = 0) {
        if (reason != kRefused)
            vmcs[kEntryInterruption] = 0;
        vmcs[kExitReason] = reason;
        vmcs[kExitInterruption] = information;
        return rs_vmx_exit(&vcpu) == nullptr;
    }
    bool arrive(u8 vector) { return exit(kInterrupt, 0x8000'0000 | vector); }
    u64 entry() { return vmcs[kEntryInterruption]; }
    u64 delivered() { return machine.stats().delivered.get(); }

    test::FakeVmcs vmcs;
    test::FakeProcessor processor;
    std::vector<std::pair<u32, u64>> writes;  ///< of MSRs
    test::FakeMachine machine;
    vcpu::Vcpu& vcpu = machine.vcpu();
    SavedRegisters saved{};
    std::unique_ptr<LeaveBlock> leave = std::make_unique<LeaveBlock>();
    VmxBackend backend;
};

TEST(VmxLoop, DropsTheKernelsTranslationsAtTheFirstExit) {
    VmxMachine machine;
    EXPECT_TRUE(machine.exit(kCpuid));
    EXPECT_EQ(machine.processor.control_writes,
              (std::vector<std::pair<u32, u64>>{{4, 0x2670}, {4, 0x26f0}}));  // PGE off and on
    EXPECT_TRUE(machine.exit(kCpuid));
    EXPECT_EQ(machine.processor.control_writes.size(), 2u);
}

TEST(VmxLoop, DeliversAnInterruptAtTheNextEntry) {
    VmxMachine machine;
    EXPECT_TRUE(machine.arrive(0xec));
    EXPECT_EQ(machine.entry(), 0x8000'00ecu);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls);
    EXPECT_EQ(machine.delivered(), 1u);
    EXPECT_TRUE(machine.exit(kCpuid));
    EXPECT_EQ(machine.entry(), 0u);
}

TEST(VmxLoop, WaitsForTheWindow) {
    VmxMachine machine;
    machine.vmcs[kGuestRflags] = 0x46;
    EXPECT_TRUE(machine.arrive(0xec));
    EXPECT_EQ(machine.entry(), 0u);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls | 0x4);
    EXPECT_EQ(machine.vmcs[kPinControls], 0x3fu);  // the next one must come here, too
    machine.vmcs[kGuestRflags] = 0x246;
    EXPECT_TRUE(machine.exit(kInterruptWindow));
    EXPECT_EQ(machine.entry(), 0x8000'00ecu);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls);
    EXPECT_EQ(machine.vmcs[kPinControls], 0x3eu);
}

TEST(VmxLoop, WaitsUntilTheGuestLowersItsPriority) {
    VmxMachine machine;
    machine.processor.cr[8] = 14;
    EXPECT_TRUE(machine.arrive(0xec));
    EXPECT_EQ(machine.entry(), 0u);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls | 1 << 19);
    machine.saved.general.rcx = 0;
    machine.vmcs[kExitQualification] = 0x108;  // MOV CR8, RCX
    machine.vmcs[kExitInstructionLength] = 4;
    EXPECT_TRUE(machine.exit(kWriteCr));
    EXPECT_EQ(machine.processor.cr[8], 0u);
    EXPECT_EQ(machine.vmcs[kGuestRip], 0xffff'ffff'8110'0004u);
    EXPECT_EQ(machine.entry(), 0x8000'00ecu);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls);
}

TEST(VmxLoop, LeavesAHaltedGuestHaltedUntilSomethingIsForIt) {
    VmxMachine machine;
    machine.vmcs[kActivity] = 1;
    machine.vcpu.owed_nmi = 1;
    EXPECT_TRUE(machine.exit(kNmi, 0x8000'0202));  // one of ours
    EXPECT_EQ(machine.entry(), 0u);
    EXPECT_EQ(machine.vmcs[kActivity], 1u);
    EXPECT_TRUE(machine.arrive(0xec));
    EXPECT_EQ(machine.entry(), 0x8000'00ecu);
    EXPECT_EQ(machine.vmcs[kActivity], 0u);
}

/// An NMI of ours and a foreign one between the preparation of an entry and the entry.
TEST(VmxLoop, PreparesAnEntryAnewForAnNmi) {
    VmxMachine machine;
    machine.arrive(0xec);
    machine.machine.engine->announce();
    machine.vcpu.owed_nmi = 1;
    machine.vcpu.nmi_count += 2;
    rs_vmx_reconsider(&machine.vcpu);
    EXPECT_EQ(machine.entry(), 0x8000'00ecu);
    EXPECT_EQ(machine.delivered(), 1u);
    EXPECT_TRUE(machine.machine.engine->all_adopted(machine.machine.engine->generation()));
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls | 1 << 22);

    EXPECT_TRUE(machine.exit(kNmiWindow));
    EXPECT_EQ(machine.entry(), 0x8000'0202u);
    EXPECT_EQ(machine.vmcs[kProcessorControls], kControls);
}

TEST(VmxLoop, PlacesAFaultOfItsOwnAgain) {
    VmxMachine machine;
    machine.vmcs[kExitQualification] = 0x4;  // MOV CR4, RAX
    machine.saved.rax = ~u64{0};
    EXPECT_TRUE(machine.exit(kWriteCr));
    EXPECT_EQ(machine.entry(), 0x8000'0b0du);
    ++machine.vcpu.nmi_count;
    rs_vmx_reconsider(&machine.vcpu);
    EXPECT_EQ(machine.entry(), 0x8000'0b0du);
    EXPECT_EQ(machine.vmcs[kEntryErrorCode], 0u);
    EXPECT_EQ(machine.vmcs[kGuestRip], 0xffff'ffff'8110'0000u);
}

TEST(VmxLoop, GivesAnNmiOnceThatWasCutShort) {
    VmxMachine machine;
    machine.machine.machine->exits.handlers[u32(vcpu::ExitReason::kNestedPageFault)] =
        [](vcpu::Vcpu&, const vcpu::Exit&) { return vcpu::After::kResume; };
    EXPECT_TRUE(machine.exit(kNmi, 0x8000'0202));
    EXPECT_EQ(machine.entry(), 0x8000'0202u);
    machine.vmcs[kIdtVectoring] = 0x8000'0202;
    machine.vmcs[kInterruptibility] = 0x8;  // its delivery had begun
    EXPECT_TRUE(machine.exit(48));
    EXPECT_EQ(machine.entry(), 0x8000'0202u);
    EXPECT_EQ(machine.vmcs[kInterruptibility], 0u);
    machine.vmcs[kIdtVectoring] = 0;
    machine.vmcs[kInterruptibility] = 0x8;  // it runs
    EXPECT_TRUE(machine.exit(kCpuid));
    EXPECT_EQ(machine.entry(), 0u);
}

TEST(VmxLoop, ReportsARefusedEntryAndGivesTheCoreBack) {
    VmxMachine machine;
    machine.exit(kCpuid);
    machine.arrive(0xec);
    machine.vmcs[kActivity] = 4;
    machine.vmcs[kExitQualification] = 0;
    EXPECT_FALSE(machine.exit(kRefused));
    const std::string report = machine.machine.machine->report.text;
    EXPECT_EQ(report.find("ringside: VM entry refused on core 0, code 80000021, qualification 0\n"
                          "ringside: failed check: activity state: no such state\n"
                          "VMCS: Vpid=0 "),
              0u)
        << report;
    EXPECT_NE(report.find("EntryInterruption=800000ec"), std::string::npos);
    EXPECT_FALSE(machine.vcpu.is_virtualized);
    // The interrupt goes back to the APIC; then NMIs are held back.
    EXPECT_EQ(machine.writes, (std::vector<std::pair<u32, u64>>{
                                  {0x80b, 0}, {0x830, 0x10'0000'40ec}, {0x830, 0x10'0000'4400}}));
}

TEST(VmxLoop, ReportsARefusalByNoCheckItKnows) {
    VmxMachine machine;
    machine.exit(kCpuid);
    EXPECT_FALSE(machine.exit(kRefused));
    const std::string report = machine.machine.machine->report.text;
    EXPECT_NE(report.find("failed check: none of those known\n"), std::string::npos);
}

}  // namespace
}  // namespace ringside::vmx
