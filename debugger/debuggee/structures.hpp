// SPDX-License-Identifier: GPL-3.0-or-later
// How Debuggee's methods put structures of the uapi into requests and take them out again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "debuggee/debuggee.hpp"

namespace ringside::debuggee {

/// @param offset  at least sizeof(T) bytes before the end
template <class T>
T read_at(std::span<const std::byte> bytes, std::size_t offset = 0) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

template <class T>
std::span<std::byte> writable_bytes_of(T& value) {
    return std::as_writable_bytes(std::span{&value, 1});
}

/// Takes the module's own code into the failure of a request it refused.
inline Failure with_code(Failure failure, std::uint32_t code) {
    if (failure.kind == Failure::Kind::kRefused)
        failure.code = code;
    return failure;
}

/// Data behind headers are whole quadwords.
constexpr std::size_t padded(std::size_t size) {
    return (size + 7) / 8 * 8;
}

/// For structures with an 'error' field and no image.
template <class T>
Reply<T> Debuggee::request_structure(std::uint32_t number, T structure) {
    structure.size = sizeof(structure);
    const auto done = request(number, writable_bytes_of(structure));
    if (!done)
        return with_code(done.failure(), structure.error);
    return structure;
}

}  // namespace ringside::debuggee
