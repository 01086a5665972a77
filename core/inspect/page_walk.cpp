// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_PAGE_WALK: how an address is translated.
#include "inspect/address_space.hpp"
#include "inspect/request.hpp"
#include "inspect/tasks.hpp"

namespace ringside::inspect {

u32 answer_page_walk(vcpu::Vcpu& vcpu, rs_page_walk& fields) {
    const u64 address = fields.address;
    const u32 process_id = fields.process_id;
    fields = {.size = fields.size, .address = address, .process_id = process_id};
    AddressSpace space{vcpu};
    if (const u32 error = use_process(vcpu, space, process_id); error != RS_OK)
        return error;
    const memory::PagingState paging = space.paging(address);
    const Walk walk = space.walk(address);
    fields.levels = paging.levels;
    fields.cr3 = paging.cr3;
    fields.depth = walk.trace.depth;
    for (u32 i = 0; i < walk.trace.depth; ++i) {
        fields.entry_address[i] = vcpu.machine->window.address_of(walk.trace.slots[i]).value();
        fields.entry[i] = walk.trace.values[i];
    }
    if (walk.found.ok) {
        fields.is_present = 1;
        fields.physical = walk.found.address.value();
        fields.page_bytes = x86::page::span(walk.found.level);
    }
    return RS_OK;
}

}  // namespace ringside::inspect
