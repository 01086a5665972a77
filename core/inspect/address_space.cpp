// SPDX-License-Identifier: GPL-2.0-or-later
#include "inspect/address_space.hpp"

#include "base/memory.hpp"
#include "vcpu/guest_view.hpp"
#include "x86/control_registers.hpp"

namespace ringside::inspect {
namespace {

constexpr bool is_kernel(u64 address) {
    return s64(address) < 0;
}

}  // namespace

AddressSpace::AddressSpace(vcpu::Vcpu& vcpu)
    : machine_{*vcpu.machine},
      levels_{x86::paging_levels(vcpu.backend->read_register(RS_FULL_CR4))},
      kernel_cr3_{vcpu::GuestView{vcpu}.kernel_cr3()},
      user_cr3_{vcpu.backend->read_register(RS_FULL_CR3)} {}

void AddressSpace::use_page_table(u64 page_table) {
    has_user_ = page_table != 0;
    user_cr3_ = (page_table - machine_.tasks.direct_map) & x86::page::kAddress;
}

memory::PagingState AddressSpace::paging(u64 address) const {
    if (is_kernel(address))
        return {.cr3 = kernel_cr3_, .levels = levels_};
    return {.cr3 = has_user_ ? user_cr3_ : 0, .levels = levels_};
}

u8* AddressSpace::ram(Hpa address) const {
    if (machine_.owned.contains(address, machine_.window_base))
        return nullptr;
    return static_cast<u8*>(machine_.window.at(address));
}

Walk AddressSpace::walk(u64 address) const {
    Walk walk;
    const memory::PagingState state = paging(address);
    walk.failed_level = state.levels;
    if (!is_kernel(address) && !has_user_)
        return walk;
    walk.found = memory::walk_guest_page(machine_.window, state, Gva{address}, &walk.trace);
    // A table that is a page of root's would show what stands in it.
    memory::WalkTrace& trace = walk.trace;
    for (u32 i = 0; i < trace.depth; ++i) {
        if (ram(machine_.window.address_of(trace.slots[i])))
            continue;
        trace.depth = i;
        walk.found.ok = false;
    }
    if (walk.found.ok) {
        walk.failed_level = 0;
    } else if (trace.depth) {
        // The last entry that could be read: it is not present, or leads to no table.
        walk.failed_level = state.levels - (trace.depth - 1);
        walk.failed_entry = trace.values[trace.depth - 1];
    }
    return walk;
}

Reach AddressSpace::reach(u64 address, bool for_writing) const {
    if (is_physical_)
        return {.host = ram(Hpa{address})};
    const Walk walk = this->walk(address);
    if (!walk.found.ok)
        return {.failed_level = walk.failed_level, .failed_entry = walk.failed_entry};
    Reach reach{.host = ram(walk.found.address), .leaf = walk.found.leaf};
    if (for_writing && !walk.found.writable)
        reach.host = nullptr;
    if (!reach.host)
        reach.failed_entry = walk.trace.values[walk.trace.depth - 1];
    return reach;
}

bool AddressSpace::read_kernel(u64 address, void* to, usize count) const {
    auto* destination = static_cast<u8*>(to);
    while (count) {
        if (!is_kernel(address))
            return false;
        const Walk walk = this->walk(address);
        const u8* source = walk.found.ok ? ram(walk.found.address) : nullptr;
        if (!source)
            return false;
        const u64 room = kPageSize - (address & kPageMask);
        const usize part = count < room ? count : room;
        copy_bytes(destination, source, part);
        destination += part;
        address += part;
        count -= part;
    }
    return true;
}

}  // namespace ringside::inspect
