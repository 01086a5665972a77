// SPDX-License-Identifier: GPL-3.0-or-later
// Putting an event together. What can be told here is told here; the module checks everything
// again.
#include <cerrno>
#include <cstring>

#include "debuggee/event_image.hpp"
#include "handle.hpp"
#include "ringside/bytecode.h"

namespace api = ringside::api;

namespace {

/// Notes a mistake unless there was one before.
int note(rs_event* event, std::uint32_t code) {
    if (event->error == 0)
        event->error = static_cast<int>(code);
    return event->error;
}

int add_action(rs_event* event, std::uint32_t type, const void* bytes, std::size_t length) {
    if (event->action_count == RS_MAX_ACTIONS)
        return note(event, RS_ERR_TOO_MANY_ACTIONS);
    if (type != RS_ACT_BREAK && (bytes == nullptr || length == 0))
        return note(event, RS_ERR_BAD_ACTION);
    if (length > RS_MAX_ACTION_BYTES)
        return note(event, RS_ERR_ACTION_TOO_LARGE);
    event->actions[event->action_count++] = {.bytes = bytes, .length = length, .type = type};
    return event->error;
}

/// Instructions of a script image; 0, which the module refuses, where that cannot be told.
std::uint32_t instruction_count(const rs_event_action& action) {
    rs_script_image header;
    if (action.length < sizeof header)
        return 0;
    std::memcpy(&header, action.bytes, sizeof header);
    return header.code.count;
}

ringside::debuggee::EventImage image_of(const rs_event& event) {
    ringside::debuggee::EventImage image{event.type};
    image.vector(event.vector)
        .core(event.core)
        .process(event.pid)
        .stage(event.stage)
        .flags(event.flags)
        .safe_buffer(event.buffer_bytes)
        .cookie(event.cookie);
    if (event.command != nullptr)
        image.command(event.command);
    if (event.condition_length != 0)
        image.condition({static_cast<const std::byte*>(event.condition), event.condition_length});
    for (std::uint32_t i = 0; i < event.action_count; ++i) {
        const rs_event_action& action = event.actions[i];
        const std::span bytes{static_cast<const std::byte*>(action.bytes), action.length};
        const bool is_immediate = event.is_immediate != 0;
        if (action.type == RS_ACT_BREAK)
            image.add_break(is_immediate);
        else if (action.type == RS_ACT_SCRIPT)
            image.add_script(bytes, instruction_count(action), is_immediate);
        else
            image.add_code(bytes, is_immediate);
    }
    return image;
}

void set_flag(rs_event* event, std::uint32_t flag, bool is_on) {
    event->flags = is_on ? event->flags | flag : event->flags & ~flag;
}

}  // namespace

void rs_event_init(struct rs_event* event, uint32_t type) {
    *event = {};
    event->type = type;
    event->stage = RS_STAGE_PRE;
    event->core = RS_ANY;
    event->pid = RS_ANY;
    event->vector = RS_VECTOR_ALL;
    event->is_immediate = 1;
}

int rs_event_vector(struct rs_event* event, uint64_t vector) {
    event->vector = vector;
    const bool is_interrupt = event->type == RS_EVENT_EXTERNAL_INTERRUPT;
    if (is_interrupt && vector != RS_VECTOR_ALL &&
        (vector < RS_VECTOR_FIRST || vector > RS_VECTOR_LAST))
        return note(event, RS_ERR_BAD_INTERRUPT_INDEX);
    return event->error;
}

int rs_event_pid(struct rs_event* event, uint32_t pid) {
    event->pid = pid;
    return event->error;
}

int rs_event_core(struct rs_event* event, uint32_t core) {
    event->core = core;
    return event->error;
}

int rs_event_stage(struct rs_event* event, uint32_t stage) {
    event->stage = stage;
    return stage > RS_STAGE_ALL ? note(event, RS_ERR_BAD_IMAGE) : event->error;
}

int rs_event_sc(struct rs_event* event, int is_on) {
    set_flag(event, RS_EVF_SHORT_CIRCUIT, is_on != 0);
    return event->error;
}

int rs_event_imm(struct rs_event* event, int is_on) {
    event->is_immediate = is_on != 0;
    return event->error;
}

int rs_event_buffer(struct rs_event* event, uint32_t bytes) {
    event->buffer_bytes = bytes;
    return bytes > RS_MAX_BUFFER_BYTES ? note(event, RS_ERR_BUFFER_TOO_LARGE) : event->error;
}

int rs_event_cookie(struct rs_event* event, uint64_t cookie) {
    event->cookie = cookie;
    return event->error;
}

int rs_event_command(struct rs_event* event, const char* text) {
    event->command = text;
    const bool is_too_large = text != nullptr && std::strlen(text) > RS_MAX_COMMAND_BYTES;
    return is_too_large ? note(event, RS_ERR_COMMAND_TOO_LARGE) : event->error;
}

int rs_event_disabled(struct rs_event* event) {
    set_flag(event, RS_EVF_START_DISABLED, true);
    return event->error;
}

int rs_event_persist(struct rs_event* event) {
    set_flag(event, RS_EVF_PERSIST, true);
    return event->error;
}

int rs_event_condition(struct rs_event* event, const void* bytes, size_t length) {
    if (length > RS_MAX_CONDITION_BYTES)
        return note(event, RS_ERR_CONDITION_TOO_LARGE);
    event->condition = bytes;
    event->condition_length = length;
    return event->error;
}

int rs_event_add_break(struct rs_event* event) {
    return add_action(event, RS_ACT_BREAK, nullptr, 0);
}

int rs_event_add_script(struct rs_event* event, const void* blob, size_t length) {
    return add_action(event, RS_ACT_SCRIPT, blob, length);
}

int rs_event_add_code(struct rs_event* event, const void* bytes, size_t length) {
    return add_action(event, RS_ACT_CODE, bytes, length);
}

int rs_event_commit(struct rs_handle* handle, const struct rs_event* event, uint64_t* tag) {
    return api::guarded([&] {
        if (event->error != 0)
            return api::fail(event->error);
        const auto registered = handle->debuggee().register_event(image_of(*event));
        if (!registered)
            return api::fail(registered.failure());
        handle->committed.insert(*registered);
        handle->has_persistent_events |= (event->flags & RS_EVF_PERSIST) != 0;
        if (tag != nullptr)
            *tag = *registered;
        return 0;
    });
}
