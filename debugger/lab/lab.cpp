// SPDX-License-Identifier: GPL-3.0-or-later
// Start, find, stop: the parts put together.
#include "lab/lab.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "lab/accelerator.hpp"
#include "lab/bochs.hpp"
#include "lab/bochs_start.hpp"
#include "lab/console.hpp"
#include "lab/files.hpp"
#include "lab/image.hpp"
#include "lab/kernel.hpp"
#include "lab/machine.hpp"
#include "lab/monitor.hpp"
#include "lab/process.hpp"
#include "lab/relay.hpp"
#include "lab/runtime.hpp"
#include "lab/shell_client.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What the debuggee needs loaded in QEMU or in Bochs: the scratch disk, the network, the key's way
/// in; and KVM, which the tests load to see the module refuse beside it.
const std::vector<std::string> kGuestModules{
    "virtio_pci", "virtio_blk", "virtio_net", "qemu_fw_cfg", "e1000", "kvm_amd", "kvm_intel"};
constexpr std::chrono::seconds kFirstShell{30};
constexpr std::chrono::milliseconds kLook{50};

/// While it lives SIGINT and SIGTERM are read from a descriptor, so that a boot ends in order.
class InterruptWatch {
public:
    InterruptWatch() {
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGINT);
        sigaddset(&wanted, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &wanted, &before_);
        signals_ = Descriptor{::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
    }
    ~InterruptWatch() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    InterruptWatch(const InterruptWatch&) = delete;
    InterruptWatch& operator=(const InterruptWatch&) = delete;

    bool interrupted() {
        signalfd_siginfo info{};
        return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info);
    }

private:
    sigset_t before_{};
    Descriptor signals_;
};

fs::path running_program_folder() {
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error).parent_path();
}

Outcome<Done> write_key(const fs::path& file) {
    std::array<unsigned char, 32> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        return Failure{fmt::format("cannot make a key: {}", errno_text(errno))};
    return write_file(file, fmt::format("{:02x}\n", fmt::join(bytes, "")), 0600);
}

/// A file of zeros, which take no room.
Outcome<Done> make_zeros(const fs::path& file, unsigned size_mb) {
    if (const auto made = write_file(file, {}, 0600); !made)
        return made;
    std::error_code error;
    fs::resize_file(file, std::uintmax_t{size_mb} << 20, error);
    if (error)
        return Failure{
            fmt::format("cannot make {} of {} MB: {}", file.string(), size_mb, error.message())};
    return Done{};
}

/// An emulator that has been started.
struct Emulator {
    pid_t pid = 0;
    const char* name = "";  ///< as users know it
    const char* log = "";   ///< in the lab's folder
};

/// Watches the console until the debuggee is ready, the emulator ends, the time is over or the user
/// had enough.
Outcome<BootProgress> watch_boot(const Options& options, const fs::path& folder,
                                 const Emulator& emulator, InterruptWatch& interrupt,
                                 const Progress& progress) {
    BootProgress boot;
    const auto begin = Clock::now();
    auto stage_begin = begin;
    for (;;) {
        const bool ended = wait_for_end(emulator.pid, kLook);
        const auto now = Clock::now();
        for (const std::string& stage :
             boot.advance(read_file(folder / kConsoleLog).value_or(""))) {
            progress(fmt::format("boot: {} ... {:.1f} s", stage,
                                 std::chrono::duration<double>(now - stage_begin).count()));
            stage_begin = now;
        }
        if (boot.ready())
            return boot;
        if (auto defeat = boot.defeat())
            return Failure{*defeat};
        if (ended)
            return Failure{fmt::format("{} ended during the boot: {}", emulator.name,
                                       last_words(folder / emulator.log))};
        if (interrupt.interrupted())
            return Failure{"the boot was interrupted", {}, ExitCode::kInterrupted};
        if (now - begin > options.boot_timeout)
            return Failure{fmt::format("no boot within {} s: waited for {}",
                                       options.boot_timeout.count(), boot.awaited()),
                           {},
                           ExitCode::kTimeOut};
    }
}

/// Everything before an emulator runs, but for the accelerator and QEMU's disk: kernel, archive,
/// key.
struct Prepared {
    BuildParts parts;
    Kernel kernel;
    fs::path archive;
};

Outcome<Done> check_programs(const Options& options) {
    const char* program = options.vmx ? kBochsProgram : "qemu-system-x86_64";
    if (find_program(program).empty())
        return Failure{fmt::format("no {} on this machine", program),
                       options.vmx ? "install bochs and bochs-sdl" : "install qemu-system-x86"};
    return Done{};
}

Outcome<Prepared> prepare(const Options& options, const fs::path& folder,
                          const Progress& progress) {
    if (const auto there = check_programs(options); !there)
        return there.failure();
    const fs::path build =
        options.build_folder.empty() ? running_program_folder() : options.build_folder;
    BuildParts parts = find_parts(build);
    if (options.agent && parts.program.empty())
        return Failure{fmt::format("no ringside program in {}", build.string()),
                       "name the build folder with --build", ExitCode::kWrongOptions};
    if (options.vmx && parts.loader.empty())
        return Failure{"this build has no debugger/lab/ringside-lab-loader",
                       "build everything, or name the build folder with --build"};
    std::string release = newest_headers_release();
    if (const auto module = parts.module.empty() ? std::nullopt : read_file(parts.module))
        release = module_release(*module);
    if (release.empty())
        return Failure{"no ringside.ko in the build and no kernel headers on this machine",
                       "install linux-headers-amd64 and build"};
    auto kernel = prepare_kernel(release, kGuestModules, progress);
    if (!kernel)
        return kernel.failure();
    auto archive = prepare_image(parts, *kernel, progress);
    if (!archive)
        return archive.failure();
    if (const auto key = write_key(folder / kKeyFile); !key)
        return key.failure();
    return Prepared{std::move(parts), std::move(*kernel), std::move(*archive)};
}

std::string key_of(const fs::path& folder) {
    std::string key = read_file(folder / kKeyFile).value_or("");
    while (!key.empty() && key.back() == '\n')
        key.pop_back();
    return key;
}

BootMode boot_mode(const Options& options) {
    return options.agent ? BootMode::kAgent : BootMode::kBare;
}

/// `endpoint` gets what is known of the machine before it has booted.
Outcome<Emulator> start_qemu_machine(const Options& options, const Prepared& prepared,
                                     const AcceleratorChoice& accelerator, const Claim& claimed,
                                     const Progress& progress, Endpoint& endpoint) {
    if (const auto disk = make_zeros(claimed.folder / kDiskImage, options.disk_mb); !disk)
        return disk.failure();
    if (const auto link = make_zeros(claimed.folder / kDebugMemory, kDebugMemoryMb); !link)
        return link.failure();
    progress(
        fmt::format("machine: {} cores, {} MB, {}{}", options.smp, options.memory_mb,
                    accelerator.use_kvm ? "KVM" : "TCG (emulated)",
                    accelerator.reason.empty() ? "" : fmt::format("; {}", accelerator.reason)));
    const auto pid = spawn_detached(
        machine_command(options, accelerator.use_kvm, boot_mode(options), prepared.kernel.image,
                        prepared.archive),
        claimed.folder, {.output = kQemuLog, .errors = kQemuLog}, {claimed.alive.get()});
    if (!pid)
        return pid.failure();
    if (const auto written = write_file(claimed.folder / kPidFile, std::to_string(*pid));
        !written) {
        ::kill(*pid, SIGKILL);
        return written.failure();
    }
    endpoint.machine = "qemu";
    endpoint.accelerator = accelerator.use_kvm ? "kvm" : "tcg";
    endpoint.debug_memory = claimed.folder / kDebugMemory;
    endpoint.debug_socket = claimed.folder / kDebugSocket;
    return Emulator{.pid = *pid, .name = "QEMU", .log = kQemuLog};
}

/// The like in Bochs.
Outcome<Emulator> start_bochs_machine(const Options& options, const Prepared& prepared,
                                      const Claim& claimed, const Progress& progress,
                                      Endpoint& endpoint) {
    progress(fmt::format("machine: {} cores, {} MB, Bochs ({})", options.smp, options.memory_mb,
                         bochs_model(options)));
    const auto started = start_bochs(options, boot_mode(options), prepared.kernel, prepared.archive,
                                     prepared.parts.loader, claimed, progress);
    if (!started)
        return started.failure();
    endpoint.machine = endpoint.accelerator = "bochs";
    endpoint.serial_socket = endpoint.debug_socket = claimed.folder / kSerialSocket;
    endpoint.shell_port = started->shell_port;
    return Emulator{.pid = started->pid, .name = "Bochs", .log = kBochsLog};
}

/// QEMU chooses its ports itself.
Outcome<Done> ask_for_ports(const fs::path& folder, Endpoint& endpoint) {
    auto monitor = Monitor::connect(folder);
    if (!monitor)
        return monitor.failure();
    const auto ports = monitor->forwarded_ports();
    if (!ports)
        return ports.failure();
    endpoint.port = ports->agent;
    endpoint.shell_port = ports->shell;
    return Done{};
}

Outcome<Endpoint> boot(const Options& options, Claim& claimed, const Progress& progress) {
    const auto begin = Clock::now();
    const auto prepared = prepare(options, claimed.folder, progress);
    if (!prepared)
        return prepared.failure();
    Endpoint endpoint{.name = options.name,
                      .host = "127.0.0.1",
                      .key_file = claimed.folder / kKeyFile,
                      .console_log = claimed.folder / kConsoleLog,
                      .root_log = claimed.folder / kRootLog,
                      .kernel = prepared->kernel.release,
                      .smp = options.smp};
    const auto accelerator = options.vmx
                                 ? AcceleratorChoice{}
                                 : choose_accelerator(options, prepared->kernel, prepared->archive,
                                                      claimed.folder, progress);
    // From before the emulator runs: an interrupted start takes it along.
    InterruptWatch interrupt;
    const auto emulator =
        options.vmx
            ? start_bochs_machine(options, *prepared, claimed, progress, endpoint)
            : start_qemu_machine(options, *prepared, accelerator, claimed, progress, endpoint);
    if (!emulator)
        return emulator.failure();
    claimed.alive = Descriptor{};
    endpoint.pid = emulator->pid;
    const auto reached = watch_boot(options, claimed.folder, *emulator, interrupt, progress);
    if (!reached)
        return reached.failure();
    endpoint.agent = reached->agent();
    if (!options.vmx)
        if (const auto asked = ask_for_ports(claimed.folder, endpoint); !asked)
            return asked.failure();
    const auto answered = run_in_debuggee(
        endpoint.shell_port, key_of(claimed.folder), "true", [](std::string_view, bool) {},
        kFirstShell);
    if (!answered)
        return answered.failure();
    if (const auto written = write_endpoint(claimed.folder, endpoint); !written)
        return written.failure();
    progress(fmt::format("lab '{}' is up after {:.1f} s: Linux {}, {}", endpoint.name,
                         std::chrono::duration<double>(Clock::now() - begin).count(),
                         endpoint.kernel,
                         options.vmx ? endpoint.serial_socket.string()
                                     : fmt::format("{}:{}", endpoint.host, endpoint.port)));
    return endpoint;
}

}  // namespace

Outcome<Endpoint> start(const Options& options, const Progress& progress) {
    if (const auto good = check(options); !good)
        return good.failure();
    auto claimed = claim(options.name);
    if (!claimed)
        return claimed.failure();
    auto endpoint = boot(options, *claimed, progress);
    if (endpoint)
        return endpoint;
    Failure failure = endpoint.failure();
    const bool booted = fs::exists(claimed->folder / kConsoleLog);
    const auto kept = take_down(options.name, booted);
    if (booted && kept && failure.code != ExitCode::kInterrupted)
        failure.hint = fmt::format("console log: {}", kept->string());
    return failure;
}

std::optional<Endpoint> find(std::string_view name) {
    if (inspect(name) != LabState::kRunning)
        return std::nullopt;
    return read_endpoint(lab_folder(name));
}

std::vector<Endpoint> list() {
    std::vector<Endpoint> running;
    for (const std::string& name : lab_names())
        if (auto endpoint = find(name))
            running.push_back(std::move(*endpoint));
    return running;
}

Outcome<fs::path> stop(std::string_view name) {
    const auto endpoint = find(name);
    if (!endpoint)
        return Failure{fmt::format("no lab '{}' runs", name), {}, ExitCode::kUnreachable};
    const bool clean = trouble_in(read_file(endpoint->console_log).value_or("")).empty();
    return take_down(name, !clean);
}

Outcome<int> shell(std::string_view name, std::string_view command, const ShellOutput& output,
                   std::chrono::milliseconds connect_timeout, std::chrono::seconds silence) {
    const auto endpoint = find(name);
    if (!endpoint)
        return Failure{fmt::format("no lab '{}' runs", name), "ringside lab start",
                       ExitCode::kUnreachable};
    return run_in_debuggee(endpoint->shell_port, key_of(lab_folder(name)), command, output,
                           connect_timeout, silence);
}

}  // namespace ringside::lab
