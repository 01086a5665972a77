// SPDX-License-Identifier: GPL-3.0-or-later
// Writer of the "newc" cpio format, which the kernel unpacks as its first root file system.
// Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace ringside::lab {

/// Collects entries; parent folders are made by themselves. Owner root, time stamp 0, so that equal
/// content gives equal bytes.
class CpioArchive {
public:
    /// `path` without a leading '/', `permissions` as in 0755.
    void add_file(std::string_view path, std::string_view content, unsigned permissions);
    void add_folder(std::string_view path);
    void add_link(std::string_view path, std::string_view target);
    void add_character_device(std::string_view path, unsigned major, unsigned minor);

    /// The archive with its end mark. The object is empty afterwards.
    std::string finish();

private:
    struct Device {
        unsigned major = 0;
        unsigned minor = 0;
    };

    void add_parents(std::string_view path);
    void add(std::string_view path, std::string_view content, unsigned mode, Device device);

    std::string bytes_;
    std::set<std::string, std::less<>> folders_;
    std::uint32_t next_inode_ = 1;
};

}  // namespace ringside::lab
