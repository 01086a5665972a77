// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/bochs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringside::lab {
namespace {

constexpr unsigned kMaxCpus = 2;
constexpr unsigned kMaxMemoryMb = 2048;

/// Of Bochs 2.7. Not corei7_skylake_x, whose time stamp counter runs at another rate than its CPUID
/// says; not corei7_icelake_u and tigerlake, on which Debian's kernel does not boot.
constexpr std::string_view kModels[] = {"broadwell_ult", "corei7_haswell_4770",
                                        "corei7_ivy_bridge_3770k", "corei7_sandy_bridge_2600k"};

Failure refusal(std::string message, std::string hint) {
    return Failure{std::move(message), std::move(hint), ExitCode::kWrongOptions};
}

}  // namespace

std::span<const std::string_view> bochs_models() {
    return kModels;
}

std::string_view bochs_model(const Options& options) {
    return options.cpu.empty() ? kModels[0] : std::string_view{options.cpu};
}

Outcome<Done> check_bochs(const Options& options) {
    if (options.smp < 1 || options.smp > kMaxCpus)
        return refusal(fmt::format("a VMX lab has 1 or 2 cores, not {}", options.smp),
                       "--smp 1 or --smp 2");
    if (options.memory_mb > kMaxMemoryMb)
        return refusal(fmt::format("a VMX lab has at most {} MB of memory, not {}", kMaxMemoryMb,
                                   options.memory_mb),
                       fmt::format("--memory {} or less", kMaxMemoryMb));
    if (options.accelerator != Accelerator::kAuto)
        return refusal("--accel chooses how QEMU runs; a VMX lab runs in Bochs",
                       "leave --accel out");
    if (options.icount)
        return refusal("--icount counts instructions in QEMU; a VMX lab runs in Bochs",
                       "leave --icount or --vmx out");
    if (!options.qemu_arguments.empty())
        return refusal("--qemu is for QEMU; a VMX lab runs in Bochs", "leave --qemu out");
    if (std::find(std::begin(kModels), std::end(kModels), bochs_model(options)) ==
        std::end(kModels))
        return refusal(fmt::format("a VMX lab has no processor model '{}'", options.cpu),
                       fmt::format("models with VMX that boot: {}",
                                   fmt::join(std::begin(kModels), std::end(kModels), ", ")));
    return Done{};
}

std::string bochs_config(const Options& options, std::uint16_t link_port) {
    // Without comment of their own:
    //   quantum     instructions a core runs before the other one's turn; the most Bochs takes
    //   ips         emulated seconds per instruction: delays of drivers cost that much emulation
    //   sync=none   emulated time follows the instructions, so a busy host is not seen inside, and
    //               an idle machine runs ahead of the clock on the wall
    //   fastboot    no three seconds for a boot menu
    //   sound       Bochs: without a sound card it dies unless each driver is the dummy one
    //   sdl2        with SDL's dummy driver (bochs_command) a display without a screen and without
    //               the port that Bochs' VNC display opens to the network
    return fmt::format(
        "config_interface: textconfig\n"
        "display_library: sdl2\n"
        "cpu: model={model}, count={smp}, ips=50000000, quantum=32, reset_on_triple_fault=0, "
        "msrs={msrs}\n"
        "megs: {memory}\n"
        "clock: sync=none, time0=utc\n"
        "romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot\n"
        "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n"
        "pci: enabled=1, chipset=i440fx, slot1=e1000\n"
        "boot: disk\n"
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
        "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"
        "ata0-master: type=disk, path={boot}, mode=flat\n"
        "ata0-slave: type=disk, path={kernel}, mode=volatile, journal={kernel}\n"
        "ata1-master: type=disk, path={archive}, mode=volatile, journal={archive}\n"
        "e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script={network}\n"
        "com1: enabled=1, mode=file, dev={console}\n"
        "com2: enabled=1, mode=socket-client, dev=127.0.0.1:{link}\n"
        "sound: waveoutdrv=dummy, waveout=none, waveindrv=dummy, wavein=none, "
        "midioutdrv=dummy, midiout=none\n"
        "speaker: enabled=0\n"
        "port_e9_hack: enabled=1\n"
        "panic: action=fatal\n"
        "error: action=report\n"
        "info: action=report\n"
        "debug: action=ignore\n"
        "log: -\n",
        fmt::arg("model", bochs_model(options)), fmt::arg("smp", options.smp),
        fmt::arg("memory", options.memory_mb), fmt::arg("boot", kBootDiskFile),
        fmt::arg("kernel", kKernelDiskFile), fmt::arg("archive", kArchiveDiskFile),
        fmt::arg("msrs", kBochsMsrs), fmt::arg("network", kBochsNetwork),
        fmt::arg("console", kConsoleLog), fmt::arg("link", link_port));
}

std::string bochs_network(std::uint16_t shell_port) {
    return fmt::format("# slirp config\nhostfwd = tcp:127.0.0.1:{}-10.0.2.15:{}\n", shell_port,
                       kShellPort);
}

std::string bochs_msrs() {
    // Number, type (0: none), value after reset, reserved bits, ignored bits; each in two halves.
    return "0xe7 0 00000000 00000000 00000000 00000000 00000000 00000000\n"
           "0xe8 0 00000000 00000000 00000000 00000000 00000000 00000000\n";
}

std::string bochs_commands() {
    return "c\nq\n";
}

std::vector<std::string> bochs_command() {
    return {"env",
            "SDL_VIDEODRIVER=dummy",
            "SDL_AUDIODRIVER=dummy",
            kBochsProgram,
            "-q",
            "-f",
            kBochsConfig,
            "-rc",
            kBochsCommands};
}

std::string bochs_kernel_line(const Options& options, BootMode mode) {
    // nokaslr: the kernel is put where it was linked. mitigations=off, and two initial self-tests
    // and a certificate list left out: half of the boot. reboot=t with reset_on_triple_fault=0: a
    // reboot and a panic end Bochs. rcu_expedited: an idle core would make each wait for readers
    // take half a second.
    std::string line = fmt::format(
        "console=ttyS0 nokaslr rcupdate.rcu_expedited=1 panic=-1 reboot=t loglevel=5 "
        "mitigations=off tsc=reliable "
        "no_timer_check cryptomgr.notests "
        "initcall_blacklist=load_system_certificate_list,crypto_kdf108_init "
        "lab.machine=bochs lab.link=serial lab.mode={}",
        mode_word(mode));
    if (!options.append.empty())
        line += ' ' + options.append;
    return line;
}

BochsStart bochs_start_in(std::string_view log) {
    if (log.find("could not set up host forwarding rule") != std::string_view::npos)
        return BochsStart::kPortTaken;
    // The BIOS' first words: every device has been made by then.
    if (log.find("[BIOS  ] $Revision") != std::string_view::npos)
        return BochsStart::kRunning;
    return BochsStart::kUnknown;
}

}  // namespace ringside::lab
