// SPDX-License-Identifier: GPL-3.0-or-later
// Source of the expected values: AMD APM vol. 2 §8.9 "Long-Mode Interrupt Control Transfers";
// Intel SDM vol. 3A §6.14 "Exception and Interrupt Handling in 64-bit Mode".
#include "svm/software_delivery.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "support/guest_memory.hpp"
#include "x86/segments.hpp"

namespace ringside::svm {
namespace {

using test::GuestMemory;
using vcpu::EventType;
using vcpu::PendingEvent;

constexpr u64 kKernelCode = 0x00af9b000000ffff;
constexpr u64 kKernelData = 0x00cf93000000ffff;
constexpr u16 kKernelSelector = 0x10, kUserCode = 0x33, kUserStack = 0x2b, kTss = 0x40;
constexpr u8 kVector = 0x31;

constexpr Gva kIdt{0xffff'fe00'0000'0000};
constexpr Gva kGdt{0xffff'fe00'0000'1000};
constexpr Gva kTssAddress{0xffff'fe00'0000'3000};
constexpr Gva kRsp0{0xffff'c900'0001'0000};      // top of a page; its stack is the page below
constexpr Gva kIstStack{0xffff'c900'0002'0000};  // likewise
constexpr Gva kTaskStack{0xffff'c900'0003'0000};
constexpr Gva kUserMemory{0x0000'7f00'0000'1000};
constexpr u64 kHandler = 0xffff'ffff'8200'0a40;

/// A guest as Linux sets it up, stopped at CPL 0 in the middle of its task stack.
class SoftwareDelivery : public testing::Test {
protected:
    explicit SoftwareDelivery(u32 levels = 4) : guest{levels} {
        guest.map(kIdt, test::kReadOnly).map(kGdt, test::kReadOnly).map(kTssAddress);
        guest.map(kTssAddress + kPageSize);
        for (const Gva top : {kRsp0, kIstStack, kTaskStack})
            guest.map(top + (-kPageSize));
        guest.map(kUserMemory, test::kUserData);
        set_descriptor(0x10, kKernelCode);
        set_descriptor(0x18, kKernelData);
        set_gate(x86::Gate::interrupt(kHandler, kKernelSelector, 0));
        guest.set(kTssAddress + 4, kRsp0.value());
        guest.set(kTssAddress + 0x24 + 8 * 2, kIstStack.value());  // IST 3

        vmcb->idtr = {.limit = 0xfff, .base = kIdt.value()};
        vmcb->gdtr = {.limit = 0x7f, .base = kGdt.value()};
        vmcb->tr = {
            .selector = kTss, .attributes = 0x8b, .limit = 0x67, .base = kTssAddress.value()};
        vmcb->cs = {.selector = kKernelSelector, .attributes = 0xa9b, .limit = 0xffff'ffff};
        vmcb->ss = {.selector = 0x18, .attributes = 0xc93, .limit = 0xffff'ffff};
        vmcb->rip = 0xffff'ffff'8100'1234;
        vmcb->rsp = kTaskStack.value() - 0x108;
        vmcb->rflags = 0x202;
        vmcb->cpl = 0;
        vmcb->interrupt_shadow = 1;
    }
    void enter_user_mode() {
        vmcb->cs = {.selector = kUserCode, .attributes = 0xafb, .limit = 0xffff'ffff};
        vmcb->ss = {.selector = kUserStack, .attributes = 0xcf3, .limit = 0xffff'ffff};
        vmcb->rip = 0x40'1234;
        vmcb->rsp = 0x7ffe'1234'5678;
        vmcb->cpl = 3;
    }
    void set_descriptor(u16 selector, u64 raw) { guest.set(kGdt + selector, raw); }
    void set_gate(x86::Gate gate) {
        guest.set(kIdt + kVector * 16, gate.low);
        guest.set(kIdt + kVector * 16 + 8, gate.high);
    }
    bool deliver() {
        const auto window = guest.window();
        return deliver_interrupt(*vmcb, DeliveryMemory{walks, window, guest.paging(), smap},
                                 kVector, fault);
    }
    /// The 40 bytes at an address of the stacks.
    std::array<u64, 5> frame(u64 at) { return guest.get<std::array<u64, 5>>(Gva{at}); }

    /// Delivery is refused with this fault, and neither state nor stacks have changed.
    void expect_refused(u8 vector, u32 code, u64 cr2 = 0) {
        const Vmcb before = *vmcb;
        EXPECT_FALSE(deliver());
        EXPECT_TRUE(fault.valid);
        EXPECT_EQ(fault.type, EventType::kException);
        EXPECT_EQ(fault.vector, vector);
        EXPECT_TRUE(fault.has_error_code);
        EXPECT_EQ(fault.error_code, code);
        EXPECT_EQ(fault.address, cr2);
        EXPECT_EQ(std::memcmp(vmcb.get(), &before, sizeof before), 0);
        for (const Gva top : {kRsp0, kIstStack, kTaskStack})
            for (u64 offset = 8; offset <= kPageSize; offset += 8)
                ASSERT_EQ(guest.get<u64>(top + (-offset)), 0u);
    }

    memory::WalkCache walks{};
    GuestMemory guest;
    std::unique_ptr<Vmcb> vmcb = std::make_unique<Vmcb>();
    PendingEvent fault;
    bool smap = true;
};

class SoftwareDeliveryOfFiveLevels : public SoftwareDelivery {
protected:
    SoftwareDeliveryOfFiveLevels() : SoftwareDelivery{5} {}
};

TEST_F(SoftwareDelivery, PushesItsFrameOnTheSameStackFromCpl0) {
    ASSERT_TRUE(deliver());

    // rsp ended in ef8; aligned down to 16 that is ef0, and 40 bytes below it ec8.
    EXPECT_EQ(vmcb->rsp, kTaskStack.value() - 0x138);
    EXPECT_EQ(frame(vmcb->rsp), (std::array<u64, 5>{0xffff'ffff'8100'1234, kKernelSelector, 0x202,
                                                    kTaskStack.value() - 0x108, 0x18}));
    EXPECT_EQ(vmcb->rip, kHandler);
    EXPECT_EQ(vmcb->cs.selector, kKernelSelector);
    EXPECT_EQ(vmcb->cs.attributes, 0xa9b);
    EXPECT_EQ(vmcb->cs.limit, 0xffff'ffffu);
    EXPECT_EQ(vmcb->cs.base, 0u);
    EXPECT_EQ(vmcb->ss.selector, 0x18);  // no change of level, no change of SS
    EXPECT_EQ(vmcb->ss.attributes, 0xc93);
    EXPECT_EQ(vmcb->cpl, 0);
    EXPECT_EQ(vmcb->interrupt_shadow, 0u);
}

TEST_F(SoftwareDelivery, KeepsAnAlignedStackPointer) {
    vmcb->rsp = kTaskStack.value() - 0x100;
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rsp, kTaskStack.value() - 0x128);
}

TEST_F(SoftwareDelivery, ChangesToRsp0FromCpl3) {
    enter_user_mode();

    ASSERT_TRUE(deliver());

    EXPECT_EQ(vmcb->rsp, kRsp0.value() - 40);
    EXPECT_EQ(frame(vmcb->rsp),
              (std::array<u64, 5>{0x40'1234, kUserCode, 0x202, 0x7ffe'1234'5678, kUserStack}));
    EXPECT_EQ(vmcb->cpl, 0);
    EXPECT_EQ(vmcb->cs.selector, kKernelSelector);
    EXPECT_EQ(vmcb->ss.selector, 0);  // null with the new level
    EXPECT_EQ(vmcb->ss.attributes, 0);
}

TEST_F(SoftwareDelivery, DiffersFrom32BitCodeOnlyInWhatItPushes) {
    enter_user_mode();
    vmcb->cs = {.selector = 0x23, .attributes = 0xcfb, .limit = 0xffff'ffff};
    vmcb->rsp = 0xffff'd000;
    ASSERT_TRUE(deliver());
    EXPECT_EQ(frame(vmcb->rsp)[1], 0x23u);
    EXPECT_EQ(frame(vmcb->rsp)[3], 0xffff'd000u);
    EXPECT_EQ(vmcb->cs.attributes, 0xa9b);
}

TEST_F(SoftwareDelivery, TakesTheStackTheGateNames) {
    set_gate(x86::Gate::interrupt(kHandler, kKernelSelector, 3));
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rsp, kIstStack.value() - 40);
    EXPECT_EQ(frame(vmcb->rsp)[3], kTaskStack.value() - 0x108);
}

TEST_F(SoftwareDelivery, TakesTheStackTheGateNamesFromCpl3) {
    enter_user_mode();
    set_gate(x86::Gate::interrupt(kHandler, kKernelSelector, 3));
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rsp, kIstStack.value() - 40);
    EXPECT_EQ(vmcb->cpl, 0);
    EXPECT_EQ(vmcb->ss.selector, 0);
}

TEST_F(SoftwareDelivery, ReadsAStackPointerAcrossAPage) {
    // The TSS lies so that RSP0 (offset 4) has four bytes on each of two pages.
    const Gva tss = kTssAddress + (kPageSize - 8);
    vmcb->tr.base = tss.value();
    guest.set(tss + 4, kRsp0.value());
    enter_user_mode();
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rsp, kRsp0.value() - 40);
}

TEST_F(SoftwareDelivery, ClearsFlagsByTheTypeOfTheGate) {
    // TF 8, IF 9, NT 14, RF 16, VM 17; AC 18 and the arithmetic flags stay.
    constexpr u64 kBefore = 0x2 | 0x1 | 1 << 8 | 1 << 9 | 1 << 14 | 1 << 16 | 1 << 18;
    vmcb->rflags = kBefore;
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rflags, 0x40003u);
    EXPECT_EQ(frame(vmcb->rsp)[2], kBefore);  // as saved, RF included

    x86::Gate trap = x86::Gate::interrupt(kHandler, kKernelSelector, 0);
    trap.low |= u64{1} << 40;
    set_gate(trap);
    vmcb->rflags = kBefore;
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rflags, 0x40203u);
}

TEST_F(SoftwareDelivery, WritesAFrameOverTwoPages) {
    // Aligned down to ..010, the 40 bytes begin at ..fe8 of the page below.
    const Gva border = kTaskStack + (-kPageSize);
    guest.map(border + (-kPageSize));
    vmcb->rsp = border.value() + 0x18;

    ASSERT_TRUE(deliver());

    EXPECT_EQ(vmcb->rsp, border.value() - 0x18);
    EXPECT_EQ(frame(vmcb->rsp), (std::array<u64, 5>{0xffff'ffff'8100'1234, kKernelSelector, 0x202,
                                                    border.value() + 0x18, 0x18}));
    // Both pages were written, both are dirty.
    EXPECT_EQ(guest.entry(border, 1) & 0x60, 0x60u);
    EXPECT_EQ(guest.entry(border + (-8), 1) & 0x60, 0x60u);
}

TEST_F(SoftwareDelivery, RefusesAStackWithoutPage) {
    guest.unmap(kTaskStack + (-8));
    // Not present, write, supervisor.
    const Vmcb before = *vmcb;
    EXPECT_FALSE(deliver());
    EXPECT_EQ(fault.vector, 14);
    EXPECT_EQ(fault.error_code, 2u);
    EXPECT_EQ(fault.address & ~kPageMask, kTaskStack.value() - kPageSize);
    EXPECT_GE(fault.address, kTaskStack.value() - 0x138);
    EXPECT_LT(fault.address, kTaskStack.value() - 0x110);
    EXPECT_EQ(std::memcmp(vmcb.get(), &before, sizeof before), 0);
}

TEST_F(SoftwareDelivery, RefusesAFrameWhoseUpperPageIsMissing) {
    const Gva border = kTaskStack + (-kPageSize);
    guest.map(border + (-kPageSize));
    guest.unmap(border);
    vmcb->rsp = border.value() + 0x18;
    EXPECT_FALSE(deliver());
    EXPECT_EQ(fault.error_code, 2u);
    EXPECT_EQ(fault.address & ~kPageMask, border.value());
    EXPECT_EQ(guest.get<u64>(border + (-8)), 0u);  // nothing in the page that is there
}

TEST_F(SoftwareDelivery, RefusesAFrameWhoseLowerPageIsMissing) {
    const Gva border = kTaskStack + (-kPageSize);
    vmcb->rsp = border.value() + 0x18;
    EXPECT_FALSE(deliver());
    EXPECT_EQ(fault.vector, 14);
    EXPECT_EQ(fault.error_code, 2u);
    EXPECT_EQ(fault.address & ~kPageMask, border.value() - kPageSize);
    EXPECT_EQ(guest.get<u64>(border), 0u);
}

TEST_F(SoftwareDelivery, RefusesAReadOnlyStack) {
    guest.entry(kTaskStack + (-8), 1) &= ~u64{2};
    expect_refused(14, 3, kTaskStack.value() - 0x138);  // present, write
}

TEST_F(SoftwareDelivery, RefusesAUsersStackUnderSmap) {
    vmcb->rsp = kUserMemory.value() + 0x800;
    expect_refused(14, 3, kUserMemory.value() + 0x800 - 40);

    smap = false;
    EXPECT_TRUE(deliver());
}

TEST_F(SoftwareDelivery, RefusesAUsersDescriptorTableUnderSmap) {
    vmcb->idtr.base = kUserMemory.value();
    expect_refused(14, 1, kUserMemory.value() + kVector * 16);
}

TEST_F(SoftwareDelivery, RefusesWhenTheDescriptorTableHasNoPage) {
    guest.unmap(kIdt);
    expect_refused(14, 0, kIdt.value() + kVector * 16);
}

TEST_F(SoftwareDelivery, RefusesWhenTheSegmentTableHasNoPage) {
    guest.unmap(kGdt);
    expect_refused(14, 0, kGdt.value() + kKernelSelector);
}

TEST_F(SoftwareDelivery, RefusesWhenTheTaskStateHasNoPage) {
    enter_user_mode();
    guest.unmap(kTssAddress);
    expect_refused(14, 0, kTssAddress.value() + 4);
}

// Error codes: vector * 8, IDT (2) and EXT (1) for a gate; selector and EXT for a segment.
constexpr u32 kGateError = kVector * 8 + 3;
constexpr u32 kSelectorError = kKernelSelector + 1;

TEST_F(SoftwareDelivery, RefusesAGateBeyondTheLimit) {
    vmcb->idtr.limit = kVector * 16 + 14;
    expect_refused(13, kGateError);
    vmcb->idtr.limit = kVector * 16 + 15;
    EXPECT_TRUE(deliver());
}

TEST_F(SoftwareDelivery, RefusesAnAbsentGate) {
    x86::Gate gate = x86::Gate::interrupt(kHandler, kKernelSelector, 0);
    gate.low &= ~(u64{1} << 47);
    set_gate(gate);
    expect_refused(11, kGateError);
}

TEST_F(SoftwareDelivery, RefusesWhatIsNoGateBeforeItLooksAtPresence) {
    set_gate({});
    expect_refused(13, kGateError);
    for (const u64 type : {0x5u, 0x6u, 0x7u, 0xcu, 0x9u}) {  // task, 16-bit, call gate; TSS
        x86::Gate gate = x86::Gate::interrupt(kHandler, kKernelSelector, 0);
        gate.low = x86::Gate::Type::set(gate.low, type);
        set_gate(gate);
        expect_refused(13, kGateError);
    }
    x86::Gate segment = x86::Gate::interrupt(kHandler, kKernelSelector, 0);
    segment.low |= u64{1} << 44;
    set_gate(segment);
    expect_refused(13, kGateError);
}

TEST_F(SoftwareDelivery, RefusesABadSelector) {
    set_gate(x86::Gate::interrupt(kHandler, 0, 0));
    expect_refused(13, 1);
    set_gate(x86::Gate::interrupt(kHandler, 0x78, 0));  // ends with the limit, but is empty
    expect_refused(13, 0x79);
    set_gate(x86::Gate::interrupt(kHandler, 0x80, 0));  // beyond the limit
    expect_refused(13, 0x81);
    set_gate(x86::Gate::interrupt(kHandler, 0x14, 0));  // in the LDT
    expect_refused(13, 0x15);
    set_gate(x86::Gate::interrupt(kHandler, 0x18, 0));  // data
    expect_refused(13, 0x19);
}

TEST_F(SoftwareDelivery, RefusesASegmentThatIsNo64BitCode) {
    set_descriptor(kKernelSelector, kKernelCode & ~(u64{1} << 53));  // L
    expect_refused(13, kSelectorError);
    set_descriptor(kKernelSelector, kKernelCode | u64{1} << 54);  // L and D
    expect_refused(13, kSelectorError);
    set_descriptor(kKernelSelector, kKernelCode & ~(u64{1} << 43));  // data with L
    expect_refused(13, kSelectorError);
    set_descriptor(kKernelSelector, kKernelCode & ~(u64{1} << 44));  // a system segment
    expect_refused(13, kSelectorError);
}

TEST_F(SoftwareDelivery, RefusesAnAbsentSegment) {
    set_descriptor(kKernelSelector, kKernelCode & ~(u64{1} << 47));
    expect_refused(11, kSelectorError);
}

TEST_F(SoftwareDelivery, RefusesALessPrivilegedSegment) {
    set_descriptor(kKernelSelector, kKernelCode | u64{3} << 45);
    expect_refused(13, kSelectorError);
}

TEST_F(SoftwareDelivery, IgnoresTheLevelAskedForInTheGatesSelector) {
    set_gate(x86::Gate::interrupt(kHandler, kKernelSelector | 3, 0));
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->cs.selector, kKernelSelector);
}

TEST_F(SoftwareDelivery, RefusesAHandlerThatIsNotCanonical) {
    set_gate(x86::Gate::interrupt(0x0000'8000'0000'0000, kKernelSelector, 0));
    expect_refused(13, 1);
}

TEST_F(SoftwareDelivery, RefusesAStackThatIsNotCanonical) {
    vmcb->rsp = 0x0000'8000'0000'1000;
    expect_refused(12, 1);
    vmcb->rsp = 0x10;  // 40 bytes below are at the other end of the address space
    EXPECT_FALSE(deliver());
    EXPECT_EQ(fault.vector, 14);
}

TEST_F(SoftwareDelivery, WritesNothingToTheSegmentTable) {
    set_descriptor(kKernelSelector, kKernelCode & ~(u64{1} << 40));  // not accessed
    ASSERT_TRUE(deliver());
    EXPECT_EQ(guest.get<u64>(kGdt + kKernelSelector), kKernelCode & ~(u64{1} << 40));
}

TEST_F(SoftwareDeliveryOfFiveLevels, DeliversFromBothLevels) {
    ASSERT_TRUE(deliver());
    EXPECT_EQ(frame(vmcb->rsp)[0], 0xffff'ffff'8100'1234u);
    enter_user_mode();
    ASSERT_TRUE(deliver());
    EXPECT_EQ(vmcb->rsp, kRsp0.value() - 40);
}

TEST_F(SoftwareDeliveryOfFiveLevels, TakesAHandlerThatIsCanonicalThere) {
    set_gate(x86::Gate::interrupt(0x0100'0000'0000'0000, kKernelSelector, 0));
    expect_refused(13, 1);
    set_gate(x86::Gate::interrupt(0xff11'0000'0000'1000, kKernelSelector, 0));
    EXPECT_TRUE(deliver());
}

TEST(DeliveryMemory, ReadsAcrossPages) {
    GuestMemory guest;
    guest.map(Gva{0x1000}).map(Gva{0x2000});
    guest.set(Gva{0x1ffc}, u64{0x1122'3344'5566'7788});
    const auto window = guest.window();
    memory::WalkCache walks{};
    const DeliveryMemory memory{walks, window, guest.paging(), true};
    PendingEvent fault;
    u64 value = 0;
    EXPECT_TRUE(memory.read(Gva{0x1ffc}, value, fault));
    EXPECT_EQ(value, 0x1122'3344'5566'7788u);
    guest.unmap(Gva{0x2000});
    EXPECT_FALSE(memory.read(Gva{0x1ffc}, value, fault));
    EXPECT_EQ(fault.address, 0x2000u);
    EXPECT_EQ(memory.levels(), 4u);
}

TEST(DeliveryMemory, ReachesNothingThatIsNoRam) {
    GuestMemory guest;
    guest.map(Gva{0x1000}, Hpa{0xfee0'0000}, test::kKernelData);
    const auto window = guest.window();
    memory::WalkCache walks{};
    PendingEvent fault;
    EXPECT_EQ(
        (DeliveryMemory{walks, window, guest.paging(), true}.supervisor(Gva{0x1008}, true, fault)),
        nullptr);
    EXPECT_EQ(fault.vector, 14);
    EXPECT_EQ(fault.address, 0x1008u);
}

}  // namespace
}  // namespace ringside::svm
