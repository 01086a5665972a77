// SPDX-License-Identifier: GPL-3.0-or-later
// Whole files in and out, and a descriptor that closes itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lab/outcome.hpp"

namespace ringside::lab {

/// Owns a file descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_{fd} {}
    Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    explicit operator bool() const { return fd_ >= 0; }
    int get() const { return fd_; }

private:
    int fd_ = -1;
};

/// The whole file, or nothing when it cannot be read.
std::optional<std::string> read_file(const std::filesystem::path& path);

/// The last line of a log that says something (not a rule of "====", say); empty if there is none.
std::string last_words(const std::filesystem::path& log);

/// Writes beside the target and renames, so that readers see the old or the new file, never half.
Outcome<Done> write_file(const std::filesystem::path& path, std::string_view content,
                         mode_t mode = 0644);

/// 64-bit FNV-1a of `content`, going on from `seed`: names cache entries, protects nothing.
std::uint64_t content_hash(std::string_view content, std::uint64_t seed = 0xcbf29ce484222325);

/// The text of errno, as in "no such file or directory".
std::string errno_text(int error);

}  // namespace ringside::lab
