// SPDX-License-Identifier: GPL-3.0-or-later
// What the backend makes of an exit. Source: Intel SDM vol. 3D appendix C "VMX Basic Exit Reasons",
// vol. 3C §27.2 "Recording VM-Exit Information and Updating VM-Entry Control Fields".
#include <set>

#include "unit/core/vmx/guest.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;
using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::PendingEvent;

TEST(VmxExit, HasANeutralName) {
    Guest guest;
    guest.vmcs[kExitInterruption] = 0x8000'0202;
    EXPECT_EQ(guest.exit(0).reason, ExitReason::kNmi);
    guest.vmcs[kExitInterruption] = 0x8000'0b0e;
    EXPECT_EQ(guest.exit(0).reason, ExitReason::kException);
    EXPECT_EQ(guest.exit(1).reason, ExitReason::kExternalInterrupt);
    EXPECT_EQ(guest.exit(2).reason, ExitReason::kTripleFault);
    EXPECT_EQ(guest.exit(3).reason, ExitReason::kInit);
    EXPECT_EQ(guest.exit(4).reason, ExitReason::kInit);  // SIPI
    EXPECT_EQ(guest.exit(7).reason, ExitReason::kInterruptWindow);
    EXPECT_EQ(guest.exit(8).reason, ExitReason::kNmiUnblocked);
    EXPECT_EQ(guest.exit(10).reason, ExitReason::kCpuid);
    EXPECT_EQ(guest.exit(13).reason, ExitReason::kInvalidateCaches);  // INVD
    EXPECT_EQ(guest.exit(18).reason, ExitReason::kHypercall);
    EXPECT_EQ(guest.exit(28).reason, ExitReason::kWriteControlRegister);
    EXPECT_EQ(guest.exit(31).reason, ExitReason::kReadMsr);
    EXPECT_EQ(guest.exit(32).reason, ExitReason::kWriteMsr);
    EXPECT_EQ(guest.exit(48).reason, ExitReason::kNestedPageFault);   // EPT violation
    EXPECT_EQ(guest.exit(49).reason, ExitReason::kNestedPageFault);   // EPT misconfiguration
    EXPECT_EQ(guest.exit(54).reason, ExitReason::kInvalidateCaches);  // WBINVD
    EXPECT_EQ(guest.exit(55).reason, ExitReason::kSetExtendedControl);
}

TEST(VmxException, IsReadWithItsErrorCodeAndAddress) {
    Guest guest;
    guest.vmcs[kExitInterruption] = 0x8000'0b0e;
    guest.vmcs[kExitErrorCode] = 6;
    guest.vmcs[kExitQualification] = 0x7fff'1234'5678;
    guest.exit(0);
    const PendingEvent fault = guest.backend.read_exception();
    EXPECT_EQ(fault.type, EventType::kException);
    EXPECT_EQ(fault.vector, 14);
    EXPECT_TRUE(fault.has_error_code);
    EXPECT_EQ(fault.error_code, 6u);
    EXPECT_EQ(fault.address, 0x7fff'1234'5678u);
}

TEST(VmxException, ABreakpointInstructionHasItsLength) {
    Guest guest;
    guest.vmcs[kExitInterruption] = 0x8000'0603;
    guest.vmcs[kExitInstructionLength] = 1;
    guest.exit(0);
    const PendingEvent breakpoint = guest.backend.read_exception();
    EXPECT_EQ(breakpoint.type, EventType::kSoftwareException);
    EXPECT_EQ(breakpoint.vector, 3);
    EXPECT_EQ(breakpoint.instruction_length, 1);
}

TEST(VmxException, OfAnIretBlocksNmisAgain) {
    Guest guest;
    guest.vmcs[kExitInterruption] = 0x8000'1b0d;  // #GP, NMI unblocking due to IRET
    guest.exit(0);
    EXPECT_EQ(guest.vmcs[kInterruptibility], 8u);
    guest.vmcs[kInterruptibility] = 0;
    guest.vmcs[kExitInterruption] = 0x8000'1b08;  // a double fault says nothing of it
    guest.exit(0);
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0u);
}

TEST(VmxException, TheBitmapLeavesNmisOut) {
    Guest guest;
    guest.backend.intercept_exceptions(1u << 2 | 1u << 3 | 1u << 14);
    EXPECT_EQ(guest.vmcs[kExceptionBitmap], 1u << 3 | 1u << 14);
}

TEST(VmxExit, IsOneForEveryVirtualizationInstruction) {
    Guest guest;
    // GETSEC; VMCLEAR to VMXON without VMCALL; INVEPT, INVVPID, VMFUNC, SEAMCALL, TDCALL
    for (const u32 reason : {11, 19, 20, 21, 22, 23, 24, 25, 26, 27, 50, 53, 59, 76, 77})
        EXPECT_EQ(guest.exit(reason).reason, ExitReason::kVirtualizationInstruction) << reason;
}

TEST(VmxExit, IsUnknownForWhatNobodyAskedFor) {
    Guest guest;
    const std::set<u32> known{0,  1,  2,  3,  4,  7,  8,  10, 11, 13, 18, 19, 20, 21, 22, 23, 24,
                              25, 26, 27, 28, 31, 32, 48, 49, 50, 52, 53, 54, 55, 59, 76, 77};
    for (u32 reason = 0; reason < 100; ++reason) {
        if (known.contains(reason))
            continue;
        const vcpu::Exit exit = guest.exit(reason);
        EXPECT_EQ(exit.reason, ExitReason::kUnknown) << reason;
        EXPECT_EQ(exit.code, reason);
    }
}

TEST(VmxExit, TellsWhereANestedPageFaultWas) {
    Guest guest;
    guest.vmcs[kGuestPhysicalAddress] = 0x1234'5678;
    guest.vmcs[kExitQualification] = 0x183;
    for (const u32 reason : {48, 49}) {
        const vcpu::Exit exit = guest.exit(reason);
        EXPECT_EQ(exit.address, 0x1234'5678u);
        EXPECT_EQ(exit.detail, 0x183u);
    }
}

/// Acknowledge-on-exit: the vector comes with the exit.
TEST(VmxExit, GivesTheVectorOfItsInterruptOnce) {
    Guest guest;
    EXPECT_EQ(guest.backend.take_interrupt(), -1);
    guest.vmcs[kExitInterruption] = 0x8000'00ec;
    guest.exit(1);
    EXPECT_EQ(guest.backend.take_interrupt(), 0xec);
    guest.vmcs[kExitInterruption] = 0x0000'00ec;  // not valid
    guest.exit(1);
    EXPECT_EQ(guest.backend.take_interrupt(), -1);
    guest.vmcs[kExitInterruption] = 0x8000'00ec;
    guest.exit(1);
    guest.exit(7);
    EXPECT_EQ(guest.backend.take_interrupt(), -1);
}

TEST(VmxExit, ByNmiCountsItAndOpensNmis) {
    Guest guest;
    guest.vmcs[kExitInterruption] = 0x8000'0202;
    guest.exit(0);
    EXPECT_EQ(guest.vcpu.nmi_count, 1u);
    EXPECT_EQ(guest.processor.nmi_openings, 1u);
    guest.exit(0);
    EXPECT_EQ(guest.vcpu.nmi_count, 2u);
    guest.exit(1);
    EXPECT_EQ(guest.vcpu.nmi_count, 2u);
    EXPECT_EQ(guest.processor.nmi_openings, 2u);
}

TEST(VmxExit, FollowsWhetherTheGuestBlocksNmis) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x8;
    guest.exit(1);
    EXPECT_TRUE(guest.vcpu.waiting.nmi_blocked);
    guest.vmcs[kInterruptibility] = 0x7;  // STI, MOV SS, SMI
    guest.exit(1);
    EXPECT_FALSE(guest.vcpu.waiting.nmi_blocked);
}

TEST(VmxExit, TellsFlagAndShadowOfTheGuest) {
    Guest guest;
    const auto after = [&](u64 flags, u32 blocking) {
        guest.vmcs[kGuestRflags] = flags;
        guest.vmcs[kInterruptibility] = blocking;
        guest.exit(7);
        return guest.backend.interruptibility();
    };
    EXPECT_TRUE(after(0x202, 0).interrupt_flag);
    EXPECT_FALSE(after(0x202, 0).shadow);
    EXPECT_FALSE(after(0x2, 0).interrupt_flag);
    EXPECT_TRUE(after(0x202, 1).shadow);
    EXPECT_FALSE(after(0x202, 1).nmi_shadow);
    EXPECT_TRUE(after(0x202, 2).shadow);
    EXPECT_TRUE(after(0x202, 2).nmi_shadow);
    EXPECT_FALSE(after(0x202, 8).shadow);
    EXPECT_FALSE(after(0x202, 8).nmi_shadow);
}

TEST(VmxExit, AsksForTheTaskPriorityOnlyWhenAnInterruptWaits) {
    Guest guest;
    guest.processor.cr[8] = 9;
    EXPECT_EQ(guest.backend.interruptibility().task_priority, 0);
    guest.vcpu.waiting.interrupts.add(0x31);
    EXPECT_EQ(guest.backend.interruptibility().task_priority, 9);
}

struct Vectoring {
    u32 information, error_code, length;
    PendingEvent event;
};
// §27.2.4 "Information for VM Exits During Event Delivery".
const Vectoring kVectorings[] = {
    {0x8000'00ec, 7, 2, {.type = EventType::kExternalInterrupt, .vector = 0xec, .valid = true}},
    {0x8000'0202, 7, 2, {.type = EventType::kNmi, .vector = 2, .valid = true}},
    {0x8000'0306, 7, 2, {.type = EventType::kException, .vector = 6, .valid = true}},
    {0x8000'0b0e,
     7,
     2,
     {.type = EventType::kException,
      .vector = 14,
      .valid = true,
      .has_error_code = true,
      .error_code = 7}},
    {0x8000'0480,
     7,
     2,
     {.type = EventType::kSoftwareInterrupt,
      .vector = 0x80,
      .valid = true,
      .instruction_length = 2}},
    {0x8000'0501,
     7,
     1,
     {.type = EventType::kPrivilegedSoftwareException,
      .vector = 1,
      .valid = true,
      .instruction_length = 1}},
    {0x8000'0603,
     7,
     1,
     {.type = EventType::kSoftwareException, .vector = 3, .valid = true, .instruction_length = 1}},
};

void expect_same(const PendingEvent& found, const PendingEvent& wanted) {
    EXPECT_EQ(found.type, wanted.type);
    EXPECT_EQ(found.vector, wanted.vector);
    EXPECT_EQ(found.valid, wanted.valid);
    EXPECT_EQ(found.has_error_code, wanted.has_error_code);
    EXPECT_EQ(found.error_code, wanted.error_code);
    EXPECT_EQ(found.instruction_length, wanted.instruction_length);
}

TEST(VmxExit, ReportsAnEventWhoseDeliveryWasCutShort) {
    for (const Vectoring& vectoring : kVectorings) {
        Guest guest;
        guest.vmcs[kIdtVectoring] = vectoring.information;
        guest.vmcs[kIdtVectoringErrorCode] = vectoring.error_code;
        guest.vmcs[kExitInstructionLength] = vectoring.length;
        guest.exit(48);
        expect_same(guest.in_flight, vectoring.event);
    }
}

TEST(VmxExit, HasItsCutEventDeliveredAnewAsItWas) {
    for (const Vectoring& vectoring : kVectorings) {
        Guest guest;
        guest.vmcs[kIdtVectoring] = vectoring.information;
        guest.vmcs[kIdtVectoringErrorCode] = vectoring.error_code;
        guest.vmcs[kExitInstructionLength] = vectoring.length;
        guest.exit(48);
        EXPECT_EQ(guest.inject(guest.in_flight), vectoring.information);
        if (vectoring.event.has_error_code) {
            EXPECT_EQ(guest.vmcs[kEntryErrorCode], vectoring.error_code);
        }
        if (vectoring.event.instruction_length) {
            EXPECT_EQ(guest.vmcs[kEntryInstructionLength], vectoring.length);
        }
        // The next exit has delivered it.
        guest.vmcs[kIdtVectoring] &= 0x7fff'ffff;
        guest.exit(1);
        EXPECT_FALSE(guest.in_flight.valid);
    }
}

TEST(VmxExit, ReportsNoEventWhenNoneWasCutShort) {
    Guest guest;
    guest.vmcs[kIdtVectoring] = 0x0000'0b0e;
    guest.exit(1);
    EXPECT_FALSE(guest.in_flight.valid);
}

TEST(VmxExit, OfARefusedEntryTellsWhyAndKeepsTheEvent) {
    for (const u32 reason : {33, 34, 41}) {  // guest state, MSR loading, machine check
        Guest guest;
        guest.exit(1);
        guest.inject({.type = EventType::kExternalInterrupt, .vector = 0xec});
        guest.vmcs[kIdtVectoring] = 0x8000'0b0e;  // of an earlier exit: a failed entry writes none
        guest.vmcs[kExitQualification] = 4;
        guest.vmcs[kExitReason] = 0x8000'0000 | reason;
        const vcpu::Exit exit = guest.backend.decode_exit(guest.in_flight);
        EXPECT_EQ(exit.reason, ExitReason::kEntryFailed);
        EXPECT_EQ(exit.code, 0x8000'0000u | reason);
        EXPECT_EQ(exit.detail, 4u);
        expect_same(guest.in_flight,
                    {.type = EventType::kExternalInterrupt, .vector = 0xec, .valid = true});
    }
}

TEST(VmxExit, OfARefusedEntryWithoutEventKeepsNone) {
    Guest guest;
    guest.vmcs[kIdtVectoring] = 0x8000'0b0e;
    EXPECT_EQ(guest.exit(0x8000'0021).reason, ExitReason::kEntryFailed);
    EXPECT_FALSE(guest.in_flight.valid);
    EXPECT_EQ(guest.backend.take_interrupt(), -1);
}

TEST(VmxExit, NamesRegisterAndValueOfAMoveToCr) {
    Guest guest;
    auto& saved = guest.saved;
    saved.rax = 0x100;
    saved.general = {.rcx = 0x101,
                     .rdx = 0x102,
                     .rbx = 0x103,
                     .rbp = 0x105,
                     .rsi = 0x106,
                     .rdi = 0x107,
                     .r8 = 0x108,
                     .r9 = 0x109,
                     .r10 = 0x10a,
                     .r11 = 0x10b,
                     .r12 = 0x10c,
                     .r13 = 0x10d,
                     .r14 = 0x10e,
                     .r15 = 0x10f};
    guest.vmcs[kGuestRsp] = 0x104;
    for (u32 gpr = 0; gpr < 16; ++gpr)
        for (const u32 number : {0, 4, 8}) {
            guest.vmcs[kExitQualification] = gpr << 8 | number;
            const vcpu::Exit exit = guest.exit(28);
            EXPECT_EQ(exit.reason, ExitReason::kWriteControlRegister);
            EXPECT_EQ(exit.address, number);
            EXPECT_EQ(exit.detail, 0x100 + gpr);
        }
    guest.vmcs[kExitQualification] = 0x13;  // MOV from CR3, which nobody asked for
    EXPECT_EQ(guest.exit(28).reason, ExitReason::kUnknown);
}

TEST(VmxExit, ByCltsWritesCr0WithoutTs) {
    Guest guest;
    guest.vmcs[kGuestCr0] = 0x8005'003b;
    guest.vmcs[kExitQualification] = 0x20;
    const vcpu::Exit exit = guest.exit(28);
    EXPECT_EQ(exit.reason, ExitReason::kWriteControlRegister);
    EXPECT_EQ(exit.address, 0u);
    EXPECT_EQ(exit.detail, 0x8005'0033u);
}

TEST(VmxExit, ByLmswWritesTheLowFourBitsAndKeepsPe) {
    Guest guest;
    const auto value_after = [&](u64 source) {
        guest.vmcs[kExitQualification] = source << 16 | 0x30;
        const vcpu::Exit exit = guest.exit(28);
        EXPECT_EQ(exit.address, 0u);
        return exit.detail;
    };
    EXPECT_EQ(value_after(0xfff0), 0x8005'0031u);  // PE stays
    EXPECT_EQ(value_after(0x0008), 0x8005'0039u);
    EXPECT_EQ(value_after(0x000f), 0x8005'003fu);
    guest.vmcs[kCr0Shadow] = 0x8005'0013;  // a guest that wrote NE clear
    EXPECT_EQ(value_after(0x0003), 0x8005'0013u);
}

}  // namespace
}  // namespace ringside::vmx
