// SPDX-License-Identifier: GPL-3.0-or-later
// The emulated Intel machine as Bochs' configuration. File names are relative to the lab's runtime
// folder, where Bochs runs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/lab.hpp"
#include "lab/machine.hpp"
#include "lab/outcome.hpp"

namespace ringside::lab {

inline constexpr const char* kBochsProgram = "bochs-bin";
inline constexpr const char* kBochsConfig = "bochsrc";
inline constexpr const char* kBochsCommands = "bochs.commands";
inline constexpr const char* kBochsNetwork = "bochs.net";
inline constexpr const char* kBochsMsrs = "bochs.msrs";
inline constexpr const char* kBootDiskFile = "boot.disk";
inline constexpr const char* kKernelDiskFile = "kernel.disk";
inline constexpr const char* kArchiveDiskFile = "archive.disk";

/// Processor models of Bochs that have VMX with EPT and that boot the kernel; the first one is the
/// default.
std::span<const std::string_view> bochs_models();

/// The model that `options` ask for.
std::string_view bochs_model(const Options& options);

/// Refuses options that a Bochs machine cannot be made of; `options.vmx` is set.
Outcome<Done> check_bochs(const Options& options);

/// bochsrc. `link_port`: TCP port on this host to which the second serial line is connected.
std::string bochs_config(const Options& options, std::uint16_t link_port);

/// The network's own file: host port `shell_port` reaches the shell server inside.
std::string bochs_network(std::uint16_t shell_port);

/// Registers that Bochs lacks and the kernel reads at each tick, which would fill Bochs' log: the
/// pair behind the measured frequency, IA32_MPERF and IA32_APERF. They read as 0.
std::string bochs_msrs();

/// Commands for Bochs' own debugger, which Debian builds in: go, and end when the machine ends.
std::string bochs_commands();

/// The command line that runs all this.
std::vector<std::string> bochs_command();

/// The kernel's command line.
std::string bochs_kernel_line(const Options& options, BootMode mode);

/// What Bochs' log says of its start.
enum class BochsStart { kUnknown, kRunning, kPortTaken };
BochsStart bochs_start_in(std::string_view log);

}  // namespace ringside::lab
