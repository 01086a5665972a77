// SPDX-License-Identifier: GPL-2.0-or-later
// The registry's answers: lists and counters.
#include "base/bits.hpp"
#include "base/memory.hpp"
#include "event/registry.hpp"

namespace ringside::event {
namespace {

/// Which counter of an event goes to which field of the answer.
struct CounterField {
    Counter EventCounters::*counter;
    __u64 rs_event_stat::*field;
    bool is_maximum;
};
constexpr CounterField kFields[] = {
    {&EventCounters::arrivals, &rs_event_stat::arrivals, false},
    {&EventCounters::condition_false, &rs_event_stat::condition_false, false},
    {&EventCounters::triggers_pre, &rs_event_stat::triggers_pre, false},
    {&EventCounters::triggers_post, &rs_event_stat::triggers_post, false},
    {&EventCounters::ignored, &rs_event_stat::ignored, false},
    {&EventCounters::code_faults, &rs_event_stat::code_faults, false},
    {&EventCounters::script_errors, &rs_event_stat::script_errors, false},
    {&EventCounters::messages, &rs_event_stat::messages, false},
    {&EventCounters::lost_messages, &rs_event_stat::lost_messages, false},
    {&EventCounters::cycles_total, &rs_event_stat::cycles_total, false},
    {&EventCounters::cycles_max, &rs_event_stat::cycles_max, true},
};

void add_counters(const EventCounters& counters, rs_event_stat& to) {
    for (const CounterField& row : kFields) {
        const u64 value = (counters.*row.counter).get();
        if (!row.is_maximum)
            to.*row.field += value;
        else if (value > to.*row.field)
            to.*row.field = value;
    }
}

/// Keeps what the caller asked and zeroes the rest.
void clear_answer(rs_event_stat& request) {
    rs_event_stat fresh = {};
    fresh.size = request.size;
    fresh.kind = request.kind;
    fresh.tag = request.tag;
    request = fresh;
}

u32 marks_of(const Event& event) {
    return (event.action_count.load(std::memory_order_relaxed) == 0 ? RS_MARK_NO_ACTION : 0) |
           (event.flips.is_faulted.load(std::memory_order_relaxed) != 0 ? RS_MARK_FAULTED : 0) |
           (event.flips.held.load(std::memory_order_relaxed) != 0 ? RS_MARK_HELD : 0);
}

rs_event_entry entry_of(const Event& event) {
    return {.tag = event.tag,
            .cookie = event.cookie,
            .event_type = event.type,
            .stage = event.stage,
            .core_id = event.core_id,
            .process_id = event.process_id,
            .vector = event.vector,
            .flags = event.flags,
            .is_enabled = event.is_active() ? 1u : 0u,
            .marks = marks_of(event),
            .action_count = event.action_count.load(std::memory_order_relaxed),
            .command_len = event.command_len,
            .reserved = 0};
}

}  // namespace

Result<void> Registry::list(rs_event_list& header, std::span<u8> room) const {
    if (header.reserved != 0)
        return Error{RS_ERR_BAD_IMAGE, header.reserved};
    header.count = 0;
    header.next_tag = 0;
    u64 used = 0;
    for_each([&](const Event& event) {
        if (event.tag < header.first_tag || header.next_tag != 0)
            return;
        const u64 padded = align_up(event.command_len, 8);
        if (sizeof(rs_event_entry) + padded > room.size() - used) {
            header.next_tag = event.tag;
            return;
        }
        const rs_event_entry entry = entry_of(event);
        u8* const to = room.data() + used;
        copy_bytes(to, &entry, sizeof entry);
        if (event.command_len != 0)
            copy_bytes(to + sizeof entry, event.command, event.command_len);
        fill_bytes(to + sizeof entry + event.command_len, 0, padded - event.command_len);
        used += sizeof entry + padded;
        ++header.count;
    });
    header.used_len = sizeof(rs_event_list) + used;
    return {};
}

Result<void> Registry::stat(rs_event_stat& request) const {
    for (const u64 word : request.reserved)
        if (word != 0)
            return Error{RS_ERR_BAD_IMAGE, word};
    if (request.kind == RS_STAT_EVENT) {
        const Event* const event = find(request.tag);
        if (event == nullptr)
            return Error{RS_ERR_NO_SUCH_EVENT, request.tag};
        clear_answer(request);
        const EventCounters* const counters =
            event->counters.in_guest(engine_->memory().root_delta());
        for (u32 core = 0; core < engine_->core_count(); ++core)
            add_counters(counters[core], request);
        return {};
    }
    if (request.kind == RS_STAT_VECTOR) {
        if (request.tag > RS_VECTOR_LAST)
            return Error{RS_ERR_BAD_INTERRUPT_INDEX, request.tag};
        clear_answer(request);
        for (u32 core = 0; core < engine_->core_count(); ++core)
            request.ignored += engine_->stats(core).ignored_by_vector[request.tag].get();
        return {};
    }
    if (request.kind != RS_STAT_CORE)
        return Error{RS_ERR_BAD_IMAGE, request.kind};
    if (request.tag >= engine_->core_count())
        return Error{RS_ERR_BAD_CORE, request.tag};
    clear_answer(request);
    const u32 core = static_cast<u32>(request.tag);
    const CoreNumbers numbers = engine_->read_stats(core);
    request.arrivals = numbers.arrivals;
    request.delivered = numbers.delivered;
    request.ignored = numbers.ignored;
    request.pending = numbers.pending;
    request.exits = numbers.exits;
    request.interrupt_exits = numbers.interrupt_exits;
    request.nmi_exits = numbers.nmi_exits;
    request.self_wakes = numbers.self_wakes;
    request.is_virtualized = engine_->is_participating(core) ? 1 : 0;
    return {};
}

Result<void> Registry::stat_on_core(rs_event_stat& request, u32 core) const {
    if (core >= engine_->core_count())
        return Error{RS_ERR_BAD_CORE, core};
    const Event* const event = find(request.tag);
    if (event == nullptr)
        return Error{RS_ERR_NO_SUCH_EVENT, request.tag};
    clear_answer(request);
    add_counters(event->counters.in_guest(engine_->memory().root_delta())[core], request);
    return {};
}

}  // namespace ringside::event
