// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/breakpoints.hpp"

#include "inspect/address_space.hpp"
#include "inspect/tasks.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::debug {
namespace {
constexpr u8 kInt3 = 0xcc;
}

const Breakpoint* Breakpoints::find(u64 address) const {
    for (const Breakpoint& breakpoint : all_)
        if (breakpoint.id != 0 && breakpoint.address == address && breakpoint.is_enabled)
            return &breakpoint;
    return nullptr;
}

Breakpoint* Breakpoints::find_id(u32 id) {
    for (Breakpoint& breakpoint : all_)
        if (id != 0 && breakpoint.id == id)
            return &breakpoint;
    return nullptr;
}

bool Breakpoints::is_live(u32 id) const {
    for (const Breakpoint& breakpoint : all_)
        if (breakpoint.id == id && breakpoint.is_enabled)
            return true;
    return false;
}

Breakpoint* Breakpoints::take_free() {
    for (Breakpoint& breakpoint : all_)
        if (breakpoint.id == 0)
            return &breakpoint;
    return nullptr;
}

u32 Breakpoints::count() const {
    u32 count = 0;
    for (const Breakpoint& breakpoint : all_)
        count += breakpoint.id != 0 && breakpoint.is_enabled;
    return count;
}

bool Breakpoints::has_temporary() const {
    for (const Breakpoint& breakpoint : all_)
        if (breakpoint.id == kTemporary)
            return true;
    return false;
}

/// The byte in RAM; null: not there, or root mode's. Code that is mapped read-only is code all the
/// same.
u8* Breakpoints::place_of(vcpu::Vcpu& vcpu, const Breakpoint& breakpoint) {
    inspect::AddressSpace space{vcpu};
    if (breakpoint.process_id != RS_ANY && breakpoint.id != kTemporary) {
        if (inspect::use_process(vcpu, space, breakpoint.process_id) != RS_OK)
            return nullptr;
    }
    return space.reach(breakpoint.address, false).host;
}

u32 Breakpoints::answer(vcpu::Vcpu& vcpu, rs_breakpoint& request) {
    if (request.operation == RS_BREAKPOINT_SET) {
        if (find(request.address) != nullptr)
            return RS_ERR_BREAKPOINT_EXISTS;
        Breakpoint* const free = take_free();
        if (free == nullptr)
            return RS_ERR_TOO_MANY_BREAKPOINTS;
        Breakpoint made{.process_id = request.process_id,
                        .thread_id = request.thread_id,
                        .core = request.core,
                        .address = request.address,
                        .is_enabled = true};
        if (place_of(vcpu, made) == nullptr)
            return RS_ERR_BAD_ADDRESS;
        made.id = request.id = ++last_id_;
        *free = made;
        request.is_enabled = 1;
        return RS_OK;
    }
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

u32 Breakpoints::set_temporary(vcpu::Vcpu& vcpu, u64 address, u64 task, u64 least_stack) {
    forget_temporary();
    if (find(address) != nullptr)
        return RS_OK;  // the user's own ends it there
    Breakpoint* const free = take_free();
    if (free == nullptr)
        return RS_ERR_TOO_MANY_BREAKPOINTS;
    Breakpoint made{.id = kTemporary,
                    .address = address,
                    .task = task,
                    .stack = least_stack,
                    .is_enabled = true};
    if (place_of(vcpu, made) == nullptr)
        return RS_ERR_BAD_ADDRESS;
    *free = made;
    return RS_OK;
}

void Breakpoints::insert(vcpu::Vcpu& vcpu) {
    for (Breakpoint& breakpoint : all_) {
        if (breakpoint.id == 0 || !breakpoint.is_enabled || breakpoint.place != nullptr)
            continue;
        u8* const place = place_of(vcpu, breakpoint);
        if (place == nullptr)
            continue;
        breakpoint.original = *place;
        std::atomic_ref<u8>(*place).store(kInt3);
        breakpoint.place = place;
    }
}

void Breakpoints::remove() {
    for (Breakpoint& breakpoint : all_) {
        if (breakpoint.place == nullptr)
            continue;
        std::atomic_ref<u8> byte{*breakpoint.place};
        if (byte.load() == kInt3)  // else the guest has written something else there
            byte.store(breakpoint.original);
        breakpoint.place = nullptr;
    }
}

void Breakpoints::lift(u64 address) {
    for (Breakpoint& breakpoint : all_)
        if (breakpoint.address == address && breakpoint.place != nullptr) {
            std::atomic_ref<u8>(*breakpoint.place).store(breakpoint.original);
            breakpoint.place = nullptr;
        }
}

void Breakpoints::forget_temporary() {
    for (Breakpoint& breakpoint : all_)
        if (breakpoint.id == kTemporary) {
            if (breakpoint.place != nullptr)
                lift(breakpoint.address);
            breakpoint = {};
        }
}

void Breakpoints::clear_all() {
    remove();
    for (Breakpoint& breakpoint : all_)
        breakpoint = {};
}

BreakpointHit Breakpoints::judge(vcpu::Vcpu& vcpu, u64 address, u32& id) {
    for (Breakpoint& breakpoint : all_) {
        if (breakpoint.id == 0 || breakpoint.address != address || breakpoint.place == nullptr)
            continue;
        vcpu::GuestView guest{vcpu};
        if (breakpoint.id == kTemporary) {
            const bool is_meant = guest.task_value(script::TaskValue::kTask) == breakpoint.task &&
                                  guest.read_register(RS_FULL_RSP) >= breakpoint.stack;
            return is_meant ? BreakpointHit::kTemporary : BreakpointHit::kPassed;
        }
        const auto is_same = [](u32 wanted, u64 found) {
            return wanted == RS_ANY || wanted == found;
        };
        if (!is_same(breakpoint.core, vcpu.core) ||
            !is_same(breakpoint.process_id, guest.task_value(script::TaskValue::kPid)) ||
            !is_same(breakpoint.thread_id, guest.task_value(script::TaskValue::kTid)))
            return BreakpointHit::kPassed;
        ++breakpoint.hits;
        id = breakpoint.id;
        return BreakpointHit::kHit;
    }
    return BreakpointHit::kNone;
}

}  // namespace ringside::debug
