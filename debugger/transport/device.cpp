// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/device.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "transport/unique_fd.hpp"

namespace ringside::transport {
namespace {

class ModuleFile final : public DeviceFile {
public:
    explicit ModuleFile(UniqueFd descriptor) : descriptor_{std::move(descriptor)} {}

    int request(std::uint32_t request, std::span<std::byte> argument) override {
        // A signal may end a request before it has begun; the module never leaves one half-done
        // (API-3), so it can be made again.
        int result = 0;
        do {
            result = ::ioctl(descriptor_.get(), request, argument.data());
        } while (result < 0 && errno == EINTR);
        return result < 0 ? errno : 0;
    }

    ReadResult read(std::span<std::byte> into) override {
        ssize_t result = 0;
        do {
            result = ::read(descriptor_.get(), into.data(), into.size());
        } while (result < 0 && errno == EINTR);
        if (result < 0)
            return {.error_number = errno};
        return {.bytes = static_cast<std::size_t>(result)};
    }

    int poll_descriptor() const override { return descriptor_.get(); }

private:
    UniqueFd descriptor_;
};

}  // namespace

std::string device_path() {
    const char* path = std::getenv("RINGSIDE_DEVICE");
    return path && *path ? path : "/dev/ringside";
}

OpenedDevice open_device(const std::string& path) {
    UniqueFd descriptor{::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (!descriptor)
        return {.file = nullptr, .error_number = errno};
    return {.file = std::make_unique<ModuleFile>(std::move(descriptor))};
}

}  // namespace ringside::transport
