// SPDX-License-Identifier: GPL-3.0-or-later
// Other programs: run one to its end, or start one that outlives us.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "lab/outcome.hpp"

namespace ringside::lab {

/// How a program ended: its exit status (128 + signal when killed) and what it wrote to stdout and
/// stderr, in order.
struct Finished {
    int status = 0;
    std::string output;
};

/// Runs `command` in `folder` (empty: here) and waits. Fails when it cannot be started.
Outcome<Finished> run(const std::vector<std::string>& command,
                      const std::filesystem::path& folder = {});

/// Runs `command`; an exit status other than 0 is a failure that quotes the last line it wrote.
Outcome<std::string> run_checked(const std::vector<std::string>& command,
                                 const std::filesystem::path& folder = {});

/// The files, relative to its folder, to which a program's stdout and stderr are appended.
struct OutputFiles {
    std::filesystem::path output;
    std::filesystem::path errors;
};

/// Starts `command` in its own session and in `folder`, stdin from /dev/null. `inherited` are
/// descriptors it keeps open.
Outcome<pid_t> spawn_detached(const std::vector<std::string>& command,
                              const std::filesystem::path& folder, const OutputFiles& files,
                              std::initializer_list<int> inherited);

/// Whether process `pid` has ended; collects it when it is our child.
bool has_ended(pid_t pid);

/// Waits until `pid` ends, at most `limit`. False: it still runs.
bool wait_for_end(pid_t pid, std::chrono::milliseconds limit);

/// The program's path from $PATH, or empty.
std::filesystem::path find_program(const std::string& name);

}  // namespace ringside::lab
