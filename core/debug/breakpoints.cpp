// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/breakpoints.hpp"

#include <span>
#include <utility>

#include "inspect/address_space.hpp"
#include "inspect/tasks.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::debug {
namespace {

constexpr u8 kInt3 = 0xcc;

/// The byte in RAM; null: not there, or root mode's. Code that is mapped read-only is code all the
/// same.
u32 reach(vcpu::Vcpu& vcpu, const Breakpoint& breakpoint, u8*& place) {
    inspect::AddressSpace space{vcpu};
    place = nullptr;
    if (const u32 error = inspect::use_process(vcpu, space, breakpoint.space); error != RS_OK)
        return breakpoint.process_id != RS_ANY ? error : u32{RS_ERR_BAD_ADDRESS};
    place = space.reach(breakpoint.address, false).host;
    return place != nullptr ? u32{RS_OK} : u32{RS_ERR_BAD_ADDRESS};
}

/// What this core executes at `address`.
const u8* executed(vcpu::Vcpu& vcpu, u64 address) {
    return inspect::AddressSpace{vcpu}.reach(address, false).host;
}

/// Whose memory an address is in that nobody named a process for.
u32 space_of(vcpu::Vcpu& vcpu, u64 address) {
    const bool is_kernel = s64(address) < 0;
    return is_kernel ? u32{RS_ANY} : u32(vcpu::GuestView{vcpu}.task_value(script::TaskValue::kPid));
}

/// Whether what runs on this core is what a breakpoint is limited to.
bool is_meant(vcpu::Vcpu& vcpu, const Breakpoint& breakpoint) {
    using script::TaskValue;
    vcpu::GuestView guest{vcpu};
    const auto is_same = [](u32 wanted, u64 found) { return wanted == RS_ANY || wanted == found; };
    const u64 pid = guest.task_value(TaskValue::kPid);
    return (breakpoint.task == 0 || breakpoint.task == guest.task_value(TaskValue::kTask)) &&
           guest.read_register(RS_FULL_RSP) >= breakpoint.stack &&
           is_same(breakpoint.core, vcpu.core) && is_same(breakpoint.process_id, pid) &&
           is_same(breakpoint.space, pid) &&
           is_same(breakpoint.thread_id, guest.task_value(TaskValue::kTid));
}

}  // namespace

Breakpoint* Breakpoints::find_id(u32 id) {
    for (Breakpoint& breakpoint : all_)
        if (id != 0 && breakpoint.id == id)
            return &breakpoint;
    return nullptr;
}

bool Breakpoints::is_live(u32 id) const {
    for (const Breakpoint& breakpoint : all_)
        if (id != 0 && breakpoint.id == id && breakpoint.is_enabled)
            return true;
    return false;
}

Breakpoint* Breakpoints::find_at(const u8* place) {
    for (Breakpoint& breakpoint : all_)
        if (place != nullptr && breakpoint.place == place)
            return &breakpoint;
    return nullptr;
}

u32 Breakpoints::count() const {
    u32 count = 0;
    for (const Breakpoint& breakpoint : all_)
        count += breakpoint.id != 0 && breakpoint.is_enabled;
    return count;
}

const Breakpoint* Breakpoints::temporary() const {
    return all_[kTemporarySlot].id != 0 ? &all_[kTemporarySlot] : nullptr;
}

u32 Breakpoints::set(vcpu::Vcpu& vcpu, rs_breakpoint& request) {
    Breakpoint made{.process_id = request.process_id,
                    .thread_id = request.thread_id,
                    .core = request.core,
                    .space = request.process_id,
                    .address = request.address,
                    .is_enabled = true};
    if (made.space == RS_ANY)
        made.space = space_of(vcpu, made.address);
    Breakpoint* free = nullptr;
    for (Breakpoint& breakpoint : std::span{all_}.first<RS_MAX_BREAKPOINTS>()) {
        if (breakpoint.id == 0 && free == nullptr)
            free = &breakpoint;
        if (breakpoint.id != 0 && breakpoint.address == made.address &&
            breakpoint.space == made.space && breakpoint.process_id == made.process_id &&
            breakpoint.thread_id == made.thread_id && breakpoint.core == made.core)
            return RS_ERR_BREAKPOINT_EXISTS;
    }
    if (free == nullptr)
        return RS_ERR_TOO_MANY_BREAKPOINTS;
    u8* place = nullptr;
    if (const u32 error = reach(vcpu, made, place); error != RS_OK)
        return error;
    made.id = request.id = ++last_id_;
    *free = made;
    request.is_enabled = 1;
    return RS_OK;
}

u32 Breakpoints::answer(vcpu::Vcpu& vcpu, rs_breakpoint& request) {
    if (request.operation == RS_BREAKPOINT_SET)
        return set(vcpu, request);
    Breakpoint* found = nullptr;
    if (request.operation == RS_BREAKPOINT_NEXT) {
        for (Breakpoint& breakpoint : all_)
            if (breakpoint.id != 0 && breakpoint.id != kTemporary && breakpoint.id >= request.id &&
                (found == nullptr || breakpoint.id < found->id))
                found = &breakpoint;
    } else {
        found = find_id(request.id == kTemporary ? 0 : request.id);
    }
    if (found == nullptr)
        return RS_ERR_NO_BREAKPOINT;
    request.id = found->id;
    request.address = found->address;
    request.process_id = found->process_id;
    request.thread_id = found->thread_id;
    request.core = found->core;
    request.hits = found->hits;
    switch (request.operation) {
        case RS_BREAKPOINT_CLEAR:
            *found = {};
            break;
        case RS_BREAKPOINT_ENABLE:
            found->is_enabled = true;
            break;
        case RS_BREAKPOINT_DISABLE:
            found->is_enabled = false;
            break;
        case RS_BREAKPOINT_NEXT:
            break;
        default:
            return RS_ERR_BAD_IMAGE;
    }
    request.is_enabled = found->is_enabled;
    return RS_OK;
}

u32 Breakpoints::set_temporary(vcpu::Vcpu& vcpu, Breakpoint wanted) {
    forget_temporary();
    wanted.id = kTemporary;
    wanted.space = space_of(vcpu, wanted.address);
    wanted.is_enabled = true;
    u8* place = nullptr;
    if (reach(vcpu, wanted, place) != RS_OK)
        return RS_ERR_BAD_ADDRESS;
    all_[kTemporarySlot] = wanted;
    return RS_OK;
}

void Breakpoints::insert(vcpu::Vcpu& vcpu) {
    for (Breakpoint& breakpoint : all_) {
        if (breakpoint.id == 0 || !breakpoint.is_enabled || breakpoint.place != nullptr)
            continue;
        u8* place = nullptr;
        if (reach(vcpu, breakpoint, place) != RS_OK)
            continue;
        // Several can be at one byte: by their filters, or in memory that processes share.
        const Breakpoint* const other = find_at(place);
        breakpoint.original = other != nullptr ? other->original : *place;
        std::atomic_ref<u8>(*place).store(kInt3);
        breakpoint.place = place;
    }
}

/// The byte is itself again, whoever is at it.
bool Breakpoints::take_out(const u8* place) {
    bool was_any = false;
    while (Breakpoint* const breakpoint = find_at(place)) {
        std::atomic_ref<u8> byte{*breakpoint->place};
        if (byte.load() == kInt3)  // else the guest has written something else there
            byte.store(breakpoint->original);
        breakpoint->place = nullptr;
        was_any = true;
    }
    return was_any;
}

void Breakpoints::remove() {
    for (const Breakpoint& breakpoint : all_)
        (void)take_out(breakpoint.place);
}

bool Breakpoints::is_at(vcpu::Vcpu& vcpu, u64 address) {
    return find_at(executed(vcpu, address)) != nullptr;
}

bool Breakpoints::lift(vcpu::Vcpu& vcpu, u64 address) {
    return take_out(executed(vcpu, address));
}

void Breakpoints::hide(u64 address, std::span<u8> code) const {
    for (const Breakpoint& breakpoint : all_)
        if (breakpoint.place != nullptr && breakpoint.address - address < code.size())
            code[breakpoint.address - address] = breakpoint.original;
}

void Breakpoints::forget_temporary() {
    Breakpoint& temporary = all_[kTemporarySlot];
    u8* const place = std::exchange(temporary.place, nullptr);
    if (place != nullptr && find_at(place) == nullptr) {  // the user has none there
        temporary.place = place;
        (void)take_out(place);
    }
    temporary = {};
}

void Breakpoints::clear_all() {
    remove();
    for (Breakpoint& breakpoint : all_)
        breakpoint = {};
}

/// By the byte that was executed: a process can have the same memory at another address.
BreakpointHit Breakpoints::judge(vcpu::Vcpu& vcpu, u64 address, u32& id) {
    const u8* const place = executed(vcpu, address);
    BreakpointHit result = BreakpointHit::kNone;
    for (Breakpoint& breakpoint : all_) {
        if (place == nullptr || breakpoint.place != place)
            continue;
        if (result == BreakpointHit::kNone)
            result = BreakpointHit::kPassed;
        if (breakpoint.address != address)
            continue;
        if (!is_meant(vcpu, breakpoint))
            continue;
        if (breakpoint.id == kTemporary) {
            // The user's own is the better news, whichever is found first.
            if (result == BreakpointHit::kPassed)
                result = BreakpointHit::kTemporary;
            continue;
        }
        ++breakpoint.hits;
        if (result != BreakpointHit::kHit)
            id = breakpoint.id;
        result = BreakpointHit::kHit;
    }
    return result;
}

}  // namespace ringside::debug
