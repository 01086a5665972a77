// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/memory_dump.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/disassembly.hpp"

namespace ringside::commands {
namespace {

constexpr std::size_t kLine = 16;

std::size_t unit_of(DumpStyle style) {
    return style == DumpStyle::kBytes ? 1 : style == DumpStyle::kQuads ? 8 : 4;
}

/// One number and the blank behind it; question marks where not all of it was read.
std::string cell(std::span<const std::byte> bytes, std::size_t unit) {
    if (bytes.size() < unit)
        return unit == 8 ? "????????`???????? " : std::string(unit * 2, '?') + " ";
    u64 value = 0;
    std::memcpy(&value, bytes.data(), unit);
    return unit == 8 ? address_text(value) + " " : fmt::format("{:0{}X} ", value, unit * 2);
}

char character(std::byte byte) {
    const auto c = static_cast<unsigned char>(byte);
    return c >= ' ' && c < 0x7f ? static_cast<char>(c) : '.';
}

}  // namespace

std::string memory_dump(DumpStyle style, u64 address, std::span<const std::byte> bytes, u64 length,
                        bool is_physical) {
    const std::size_t unit = unit_of(style);
    const bool has_characters =
        style == DumpStyle::kBytes || style == DumpStyle::kDoublesCharacters;
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += kLine) {
        const std::size_t wanted = std::min<u64>(length - at, kLine);
        const auto line = bytes.subspan(at, std::min(bytes.size() - at, wanted));
        std::string cells;
        for (std::size_t i = 0; i < wanted; i += unit)
            cells += cell(line.subspan(std::min(i, line.size())), unit);
        std::string shown =
            fmt::format("{}{}  ", is_physical ? "#\t" : "", address_text(address + at));
        if (has_characters) {
            const std::size_t width = kLine / unit * (unit * 2 + 1);
            shown += fmt::format("{:<{}} ", cells, width);
            for (const std::byte byte : line)
                shown += character(byte);
        } else {
            shown += cells.substr(0, cells.size() - 1);
        }
        text += shown + "\n";
    }
    return text;
}

}  // namespace ringside::commands
