// SPDX-License-Identifier: GPL-3.0-or-later
// A module without a kernel: what /dev/ringside does as far as the agent and the debugger see it.
// Events are kept for each open file and cleared when it closes (EVT-12); messages are emitted by
// the test, or by tick() for every enabled event of a vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringside/ioctl.h"
#include "support/fake_look.hpp"
#include "transport/device.hpp"

namespace ringside::test {

/// The state all open files share. Outlives none of them: files keep it alive.
class FakeModule {
public:
    FakeModule();
    ~FakeModule();

    /// Opens a file of this module.
    transport::DeviceOpener opener() const;
    std::size_t open_files() const;
    bool is_loaded() const;
    /// Events of every file.
    std::size_t event_count() const;
    /// Requests carried out since the beginning, refused ones included.
    std::uint64_t request_count() const;
    /// read() calls that gave records.
    std::uint64_t read_count() const;

    /// What the module says of itself; the test may change it.
    rs_version& identity();

    /// What it says to the requests that look at the machine; all but names need it loaded.
    FakeLook& look();

    /// Sends a record to the file that owns the event. False if it was dropped (ring full: counted,
    /// and announced before the next one that fits) or the event does not exist.
    bool emit(std::uint64_t tag, std::uint32_t core, std::string_view payload,
              std::uint16_t kind = RS_MSG_TEXT);
    /// One interrupt: every enabled event that covers vector and core says `text`.
    /// @return events that did
    std::size_t tick(std::uint32_t vector, std::uint32_t core, std::string_view text);

    /// Makes the next request, open or every read from now on fail.
    void fail_next_request(int error_number);
    void fail_next_open(int error_number);
    void fail_reads(int error_number);
    /// Called inside each request, before it is carried out.
    void on_request(std::function<void(std::uint32_t request)> hook);

    static constexpr std::size_t kRingBytes = 1024 * 1024;  ///< unread bytes a file may hold

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace ringside::test
