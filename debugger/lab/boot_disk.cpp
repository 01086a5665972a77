// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/boot_disk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "lab/loader/layout.h"

namespace ringside::lab {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMegabyte = 1U << 20;
/// Bochs: a disk has whole cylinders, at least one, of 16 heads and 63 sectors.
constexpr std::uint64_t kCylinder = std::uint64_t{16} * 63 * BOOT_SECTOR_SIZE;
/// The BIOS puts its ACPI tables at the end of memory; the archives stay clear of them.
constexpr std::uint64_t kBiosRoom = kMegabyte;

// Boot parameters: Linux, Documentation/x86/zero-page.rst and boot.rst.
constexpr std::size_t kSetupHeader = 0x1f1;
constexpr std::size_t kLoaderType = 0x210;
constexpr std::size_t kLoadFlags = 0x211;
constexpr std::size_t kArchiveAddress = 0x218;
constexpr std::size_t kArchiveSize = 0x21c;
constexpr std::size_t kCommandLine = 0x228;
constexpr std::uint8_t kUndefinedLoader = 0xff;
constexpr std::uint8_t kLoadedHigh = 1;

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

/// The boot parameters page with the command line behind it, as layout.h places them.
std::string boot_parameters(const BootDiskParts& parts, std::uint64_t archive_address,
                            std::uint64_t archive_size) {
    std::string page(kPage, '\0');
    page.replace(kSetupHeader, parts.setup_header.size(), parts.setup_header);
    put(page, kLoaderType, kUndefinedLoader);
    put(page, kLoadFlags, static_cast<std::uint8_t>(page[kLoadFlags] | kLoadedHigh));
    put(page, kArchiveAddress, static_cast<std::uint32_t>(archive_address));
    put(page, kArchiveSize, static_cast<std::uint32_t>(archive_size));
    put(page, kCommandLine, std::uint32_t{BOOT_COMMAND_LINE});
    page += parts.command_line;
    page += '\0';
    return page;
}

/// Collects what lies on the boot disk behind the map.
class DiskContent {
public:
    boot_piece add(std::string_view bytes, std::uint64_t address) {
        const boot_piece piece{.disk = kBootDisk,
                               .sector = static_cast<std::uint32_t>(
                                   BOOT_FIRST_PIECE + bytes_.size() / BOOT_SECTOR_SIZE),
                               .stored = bytes.size(),
                               .address = address,
                               .bytes = bytes.size()};
        bytes_ += bytes;
        bytes_.resize(round_up(bytes_.size(), BOOT_SECTOR_SIZE));
        return piece;
    }
    const std::string& bytes() const { return bytes_; }

private:
    std::string bytes_;
};

}  // namespace

Outcome<std::string> make_boot_disk(const BootDiskParts& parts) {
    if (parts.loader.empty() || parts.loader.size() > BOOT_LOADER_SECTORS * BOOT_SECTOR_SIZE)
        return Failure{fmt::format("a loader of {} bytes does not fit", parts.loader.size())};
    if (parts.command_line.size() >= kPage)
        return Failure{"the kernel command line is too long", "--append less",
                       ExitCode::kWrongOptions};
    std::vector<boot_piece> pieces;
    std::uint64_t kernel_end = 0;
    for (const Segment& segment : parts.kernel.segments) {
        if (segment.offset % BOOT_SECTOR_SIZE != 0)
            return Failure{"a segment of the kernel does not start with a sector"};
        pieces.push_back({.disk = kKernelDisk,
                          .sector = static_cast<std::uint32_t>(segment.offset / BOOT_SECTOR_SIZE),
                          .stored = segment.stored,
                          .address = segment.address,
                          .bytes = segment.bytes});
        kernel_end = std::max(kernel_end, segment.address + segment.bytes);
    }
    const std::uint64_t archives = parts.archive_size + parts.small_archive.size();
    if (parts.memory_bytes < round_up(kernel_end, kPage) + round_up(archives, kPage) + kBiosRoom)
        return Failure{fmt::format("the kernel and its archive need more than {} MB of memory",
                                   parts.memory_bytes / kMegabyte),
                       {},
                       ExitCode::kWrongOptions};
    const std::uint64_t archive_address =
        (parts.memory_bytes - kBiosRoom - archives) / kPage * kPage;
    pieces.push_back({.disk = kArchiveDisk,
                      .sector = 0,
                      .stored = parts.archive_size,
                      .address = archive_address,
                      .bytes = parts.archive_size});
    DiskContent content;
    pieces.push_back(content.add(parts.small_archive, archive_address + parts.archive_size));
    pieces.push_back(
        content.add(boot_parameters(parts, archive_address, archives), BOOT_PARAMETERS));
    if (pieces.size() > BOOT_PIECES_MAX)
        return Failure{fmt::format("a kernel of {} segments does not fit into the loader's map",
                                   parts.kernel.segments.size())};

    boot_map map{.magic = BOOT_MAP_MAGIC,
                 .entry = parts.kernel.entry,
                 .count = static_cast<std::uint32_t>(pieces.size()),
                 .reserved = 0,
                 .pieces = {}};
    std::copy(pieces.begin(), pieces.end(), std::begin(map.pieces));
    static_assert(sizeof(map) <= BOOT_SECTOR_SIZE);
    std::string disk{parts.loader};
    disk.resize(BOOT_FIRST_PIECE * BOOT_SECTOR_SIZE);
    put(disk, BOOT_MAP_SECTOR * BOOT_SECTOR_SIZE, map);
    disk += content.bytes();
    disk.resize(round_up(disk.size(), kCylinder));
    return disk;
}

}  // namespace ringside::lab
