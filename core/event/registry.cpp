// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/registry.hpp"

#include "base/bits.hpp"
#include "base/memory.hpp"
#include "script/machine_code.hpp"
#include "script/verifier.hpp"

namespace ringside::event {

Result<void> Registry::open(Engine& engine, Machine& machine) {
    engine_ = &engine;
    machine_ = &machine;
    next_id_ = 0;
    count_ = 0;
    retired_ = nullptr;
    globals_ =
        static_cast<script::GlobalTable*>(engine.memory().allocate(sizeof(script::GlobalTable)));
    if (globals_ == nullptr) {
        engine_ = nullptr;
        return Error{RS_ERR_CANNOT_CREATE};
    }
    return {};
}

Registry::Context Registry::exchange(const Context& context) {
    const Context before{&engine_->memory(), machine_, offers_breaks_};
    engine_->use_memory(*context.memory);
    machine_ = context.machine;
    offers_breaks_ = context.offers_breaks;
    return before;
}

void Registry::close() {
    if (engine_ == nullptr)
        return;
    for (u32 i = 0; i < count_; ++i)
        free_event(events_[i]);
    count_ = 0;
    while (retired_ != nullptr) {
        Event* const next = retired_->next_retired;
        free_event(retired_);
        retired_ = next;
    }
    engine_->memory().release(globals_, sizeof(script::GlobalTable));
    globals_ = nullptr;
    engine_ = nullptr;
}

u32 Registry::count() const {
    u32 sum = 0;
    for_each([&sum](const Event&) { ++sum; });
    return sum;
}

Event* Registry::find(u64 tag) const {
    Event* found = nullptr;
    for_each([&](Event& event) {
        if (event.tag == tag)
            found = &event;
    });
    return found;
}

Result<void> Registry::check_limits(u32 type, u64 vector) const {
    if (count() >= RS_MAX_EVENTS || count_ > RS_MAX_EVENTS || next_id_ == ~u32{0})
        return Error{RS_ERR_TOO_MANY_EVENTS, count()};
    u32 on_all = 0;  // of the same type
    u32 on_vector[RS_VECTOR_LAST + 1] = {};
    for_each([&](const Event& event) {
        if (event.vector != RS_VECTOR_ALL)
            ++on_vector[event.vector];
        else if (event.type == type)
            ++on_all;
    });
    const bool is_exception = type == RS_EVENT_EXCEPTION;
    const u32 first = is_exception ? 0 : RS_VECTOR_FIRST;
    const u32 last = is_exception ? RS_VECTOR_FIRST - 1 : RS_VECTOR_LAST;
    for (u32 i = first; i <= last; ++i)
        if ((vector == RS_VECTOR_ALL || vector == i) &&
            on_all + on_vector[i] >= RS_MAX_EVENTS_PER_VECTOR)
            return Error{RS_ERR_TOO_MANY_ON_VECTOR, i};
    return {};
}

Result<Registry::Program> Registry::load_program(std::span<const u8> payload, bool in_event) {
    SharedMemory& memory = engine_->memory();
    Program program{.image = static_cast<u8*>(memory.allocate(payload.size())),
                    .bytes = static_cast<u32>(payload.size())};
    if (program.image == nullptr)
        return Error{RS_ERR_CANNOT_CREATE};
    copy_bytes(program.image, payload.data(), payload.size());
    const std::span<u8> image{program.image, payload.size()};
    const script::VerifyResult verified = script::verify(image, {.in_event = in_event});
    Error error{RS_ERR_BAD_ACTION, verified.instruction};
    if (verified) {
        const auto linked = script::link(image, *globals_);
        if (linked)
            return program;
        error = linked.error();
    }
    memory.release(program.image, program.bytes);
    return error;
}

Result<Event*> Registry::make_event(const Registration& registration, u32 owner) {
    SharedMemory& memory = engine_->memory();
    const rs_event_detail& detail = registration.detail;
    auto* const event = static_cast<Event*>(memory.allocate(sizeof(Event)));
    if (event == nullptr)
        return Error{RS_ERR_CANNOT_CREATE};
    event->cookie = detail.cookie;
    event->type = detail.event_type;
    event->vector = static_cast<u32>(detail.optional_param[0]);
    event->core_id = detail.core_id;
    event->process_id = detail.process_id;
    event->flags = detail.flags;
    event->stage = detail.stage;
    event->output_count = detail.output_count;
    for (u32 i = 0; i < RS_MAX_OUTPUTS; ++i)
        event->output_tag[i] = detail.output_tag[i];
    event->flips.owner = owner;
    if (const auto filled = fill_event(*event, registration); !filled) {
        free_event(event);
        return filled.error();
    }
    return event;
}

/// Everything of an event that takes memory; what was taken before an error stays for free_event().
Result<void> Registry::fill_event(Event& event, const Registration& registration) {
    SharedMemory& memory = engine_->memory();
    const rs_event_detail& detail = registration.detail;
    const s64 delta = memory.root_delta();
    auto* const counters =
        static_cast<EventCounters*>(memory.allocate(engine_->core_count() * sizeof(EventCounters)));
    if (counters == nullptr)
        return Error{RS_ERR_CANNOT_CREATE};
    event.counters = RootPointer<EventCounters>::from_guest(counters, delta);
    if (!registration.command.empty()) {
        event.command = static_cast<u8*>(memory.allocate(registration.command.size()));
        if (event.command == nullptr)
            return Error{RS_ERR_CANNOT_CREATE};
        event.command_len = static_cast<u32>(registration.command.size());
        copy_bytes(event.command, registration.command.data(), registration.command.size());
    }
    if (detail.safe_buffer_len != 0) {
        auto* const buffer = static_cast<u8*>(memory.allocate_for_user(detail.safe_buffer_len));
        if (buffer == nullptr)
            return Error{RS_ERR_NO_BUFFER_MEMORY, detail.safe_buffer_len};
        event.buffer = reinterpret_cast<u64>(buffer);
        event.buffer_bytes = detail.safe_buffer_len;
        event.buffer_in_root = RootPointer<const u8>::from_guest(buffer, delta);
    }
    if (!registration.condition.empty()) {
        const auto condition = load_code(registration.condition);
        if (!condition)
            return condition.error();
        event.condition = *condition;
    }
    for (u32 i = 0; i < detail.action_count; ++i) {
        const auto action = load_action(registration.actions[i]);
        if (!action)
            return action.error();
        event.actions[i] = *action;
        event.action_count.store(i + 1, std::memory_order_relaxed);
    }
    return {};
}

/// A copy in pages of its own, with the RET that ends it (CTX-5).
Result<Code> Registry::load_code(std::span<const u8> bytes) {
    constexpr u8 kRet = 0xc3;
    SharedMemory& memory = engine_->memory();
    auto* const pages = static_cast<u8*>(memory.allocate(align_up(bytes.size() + 1, kPageSize)));
    if (pages == nullptr)
        return Error{RS_ERR_CANNOT_CREATE};
    copy_bytes(pages, bytes.data(), bytes.size());
    pages[bytes.size()] = kRet;
    return Code{.bytes = RootPointer<const u8>::from_guest(pages, memory.root_delta()),
                .length = static_cast<u32>(bytes.size()),
                .traits = x86::examine_code(bytes.data(), bytes.size())};
}

void Registry::release_code(const Code& code) {
    SharedMemory& memory = engine_->memory();
    if (!code.is_empty())
        memory.release(const_cast<u8*>(code.bytes.in_guest(memory.root_delta())),
                       align_up(code.length + u64{1}, kPageSize));
}

Result<Action> Registry::load_action(const ActionImage& image) {
    Action action;
    action.type = image.header.action_type;
    action.flags = image.header.flags;
    if (action.type == RS_ACT_BREAK)
        return action;
    if (action.type == RS_ACT_CODE) {
        const auto code = load_code(image.payload);
        if (!code)
            return code.error();
        action.code = *code;
        return action;
    }
    const auto program = load_program(image.payload, true);
    if (!program)
        return program.error();
    action.program =
        RootPointer<const u8>::from_guest(program->image, engine_->memory().root_delta());
    action.program_bytes = program->bytes;
    if (image.header.script_pointer != script::ProgramView{program->image}.code_count()) {
        release_action(action);
        return Error{RS_ERR_BAD_ACTION, image.header.script_pointer};
    }
    make_machine_code(action, *program);
    return action;
}

/// Where there is no room for it, the script is interpreted.
void Registry::make_machine_code(Action& action, const Program& program) {
    SharedMemory& memory = engine_->memory();
    const script::ProgramView view{program.image};
    const u32 count = view.code_count();
    auto* const offsets = static_cast<u32*>(memory.allocate(count * sizeof(u32)));
    if (offsets == nullptr)
        return;
    const std::span<u32> table{offsets, count};
    const usize bytes = script::translate(view, {}, table);
    u8* const code = memory.allocate_code(bytes);
    if (code == nullptr) {
        memory.release(offsets, count * sizeof(u32));
        return;
    }
    (void)script::translate(view, {code, bytes}, table);
    action.offsets = RootPointer<const u32>::from_guest(offsets, memory.root_delta());
    action.machine_code_bytes = static_cast<u32>(bytes);
    action.machine_code_in_guest = code;
    action.machine_code = memory.code_in_root(code);
}

void Registry::release_action(const Action& action) {
    SharedMemory& memory = engine_->memory();
    release_code(action.code);
    if (action.machine_code != 0) {
        const script::ProgramView program{action.program.in_guest(memory.root_delta())};
        memory.release_code(action.machine_code_in_guest, action.machine_code_bytes);
        memory.release(const_cast<u32*>(action.offsets.in_guest(memory.root_delta())),
                       program.code_count() * sizeof(u32));
    }
    if (action.program_bytes != 0)
        memory.release(const_cast<u8*>(action.program.in_guest(memory.root_delta())),
                       action.program_bytes);
}

void Registry::free_event(Event* event) {
    SharedMemory& memory = engine_->memory();
    const s64 delta = memory.root_delta();
    for (u32 i = 0; i < event->action_count.load(std::memory_order_relaxed); ++i)
        release_action(event->actions[i]);
    release_code(event->condition);
    if (event->buffer != 0)
        memory.release_for_user(reinterpret_cast<void*>(event->buffer), event->buffer_bytes);
    if (event->command != nullptr)
        memory.release(event->command, event->command_len);
    if (event->counters)
        memory.release(event->counters.in_guest(delta),
                       engine_->core_count() * sizeof(EventCounters));
    memory.release(event, sizeof(Event));
}

Result<u64> Registry::add(std::span<const u8> image, u32 owner) {
    Registration registration;
    RS_TRY(parse_registration(image, registration));
    for (u32 i = 0; i < registration.detail.action_count && !offers_breaks_; ++i)
        if (registration.actions[i].header.action_type == RS_ACT_BREAK)
            return Error{RS_ERR_BREAK_NEEDS_DEBUGGER, i};
    RS_TRY(check_machine(registration.detail, *machine_));
    // Events that scripts have cleared leave room.
    (void)reclaim();
    RS_TRY(check_limits(registration.detail.event_type, registration.detail.optional_param[0]));
    const auto made = make_event(registration, owner);
    if (!made)
        return made.error();
    Event* const event = *made;
    event->id = next_id_;
    event->tag = RS_TAG_BASE + next_id_;
    if ((registration.detail.flags & RS_EVF_START_DISABLED) == 0)
        event->enable();
    events_[count_++] = event;
    if (!rebuild()) {
        --count_;
        free_event(event);
        return Error{RS_ERR_CANNOT_CREATE};
    }
    ++next_id_;
    return event->tag;
}

Result<void> Registry::add_action(std::span<const u8> image) {
    ActionImage parsed;
    RS_TRY(parse_action(image, parsed));
    if (parsed.header.action_type == RS_ACT_BREAK && !offers_breaks_)
        return Error{RS_ERR_BREAK_NEEDS_DEBUGGER};
    Event* const event = find(parsed.header.event_tag);
    if (event == nullptr)
        return Error{RS_ERR_NO_SUCH_EVENT, parsed.header.event_tag};
    const u32 count = event->action_count.load(std::memory_order_relaxed);
    if (count == RS_MAX_ACTIONS)
        return Error{RS_ERR_TOO_MANY_ACTIONS, count};
    const auto action = load_action(parsed);
    if (!action)
        return action.error();
    event->actions[count] = *action;
    // Release: who sees the count sees the action.
    event->action_count.store(count + 1, std::memory_order_release);
    if (count == 0 && (event->flags & RS_EVF_START_DISABLED) == 0)
        event->enable();
    engine_->announce();
    return {};
}

/// Publishes a snapshot without the events that were cleared, and retires those.
/// @return false when there is no memory: everything stays as it was, root skips them by itself.
bool Registry::rebuild() {
    for (u32 i = 0; i < count_; ++i)
        events_[i]->is_leaving = events_[i]->is_cleared();
    Snapshot* const snapshot =
        Snapshot::build(events_, count_, engine_->core_count(), engine_->memory());
    if (snapshot == nullptr)
        return false;
    const u64 generation = engine_->publish(snapshot);
    u32 kept = 0;
    for (u32 i = 0; i < count_; ++i) {
        Event* const event = events_[i];
        if (!event->is_leaving) {
            events_[kept++] = event;
            continue;
        }
        event->retired_at = generation;
        event->next_retired = retired_;
        retired_ = event;
    }
    count_ = kept;
    return true;
}

void Registry::clear(Event& event) {
    event.stop_runs();
    event.request_clear();
}

Result<void> Registry::modify(rs_modify_event& request) {
    if (request.action > RS_MODIFY_CLEAR)
        return Error{RS_ERR_BAD_MODIFY, request.action};
    const bool is_all = request.tag == RS_TAG_ALL;
    if (is_all ? count() == 0 : find(request.tag) == nullptr)
        return Error{RS_ERR_NO_SUCH_EVENT, request.tag};
    request.is_enabled = 0;
    for_each([&](Event& event) {
        if (!is_all && event.tag != request.tag)
            return;
        if (request.action == RS_MODIFY_ENABLE)
            event.enable();
        if (request.action == RS_MODIFY_DISABLE) {
            event.disable();
            event.stop_runs();
        }
        if (request.action == RS_MODIFY_CLEAR)
            clear(event);
        if (event.is_active())
            request.is_enabled = 1;
    });
    if (request.action == RS_MODIFY_CLEAR) {
        if (!rebuild())
            engine_->announce();
    } else if (request.action != RS_MODIFY_QUERY) {
        engine_->announce();
    }
    return {};
}

void Registry::remove_client(u32 owner) {
    for_each([&](Event& event) {
        if (event.flips.owner.load(std::memory_order_relaxed) != owner)
            return;
        if ((event.flags & RS_EVF_PERSIST) != 0)
            event.flips.owner.store(kNoOwner, std::memory_order_relaxed);
        else
            clear(event);
    });
    // Also if nothing was there: the snapshot may lie in memory that is to be given back.
    if (!rebuild())
        engine_->announce();
}

void Registry::clear_all() {
    for_each([this](Event& event) { clear(event); });
    if (!rebuild())
        engine_->announce();
}

bool Registry::reclaim() {
    if (count() != count_)
        (void)rebuild();
    engine_->reclaim();
    const u64 adopted = engine_->adopted_by_all();
    Event** link = &retired_;
    while (*link != nullptr) {
        Event* const event = *link;
        if (event->retired_at > adopted) {
            link = &event->next_retired;
            continue;
        }
        *link = event->next_retired;
        free_event(event);
    }
    return retired_ != nullptr || count() != count_;
}

Result<Evaluation*> Registry::prepare_evaluation(std::span<const u8> program, u32 text_room) {
    SharedMemory& memory = engine_->memory();
    const auto loaded = load_program(program, false);
    if (!loaded)
        return loaded.error();
    auto* const evaluation = static_cast<Evaluation*>(memory.allocate(sizeof(Evaluation)));
    auto* const text = text_room == 0 ? nullptr : static_cast<char*>(memory.allocate(text_room));
    if (evaluation == nullptr || (text_room != 0 && text == nullptr)) {
        if (evaluation != nullptr)
            memory.release(evaluation, sizeof(Evaluation));
        if (text != nullptr)
            memory.release(text, text_room);
        memory.release(loaded->image, loaded->bytes);
        return Error{RS_ERR_CANNOT_CREATE};
    }
    evaluation->program_in_guest = loaded->image;
    evaluation->program_bytes = loaded->bytes;
    evaluation->program = RootPointer<const u8>::from_guest(loaded->image, memory.root_delta());
    evaluation->text_in_guest = text;
    evaluation->text = RootPointer<char>::from_guest(text, memory.root_delta());
    evaluation->text_room = text_room;
    return evaluation;
}

void Registry::release_evaluation(Evaluation* evaluation) {
    SharedMemory& memory = engine_->memory();
    memory.release(evaluation->program_in_guest, evaluation->program_bytes);
    if (evaluation->text_in_guest != nullptr)
        memory.release(evaluation->text_in_guest, evaluation->text_room);
    memory.release(evaluation, sizeof(Evaluation));
}

}  // namespace ringside::event
