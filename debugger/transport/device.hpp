// SPDX-License-Identifier: GPL-3.0-or-later
// An open /dev/ringside: requests (ioctl) and message records (read). Events spec section 15.1.
// An interface, so that the agent and the debugger run the same over a stand-in in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace ringside::transport {

/// One open file of the module = one client: destroying it clears that client's events (EVT-12).
class DeviceFile {
public:
    virtual ~DeviceFile() = default;

    /// Carries out one request. Blocks as long as the module needs.
    /// @param request   RS_IOC_*
    /// @param argument  the request's structure and, for images, what follows it; changed in place
    /// @return 0 or an errno
    virtual int request(std::uint32_t request, std::span<std::byte> argument) = 0;

    struct ReadResult {
        std::size_t bytes = 0;
        int error_number = 0;  ///< EAGAIN: nothing there now; EMSGSIZE: `into` is too small
    };
    /// Takes whole message records (rs_msg) without waiting. `into` of 64 KiB is always enough.
    virtual ReadResult read(std::span<std::byte> into) = 0;

    /// Descriptor that poll() reports readable while read() has records. Stays the file's own.
    virtual int poll_descriptor() const = 0;
};

struct OpenedDevice {
    std::unique_ptr<DeviceFile> file;  ///< null on failure
    int error_number = 0;
};

/// Opens a device file; what the agent and the debugger are given to reach the module.
using DeviceOpener = std::function<OpenedDevice()>;

/// $RINGSIDE_DEVICE if set and not empty, else /dev/ringside.
std::string device_path();

/// Opens the module's device, non-blocking and close-on-exec.
OpenedDevice open_device(const std::string& path = device_path());

}  // namespace ringside::transport
