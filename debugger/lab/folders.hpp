// SPDX-License-Identifier: GPL-3.0-or-later
// Where the lab keeps things, by the XDG base directory rules, and locks on folders.
#pragma once

#include <filesystem>

#include "lab/files.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

/// $XDG_CACHE_HOME/ringside, else ~/.cache/ringside: kernels and archives, rebuilt when missing.
std::filesystem::path cache_folder();

/// $XDG_STATE_HOME/ringside, else ~/.local/state/ringside: console logs worth keeping.
std::filesystem::path state_folder();

/// $XDG_RUNTIME_DIR/ringside, else /tmp/ringside-<uid>: one folder for each lab that runs.
std::filesystem::path runtime_folder();

/// Makes `folder` (0700 when it is new), and refuses one of another user: /tmp is everybody's.
Outcome<Done> make_private_folder(const std::filesystem::path& folder);

enum class LockWait { kWait, kTry };

/// Locks a file or folder (flock) until the descriptor is closed in every process that has it.
/// An empty descriptor: somebody else holds it (kTry), or the path cannot be opened.
Descriptor lock(const std::filesystem::path& path, LockWait wait);

}  // namespace ringside::lab
