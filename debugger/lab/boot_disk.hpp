// SPDX-License-Identifier: GPL-3.0-or-later
// The disk a Bochs lab boots from: our loader (loader/), and a map of what it brings into memory.
// The kernel and the archive stay on disks of their own, which are the cache's files.
//
// Bochs: a stock bzImage behind a usual boot loader takes minutes there, most of them for its own
// unpacking; the same kernel, unpacked once by the host, is in memory within a second.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lab/kernel_image.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// Disks by the loader's numbers (loader/layout.h).
inline constexpr std::uint32_t kBootDisk = 0;
inline constexpr std::uint32_t kKernelDisk = 1;
inline constexpr std::uint32_t kArchiveDisk = 2;

struct BootDiskParts {
    std::string_view loader;         ///< the flat loader
    std::string_view setup_header;   ///< of the bzImage, see setup_header()
    KernelLayout kernel;             ///< of kKernelDisk
    std::uint64_t archive_size = 0;  ///< bytes of the archive on kArchiveDisk, a multiple of 4
    std::string_view small_archive;  ///< a second archive, which goes onto the boot disk itself
    std::string_view command_line;
    std::uint64_t memory_bytes = 0;  ///< of the machine
};

/// The disk's content, in a size that Bochs takes.
Outcome<std::string> make_boot_disk(const BootDiskParts& parts);

}  // namespace ringside::lab
