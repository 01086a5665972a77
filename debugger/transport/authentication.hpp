// SPDX-License-Identifier: GPL-3.0-or-later
// Proof that both ends of a link hold the same key (MOD-2): HMAC-SHA256 over what the two said when
// they introduced themselves. Layouts and order: uapi packet.h.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "transport/key.hpp"

namespace ringside::transport {

enum class Role { kDebugger, kAgent };

using AuthenticationCode = std::array<std::byte, 32>;

/// The code by which `role` proves that it holds `key`. The role is part of what is signed, so
/// neither side can be answered with its own code.
AuthenticationCode authentication_code(Role role, const Key& key, std::span<const std::byte> hello,
                                       std::span<const std::byte> challenge);

/// Compares in a time that does not depend on where the two differ.
bool is_equal(std::span<const std::byte> one, std::span<const std::byte> other);

/// Fills `bytes` from the kernel's random number generator.
void fill_random(std::span<std::byte> bytes);

}  // namespace ringside::transport
