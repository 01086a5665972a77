// SPDX-License-Identifier: GPL-2.0-or-later
// What the debug link's frames travel over. Nobody waits here: a stream takes what it can take now,
// and gives what is there now.
#pragma once

#include "base/types.hpp"

namespace ringside::link {

/// Both directions of a byte stream. Context: whoever owns it, one caller at a time; the
/// implementations of this folder take no lock, do not wait and do not allocate.
class ByteStream {
public:
    /// Takes up to `count` bytes.
    /// @return bytes taken, 0 if none can be taken now
    virtual usize write(const u8* from, usize count) = 0;
    /// Gives up to `count` bytes.
    /// @return bytes given, 0 if none are there now
    virtual usize read(u8* to, usize count) = 0;

protected:
    ~ByteStream() = default;
};

}  // namespace ringside::link
