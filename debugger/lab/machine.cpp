// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "lab/bochs.hpp"

namespace ringside::lab {
namespace {

constexpr unsigned kMaxCpus = 64;
constexpr unsigned kMinMemoryMb = 128;
constexpr std::size_t kMaxName = 40;

/// loglevel=5 shows warnings (clocksource, watchdogs) and hides the chatter of a healthy boot;
/// panic=-1 with -no-reboot ends QEMU at once when the kernel dies.
std::string kernel_line(const Options& options, BootMode mode) {
    std::string line =
        fmt::format("console=ttyS0 panic=-1 loglevel=5 lab.mode={}", mode_word(mode));
    if (!options.append.empty())
        line += ' ' + options.append;
    return line;
}

std::string cpu_model(const Options& options, bool use_kvm) {
    if (!options.cpu.empty())
        return options.cpu;
    // QEMU TCG: EPYC has 4-level paging and no PKU, so fewer of the emulator's own slow paths than
    // "max"; what TCG cannot do of it (nrip-save) QEMU leaves out with a warning in its log.
    return use_kvm ? "host,+svm" : "EPYC,+svm,+npt";
}

}  // namespace

const char* mode_word(BootMode mode) {
    switch (mode) {
        case BootMode::kAgent:
            return "agent";
        case BootMode::kBare:
            return "bare";
        case BootMode::kProbe:
            return "probe";
    }
    return "";
}

Outcome<Done> check(const Options& options) {
    const auto allowed = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_';
    };
    if (options.name.empty() || options.name.size() > kMaxName ||
        !std::all_of(options.name.begin(), options.name.end(), allowed))
        return Failure{fmt::format("bad lab name '{}'", options.name),
                       fmt::format("letters, digits, '-' and '_', at most {}", kMaxName),
                       ExitCode::kWrongOptions};
    if (options.vmx)
        if (const auto good = check_bochs(options); !good)
            return good.failure();
    if (options.smp < 1 || options.smp > kMaxCpus)
        return Failure{fmt::format("cannot make a machine of {} cores", options.smp),
                       fmt::format("--smp 1 to {}", kMaxCpus), ExitCode::kWrongOptions};
    if (options.memory_mb < kMinMemoryMb)
        return Failure{
            fmt::format("{} MB of memory are too few for Debian's kernel", options.memory_mb),
            fmt::format("--memory {} or more", kMinMemoryMb), ExitCode::kWrongOptions};
    if (options.icount && (options.smp != 1 || options.accelerator == Accelerator::kKvm))
        return Failure{"--icount counts the instructions of one emulated core",
                       "use it with --smp 1 and without --accel kvm", ExitCode::kWrongOptions};
    return Done{};
}

std::vector<std::string> machine_command(const Options& options, bool use_kvm, BootMode mode,
                                         const std::filesystem::path& kernel_image,
                                         const std::filesystem::path& initial_archive) {
    const char* accelerator = use_kvm          ? "kvm"
                              : options.icount ? "tcg,thread=single"
                                               : "tcg,thread=multi";
    std::vector<std::string> command{
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
        "-accel",
        accelerator,
        "-cpu",
        cpu_model(options, use_kvm),
        "-smp",
        std::to_string(options.smp),
        "-m",
        std::to_string(options.memory_mb),
        "-kernel",
        kernel_image.string(),
        "-initrd",
        initial_archive.string(),
        "-append",
        kernel_line(options, mode),
        "-serial",
        fmt::format("file:{}", kConsoleLog),
        "-debugcon",
        fmt::format("file:{}", kRootLog),
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=0x04",
    };
    const auto add = [&](std::initializer_list<std::string> words) {
        command.insert(command.end(), words);
    };
    if (options.icount)
        add({"-icount", "shift=0,sleep=off"});
    if (mode == BootMode::kProbe)
        return command;
    // Host port 0: the operating system picks a free one and QEMU holds it from then on; the
    // monitor tells which. The key goes by fw_cfg: the kernel command line is public inside.
    add({"-qmp", fmt::format("unix:{},server=on,wait=off", kMonitorSocket), "-netdev",
         fmt::format("user,id=net0,hostfwd=tcp:127.0.0.1:0-:{},hostfwd=tcp:127.0.0.1:0-:{}",
                     kAgentPort, kShellPort),
         "-device", "virtio-net-pci,netdev=net0,romfile=", "-fw_cfg",
         fmt::format("name=opt/ringside/key,file={}", kKeyFile),
         // A device without a driver of its own: the tests' source of interrupts on demand.
         "-device", "edu",
         // The two ways to a halted debuggee: memory shared with a file, and COM2.
         "-object",
         fmt::format("memory-backend-file,id=debuglink,share=on,mem-path={},size={}M", kDebugMemory,
                     kDebugMemoryMb),
         "-device", "ivshmem-plain,memdev=debuglink", "-serial",
         fmt::format("unix:{},server=on,wait=off", kDebugSocket)});
    if (options.disk_mb != 0)
        add({"-drive",
             fmt::format("file={},format=raw,if=none,id=scratch,cache=unsafe", kDiskImage),
             "-device", "virtio-blk-pci,drive=scratch"});
    command.insert(command.end(), options.qemu_arguments.begin(), options.qemu_arguments.end());
    return command;
}

}  // namespace ringside::lab
