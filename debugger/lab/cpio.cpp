// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/cpio.hpp"

#include <fmt/format.h>

#include <utility>

namespace ringside::lab {
namespace {

constexpr unsigned kRegular = 0100000;
constexpr unsigned kFolder = 0040000;
constexpr unsigned kSymbolicLink = 0120000;
constexpr unsigned kCharacterDevice = 0020000;

void pad_to_4(std::string& bytes) {
    bytes.resize((bytes.size() + 3) & ~std::size_t{3});
}

}  // namespace

void CpioArchive::add(std::string_view path, std::string_view content, unsigned mode,
                      Device device) {
    // Fields: magic, inode, mode, uid, gid, links, mtime, size, major, minor, rmajor, rminor,
    // name size with its NUL, checksum (unused).
    fmt::format_to(std::back_inserter(bytes_),
                   "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}"
                   "{:08X}",
                   next_inode_++, mode, 0, 0, 1, 0, content.size(), 0, 0, device.major,
                   device.minor, path.size() + 1, 0);
    bytes_ += path;
    bytes_ += '\0';
    pad_to_4(bytes_);
    bytes_ += content;
    pad_to_4(bytes_);
}

void CpioArchive::add_parents(std::string_view path) {
    if (const auto slash = path.rfind('/'); slash != std::string_view::npos)
        add_folder(path.substr(0, slash));
}

void CpioArchive::add_folder(std::string_view path) {
    if (path.empty() || folders_.contains(path))
        return;
    add_parents(path);
    folders_.emplace(path);
    add(path, {}, kFolder | 0755, {});
}

void CpioArchive::add_file(std::string_view path, std::string_view content, unsigned permissions) {
    add_parents(path);
    add(path, content, kRegular | permissions, {});
}

void CpioArchive::add_link(std::string_view path, std::string_view target) {
    add_parents(path);
    add(path, target, kSymbolicLink | 0777, {});
}

void CpioArchive::add_character_device(std::string_view path, unsigned major, unsigned minor) {
    add_parents(path);
    add(path, {}, kCharacterDevice | 0600, {.major = major, .minor = minor});
}

std::string CpioArchive::finish() {
    add("TRAILER!!!", {}, 0, {});
    folders_.clear();
    next_inode_ = 1;
    return std::exchange(bytes_, {});
}

}  // namespace ringside::lab
