// SPDX-License-Identifier: GPL-3.0-or-later
// Builds the image that registers an event: rs_event_detail and its tail (events spec 15.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringside/event.h"

namespace ringside::debuggee {

/// Collects the fields of one event, with the defaults of events spec section 2: every vector, core
/// and process, stage pre, no condition, no action. It checks nothing: the module does, and the
/// command layer has said its sentences before.
class EventImage {
public:
    explicit EventImage(std::uint32_t event_type = RS_EVENT_EXTERNAL_INTERRUPT);

    EventImage& vector(std::uint64_t vector);  ///< 0x20 to 0xff or RS_VECTOR_ALL
    EventImage& core(std::uint32_t core);      ///< or RS_ANY
    EventImage& process(std::uint32_t pid);    ///< tgid, or RS_ANY
    EventImage& stage(std::uint32_t stage);    ///< RS_STAGE_*
    EventImage& flags(std::uint32_t flags);    ///< RS_EVF_*, replaces what was set
    EventImage& safe_buffer(std::uint32_t size_bytes);
    EventImage& cookie(std::uint64_t cookie);    ///< comes back in every message of the event
    EventImage& command(std::string_view text);  ///< what 'events' lists
    EventImage& output(std::uint64_t tag);  ///< at most RS_MAX_OUTPUTS, further ones are dropped
    EventImage& condition(std::span<const std::byte> code);
    EventImage& add_break(bool immediate = true);
    /// @param program       a script image (bytecode.h)
    /// @param instructions  number of instructions in it
    EventImage& add_script(std::span<const std::byte> program, std::uint32_t instructions,
                           bool immediate = true);
    EventImage& add_code(std::span<const std::byte> code, bool immediate = true);

    /// The request's argument: header, then the tail, each part padded with zeroes to 8 bytes.
    std::vector<std::byte> bytes() const;

private:
    EventImage& add_action(std::uint32_t type, std::span<const std::byte> payload,
                           std::uint32_t instructions, bool immediate);

    rs_event_detail detail_{};
    std::vector<std::byte> condition_;
    std::vector<std::byte> actions_;  ///< rs_action and padded payload, one behind the other
    std::string command_;
};

}  // namespace ringside::debuggee
