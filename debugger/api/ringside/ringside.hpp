// SPDX-License-Identifier: GPL-3.0-or-later
// libringside for C++: handles and events that clean up after themselves, errors as
// std::error_code (LIB-4). A thin face of ringside.h, header only, C++20.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ringside/ringside.h"

namespace ringside {

/// The codes of ringside.h: RS_ERR_* and errno numbers. Conditions of both compare with std::errc.
inline const std::error_category& api_category() {
    class Category final : public std::error_category {
        const char* name() const noexcept override { return "ringside"; }
        std::string message(int code) const override { return ::rs_strerror(code); }
        std::error_condition default_error_condition(int code) const noexcept override {
            switch (static_cast<std::uint32_t>(code)) {
#define RS_CONDITION(name, number, errno_name, text) \
    case number:                                     \
        return {errno_name, std::generic_category()};
                RS_ERROR_TABLE(RS_CONDITION)
#undef RS_CONDITION
                default:
                    return {code, std::generic_category()};
            }
        }
    };
    static const Category category;
    return category;
}

inline std::error_code make_api_error(int code) {
    return {code, api_category()};
}

/// A message with its payload, valid until the next call on the connection it came from.
struct ReceivedMessage {
    const rs_msg* header = nullptr;

    explicit operator bool() const { return header != nullptr; }
    std::string_view payload() const { return {::rs_msg_payload(header), header->len}; }
};

/// One client of the module. Movable; used by one thread at a time. Events made from it end before
/// it does.
class Connection {
public:
    /// Not connected: every call fails with EBADF.
    Connection() = default;
    /// @param error  set, or cleared
    static Connection open(std::error_code& error) {
        rs_handle* handle = nullptr;
        error = make_api_error(::rs_open(&handle));
        return Connection{handle};
    }

    /// Takes over a handle of rs_open().
    static Connection adopt(rs_handle* handle) { return Connection{handle}; }

    std::error_code load() { return call(::rs_load_vmm); }
    std::error_code unload() { return call(::rs_unload); }

    /// Runs command lines. `sink` gets what they print: RS_SINK_TEXT or RS_SINK_DIAGNOSTIC, and the
    /// bytes; it may not throw.
    std::error_code command(const std::string& text,
                            const std::function<void(int, std::string_view)>& sink = {}) {
        if (!handle_)
            return make_api_error(EBADF);
        const rs_sink forward = [](void* user, int kind, const char* bytes, std::size_t length) {
            const auto& to = *static_cast<const std::function<void(int, std::string_view)>*>(user);
            if (to)
                to(kind, {bytes, length});
        };
        void* const user = const_cast<void*>(static_cast<const void*>(&sink));
        // An exit status is no error number.
        return ::rs_command(handle_.get(), text.c_str(), forward, user) == 0
                   ? std::error_code{}
                   : make_api_error(ECANCELED);
    }

    /// The next message, or none within `timeout`.
    ReceivedMessage next_message(std::chrono::milliseconds timeout) {
        ReceivedMessage message;
        if (!handle_ ||
            ::rs_msg_next(handle_.get(), &message.header, static_cast<int>(timeout.count())) != 0)
            message.header = nullptr;
        return message;
    }

    std::error_code flush(std::uint64_t* count = nullptr) {
        return handle_ ? make_api_error(::rs_flush(handle_.get(), count)) : make_api_error(EBADF);
    }

    /// @return the image for Event::add_script(), empty when `error` is set
    std::vector<std::byte> compile(const std::string& script, std::error_code& error) {
        std::vector<std::byte> image(RS_MAX_ACTION_BYTES);
        std::size_t length = image.size();
        error = make_api_error(::rs_compile(handle_.get(), script.c_str(), image.data(), &length));
        image.resize(error ? 0 : length);
        return image;
    }

    /// @return machine code for Event::add_code() and condition(), empty when `error` is set
    std::vector<std::byte> assemble(const std::string& text, std::error_code& error) {
        std::vector<std::byte> code(RS_MAX_ACTION_BYTES);
        std::size_t length = code.size();
        error = make_api_error(::rs_assemble(handle_.get(), text.c_str(), code.data(), &length));
        code.resize(error ? 0 : length);
        return code;
    }

    explicit operator bool() const { return handle_ != nullptr; }
    rs_handle* get() const { return handle_.get(); }

private:
    explicit Connection(rs_handle* handle) : handle_{handle} {}
    std::error_code call(int (*function)(rs_handle*)) {
        return make_api_error(handle_ ? function(handle_.get()) : EBADF);
    }

    struct Close {
        void operator()(rs_handle* handle) const { ::rs_close(handle); }
    };
    std::unique_ptr<rs_handle, Close> handle_;
};

/// An event: put together, then committed; cleared by its destructor. Movable, not copyable.
class Event {
public:
    explicit Event(std::uint32_t type = RS_EVENT_EXTERNAL_INTERRUPT) {
        ::rs_event_init(&event_, type);
    }
    ~Event() { (void)clear(); }
    Event(Event&& from) noexcept : event_{} { *this = std::move(from); }
    Event& operator=(Event&& from) noexcept {
        if (this != &from) {
            (void)clear();
            event_ = from.event_;
            parts_ = std::move(from.parts_);
            handle_ = std::exchange(from.handle_, nullptr);
            tag_ = std::exchange(from.tag_, 0);
        }
        return *this;
    }

    Event& vector(std::uint64_t vector) { return with(::rs_event_vector(&event_, vector)); }
    Event& process(std::uint32_t pid) { return with(::rs_event_pid(&event_, pid)); }
    Event& core(std::uint32_t core) { return with(::rs_event_core(&event_, core)); }
    Event& stage(std::uint32_t stage) { return with(::rs_event_stage(&event_, stage)); }
    Event& short_circuit(bool is_on = true) { return with(::rs_event_sc(&event_, is_on)); }
    Event& immediate(bool is_on) { return with(::rs_event_imm(&event_, is_on)); }
    Event& buffer(std::uint32_t bytes) { return with(::rs_event_buffer(&event_, bytes)); }
    Event& cookie(std::uint64_t cookie) { return with(::rs_event_cookie(&event_, cookie)); }
    Event& disabled() { return with(::rs_event_disabled(&event_)); }
    Event& condition(std::span<const std::byte> code) {
        const auto& kept = keep(code);
        return with(::rs_event_condition(&event_, kept.data(), kept.size()));
    }
    Event& add_code(std::span<const std::byte> code) {
        const auto& kept = keep(code);
        return with(::rs_event_add_code(&event_, kept.data(), kept.size()));
    }
    /// @param image  of Connection::compile()
    Event& add_script(std::span<const std::byte> image) {
        const auto& kept = keep(image);
        return with(::rs_event_add_script(&event_, kept.data(), kept.size()));
    }

    /// Registers it; `connection` must outlive it, or be closed with nothing left to clear.
    /// EALREADY: it is registered.
    std::error_code commit(Connection& connection) {
        if (tag_ != 0)
            return make_api_error(EALREADY);
        if (!connection)
            return make_api_error(EBADF);
        const auto error = make_api_error(::rs_event_commit(connection.get(), &event_, &tag_));
        handle_ = error ? nullptr : connection.get();
        return error;
    }
    std::error_code enable() { return call(::rs_event_enable); }
    std::error_code disable() { return call(::rs_event_disable); }
    /// Ends it; it may be committed again.
    std::error_code clear() {
        if (tag_ == 0)
            return {};
        const std::error_code error = call(::rs_event_clear);
        tag_ = 0;
        handle_ = nullptr;
        return error;
    }
    rs_stat stat(std::error_code& error) const {
        rs_stat stat{};
        error = make_api_error(tag_ ? ::rs_event_stat(handle_, tag_, &stat) : EBADF);
        return stat;
    }
    /// 0 while it is not registered.
    std::uint64_t tag() const { return tag_; }

private:
    Event& with(int) { return *this; }  // commit() tells the first mistake
    std::error_code call(int (*function)(rs_handle*, std::uint64_t)) {
        return make_api_error(tag_ ? function(handle_, tag_) : EBADF);
    }
    const std::vector<std::byte>& keep(std::span<const std::byte> bytes) {
        parts_.push_back(
            std::make_unique<const std::vector<std::byte>>(bytes.begin(), bytes.end()));
        return *parts_.back();
    }

    struct rs_event event_;
    std::vector<std::unique_ptr<const std::vector<std::byte>>> parts_;  ///< what event_ points to
    rs_handle* handle_ = nullptr;
    std::uint64_t tag_ = 0;
};

}  // namespace ringside
