// SPDX-License-Identifier: GPL-3.0-or-later
// Links over a line: a serial port of this machine, or a unix socket with one behind it (that is
// how an emulator's port is reached). Unlike a connection a line has no beginning and no end, and
// it keeps what was sent to somebody who has gone: see uapi packet.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/unique_fd.hpp"

namespace ringside::transport {

/// Queued bytes that a line's sender lets pile up: about a second's worth at its speed, because an
/// answer waits behind them.
inline constexpr std::size_t kLineRoomBytes = 4 * 1024;

/// A serial port set up for frames; gives it back as it was found.
class LineSettings {
public:
    virtual ~LineSettings() = default;
};

struct SerialLine {
    UniqueFd descriptor;                     ///< none on failure
    std::unique_ptr<LineSettings> settings;  ///< keep while the line is used; null for a socket
    std::string path;
    int error_number = 0;
    std::string error;  ///< sentence without "err, "
};

/// The file a user means: 'ttyS1' and 'com2' (LEX-8) are /dev/ttyS1, and a word with a '/' is a
/// path.
/// @return nothing for a word that names no serial port (MOD-4)
std::optional<std::string> serial_path(std::string_view word);

/// Opens a terminal line (raw, 8 bits, no parity, 1 stop bit, no flow control, for us alone) or
/// connects to a unix stream socket. Does not wait.
///
/// @param baud  one of link::kBaudRates (MOD-4), else it fails with EINVAL; also if the line's
///              driver cannot do it (3 % off are near enough: 57600 for 56000). A socket has none.
SerialLine open_serial(const std::string& path, std::uint32_t baud = 115200);

}  // namespace ringside::transport
