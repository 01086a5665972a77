// SPDX-License-Identifier: GPL-3.0-or-later
// Message records from the module or over the link: whole records or a count of bytes that are
// none.
#include <algorithm>
#include <cstdlib>
#include <span>

#include "debuggee/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace ringside::debuggee;
    const auto records = std::as_bytes(std::span{data, size});
    std::size_t seen = 0;
    const std::size_t left = for_each_message(records, [&](const Message& message) {
        const std::size_t bytes = sizeof(rs_msg) + (message.payload.size() + 7) / 8 * 8;
        // The last record may end without its padding.
        seen = std::min(seen + bytes, records.size());
        const auto* const end = message.payload.data() + message.payload.size();
        if (message.payload.size() != message.header.len || end > records.data() + records.size())
            std::abort();
        (void)message.text();
        (void)message.lost_count();
        (void)message.diagnostic();
    });
    if (seen + left != records.size())
        std::abort();
    return 0;
}
