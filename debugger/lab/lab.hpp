// SPDX-License-Identifier: GPL-3.0-or-later
// The lab: a debuggee to play with. Boots Debian's stock kernel in an emulated AMD machine (QEMU)
// or Intel machine (Bochs), with Ringside's module, program and agent inside, and says where the
// agent can be reached.
// `ringside lab ...` and run.sh stand on this; nothing here includes another debugger folder.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/outcome.hpp"

namespace ringside::lab {

inline constexpr std::string_view kDefaultName = "default";

enum class Accelerator { kAuto, kKvm, kTcg };

/// What to boot. The defaults make the debuggee of `ringside lab start`.
struct Options {
    std::string name{kDefaultName};  ///< letters, digits, '-', '_'; 1 to 40 of them
    bool vmx = false;           ///< an Intel machine in Bochs; QEMU's own options do not go with it
    unsigned smp = 2;           ///< vCPUs, 1 to 64; in Bochs 1 or 2
    unsigned memory_mb = 1024;  ///< 128 and up; in Bochs at most 2048
    Accelerator accelerator = Accelerator::kAuto;
    std::string cpu;        ///< QEMU's CPU model and features, or Bochs' model; empty: a good one
    std::string append;     ///< added to the kernel command line
    bool icount = false;    ///< guest time = guest instructions; TCG and one vCPU only
    unsigned disk_mb = 64;  ///< scratch disk /dev/vda; 0: none; never in Bochs
    bool agent = true;      ///< start the agent inside and wait until it listens
    std::vector<std::string> qemu_arguments = {};  ///< added to QEMU's command line
    std::filesystem::path build_folder = {};  ///< where the program and the modules were built;
                                              ///< empty: the folder of the running program
    std::chrono::seconds boot_timeout{180};
};

/// A debuggee that runs.
struct Endpoint {
    std::string name;
    std::string host;                     ///< numeric address of the forwarded ports
    std::uint16_t port = 0;               ///< reaches the agent's port 50000 inside; 0 in Bochs
    std::uint16_t shell_port = 0;         ///< reaches the shell server inside (lab::shell)
    std::filesystem::path key_file;       ///< 64 hexadecimal digits and a newline, mode 0600
    std::filesystem::path console_log;    ///< COM1
    std::filesystem::path root_log;       ///< port 0xe9: root mode's emergency log; in Bochs with a
                                          ///< few lines of its own
    std::filesystem::path serial_socket;  ///< unix stream socket that reaches the second serial
                                          ///< line, where the agent listens; empty in QEMU
    std::filesystem::path debug_memory;   ///< the file behind the memory of the debuggee's ivshmem
                                          ///< device, for Debugger Mode; empty in Bochs
    std::filesystem::path debug_socket;   ///< unix stream socket that reaches COM2 for Debugger
                                          ///< Mode; in Bochs serial_socket, which the agent inside
                                          ///< must have left first (/bin/debug-prepare)
    pid_t pid = 0;                        ///< the emulator
    std::string machine;                  ///< "qemu" or "bochs"
    std::string accelerator;              ///< "kvm" or "tcg"; "bochs" in Bochs
    std::string kernel;                   ///< release, "6.1.0-56-amd64"
    unsigned smp = 0;
    bool agent = false;  ///< the agent was seen listening
};

/// Told each line of progress ("boot: kernel ... 3.2 s"), without the newline.
using Progress = std::function<void(std::string_view line)>;

/// Told each piece of a shell command's output as it comes.
using ShellOutput = std::function<void(std::string_view text, bool is_stderr)>;

/// Boots a debuggee and returns when its shell and its agent answer. Fails with kTimeOut when a
/// stage does not come (the sentence says which, and where the console log is), kInterrupted on
/// SIGINT or SIGTERM during the boot; a failed start leaves nothing behind but the kept log.
/// A lab of that name that runs already is a failure: ask find() first.
Outcome<Endpoint> start(const Options& options, const Progress& progress);

/// The lab of that name, if it runs. Removes what a dead one left behind.
std::optional<Endpoint> find(std::string_view name = kDefaultName);

/// All labs of this user that run, by name.
std::vector<Endpoint> list();

/// Ends a lab and removes its runtime folder. When the console log shows trouble it is kept;
/// the path is returned (else an empty one).
Outcome<std::filesystem::path> stop(std::string_view name = kDefaultName);

/// Runs `command` with /bin/sh inside and returns its exit status. Commands may run side by side.
/// @param silence  how long it may say nothing (kTimeOut); 0: for ever
Outcome<int> shell(std::string_view name, std::string_view command, const ShellOutput& output,
                   std::chrono::milliseconds connect_timeout = std::chrono::seconds{5},
                   std::chrono::seconds silence = std::chrono::seconds{0});

/// Lines of a console log that a healthy kernel does not print: lock-ups, RCU stalls, clocksource
/// warnings, BUG, Oops and the like. Oldest first.
std::vector<std::string> trouble_in(std::string_view console_text);

/// `ringside lab start|stop|status|console|shell|list ...`: `args` without the word "lab".
/// Prints to stdout and stderr; returns the program's exit status.
int main(std::span<const std::string> args);

}  // namespace ringside::lab
