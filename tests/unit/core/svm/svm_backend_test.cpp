// SPDX-License-Identifier: GPL-3.0-or-later
// The backend over a VMCB in memory. Encodings: AMD APM vol. 2 appendix B "VMCB Layout", §15.20
// "Event Injection", appendix C "SVM Intercept Exit Codes".
#include "svm/svm_backend.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "support/fake_processor.hpp"
#include "support/guest_memory.hpp"

namespace ringside::svm {
namespace {

using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::PendingEvent;

struct Guest {
    explicit Guest(Traits traits = {})
        : backend{vmcb.get(), &vcpu, traits, leave.get(), leave.get()} {
        machine->ram = memory.ram();
        machine->window = {memory.window_base(), &machine->ram};
        vcpu.machine = machine.get();
        vcpu.registers = &registers;
        vmcb->cr0 = 0x80050033;
        vmcb->cr3 = memory.paging().cr3;
        vmcb->cr4 = 0x3006f0;
        vmcb->efer = 0x1d01;
        vmcb->rflags = 0x202;
    }
    vcpu::Exit exit(u64 code) {
        vmcb->exit_code = code;
        return backend.decode_exit(in_flight);
    }

    test::GuestMemory memory;
    std::unique_ptr<vcpu::Machine> machine = std::make_unique<vcpu::Machine>();
    std::unique_ptr<Vmcb> vmcb = std::make_unique<Vmcb>();
    std::unique_ptr<LeaveBlock> leave = std::make_unique<LeaveBlock>();
    vcpu::GuestRegisters registers{};
    vcpu::Vcpu vcpu;
    PendingEvent in_flight;
    SvmBackend backend;
};

TEST(SvmBackend, NamesEveryExitItAsksFor) {
    Guest guest;
    EXPECT_EQ(guest.exit(0x60).reason, ExitReason::kExternalInterrupt);
    EXPECT_EQ(guest.exit(0x61).reason, ExitReason::kNmi);
    EXPECT_EQ(guest.exit(0x64).reason, ExitReason::kInterruptWindow);
    EXPECT_EQ(guest.exit(0x74).reason, ExitReason::kNmiUnblocked);
    EXPECT_EQ(guest.exit(0x7f).reason, ExitReason::kTripleFault);
    EXPECT_EQ(guest.exit(0x81).reason, ExitReason::kHypercall);
    for (const u64 code : {0x80, 0x82, 0x83, 0x84, 0x85, 0x86})
        EXPECT_EQ(guest.exit(code).reason, ExitReason::kVirtualizationInstruction);
    EXPECT_EQ(guest.exit(~u64{0}).reason, ExitReason::kEntryFailed);
    EXPECT_EQ(guest.exit(0xffff'ffff).reason, ExitReason::kEntryFailed);
    EXPECT_EQ(guest.exit(0x72).reason, ExitReason::kUnknown);
    EXPECT_EQ(guest.exit(0x72).code, 0x72u);
}

TEST(SvmBackend, TellsReadsFromWritesOfMsrs) {
    Guest guest;
    guest.vmcb->exit_info1 = 0;
    EXPECT_EQ(guest.exit(0x7c).reason, ExitReason::kReadMsr);
    guest.vmcb->exit_info1 = 1;
    EXPECT_EQ(guest.exit(0x7c).reason, ExitReason::kWriteMsr);
}

TEST(SvmBackend, ReportsWhereANestedPageFaultWas) {
    Guest guest;
    guest.vmcb->exit_info1 = 0x1'0000'0006;
    guest.vmcb->exit_info2 = 0x1234'5678;
    const vcpu::Exit exit = guest.exit(0x400);
    EXPECT_EQ(exit.reason, ExitReason::kNestedPageFault);
    EXPECT_EQ(exit.address, 0x1234'5678u);
    EXPECT_EQ(exit.detail, 0x1'0000'0006u);
}

TEST(SvmException, IsReadWithItsErrorCodeAndAddress) {
    Guest guest;
    guest.vmcb->exit_info1 = 6;
    guest.vmcb->exit_info2 = 0x7fff'1234'5678;
    EXPECT_EQ(guest.exit(0x4e).reason, ExitReason::kException);
    const PendingEvent fault = guest.backend.read_exception();
    EXPECT_EQ(fault.type, EventType::kException);
    EXPECT_EQ(fault.vector, 14);
    EXPECT_TRUE(fault.has_error_code);
    EXPECT_EQ(fault.error_code, 6u);
    EXPECT_EQ(fault.address, 0x7fff'1234'5678u);
    EXPECT_EQ(guest.exit(0x40).reason, ExitReason::kException);
    EXPECT_EQ(guest.exit(0x5f).reason, ExitReason::kException);
}

TEST(SvmException, ABreakpointReturnsBehindItsInstruction) {
    Guest guest;
    guest.vmcb->rip = 0x1000;
    guest.exit(0x43);
    const PendingEvent breakpoint = guest.backend.read_exception();
    EXPECT_EQ(breakpoint.type, EventType::kSoftwareException);
    PendingEvent fault;
    guest.backend.inject(breakpoint, fault);
    EXPECT_EQ(guest.vmcb->rip, 0x1001u);
    EXPECT_EQ(guest.vmcb->next_rip, 0x1001u);
    EXPECT_EQ(guest.vmcb->event_injection, 0x8000'0303u);
}

TEST(SvmException, InAnEmulatorSoftwareInterruptsAreToldApartByTheirCode) {  // QEMU TCG
    Guest guest{{.soft_as_interrupt = true}};
    guest.memory.map(Gva{0x1000}, test::kUserData);
    u8* const code = guest.memory.at(Gva{0x1000});
    guest.vmcb->rip = 0x1000;
    code[0] = 0xcc;
    EXPECT_EQ(guest.exit(0x75).reason, ExitReason::kException);
    EXPECT_EQ(guest.backend.read_exception().vector, 3);
    code[0] = 0xce;
    EXPECT_EQ(guest.exit(0x75).reason, ExitReason::kException);
    EXPECT_EQ(guest.backend.read_exception().vector, 4);
    // A breakpoint that another core has taken out since: the code below it runs.
    code[0] = 0x0f;
    EXPECT_EQ(guest.exit(0x75).reason, ExitReason::kInterruptWindow);
    EXPECT_FALSE(guest.vcpu.waiting.exception.valid);
    code[0] = 0xcd;
    code[1] = 0x80;
    EXPECT_EQ(guest.exit(0x75).reason, ExitReason::kInterruptWindow);
    EXPECT_TRUE(guest.vcpu.waiting.exception.valid);
    EXPECT_EQ(guest.vcpu.waiting.exception.vector, 0x80);
}

TEST(SvmException, TheInterceptsLeaveNmisOut) {
    Guest guest;
    guest.backend.intercept_exceptions(1u << 2 | 1u << 3 | 1u << 14);
    EXPECT_EQ(guest.vmcb->intercept_exceptions, 1u << 3 | 1u << 14);
}

TEST(SvmBackend, ReportsAnEventWhoseDeliveryWasCutShort) {
    Guest guest;
    guest.vmcb->exit_interrupt_info = 0x0000'0002'8000'0b0e;  // #PF with code 2
    guest.exit(0x400);
    EXPECT_TRUE(guest.in_flight.valid);
    EXPECT_EQ(guest.in_flight.type, EventType::kException);
    EXPECT_EQ(guest.in_flight.vector, 14);
    EXPECT_TRUE(guest.in_flight.has_error_code);
    EXPECT_EQ(guest.in_flight.error_code, 2u);

    PendingEvent fault;
    guest.backend.inject(guest.in_flight, fault);
    EXPECT_EQ(guest.vmcb->event_injection, 0x0000'0002'8000'0b0eu);
}

TEST(SvmBackend, ReportsNoEventWhenNoneWasCutShort) {
    Guest guest;
    guest.vmcb->exit_interrupt_info = 0x0000'0002'0000'0b0e;
    guest.exit(0x60);
    EXPECT_FALSE(guest.in_flight.valid);
}

TEST(SvmBackend, InjectsNothingTwice) {
    Guest guest;
    guest.vmcb->event_injection = 0x8000'0031;
    guest.vmcb->tlb_control = 1;
    guest.exit(0x60);
    EXPECT_EQ(guest.vmcb->event_injection, 0u);
    EXPECT_EQ(guest.vmcb->tlb_control, 0);
}

TEST(SvmBackend, EncodesWhatItInjects) {
    Guest guest;
    PendingEvent fault;
    const auto injected = [&](PendingEvent event) {
        event.valid = true;
        EXPECT_EQ(guest.backend.inject(event, fault), vcpu::Injected::kDone);
        return guest.vmcb->event_injection;
    };
    EXPECT_EQ(injected({.type = EventType::kExternalInterrupt, .vector = 0x31}), 0x8000'0031u);
    EXPECT_EQ(injected({.type = EventType::kNmi, .vector = 2}), 0x8000'0202u);
    EXPECT_EQ(injected({.type = EventType::kException, .vector = 6}), 0x8000'0306u);
    EXPECT_EQ(injected({.type = EventType::kSoftwareInterrupt, .vector = 0x80}), 0x8000'0480u);
    EXPECT_EQ(injected({.type = EventType::kException,
                        .vector = 14,
                        .has_error_code = true,
                        .error_code = 3,
                        .address = 0x1000}),
              0x0000'0003'8000'0b0eu);
    EXPECT_EQ(guest.vmcb->cr2, 0x1000u);
}

TEST(SvmBackend, DetectsAWindowWithAVirtualInterruptThatIsNeverTaken) {
    Guest guest;
    guest.vmcb->intercept_misc1 = 0x9000'0003;
    guest.vcpu.waiting.nmi_blocked = true;
    guest.backend.set_windows({.inject = {}, .interrupt_window = true, .nmi_window = true});
    EXPECT_EQ(guest.vmcb->intercept_misc1, 0x9010'0013u);  // VINTR 4, IRET 20
    EXPECT_EQ(guest.vmcb->interrupt_control, 0x1f'0100u);  // V_IRQ, priority 15, TPR ignored
    guest.backend.set_windows({});
    EXPECT_EQ(guest.vmcb->intercept_misc1, 0x9000'0003u);
    EXPECT_EQ(guest.vmcb->interrupt_control, 0u);
}

/// Waiting for an IRET would exit for ever on `mov ss; iret`: the intercept comes before the IRET
/// that would end the shadow.
TEST(SvmBackend, SendsItselfAnNmiWhenOneWaitsThatNoHandlerHoldsBack) {
    Guest guest;
    std::vector<u32> apic_registers(1024);
    guest.machine->apic = {false, reinterpret_cast<u64>(apic_registers.data())};
    guest.vcpu.waiting.nmi = true;
    guest.backend.set_windows({.inject = {}, .nmi_window = true});
    EXPECT_EQ(guest.vmcb->intercept_misc1 & (1u << 20), 0u);
    EXPECT_EQ(apic_registers[0x300 / 4], 0x4400u);
    EXPECT_EQ(guest.vcpu.owed_nmi, 1u);
    apic_registers[0x300 / 4] = 0;
    guest.backend.set_windows({.inject = {}, .nmi_window = true});
    EXPECT_EQ(apic_registers[0x300 / 4], 0u) << "one is on its way already";
}

TEST(SvmBackend, InterceptsInterruptsOnDemand) {
    Guest guest;
    guest.vmcb->intercept_misc1 = 0x9000'0002;
    guest.backend.intercept_interrupts(true);
    EXPECT_EQ(guest.vmcb->intercept_misc1, 0x9000'0003u);
    guest.backend.intercept_interrupts(false);
    EXPECT_EQ(guest.vmcb->intercept_misc1, 0x9000'0002u);
}

TEST(SvmBackend, SeesFlagAndShadowOfTheGuest) {
    Guest guest;
    EXPECT_TRUE(guest.backend.interruptibility().interrupt_flag);
    EXPECT_FALSE(guest.backend.interruptibility().shadow);
    guest.vmcb->rflags = 2;
    guest.vmcb->interrupt_shadow = 1;
    EXPECT_FALSE(guest.backend.interruptibility().interrupt_flag);
    EXPECT_TRUE(guest.backend.interruptibility().shadow);
    EXPECT_TRUE(guest.backend.interruptibility().nmi_shadow);
    guest.vmcb->interrupt_shadow = 2;  // GUEST_INTERRUPT_MASK, which is no shadow
    EXPECT_FALSE(guest.backend.interruptibility().shadow);
}

TEST(SvmBackend, SkipsAnInstructionAndItsShadow) {
    Guest guest;
    guest.vmcb->rip = 0x1000;
    guest.vmcb->next_rip = 0x100f;
    guest.vmcb->interrupt_shadow = 1;
    guest.backend.skip_instruction(3);
    EXPECT_EQ(guest.vmcb->rip, 0x1003u);
    EXPECT_EQ(guest.vmcb->interrupt_shadow, 0u);

    Guest with_next_rip{{.has_next_rip = true}};
    with_next_rip.vmcb->rip = 0x1000;
    with_next_rip.vmcb->next_rip = 0x100f;
    with_next_rip.backend.skip_instruction(3);
    EXPECT_EQ(with_next_rip.vmcb->rip, 0x100fu);
}

TEST(SvmBackend, TakesNoRegisterValueTheGuestCouldNotBeEnteredWith) {
    Guest guest;
    const auto takes = [&](vcpu::Register which, u64 value) {
        const Vmcb before = *guest.vmcb;
        const bool taken = guest.backend.write_register(which, value);
        EXPECT_TRUE(taken || std::memcmp(&before, guest.vmcb.get(), sizeof before) == 0) << which;
        return taken;
    };
    EXPECT_TRUE(takes(RS_FULL_RIP, 0xffff'8000'0000'0000));
    EXPECT_FALSE(takes(RS_FULL_RIP, 0x0000'8000'0000'0000));
    EXPECT_FALSE(takes(RS_FULL_RSP, 0x0000'8000'0000'0000));
    EXPECT_FALSE(takes(RS_FULL_FSBASE, 0x8000'0000'0000'0000));
    EXPECT_FALSE(takes(RS_FULL_GSBASE, 0x8000'0000'0000'0000));
    EXPECT_FALSE(takes(RS_FULL_KGSBASE, 0x8000'0000'0000'0000));
    EXPECT_TRUE(takes(RS_FULL_RFLAGS, 0x246));
    EXPECT_FALSE(takes(RS_FULL_RFLAGS, 0x244));     // bit 1 must be set
    EXPECT_FALSE(takes(RS_FULL_RFLAGS, 0x20246));   // VM does not exist in long mode
    EXPECT_FALSE(takes(RS_FULL_RFLAGS, 0x8246));    // bit 15 must be clear
    EXPECT_FALSE(takes(RS_FULL_CR0, 0x0005'0033));  // paging off
    EXPECT_FALSE(takes(RS_FULL_CR0, 0xa005'0033));  // NW without CD
    EXPECT_FALSE(takes(RS_FULL_CR0, 0x1'8005'0033));
    EXPECT_TRUE(takes(RS_FULL_CR0, 0x8004'0033));
    guest.vmcb->cr4 |= 1 << 23;  // CET needs WP
    EXPECT_FALSE(takes(RS_FULL_CR0, 0x8004'0033));
    EXPECT_FALSE(takes(RS_FULL_CR3, 0xfee0'0000));  // no RAM
    EXPECT_FALSE(takes(RS_FULL_CR4, 0x3016f0));     // LA57 cannot change
    EXPECT_FALSE(takes(RS_FULL_CR4, 0x3006d0));     // nor PAE
    EXPECT_FALSE(takes(RS_FULL_DR7, u64{1} << 32));
    EXPECT_FALSE(takes(RS_FULL_DR6, u64{1} << 32));
    EXPECT_FALSE(takes(RS_FULL_CS, 0x10));
}

TEST(SvmBackend, FlushesTranslationsWhenCr3OrCr4Change) {
    Guest guest;
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR3, test::GuestMemory::kRamStart));
    EXPECT_EQ(guest.vmcb->tlb_control, 1);
    guest.vmcb->tlb_control = 0;
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR4, 0x3006f4));
    EXPECT_EQ(guest.vmcb->tlb_control, 1);
}

constexpr u32 kEfer = 0xc0000080, kHsave = 0xc0010117;

TEST(SvmBackend, HidesThatVirtualizationIsOn) {
    Guest guest;
    u64 value = 0;
    EXPECT_TRUE(guest.backend.read_msr(kEfer, value));
    EXPECT_EQ(value, 0xd01u);
    EXPECT_EQ(guest.backend.read_register(RS_FULL_EFER), 0xd01u);
    EXPECT_TRUE(guest.backend.read_msr(kHsave, value));
    EXPECT_EQ(value, 0u);
}

TEST(SvmBackend, KeepsLongModeAndItsOwnBitOfEfer) {
    Guest guest;
    bool leave = false;
    EXPECT_TRUE(guest.backend.write_msr(kEfer, 0xd00, leave));  // SCE off
    EXPECT_EQ(guest.vmcb->efer, 0x1d00u);
    EXPECT_FALSE(guest.backend.write_msr(kEfer, 0x801, leave));   // LME off under paging: #GP
    EXPECT_FALSE(guest.backend.write_msr(kEfer, 0x2d01, leave));  // a bit nobody has set yet
    EXPECT_EQ(guest.vmcb->efer, 0x1d00u);
    EXPECT_FALSE(leave);
}

TEST(SvmBackend, LeavesWhenTheKernelTurnsVirtualizationOff) {
    Guest guest;
    bool leave = false;
    EXPECT_TRUE(guest.backend.write_msr(kHsave, 0, leave));
    EXPECT_TRUE(leave);
}

TEST(SvmBackend, TakesTheEndOfKvmForNoEmergency) {
    Guest guest;
    bool leave = false;
    EXPECT_TRUE(guest.backend.write_msr(kHsave, 0x1000, leave));
    EXPECT_TRUE(guest.backend.write_msr(kHsave, 0, leave));
    EXPECT_FALSE(leave);
}

TEST(SvmBackend, RaisesWhatAnUnknownMsrRaises) {
    Guest guest;
    u64 value = 0;
    bool leave = false;
    EXPECT_FALSE(guest.backend.read_msr(0xc0010114, value));
    EXPECT_FALSE(guest.backend.write_msr(0xc0010114, 0, leave));
}

TEST(SvmBackend, KeepsSystemCallMsrsInTheSaveAreaAndRootModesOwnInTheProcessor) {
    Guest guest;
    test::FakeProcessor processor;
    constexpr u32 kStar = 0xc0000081, kLstar = 0xc0000082, kSysenterEip = 0x176;
    processor.msrs = {{kStar, 1}, {kLstar, 2}};
    guest.vmcb->star = 0x11;
    guest.vmcb->lstar = 0x22;
    guest.vmcb->sysenter_eip = 0x33;
    u64 value = 0;
    EXPECT_TRUE(guest.backend.read_msr(kLstar, value));
    EXPECT_EQ(value, 0x22u);
    bool leave = false;
    EXPECT_TRUE(guest.backend.write_msr(kLstar, 0x222, leave));
    EXPECT_EQ(guest.vmcb->lstar, 0x222u);
    EXPECT_EQ(guest.vmcb->star, 0x11u);
    EXPECT_EQ(processor.msrs[kLstar], 2u);
    // The processor refuses it: #GP.
    EXPECT_FALSE(guest.backend.write_msr(kSysenterEip, 5, leave));
    EXPECT_EQ(guest.vmcb->sysenter_eip, 0x33u);
    EXPECT_FALSE(leave);
}

TEST(SvmBackend, RefusesAnEntryPointThatIsNoAddressWhateverTheProcessorTakes) {
    Guest guest;
    test::FakeProcessor processor;  // takes anything, as QEMU TCG does
    processor.msrs = {{0x175, 0}, {0x176, 0}, {0xc0000082, 2}, {0xc0000083, 3}};
    guest.vmcb->lstar = 0xffff'ffff'8180'0000;
    bool leave = false;
    for (const u32 msr : {0x175u, 0x176u, 0xc0000082u, 0xc0000083u})
        EXPECT_FALSE(guest.backend.write_msr(msr, 0x8000'0000'0000'0000, leave)) << msr;
    EXPECT_EQ(guest.vmcb->lstar, 0xffff'ffff'8180'0000u);
    EXPECT_EQ(processor.msrs[0xc0000082], 2u);
    EXPECT_TRUE(guest.backend.write_msr(0xc0000082, 0xffff'ffff'8190'0000, leave));
    EXPECT_EQ(guest.vmcb->lstar, 0xffff'ffff'8190'0000u);
}

TEST(SvmBackend, KnowsWhosePatItIs) {
    Guest guest;
    test::FakeProcessor processor;
    constexpr u32 kPat = 0x277;
    constexpr u64 kOwn = 0x0007'0406'0007'0406, kGuests = 0x0407'0506'0007'0106;
    processor.msrs = {{kPat, kOwn}};
    guest.vmcb->guest_pat = kGuests;
    u64 value = 0;
    bool leave = false;
    EXPECT_TRUE(guest.backend.read_msr(kPat, value));
    EXPECT_EQ(value, kOwn);  // both have the same
    guest.vmcb->nested_control = 1;
    EXPECT_TRUE(guest.backend.read_msr(kPat, value));
    EXPECT_EQ(value, kGuests);
    EXPECT_TRUE(guest.backend.write_msr(kPat, kOwn, leave));
    EXPECT_EQ(guest.vmcb->guest_pat, kOwn);
    for (const u64 bad : {u64{0x02}, u64{0x0300}, u64{0x08} << 56})  // reserved memory types
        EXPECT_FALSE(guest.backend.write_msr(kPat, bad, leave)) << bad;
    EXPECT_EQ(guest.vmcb->guest_pat, kOwn);
}

TEST(SvmBackend, KnowsWhichCodeIts64BitSegmentsHold) {
    Guest guest;
    guest.vmcb->cs.attributes = 0x29b;  // present, code, L
    EXPECT_TRUE(guest.backend.runs_64bit_code());
    guest.vmcb->cs.attributes = 0x4fb;  // CPL 3, D
    EXPECT_FALSE(guest.backend.runs_64bit_code());
}

TEST(SvmBackend, StepsOverAHaltWhoseShadowWasLost) {
    Guest guest{{.shadow_lost = true}};
    const Gva code{0xffff'ffff'8100'0000};
    guest.memory.map(code).set(code + 0x10, u8{0xf4});
    guest.vmcb->rip = code.value() + 0x10;
    guest.vmcb->interrupt_shadow = 1;
    guest.exit(0x61);  // between STI and HLT
    guest.vmcb->interrupt_shadow = 0;
    guest.exit(0x60);  // the interrupt comes before the HLT: it has done its work
    EXPECT_EQ(guest.vmcb->rip, code.value() + 0x11);
    guest.vmcb->rip = code.value() + 0x10;
    guest.exit(0x60);  // an ordinary HLT is left alone
    EXPECT_EQ(guest.vmcb->rip, code.value() + 0x10);
}

}  // namespace
}  // namespace ringside::svm
