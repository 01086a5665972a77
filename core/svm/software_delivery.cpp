// SPDX-License-Identifier: GPL-2.0-or-later
#include "svm/software_delivery.hpp"

#include "base/memory.hpp"
#include "x86/control_registers.hpp"
#include "x86/segments.hpp"

namespace ringside::svm {
namespace {

using vcpu::EventType;
using vcpu::PendingEvent;
using x86::Gate;
namespace rflags = x86::rflags;

constexpr u8 kNotPresent = 11, kStackFault = 12, kGeneralProtection = 13, kPageFault = 14;

PendingEvent exception(u8 vector, u32 code, u64 address = 0) {
    return {.type = EventType::kException,
            .vector = vector,
            .valid = true,
            .has_error_code = true,
            .error_code = code,
            .address = address};
}

/// Error code of a fault over an IDT entry while an external event is delivered: IDT and EXT set.
constexpr u32 idt_error(u8 vector) {
    return u32{vector} * 8 + 2 + 1;
}
constexpr u32 selector_error(u16 selector) {
    return (selector & ~3u) + 1;
}

struct [[gnu::packed]] Frame {
    u64 rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(Frame) == 40);

}  // namespace

PendingEvent DeliveryMemory::page_fault(Gva address, bool present, bool write) {
    return exception(kPageFault, u32(present ? 1 : 0) | (write ? 2 : 0), address.value());
}

bool DeliveryMemory::read_bytes(Gva address, void* to, u32 count, PendingEvent& fault) const {
    auto* destination = static_cast<u8*>(to);
    while (count) {
        const u8* from = supervisor(address, false, fault);
        if (!from)
            return false;
        const u64 room = kPageSize - address.page_offset();
        const u32 part = count < room ? count : u32(room);
        copy_bytes(destination, from, part);
        destination += part;
        address = address + part;
        count -= part;
    }
    return true;
}

bool deliver_interrupt(Vmcb& vmcb, const DeliveryMemory& memory, u8 vector, PendingEvent& fault) {
    // First everything is read and checked, then the frame is written: a refused delivery leaves no
    // trace, and the interrupt can wait until the guest has repaired what was missing.
    if (u32{vector} * 16 + 15 > vmcb.idtr.limit) {
        fault = exception(kGeneralProtection, idt_error(vector));
        return false;
    }
    Gate gate;
    const Gva gate_address{vmcb.idtr.base + u64{vector} * 16};
    if (!memory.read(gate_address, gate, fault))
        return false;
    const u64 type = Gate::Type::get(gate.low);
    if (!gate.is_system_clear() || (type != Gate::kInterruptGate && type != Gate::kTrapGate)) {
        fault = exception(kGeneralProtection, idt_error(vector));
        return false;
    }
    if (!Gate::Present::test(gate.low)) {
        fault = exception(kNotPresent, idt_error(vector));
        return false;
    }
    const u16 selector = u16(Gate::Selector::get(gate.low));
    const u16 descriptor_offset = selector & ~7;
    u64 code = 0;
    if ((selector & 4) || descriptor_offset == 0 || descriptor_offset + 7u > vmcb.gdtr.limit) {
        fault = exception(kGeneralProtection, selector_error(selector));
        return false;
    }
    if (!memory.read(Gva{vmcb.gdtr.base + descriptor_offset}, code, fault))
        return false;
    namespace descriptor = x86::descriptor;
    const u32 target_level = u32(descriptor::Dpl::get(code));
    const u32 current_level = vmcb.cpl;
    const bool is_code = descriptor::System::test(code) && descriptor::Type::get(code) & 8;
    if (!is_code || !descriptor::Long::test(code) || descriptor::Default::test(code) ||
        target_level > current_level) {
        fault = exception(kGeneralProtection, selector_error(selector));
        return false;
    }
    if (!descriptor::Present::test(code)) {
        fault = exception(kNotPresent, selector_error(selector));
        return false;
    }
    if (!x86::is_canonical(gate.offset(), memory.levels())) {
        fault = exception(kGeneralProtection, 1);
        return false;
    }

    const u64 ist = Gate::Ist::get(gate.low);
    u64 stack = vmcb.rsp;
    if (ist || target_level < current_level) {
        const u32 offset = u32(ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * target_level);
        if (!memory.read(Gva{vmcb.tr.base + offset}, stack, fault))
            return false;
    }
    stack = (stack & ~u64{15}) - sizeof(Frame);
    if (!x86::is_canonical(stack, memory.levels())) {
        fault = exception(kStackFault, 1);
        return false;
    }
    u8* low = memory.supervisor(Gva{stack}, true, fault);
    if (!low)
        return false;
    const u64 room = kPageSize - (stack & kPageMask);
    u8* high = nullptr;
    if (room < sizeof(Frame)) {
        high = memory.supervisor(Gva{stack + room}, true, fault);
        if (!high)
            return false;
    }

    const u64 words[5] = {vmcb.rip, vmcb.cs.selector, vmcb.rflags, vmcb.rsp, vmcb.ss.selector};
    for (u32 i = 0; i < 5; ++i) {
        u8* to = i * 8 < room ? low + i * 8 : high + (i * 8 - room);
        *reinterpret_cast<u64*>(to) = words[i];
    }
    if (target_level < current_level) {
        vmcb.ss = {.selector = u16(target_level), .attributes = u16(target_level << 5)};
        vmcb.cpl = u8(target_level);
    }
    vmcb.cs = {.selector = u16((selector & ~3) | target_level),
               .attributes = x86::descriptor::packed_attributes(code),
               .limit = x86::descriptor::limit(code)};
    vmcb.rip = gate.offset();
    vmcb.rsp = stack;
    vmcb.rflags &= ~(rflags::TF | rflags::NT | rflags::RF | rflags::VM);
    if (type == Gate::kInterruptGate)
        vmcb.rflags &= ~rflags::IF;
    vmcb.interrupt_shadow = 0;
    return true;
}

}  // namespace ringside::svm
