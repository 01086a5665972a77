// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/hex_dump.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace ringside::commands {

std::string hex_dump(std::span<const std::byte> bytes, std::size_t first_offset) {
    constexpr std::size_t kPerLine = 16;
    std::string text;
    auto out = std::back_inserter(text);
    for (std::size_t at = 0; at < bytes.size(); at += kPerLine) {
        const auto line = bytes.subspan(at, std::min(kPerLine, bytes.size() - at));
        fmt::format_to(out, "{:08x}  ", first_offset + at);
        for (std::size_t i = 0; i < kPerLine; ++i)
            if (i < line.size())
                fmt::format_to(out, "{:02x} ", std::to_integer<unsigned>(line[i]));
            else
                text += "   ";
        text += ' ';
        for (const std::byte byte : line) {
            const auto c = std::to_integer<unsigned char>(byte);
            text += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '.';
        }
        text += '\n';
    }
    return text;
}

}  // namespace ringside::commands
