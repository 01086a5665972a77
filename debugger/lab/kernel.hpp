// SPDX-License-Identifier: GPL-3.0-or-later
// Debian's stock kernel for the debuggee: the release the module was built against, taken from its
// package (unpacked into the cache, never installed) or from this machine when it is there.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/lab.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// A kernel to boot. `modules`: all modules asked for and what they depend on, in an order in
/// which each can be loaded.
struct Kernel {
    std::string release;
    std::filesystem::path image;
    std::vector<std::filesystem::path> modules;
};

/// Value of `key` in a module's .modinfo section ("vermagic", "depends", ...); empty if absent.
std::string module_info(std::string_view module_content, std::string_view key);

/// The kernel release a module was built against: the first word of its vermagic.
std::string module_release(std::string_view module_content);

/// The release of the newest Debian kernel headers on this machine; empty if there are none.
std::string newest_headers_release();

/// Finds or fetches kernel `release` with `modules`. Reports a download, the slow step.
Outcome<Kernel> prepare_kernel(const std::string& release, std::span<const std::string> modules,
                               const Progress& progress);

/// The kernel unpacked: an ELF file, made once for each release and kept beside its image. Its size
/// is a whole number of sectors of 512 bytes.
Outcome<std::filesystem::path> prepare_vmlinux(const Kernel& kernel, const Progress& progress);

}  // namespace ringside::lab
