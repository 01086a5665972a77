// SPDX-License-Identifier: GPL-2.0-or-later
// What makes a frame's header sound (uapi packet.h).
#pragma once

#include <cstddef>
#include <span>

#include "base/types.hpp"
#include "link/crc32.hpp"
#include "ringside/packet.h"

namespace ringside::link {

struct PayloadBounds {
    usize smallest = 1;
    usize largest = 0;
};

/// Payload bytes that packet.h allows for a type; none at all for types that do not exist.
constexpr PayloadBounds payload_bounds(u8 type) {
#define RS_BOUNDS(name, number, smallest, largest) \
    if (type == (number))                          \
        return {smallest, largest};
    RS_PACKET_TABLE(RS_BOUNDS)
#undef RS_BOUNDS
    return {};
}

/// The checksum that belongs into `header_crc`.
inline u32 header_checksum(const rs_packet& header) {
    return crc32({reinterpret_cast<const u8*>(&header), offsetof(rs_packet, header_crc)});
}

/// Whether a header is one: magic, checksum, a type that exists with a length that suits it.
/// Every version is taken, so that the sides can say that theirs differ.
///
/// @param limit  payload bytes the receiver has room for
inline bool is_sound(const rs_packet& header, usize limit) {
    if (header.magic != RS_PACKET_MAGIC || header.header_crc != header_checksum(header))
        return false;
    const PayloadBounds bounds = payload_bounds(header.type);
    return header.length >= bounds.smallest && header.length <= bounds.largest &&
           header.length <= limit;
}

}  // namespace ringside::link
