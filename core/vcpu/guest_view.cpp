// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/guest_view.hpp"

#include "base/memory.hpp"
#include "vcpu/halt.hpp"
#include "x86/control_registers.hpp"

namespace ringside::vcpu {
namespace {

/// Which word of GuestRegisters a general register is; rax and rsp are with the backend.
constexpr u8 kNotSaved = 0xff;
struct SavedIndex {
    u8 index[RS_FULL_REGISTER_COUNT];
    constexpr SavedIndex() : index{} {
        for (u8& entry : index)
            entry = kNotSaved;
        constexpr int kOrder[] = {RS_FULL_RCX, RS_FULL_RDX, RS_FULL_RBX, RS_FULL_RBP, RS_FULL_RSI,
                                  RS_FULL_RDI, RS_FULL_R8,  RS_FULL_R9,  RS_FULL_R10, RS_FULL_R11,
                                  RS_FULL_R12, RS_FULL_R13, RS_FULL_R14, RS_FULL_R15};
        for (u8 i = 0; i < sizeof kOrder / sizeof *kOrder; ++i)
            index[kOrder[i]] = i;
    }
};
constexpr SavedIndex kSaved;

u64* saved_register(GuestRegisters& registers, Register which) {
    const u8 index = kSaved.index[which];
    return index == kNotSaved ? nullptr : &registers.rcx + index;
}

/// CR3 bit 12 chooses user mode's page tables while page-table isolation is on, bits 0-11 are the
/// PCID, of which bit 11 follows. Source: Linux Documentation/arch/x86/pti.rst.
constexpr u64 kUserTables = 1ull << 12;

}  // namespace

u64 GuestView::read_register(Register which) {
    if (const u64* saved = saved_register(*vcpu_.registers, which))
        return *saved;
    return vcpu_.backend->read_register(which);
}

bool GuestView::write_register(Register which, u64 value) {
    if (u64* saved = saved_register(*vcpu_.registers, which)) {
        *saved = value;
        return true;
    }
    return vcpu_.backend->write_register(which, value);
}

u64 GuestView::kernel_cr3() {
    const u64 cr3 = vcpu_.backend->read_register(RS_FULL_CR3);
    return machine_.page_table_isolation ? cr3 & ~kUserTables : cr3;
}

memory::Translation GuestView::walk(Gva address) {
    memory::PagingState paging;
    paging.cr3 = vcpu_.backend->read_register(RS_FULL_CR3);
    paging.levels = x86::paging_levels(vcpu_.backend->read_register(RS_FULL_CR4));
    // A kernel address is meant in the kernel's tables, which user mode's hide.
    if (s64(address.value()) < 0)
        paging.cr3 = kernel_cr3();
    memory::Translation found = vcpu_.walks.find(machine_.window, paging, address).translation;
    found.address = found.address + address.page_offset();
    return found;
}

u8* GuestView::reachable(Hpa address) {
    if (machine_.owned.contains(address, machine_.window_base))
        return nullptr;
    return static_cast<u8*>(machine_.window.at(address));
}

u8* GuestView::writable(const memory::Translation& found) {
    // Writing sets bits in the leaf: a guest could let its table be a page of root's.
    if (!found.ok || !found.writable || !reachable(machine_.window.address_of(found.leaf)))
        return nullptr;
    return reachable(found.address);
}

bool GuestView::read_memory(Gva from, void* to, usize count) {
    auto* destination = static_cast<u8*>(to);
    if (count && from + (count - 1) < from)
        return false;
    while (count) {
        const memory::Translation found = walk(from);
        const u8* source = found.ok ? reachable(found.address) : nullptr;
        if (!source)
            return false;
        const u64 room = kPageSize - from.page_offset();
        const usize part = count < room ? count : room;
        copy_bytes(destination, source, part);
        destination += part;
        from = from + part;
        count -= part;
    }
    return true;
}

bool GuestView::write_memory(Gva to, const void* from, usize count) {
    // All pages first: either every byte is written or none.
    const u64 first = to.page().value();
    const u64 last = (to + (count ? count - 1 : 0)).page().value();
    if (last < first)
        return false;
    for (u64 page = first; page <= last; page += kPageSize) {
        if (!writable(walk(Gva{page})))
            return false;
        if (page + kPageSize < page)
            break;
    }
    const auto* source = static_cast<const u8*>(from);
    while (count) {
        const memory::Translation found = walk(to);
        u8* destination = writable(found);
        if (!destination)
            return false;  // another core unmapped it in between
        const u64 room = kPageSize - to.page_offset();
        const usize part = count < room ? count : room;
        copy_bytes(destination, source, part);
        memory::mark_accessed(found, true);
        source += part;
        to = to + part;
        count -= part;
    }
    return true;
}

bool GuestView::physical_range(u64 address, usize count) {
    if (address + count < address)
        return false;
    for (u64 page = address & ~kPageMask; page < address + count; page += kPageSize)
        if (!reachable(Hpa{page}))
            return false;
    return true;
}

bool GuestView::read_physical(Gpa from, void* to, usize count) {
    if (!physical_range(from.value(), count))
        return false;
    copy_bytes(to, machine_.window.at_own(Hpa{from.value()}), count);
    return true;
}

bool GuestView::write_physical(Gpa to, const void* from, usize count) {
    if (!physical_range(to.value(), count))
        return false;
    copy_bytes(machine_.window.at_own(Hpa{to.value()}), from, count);
    return true;
}

bool GuestView::compare_exchange(Gva address, u32 size, u64& expected, u64 desired) {
    if (address.value() & (size - 1))
        return false;
    const memory::Translation found = walk(address);
    u8* target = writable(found);
    if (!target)
        return false;
    memory::mark_accessed(found, true);
    if (size == 8) {
        std::atomic_ref<u64>(*reinterpret_cast<u64*>(target))
            .compare_exchange_strong(expected, desired);
    } else {
        u32 narrow = u32(expected);
        std::atomic_ref<u32>(*reinterpret_cast<u32*>(target))
            .compare_exchange_strong(narrow, u32(desired));
        expected = narrow;
    }
    return true;
}

bool GuestView::translate(Gva address, Gpa& physical) {
    const memory::Translation found = walk(address);
    physical = Gpa{found.address.value()};
    return found.ok;
}

u64 GuestView::physical_to_virtual(Gpa address) {
    return machine_.ram.contains(Hpa{address.value()}) ? machine_.tasks.direct_map + address.value()
                                                       : 0;
}

const u8* GuestView::task_memory(u64 address) {
    const TaskLayout& layout = machine_.tasks;
    // task_struct is slab memory, which lies in the direct map; only the boot CPU's idle task is
    // part of the kernel image.
    const u64 into_init = address - layout.init_task;
    if (into_init < 0x10000)
        return static_cast<const u8*>(machine_.window.at(layout.init_task_physical + into_init));
    return static_cast<const u8*>(machine_.window.at(Hpa{address - layout.direct_map}));
}

u64 GuestView::task_word(u64 task, u32 offset) {
    const u8* memory = task_memory(task + offset);
    return memory ? load_u64(memory) : 0;
}

bool GuestView::inject(const script::Injection& event) {
    switch (EventType(event.type)) {
        case EventType::kExternalInterrupt:
            // A real one: priority, in-service bit and the handler's EOI stay consistent.
            machine_.apic.send_to_self(vcpu_.apic_id, event.vector);
            return true;
        case EventType::kNmi:
            vcpu_.waiting.nmi = true;
            return true;
        default:
            return vcpu_.waiting.injections.push({.type = EventType(event.type),
                                                  .vector = event.vector,
                                                  .valid = true,
                                                  .has_error_code = event.has_error_code,
                                                  .error_code = event.error_code});
    }
}

u64 GuestView::task_value(script::TaskValue which) {
    const TaskLayout& layout = machine_.tasks;
    const u64 task = *vcpu_.current_slot;
    switch (which) {
        case script::TaskValue::kPid:
            return u32(task_word(task, layout.tgid));
        case script::TaskValue::kTid:
            return u32(task_word(task, layout.pid));
        case script::TaskValue::kTask:
            return task;
        case script::TaskValue::kLeader:
            return task_word(task, layout.group_leader);
        case script::TaskValue::kComm:
            return task_word(task, layout.group_leader) + layout.comm;
        case script::TaskValue::kMm:
            return task_word(task, layout.mm);
        case script::TaskValue::kUserFsBase:
            if (task_word(task, layout.mm) == 0)
                return 0;
            // Live in the register: the kernel itself does not use FS.
            return vcpu_.backend->read_register(RS_FULL_FSBASE);
    }
    return 0;
}

/// The debugger's wish to halt comes as an NMI, which a long run would otherwise keep waiting.
u64 GuestView::stand() {
    if (operates(vcpu_))
        return 0;  // a script at the prompt: nobody else would let this core go on
    if (std::atomic_ref<u32>(machine_.has_link).load(std::memory_order_relaxed) != 0 &&
        vcpu_.nmi_count != vcpu_.nmi_seen && machine_.exits.tend_link(vcpu_, true))
        vcpu_.has_tended = true;
    return stand_in_halt(vcpu_);
}

u64 GuestView::tsc() {
    return x86::read_tsc();
}

}  // namespace ringside::vcpu
