// SPDX-License-Identifier: GPL-2.0-or-later
#include "link/crc32.hpp"

#include <array>

#include "base/memory.hpp"

namespace ringside::link {
namespace {

constexpr u32 kPolynomial = 0xedb88320;  // 0x04c11db7, lowest bit first
constexpr usize kSlices = 8;

using Table = std::array<u32, 256>;

/// `tables[n][b]`: what a byte b does to the checksum when n more bytes follow it.
constexpr std::array<Table, kSlices> make_tables() {
    std::array<Table, kSlices> tables{};
    for (u32 byte = 0; byte < 256; ++byte) {
        u32 value = byte;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
        tables[0][byte] = value;
    }
    for (usize slice = 1; slice < kSlices; ++slice)
        for (u32 byte = 0; byte < 256; ++byte) {
            const u32 before = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
        }
    return tables;
}

constexpr auto kTables = make_tables();
static_assert(kTables[0][1] == 0x77073096 && kTables[0][255] == 0x2d02ef8d);  // RFC 1952 §8

}  // namespace

u32 crc32(std::span<const u8> bytes, u32 start) {
    const u8* from = bytes.data();
    usize count = bytes.size();
    u32 crc = ~start;
    for (; count >= kSlices; count -= kSlices, from += kSlices) {
        const u64 word = load_u64(from) ^ crc;
        u32 next = 0;
        for (usize i = 0; i < kSlices; ++i)
            next ^= kTables[kSlices - 1 - i][(word >> (8 * i)) & 0xff];
        crc = next;
    }
    for (; count != 0; --count)
        crc = (crc >> 8) ^ kTables[0][(crc ^ *from++) & 0xff];
    return ~crc;
}

}  // namespace ringside::link
