// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/formats.hpp"

#include <fmt/format.h>
#include <time.h>

#include <bit>

namespace ringside::commands {
namespace {

std::string in_bytes(u64 value) {
    std::string text;
    for (int byte = 7; byte >= 0; --byte)
        text += fmt::format("{:08b}{}", value >> 8 * byte & 0xff, byte > 0 ? " " : "");
    return text;
}

std::string characters(u64 value) {
    std::string text;
    for (int byte = 7; byte >= 0; --byte) {
        const char c = static_cast<char>(value >> 8 * byte & 0xff);
        text += c >= ' ' && c < 0x7f ? c : '.';
    }
    return text;
}

std::string time_of(u64 value) {
    const auto seconds = static_cast<time_t>(value);
    tm fields{};
    char text[64];
    // Years of five digits are no times that anybody means.
    constexpr u64 kEndOfYear9999 = 253'402'300'799;
    if (value > kEndOfYear9999 || gmtime_r(&seconds, &fields) == nullptr ||
        strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &fields) == 0)
        return "none";
    return text;
}

}  // namespace

std::string formats_of(u64 value) {
    const auto low = std::bit_cast<float>(static_cast<u32>(value));
    const auto high = std::bit_cast<float>(static_cast<u32>(value >> 32));
    std::string text;
    const auto line = [&](const char* name, const std::string& shown) {
        text += fmt::format("{:<10}{}\n", name, shown);
    };
    line("Hex:", fmt::format("{:08x}`{:08x}", value >> 32, value & 0xffff'ffff));
    line("Decimal:", value >> 63 != 0 ? fmt::format("{} ({})", value, static_cast<s64>(value))
                                      : fmt::format("{}", value));
    line("Octal:", fmt::format("{:022o}", value));
    line("Binary:", in_bytes(value));
    line("Chars:", characters(value));
    line("Time:", time_of(value));
    line("Float:", fmt::format("low {:g} high {:g}", low, high));
    line("Double:", fmt::format("{:g}", std::bit_cast<double>(value)));
    return text;
}

}  // namespace ringside::commands
