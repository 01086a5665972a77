// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind a struct rs_handle: the program's own session of commands, and the messages
// that wait for rs_msg_next().
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "commands/session.hpp"
#include "debuggee/debuggee.hpp"
#include "debuggee/failure.hpp"
#include "output/output.hpp"
#include "transport/device.hpp"
#include "transport/loop.hpp"
// Last: its functions hide uapi structures of the same names.
#include "ringside/ringside.h"

namespace ringside::api {

/// Remembers why a call failed: rs_error_text().
/// @return `code`, with errno set to match
int fail(int code, std::string_view text = {});
int fail(const debuggee::Failure& failure);
int fail(const debuggee::ConnectFailure& failure);

/// Runs the body of a C function: no exception leaves it.
template <class Body>
int guarded(Body body) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return fail(static_cast<int>(RS_ERR_CANNOT_CREATE));
    } catch (const std::exception& error) {
        return fail(static_cast<int>(RS_ERR_INTERNAL), error.what());
    }
}

/// Where commands of rs_command() write.
class SinkOutput final : public output::Output {
public:
    void text(std::string_view bytes) override;
    void diagnostic(std::string_view message) override;
    void set(rs_sink sink, void* user);
    /// Diagnostics since set(), a line feed between two.
    const std::string& diagnostics() const { return diagnostics_; }

private:
    rs_sink sink_ = nullptr;
    void* user_ = nullptr;
    std::string diagnostics_;
};

/// Whole message records, oldest first, in one piece of memory that is used again.
class MessageQueue {
public:
    void push(const debuggee::Message& message);
    /// The oldest record, valid until the next push(); null if there is none.
    const rs_msg* pop();
    bool is_empty() const { return next_ == bytes_.size(); }
    std::uint64_t clear();

private:
    std::vector<std::byte> bytes_;
    std::size_t next_ = 0;  ///< where the oldest record begins
};

}  // namespace ringside::api

struct rs_handle final : private ringside::commands::Environment {
    rs_handle();
    /// Ends the connection as rs_close() says.
    ~rs_handle() override;

    ringside::debuggee::Debuggee& debuggee() { return session.debuggee(); }

    ringside::transport::Loop loop;
    ringside::api::SinkOutput output;
    ringside::commands::Session session;
    ringside::api::MessageQueue messages;
    std::set<std::uint64_t> committed;  ///< tags of events made by rs_event_commit()
    bool has_persistent_events = false;
    bool runs_command = false;

private:
    void take(const ringside::debuggee::Message& message);

    void clear_screen() override {}
    ringside::commands::Outcome listen(std::uint16_t port) override;
    ringside::commands::Outcome listen_on_line(const std::string& path) override;
    void connection_lost() override {}
    ringside::commands::Outcome cannot_listen();
};

namespace ringside::api {

/// rs_open() with another way to the device.
int open_handle(const transport::DeviceOpener& opener, rs_handle** handle);

}  // namespace ringside::api
