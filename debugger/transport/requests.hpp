// SPDX-License-Identifier: GPL-3.0-or-later
// The requests a link may carry (uapi ioctl.h), and how their arguments travel: without the zeroes
// at the end on the way there, only the changed bytes on the way back. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ringside/ioctl.h"

namespace ringside::transport {

struct RequestSpec {
    std::uint32_t request;  ///< RS_IOC_*
    const char* name;
    std::size_t size;  ///< bytes of the structure
    bool is_image;     ///< its data follows, total_len at offset 8 holds the whole length
};

/// nullptr for a number that is no request of ours.
const RequestSpec* find_request(std::uint32_t request);

/// Whether `argument` is a buffer the device may be given for `request`: known number, the size of
/// its structure, or for an image room for all of total_len. The module checks the contents.
/// @return 0, ENOTTY (no such request), EINVAL (wrong size) or E2BIG (beyond RS_MAX_REQUEST_BYTES)
int check_request(std::uint32_t request, std::span<const std::byte> argument);

/// Bytes of `argument` up to its last one that is not 0.
std::size_t length_without_zeroes(std::span<const std::byte> argument);

struct ByteRange {
    std::size_t offset = 0;
    std::size_t length = 0;
};
/// From the first to the last byte in which the two, equally long, differ.
ByteRange changed_range(std::span<const std::byte> before, std::span<const std::byte> after);

}  // namespace ringside::transport
