// SPDX-License-Identifier: GPL-3.0-or-later
// The runtime folder of one lab: claimed by the starter, kept alive by the emulator, cleaned when
// both are gone.
//
//   starter    locked (flock) by the process that boots the lab, until it has booted
//   alive      locked by the emulator, which inherits the descriptor; the lock goes when it goes,
//              however it dies, and no process id can be mistaken for it
//   pid        the emulator's process id; valid while `alive` is locked
//   relay      locked by the serial line's relay, if there is one; relay.pid is its process id
//   lab.json   the Endpoint; there once the lab has booted
//
// The folder above is locked while a lab folder is claimed, judged or removed.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "lab/files.hpp"
#include "lab/lab.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

inline constexpr const char* kAliveLock = "alive";
inline constexpr const char* kPidFile = "pid";
inline constexpr const char* kRelayLock = "relay";
inline constexpr const char* kRelayPidFile = "relay.pid";

enum class LabState {
    kAbsent,   ///< no folder, or a dead one, now removed
    kBooting,  ///< another process is starting it
    kRunning,
};

/// A claimed folder. Dropping it unclaims: the locks go, the folder is removed by whoever looks
/// next, so call discard() for an orderly end.
struct Claim {
    std::filesystem::path folder;
    Descriptor starter;
    Descriptor alive;
};

std::filesystem::path lab_folder(std::string_view name);

/// Makes an empty file and locks it.
Outcome<Descriptor> locked_file(const std::filesystem::path& path);

/// Makes the folder for a new lab. Fails when one of that name runs or boots.
Outcome<Claim> claim(std::string_view name);

/// Looks at a lab, and removes what a dead one left: the emulator of a starter that was killed, the
/// folder of an emulator that was killed (its logs are kept).
LabState inspect(std::string_view name);

/// Names of all labs that have a folder, sorted.
std::vector<std::string> lab_names();

/// Ends the emulator (politely, then by SIGKILL) and removes the folder. `keep_logs` copies them to
/// the state folder first; returns the kept console log's path or an empty one.
Outcome<std::filesystem::path> take_down(std::string_view name, bool keep_logs);

Outcome<Done> write_endpoint(const std::filesystem::path& folder, const Endpoint& endpoint);
std::optional<Endpoint> read_endpoint(const std::filesystem::path& folder);

}  // namespace ringside::lab
