// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's root file system: busybox, modules, the program with its libraries, workloads.
#pragma once

#include <filesystem>

#include "lab/kernel.hpp"
#include "lab/lab.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// What a build folder has for the debuggee. Paths are empty where a part was not built.
struct BuildParts {
    std::filesystem::path program;                 ///< ringside
    std::filesystem::path assembler;               ///< ringside-asm.so
    std::filesystem::path module;                  ///< linux/ringside/ringside.ko
    std::filesystem::path shell_server;            ///< debugger/lab/ringside-lab-shell
    std::filesystem::path loader;                  ///< debugger/lab/ringside-lab-loader
    std::filesystem::path kick;                    ///< tests/lab/kick/kick.ko
    std::vector<std::filesystem::path> workloads;  ///< tests/lab/bin/*
};

BuildParts find_parts(const std::filesystem::path& build_folder);

/// Shared libraries a program needs at run time, the loader among them, as paths.
Outcome<std::vector<std::filesystem::path>> libraries_of(const std::filesystem::path& program);

/// The archive for these parts, the same for both machines, of a size that is a whole number of
/// sectors of 512 bytes: from the cache when one of the same content is there.
Outcome<std::filesystem::path> prepare_image(const BuildParts& parts, const Kernel& kernel,
                                             const Progress& progress);

}  // namespace ringside::lab
