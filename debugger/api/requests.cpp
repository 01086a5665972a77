// SPDX-License-Identifier: GPL-3.0-or-later
// Requests of a handle, messages and commands.
#include <algorithm>
#include <cerrno>
#include <chrono>

#include "commands/assembly.hpp"
#include "commands/command_reader.hpp"
#include "handle.hpp"
#include "language/compiler.hpp"

namespace api = ringside::api;

namespace {

int modify(rs_handle* handle, std::uint64_t tag, std::uint32_t action, int* is_enabled = nullptr) {
    return api::guarded([&] {
        const auto done = handle->debuggee().modify_event(tag, action);
        if (!done)
            return api::fail(done.failure());
        if (is_enabled != nullptr)
            *is_enabled = *done;
        return 0;
    });
}

}  // namespace

int rs_load_vmm(struct rs_handle* handle) {
    return api::guarded([&] {
        const auto loaded = handle->debuggee().load();
        if (loaded)
            handle->session.set_loaded_here(true);
        const bool is_there = loaded || loaded.failure().code == RS_ERR_ALREADY_LOADED;
        return is_there ? 0 : api::fail(loaded.failure());
    });
}

int rs_unload(struct rs_handle* handle) {
    return api::guarded([&] {
        const auto unloaded = handle->debuggee().unload();
        if (!unloaded)
            return api::fail(unloaded.failure());
        handle->session.set_loaded_here(false);
        handle->session.forget_events();
        handle->committed.clear();
        handle->has_persistent_events = false;
        return 0;
    });
}

int rs_get_version(struct rs_handle* handle, struct rs_version* version) {
    return api::guarded([&] {
        const auto answer = handle->debuggee().version();
        if (!answer)
            return api::fail(answer.failure());
        *version = *answer;
        return 0;
    });
}

int rs_event_enable(struct rs_handle* handle, uint64_t tag) {
    return modify(handle, tag, RS_MODIFY_ENABLE);
}

int rs_event_disable(struct rs_handle* handle, uint64_t tag) {
    return modify(handle, tag, RS_MODIFY_DISABLE);
}

int rs_event_clear(struct rs_handle* handle, uint64_t tag) {
    return modify(handle, tag, RS_MODIFY_CLEAR);
}

int rs_event_query(struct rs_handle* handle, uint64_t tag, int* is_enabled) {
    return modify(handle, tag, RS_MODIFY_QUERY, is_enabled);
}

int rs_event_stat(struct rs_handle* handle, uint64_t tag, struct rs_stat* stat) {
    return api::guarded([&] {
        const auto counted = handle->debuggee().event_stat(tag);
        if (!counted)
            return api::fail(counted.failure());
        *stat = {.arrivals = counted->arrivals,
                 .condition_false = counted->condition_false,
                 .triggers_pre = counted->triggers_pre,
                 .triggers_post = counted->triggers_post,
                 .ignored = counted->ignored,
                 .code_faults = counted->code_faults,
                 .script_errors = counted->script_errors,
                 .messages = counted->messages,
                 .lost_messages = counted->lost_messages,
                 .cycles_total = counted->cycles_total,
                 .cycles_max = counted->cycles_max};
        return 0;
    });
}

int rs_msg_next(struct rs_handle* handle, const struct rs_msg** message, int timeout_ms) {
    return api::guarded([&] {
        const auto arrived = [handle] {
            return !handle->messages.is_empty() || !handle->debuggee().is_connected();
        };
        if (timeout_ms < 0)
            (void)handle->loop.wait_until(arrived);
        else  // the loop looks at its descriptors only while there is time left
            (void)handle->loop.wait_until(arrived,
                                          std::chrono::milliseconds{std::max(timeout_ms, 1)});
        *message = handle->messages.pop();
        if (*message != nullptr)
            return 0;
        return api::fail(handle->debuggee().is_connected() ? ETIMEDOUT : ENOTCONN);
    });
}

int rs_flush(struct rs_handle* handle, uint64_t* count) {
    return api::guarded([&] {
        const auto flushed = handle->debuggee().flush();
        if (!flushed)
            return api::fail(flushed.failure());
        const std::uint64_t here = handle->messages.clear();
        if (count != nullptr)
            *count = *flushed + here;
        return 0;
    });
}

int rs_command(struct rs_handle* handle, const char* text, rs_sink sink, void* user) {
    using ringside::commands::Outcome;
    return api::guarded([&] {
        struct Scope {  // also when the sink throws
            rs_handle* handle;
            ~Scope() {
                handle->runs_command = false;
                handle->output.set(nullptr, nullptr);
            }
        } const scope{handle};
        handle->runs_command = true;
        handle->output.set(sink, user);
        ringside::commands::CommandReader reader;
        Outcome outcome = Outcome::kOk;
        for (const std::string_view line : ringside::commands::split_lines(text)) {
            if (const auto command = reader.add_line(line); command && outcome == Outcome::kOk)
                outcome = handle->session.execute(*command);
        }
        if (reader.is_open() && outcome == Outcome::kOk)
            outcome = handle->session.execute(reader.abandon());  // which says what is missing
        const bool was_lost = handle->session.take_lost();
        if (was_lost && outcome == Outcome::kOk)
            outcome = Outcome::kUnreachable;
        if (outcome == Outcome::kOk)
            return 0;
        return api::fail(static_cast<int>(outcome), handle->output.diagnostics());
    });
}

int rs_compile(struct rs_handle* handle, const char* script, void* blob, size_t* length) {
    return api::guarded([&] {
        ringside::language::CompileOptions options;
        options.in_event = true;
        if (handle != nullptr)
            options.known_globals = handle->session.known_globals();
        options.load_file = ringside::language::script_files({});
        const auto compiled = ringside::language::compile(script, options);
        if (!compiled.ok)
            return api::fail(EINVAL, compiled.text());
        const std::size_t room = *length;
        *length = compiled.image.size();
        if (room < compiled.image.size())
            return api::fail(ENOSPC, "no room for the script image of " +
                                         std::to_string(compiled.image.size()) + " bytes");
        std::ranges::copy(compiled.image, static_cast<ringside::u8*>(blob));
        if (handle != nullptr)
            handle->session.add_globals(compiled.globals_assigned);
        return 0;
    });
}

int rs_assemble(struct rs_handle* handle, const char* text, void* bytes, size_t* length) {
    return api::guarded([&] {
        const auto result =
            ringside::commands::assemble(text, handle != nullptr ? &handle->debuggee() : nullptr);
        if (const auto* error = std::get_if<ringside::assembler::Error>(&result))
            return api::fail(EINVAL, error->text + " (byte " + std::to_string(error->at) + ")" +
                                         (error->hint.empty() ? "" : "\nhint: " + error->hint));
        const auto& code = std::get<std::vector<ringside::u8>>(result);
        const std::size_t room = *length;
        *length = code.size();
        if (room < code.size())
            return api::fail(ENOSPC,
                             "no room for " + std::to_string(code.size()) + " bytes of code");
        std::ranges::copy(code, static_cast<ringside::u8*>(bytes));
        return 0;
    });
}
