// SPDX-License-Identifier: GPL-3.0-or-later
#include "handle.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

namespace ringside::api {

void SinkOutput::set(rs_sink sink, void* user) {
    sink_ = sink;
    user_ = user;
    diagnostics_.clear();
}

void SinkOutput::text(std::string_view bytes) {
    if (sink_ != nullptr)
        sink_(user_, RS_SINK_TEXT, bytes.data(), bytes.size());
}

void SinkOutput::diagnostic(std::string_view message) {
    if (!diagnostics_.empty())
        diagnostics_ += '\n';
    diagnostics_ += message;
    if (sink_ != nullptr)
        sink_(user_, RS_SINK_DIAGNOSTIC, message.data(), message.size());
}

void MessageQueue::push(const debuggee::Message& message) {
    if (is_empty())
        clear();
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(rs_msg) + (message.payload.size() + 7) / 8 * 8);
    std::memcpy(bytes_.data() + at, &message.header, sizeof(rs_msg));
    if (!message.payload.empty())
        std::memcpy(bytes_.data() + at + sizeof(rs_msg), message.payload.data(),
                    message.payload.size());
}

const rs_msg* MessageQueue::pop() {
    if (is_empty())
        return nullptr;
    const auto* const message = reinterpret_cast<const rs_msg*>(bytes_.data() + next_);
    next_ += sizeof(rs_msg) + (std::size_t{message->len} + 7) / 8 * 8;
    return message;
}

std::uint64_t MessageQueue::clear() {
    std::uint64_t count = 0;
    while (pop() != nullptr)
        ++count;
    bytes_.clear();
    next_ = 0;
    return count;
}

int open_handle(const transport::DeviceOpener& opener, rs_handle** handle) {
    auto made = std::make_unique<rs_handle>();
    if (const auto connected = made->debuggee().connect_local(opener); !connected)
        return fail(connected);
    *handle = made.release();
    return 0;
}

}  // namespace ringside::api

rs_handle::rs_handle() : session{loop, output, *this} {
    debuggee().on_message([this](const ringside::debuggee::Message& message) { take(message); });
}

rs_handle::~rs_handle() {
    if (has_persistent_events)
        session.set_loaded_here(false);
    session.close();
}

/// Whose message it is: one of a committed event is always for rs_msg_next().
void rs_handle::take(const ringside::debuggee::Message& message) {
    if (runs_command && !committed.contains(message.header.tag))
        session.show(message);
    else
        messages.push(message);
}

ringside::commands::Outcome rs_handle::cannot_listen() {
    output.diagnostic("err, '.listen' needs the program 'ringside'");
    return ringside::commands::Outcome::kFailed;
}

ringside::commands::Outcome rs_handle::listen(std::uint16_t) {
    return cannot_listen();
}

ringside::commands::Outcome rs_handle::listen_on_line(const std::string&) {
    return cannot_listen();
}

int rs_open(struct rs_handle** handle) {
    *handle = nullptr;
    return ringside::api::guarded([&] {
        return ringside::api::open_handle([] { return ringside::transport::open_device(); },
                                          handle);
    });
}

int rs_close(struct rs_handle* handle) {
    return ringside::api::guarded([&] {
        delete handle;
        return 0;
    });
}
