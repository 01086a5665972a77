// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes of frames, and a pipe to send them through, for the tests of the debug link.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <random>
#include <span>
#include <vector>

#include "link/byte_stream.hpp"
#include "ringside/packet.h"

namespace ringside::link {

using Bytes = std::vector<u8>;
using Random = std::mt19937;

/// A number from `low` to `high`, both included.
inline usize number(Random& random, usize low, usize high) {
    return std::uniform_int_distribution<usize>{low, high}(random);
}

inline Bytes noise(Random& random, usize count) {
    Bytes bytes(count);
    for (u8& byte : bytes)
        byte = static_cast<u8>(random());
    return bytes;
}

/// The checksum by another implementation than ours.
inline u32 zlib_crc(std::span<const u8> bytes) {
    return static_cast<u32>(crc32_z(crc32_z(0, nullptr, 0), bytes.data(), bytes.size()));
}

/// The bytes of a header with its checksum made right, whatever it claims.
inline Bytes sealed(rs_packet header) {
    Bytes bytes(sizeof(header));
    std::memcpy(bytes.data(), &header, sizeof(header));
    header.header_crc = zlib_crc(std::span{bytes}.first(offsetof(rs_packet, header_crc)));
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

inline void append(Bytes& to, std::span<const u8> what) {
    to.insert(to.end(), what.begin(), what.end());
}

inline Bytes frame(rs_packet_type type, u32 sequence, std::span<const u8> payload) {
    Bytes bytes = sealed({.magic = RS_PACKET_MAGIC,
                          .version = RS_LINK_VERSION,
                          .type = static_cast<u8>(type),
                          .length = static_cast<u32>(payload.size()),
                          .sequence = sequence,
                          .payload_crc = zlib_crc(payload)});
    append(bytes, payload);
    return bytes;
}

/// Bytes in the order they were written. A call of write() takes `window` bytes at most until
/// `capacity` are there, one of read() gives `piece` at most.
class BytePipe final : public ByteStream {
public:
    usize window = ~usize{0};
    usize capacity = ~usize{0};
    usize piece = ~usize{0};
    std::deque<u8> bytes;

    void add(std::span<const u8> more) { bytes.insert(bytes.end(), more.begin(), more.end()); }
    Bytes take_all() {
        Bytes all{bytes.begin(), bytes.end()};
        bytes.clear();
        return all;
    }

    usize write(const u8* from, usize count) override {
        const usize room = capacity > bytes.size() ? capacity - bytes.size() : 0;
        const usize taken = std::min({count, window, room});
        bytes.insert(bytes.end(), from, from + taken);
        return taken;
    }
    usize read(u8* to, usize count) override {
        const usize given = std::min({count, piece, bytes.size()});
        std::copy_n(bytes.begin(), given, to);
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(given));
        return given;
    }
};

}  // namespace ringside::link
