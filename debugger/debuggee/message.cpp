// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/message.hpp"

#include <algorithm>
#include <cstring>

namespace ringside::debuggee {

std::string_view Message::text() const {
    return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

std::optional<std::uint64_t> Message::lost_count() const {
    std::uint64_t count = 0;
    if (header.kind != RS_MSG_LOST || payload.size() < sizeof(count))
        return std::nullopt;
    std::memcpy(&count, payload.data(), sizeof(count));
    return count;
}

std::optional<rs_diagnostic> Message::diagnostic() const {
    rs_diagnostic diagnostic{};
    if (header.kind != RS_MSG_DIAGNOSTIC || payload.size() < sizeof(diagnostic))
        return std::nullopt;
    std::memcpy(&diagnostic, payload.data(), sizeof(diagnostic));
    return diagnostic;
}

std::size_t for_each_message(std::span<const std::byte> records, const MessageHandler& handler) {
    while (records.size() >= sizeof(rs_msg)) {
        Message message;
        std::memcpy(&message.header, records.data(), sizeof(rs_msg));
        const std::size_t length = message.header.len;
        if (length > records.size() - sizeof(rs_msg))
            break;
        message.payload = records.subspan(sizeof(rs_msg), length);
        handler(message);
        const std::size_t padded = (sizeof(rs_msg) + length + 7) / 8 * 8;
        // The last record may end without its padding.
        records = records.subspan(std::min(padded, records.size()));
    }
    return records.size();
}

}  // namespace ringside::debuggee
