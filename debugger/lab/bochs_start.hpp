// SPDX-License-Identifier: GPL-3.0-or-later
// Brings a Bochs machine to life in a lab's runtime folder.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "lab/kernel.hpp"
#include "lab/lab.hpp"
#include "lab/machine.hpp"
#include "lab/outcome.hpp"
#include "lab/runtime.hpp"

namespace ringside::lab {

struct StartedBochs {
    pid_t pid = 0;
    std::uint16_t shell_port = 0;  ///< on 127.0.0.1
};

/// Starts Bochs with `kernel` and `archive` in `claimed.folder`, where the key lies already.
/// Returns when the BIOS has begun. `loader`: the flat loader of the build.
Outcome<StartedBochs> start_bochs(const Options& options, BootMode mode, const Kernel& kernel,
                                  const std::filesystem::path& archive,
                                  const std::filesystem::path& loader, const Claim& claimed,
                                  const Progress& progress);

}  // namespace ringside::lab
