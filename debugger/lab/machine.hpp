// SPDX-License-Identifier: GPL-3.0-or-later
// The emulated AMD machine as QEMU's command line. Relative file names are in the lab's runtime
// folder, where QEMU runs, so no path of the user's ends up in a comma-separated option.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lab/lab.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

inline constexpr const char* kConsoleLog = "console.log";
inline constexpr const char* kRootLog = "root.log";
inline constexpr const char* kQemuLog = "qemu.log";
inline constexpr const char* kBochsLog = "bochs.log";
inline constexpr const char* kMonitorSocket = "qmp";
inline constexpr const char* kKeyFile = "key";
inline constexpr const char* kDiskImage = "disk.img";
inline constexpr const char* kDebugMemory = "debug.memory";
inline constexpr const char* kDebugSocket = "debug";
inline constexpr unsigned kDebugMemoryMb = 4;  ///< a power of two: it is a PCI device's BAR
inline constexpr unsigned kAgentPort = 50000;  ///< inside
inline constexpr unsigned kShellPort = 50001;  ///< inside

/// What the debuggee's first process shall do; passed as lab.mode= on the kernel command line.
enum class BootMode {
    kAgent,  ///< everything
    kBare,   ///< everything but the agent
    kProbe,  ///< say whether SVM is there and power off
};

/// The mode as lab.mode= has it.
const char* mode_word(BootMode mode);

/// Refuses options that no machine can be made of.
Outcome<Done> check(const Options& options);

/// QEMU's command line. `use_kvm` is the accelerator decided on.
std::vector<std::string> machine_command(const Options& options, bool use_kvm, BootMode mode,
                                         const std::filesystem::path& kernel_image,
                                         const std::filesystem::path& initial_archive);

}  // namespace ringside::lab
