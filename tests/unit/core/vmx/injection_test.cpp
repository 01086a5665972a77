// SPDX-License-Identifier: GPL-3.0-or-later
// What the backend places in an entry, and what it makes the processor wait for. Source: Intel SDM
// vol. 3C §24.8.3 "VM-Entry Controls for Event Injection", §24.4.2 "Guest Non-Register State",
// §24.6.1 and §24.6.2 (pin-based and processor-based controls).
#include <algorithm>

#include "unit/core/vmx/guest.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;
using vcpu::EventType;
using vcpu::PendingEvent;

u64 count_writes(Guest& guest, VmcsField field) {
    return u64(std::count_if(guest.vmcs.writes.begin(), guest.vmcs.writes.end(),
                             [&](const std::pair<VmcsField, u64>& w) { return w.first == field; }));
}

TEST(VmxInject, EncodesEveryTypeOfEvent) {
    Guest guest;
    EXPECT_EQ(guest.inject({.type = EventType::kExternalInterrupt, .vector = 0x31}), 0x8000'0031u);
    EXPECT_EQ(guest.inject({.type = EventType::kNmi, .vector = 2}), 0x8000'0202u);
    EXPECT_EQ(guest.inject({.type = EventType::kException, .vector = 6}), 0x8000'0306u);
    EXPECT_EQ(count_writes(guest, kEntryErrorCode), 0u);
    EXPECT_EQ(count_writes(guest, kEntryInstructionLength), 0u);
    EXPECT_EQ(guest.inject({.type = EventType::kException,
                            .vector = 13,
                            .has_error_code = true,
                            .error_code = 0x18}),
              0x8000'0b0du);
    EXPECT_EQ(guest.vmcs[kEntryErrorCode], 0x18u);
    EXPECT_EQ(guest.inject(
                  {.type = EventType::kSoftwareInterrupt, .vector = 0x80, .instruction_length = 2}),
              0x8000'0480u);
    EXPECT_EQ(guest.vmcs[kEntryInstructionLength], 2u);
    EXPECT_EQ(guest.inject({.type = EventType::kPrivilegedSoftwareException,
                            .vector = 1,
                            .instruction_length = 1}),
              0x8000'0501u);
    EXPECT_EQ(guest.vmcs[kEntryInstructionLength], 1u);
    EXPECT_EQ(
        guest.inject({.type = EventType::kSoftwareException, .vector = 3, .instruction_length = 3}),
        0x8000'0603u);
    EXPECT_EQ(guest.vmcs[kEntryInstructionLength], 3u);
}

TEST(VmxInject, TellsTheAddressOfAPageFaultOfOurs) {
    Guest guest;
    guest.processor.cr[2] = 0x5000;
    PendingEvent fault{
        .type = EventType::kException, .vector = 14, .has_error_code = true, .error_code = 2};
    guest.inject(fault);  // one of the guest's, delivered anew
    EXPECT_EQ(guest.processor.cr[2], 0x5000u);
    fault.address = 0x6000;
    EXPECT_EQ(guest.inject(fault), 0x8000'0b0eu);
    EXPECT_EQ(guest.processor.cr[2], 0x6000u);
}

TEST(VmxInject, WakesAHaltedGuest) {
    Guest guest;
    guest.vmcs[kActivity] = 1;
    guest.exit(1);
    guest.backend.set_windows({});
    EXPECT_EQ(guest.vmcs[kActivity], 1u);  // nothing to deliver: it goes on halting
    guest.inject({.type = EventType::kExternalInterrupt, .vector = 0x31});
    EXPECT_EQ(guest.vmcs[kActivity], 0u);
}

TEST(VmxInject, WritesNoActivityOfARunningGuest) {
    Guest guest;
    guest.exit(1);
    guest.inject({.type = EventType::kExternalInterrupt, .vector = 0x31});
    EXPECT_EQ(count_writes(guest, kActivity), 0u);
    EXPECT_EQ(count_writes(guest, kInterruptibility), 0u);
}

/// The processor counts an NMI as taken when its delivery begins, and refuses to be entered with
/// one while NMIs are blocked.
TEST(VmxInject, UnblocksAnNmiThatWasCutShort) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x8;
    guest.vmcs[kIdtVectoring] = 0x8000'0202;
    guest.exit(48);
    EXPECT_EQ(guest.inject(guest.in_flight), 0x8000'0202u);
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0u);
}

TEST(VmxInject, EndsAnStiShadowForAnNmi) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x1;
    guest.exit(0);
    guest.inject({.type = EventType::kNmi, .vector = 2});
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0u);
}

TEST(VmxInject, LeavesBlockingAsItIsForAnException) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x9;
    guest.exit(32);
    guest.inject({.type = EventType::kException, .vector = 6});
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0x9u);
}

TEST(VmxWithdraw, GivesBackExactlyWhatWasPlaced) {
    const PendingEvent events[] = {
        {.type = EventType::kExternalInterrupt, .vector = 0xec, .valid = true},
        {.type = EventType::kNmi, .vector = 2, .valid = true},
        {.type = EventType::kException,
         .vector = 13,
         .valid = true,
         .has_error_code = true,
         .error_code = 0x18},
        {.type = EventType::kException, .vector = 6, .valid = true},
        {.type = EventType::kSoftwareException,
         .vector = 3,
         .valid = true,
         .instruction_length = 1},
    };
    Guest guest;
    for (const PendingEvent& event : events) {  // one after the other: nothing of the last stays
        const u64 placed = guest.inject(event);
        const PendingEvent back = guest.backend.withdraw();
        EXPECT_EQ(back.type, event.type);
        EXPECT_EQ(back.vector, event.vector);
        EXPECT_TRUE(back.valid);
        EXPECT_EQ(back.has_error_code, event.has_error_code);
        EXPECT_EQ(back.error_code, event.error_code);
        EXPECT_EQ(back.instruction_length, event.instruction_length);
        EXPECT_EQ(guest.vmcs[kEntryInterruption], 0u);
        EXPECT_FALSE(guest.backend.withdraw().valid);
        EXPECT_EQ(guest.inject(back), placed);
        guest.backend.withdraw();
    }
}

TEST(VmxWindows, AreWrittenOnlyWhenTheyChange) {
    Guest guest;
    guest.vcpu.waiting.nmi = true;
    const auto set = [&](vcpu::EntryPlan plan) {
        guest.backend.set_windows(plan);
        return count_writes(guest, kProcessorControls);
    };
    EXPECT_EQ(set({}), 0u);
    EXPECT_EQ(set({.interrupt_window = true}), 1u);
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9400'6176u);  // bit 2
    EXPECT_EQ(set({.interrupt_window = true}), 1u);
    EXPECT_EQ(set({.interrupt_window = true, .nmi_window = true}), 2u);
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9440'6176u);  // bit 22
    EXPECT_EQ(set({.priority_window = true}), 3u);
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9408'6172u);  // bit 19
    EXPECT_EQ(set({}), 4u);
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9400'6172u);
}

TEST(VmxWindows, OpenForAnNmiOnlyIfOneWaits) {
    Guest guest;
    guest.vcpu.waiting.nmi_blocked = true;  // the processor itself follows that
    guest.backend.set_windows({.nmi_window = true});
    EXPECT_EQ(count_writes(guest, kProcessorControls), 0u);
    guest.vcpu.waiting.nmi = true;
    guest.backend.set_windows({.nmi_window = true});
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9440'6172u);
}

TEST(VmxIntercept, IsABitOfThePinControls) {
    Guest guest;
    guest.backend.intercept_interrupts(true);
    EXPECT_EQ(guest.vmcs[kPinControls], 0x3fu);
    guest.backend.intercept_interrupts(false);
    EXPECT_EQ(guest.vmcs[kPinControls], 0x3eu);
}

TEST(VmxIntercept, KeepsWindowsAndControlsApart) {
    Guest guest;
    guest.backend.set_windows({.interrupt_window = true});
    guest.backend.intercept_interrupts(true);
    EXPECT_EQ(guest.vmcs[kProcessorControls], 0x9400'6176u);
    EXPECT_EQ(guest.vmcs[kPinControls], 0x3fu);
}

}  // namespace
}  // namespace ringside::vmx
