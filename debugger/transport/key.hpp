// SPDX-License-Identifier: GPL-3.0-or-later
// The key both ends of a link share (MOD-2): 32 random bytes, in a file as one line of hex.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ringside::transport {

/// The shared secret; empty means "no key", which both ends must ask for.
using Key = std::vector<std::byte>;

inline constexpr std::size_t kKeyBytes = 32;

struct KeyResult {
    Key key;            ///< empty on failure
    std::string error;  ///< sentence without "err, ", empty on success
    bool was_created = false;
};

/// $XDG_CONFIG_HOME/ringside/key, else ~/.config/ringside/key; "" if neither variable is set.
std::string default_key_path();

/// Reads a key file. It must belong to us or root and be readable by its owner alone, hold 64 hex
/// digits, and nothing else but white space.
KeyResult read_key(const std::string& path);

/// Reads the key file; where there is none, makes a new key and writes it with mode 0600 (folders
/// 0700). Never replaces an existing file.
KeyResult read_or_create_key(const std::string& path);

}  // namespace ringside::transport
