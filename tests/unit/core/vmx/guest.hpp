// SPDX-License-Identifier: GPL-3.0-or-later
// A backend over a VMCS in a map, whose guest is a 64-bit Linux at CPL 0.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "support/fake_processor.hpp"
#include "support/fake_vmcs.hpp"
#include "vmx/vmx_backend.hpp"

namespace ringside::vmx {

/// Guest state as a Linux kernel has it in C code with interrupts on.
inline void fill_linux_guest(test::FakeVmcs& vmcs) {
    using enum VmcsField;
    constexpr u32 kUnusable = 0x10000;
    for (const auto segment : {SegmentIndex::kEs, SegmentIndex::kDs, SegmentIndex::kFs,
                               SegmentIndex::kGs, SegmentIndex::kLdtr})
        vmcs[rights_of(segment)] = kUnusable;
    vmcs[kGuestCs] = 0x10;
    vmcs[kGuestCsLimit] = 0xffff'ffff;
    vmcs[kGuestCsRights] = 0xa09b;
    vmcs[kGuestSs] = 0x18;
    vmcs[kGuestSsLimit] = 0xffff'ffff;
    vmcs[kGuestSsRights] = 0xc093;
    vmcs[kGuestGsBase] = 0xffff'8880'3fc0'0000;
    vmcs[kGuestTr] = 0x40;
    vmcs[kGuestTrLimit] = 0x4087;
    vmcs[kGuestTrRights] = 0x8b;
    vmcs[kGuestTrBase] = 0xffff'fe12'3456'7000;
    vmcs[kGuestGdtrBase] = 0xffff'fe12'3456'5000;
    vmcs[kGuestGdtrLimit] = 0x7f;
    vmcs[kGuestIdtrBase] = 0xffff'fe00'0000'0000;
    vmcs[kGuestIdtrLimit] = 0xfff;
    vmcs[kGuestCr0] = 0x8005'0033;
    vmcs[kCr0Shadow] = 0x8005'0033;
    vmcs[kGuestCr3] = 0x10'2003;
    vmcs[kGuestCr4] = 0x37'26f0;
    vmcs[kCr4Shadow] = 0x37'06f0;
    vmcs[kGuestEfer] = 0xd01;
    vmcs[kGuestDr7] = 0x400;
    vmcs[kGuestRip] = 0xffff'ffff'8110'0000;
    vmcs[kGuestRsp] = 0xffff'c900'0001'0000;
    vmcs[kGuestRflags] = 0x246;
    vmcs[kGuestSysenterCs] = 0x10;
    vmcs[kGuestSysenterEsp] = 0xffff'fe12'3456'6200;
    vmcs[kGuestSysenterEip] = 0xffff'ffff'81a0'1000;
    vmcs[kVmcsLinkPointer] = ~u64{0};
}

struct Guest {
    explicit Guest(Controls controls = {.pin = 0x3e,
                                        .processor = 0x9400'6172,
                                        .secondary = 0x1028,
                                        .exit = 0x0033'efff,
                                        .entry = 0x93ff},
                   u64 cr4_fixed1 = 0x37'67ff)
        : backend{&vcpu, &saved, controls, cr4_fixed1, kVmcsPage, leave.get(), leave.get()} {
        fill_linux_guest(vmcs);
        machine->ram.count = 1;
        machine->ram.ranges[0] = {0x10'0000, 0x1000'0000};
        machine->apic = {true, 0};
        processor.msrs[kIcr] = 0;
        vcpu.machine = machine.get();
        vcpu.registers = &saved.general;
        vcpu.backend = &backend;
        vcpu.apic_id = 5;
    }
    vcpu::Exit exit(u32 reason) {
        vmcs[VmcsField::kExitReason] = reason;
        vmcs[VmcsField::kEntryInterruption] &= 0x7fff'ffff;  // as every exit does
        in_flight = {};
        return backend.decode_exit(in_flight);
    }
    /// Injects a valid event and gives the interruption information of the next entry.
    u64 inject(vcpu::PendingEvent event) {
        event.valid = true;
        vcpu::PendingEvent fault;
        EXPECT_EQ(backend.inject(event, fault), vcpu::Injected::kDone);
        return vmcs[VmcsField::kEntryInterruption];
    }

    static constexpr u64 kVmcsPage = 0x1234'5000;
    static constexpr u32 kIcr = 0x830;

    test::FakeVmcs vmcs;
    test::FakeProcessor processor;
    std::unique_ptr<vcpu::Machine> machine = std::make_unique<vcpu::Machine>();
    std::unique_ptr<LeaveBlock> leave = std::make_unique<LeaveBlock>();
    SavedRegisters saved{};
    vcpu::Vcpu vcpu;
    vcpu::PendingEvent in_flight;
    VmxBackend backend;
};

}  // namespace ringside::vmx
