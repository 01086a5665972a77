// SPDX-License-Identifier: GPL-3.0-or-later
// The debug link over memory that a virtual machine shares with its host (uapi shared_link.h). The
// memory cannot wake anybody, so a thread looks at it and carries bytes to and from a socket, which
// the event loop waits for like for any other stream.
#pragma once

#include <memory>
#include <string>

#include "transport/unique_fd.hpp"

namespace ringside::transport {

/// Keeps the memory mapped and its thread running. The destructor gives what was sent last up to
/// 0.1 s to reach the memory, then both end.
class SharedMemoryBridge {
public:
    virtual ~SharedMemoryBridge() = default;
};

struct SharedLink {
    UniqueFd descriptor;  ///< a socket for Channel::create(), none on failure
    std::unique_ptr<SharedMemoryBridge> bridge;  ///< keep while the link is used
    std::string path;
    int error_number = 0;
    std::string error;  ///< sentence without "err, "
};

/// Maps the file behind a virtual machine's ivshmem device and becomes the debugger's end, for us
/// alone. Does not wait: until a debuggee has prepared the memory (and again when it prepares it
/// anew), bytes sent go nowhere, as on a line that nobody listens to. Then they arrive within some
/// 50 us while there is traffic, and within some milliseconds after a silence.
///
/// The thread takes no signals of the program's. It ends when the other end of the socket is closed
/// or the bridge is destroyed. A file that is cut short while it is mapped ends the program by
/// SIGBUS, as with any mapping.
///
/// @param path  a regular file (in /dev/shm, say), or the resource file of a PCI device
/// @param bell  a stream that tells a running debuggee to look, by a byte whenever something was
///              sent; none: the debuggee looks by itself now and then
SharedLink open_shared_link(const std::string& path, UniqueFd bell = {});

}  // namespace ringside::transport
