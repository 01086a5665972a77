// SPDX-License-Identifier: GPL-3.0-or-later
// Message records (API-12) taken apart. Pure; the bytes come from the module or over the link and
// are never trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "ringside/event.h"

namespace ringside::debuggee {

/// One message. The payload belongs to the caller's buffer and lives as long as the callback runs.
struct Message {
    rs_msg header{};
    std::span<const std::byte> payload;

    /// RS_MSG_TEXT, RS_MSG_GATHERED: the text, verbatim.
    std::string_view text() const;
    /// RS_MSG_LOST: how many messages were dropped before this record.
    std::optional<std::uint64_t> lost_count() const;
    /// RS_MSG_DIAGNOSTIC: what happened to a script.
    std::optional<rs_diagnostic> diagnostic() const;
};

using MessageHandler = std::function<void(const Message&)>;

/// Calls `handler` for each whole record of `records` (each starts at a multiple of 8), in order.
/// @return bytes at the end that form no record: 0 for what a sound module sends
std::size_t for_each_message(std::span<const std::byte> records, const MessageHandler& handler);

}  // namespace ringside::debuggee
