// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/bochs_start.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "lab/bochs.hpp"
#include "lab/boot_disk.hpp"
#include "lab/cpio.hpp"
#include "lab/files.hpp"
#include "lab/kernel_image.hpp"
#include "lab/process.hpp"
#include "lab/relay.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kAttempts = 5;
constexpr std::chrono::seconds kStartLimit{30};
constexpr std::chrono::seconds kEndLimit{5};
constexpr std::chrono::milliseconds kLook{20};

/// A TCP port that is free now. Bochs cannot be told to take any, so somebody else may take this
/// one first; then Bochs says so and gets another.
std::uint16_t free_port() {
    const Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), name, length) != 0 || ::getsockname(socket.get(), name, &length) != 0)
        return 0;
    return ntohs(address.sin_port);
}

/// The key's way in: a small archive that the kernel unpacks after the image. The kernel command
/// line would be public inside.
std::string key_archive(const fs::path& key_file) {
    CpioArchive archive;
    archive.add_file("etc/ringside.key", read_file(key_file).value_or(""), 0600);
    return archive.finish();
}

Outcome<Done> link_disk(const fs::path& file, const fs::path& link) {
    std::error_code error;
    fs::create_symlink(file, link, error);
    if (error)
        return Failure{fmt::format("cannot make {}: {}", link.string(), error.message())};
    return Done{};
}

/// The three disks: our loader's, and links to the cache's kernel and archive, which Bochs opens
/// for reading only (its mode "volatile").
Outcome<Done> make_disks(const Options& options, BootMode mode, const Kernel& kernel,
                         const fs::path& archive, const fs::path& loader, const fs::path& folder,
                         const Progress& progress) {
    const auto vmlinux = prepare_vmlinux(kernel, progress);
    if (!vmlinux)
        return vmlinux.failure();
    const auto image = read_file(kernel.image);
    const auto unpacked = read_file(*vmlinux);
    const auto flat_loader = read_file(loader);
    if (!image || !unpacked || !flat_loader)
        return Failure{fmt::format("cannot read {}, {} or {}", kernel.image.string(),
                                   vmlinux->string(), loader.string())};
    const auto header = setup_header(*image);
    if (!header)
        return header.failure();
    const auto layout = kernel_layout(*unpacked);
    if (!layout)
        return layout.failure();
    std::error_code error;
    const auto archive_size = fs::file_size(archive, error);
    if (error)
        return Failure{fmt::format("cannot read {}: {}", archive.string(), error.message())};
    const std::string small_archive = key_archive(folder / kKeyFile);
    const std::string command_line = bochs_kernel_line(options, mode);
    const auto disk = make_boot_disk({.loader = *flat_loader,
                                      .setup_header = *header,
                                      .kernel = *layout,
                                      .archive_size = archive_size,
                                      .small_archive = small_archive,
                                      .command_line = command_line,
                                      .memory_bytes = std::uint64_t{options.memory_mb} << 20});
    if (!disk)
        return disk.failure();
    if (const auto written = write_file(folder / kBootDiskFile, *disk, 0600); !written)
        return written;
    if (const auto linked = link_disk(*vmlinux, folder / kKernelDiskFile); !linked)
        return linked;
    return link_disk(archive, folder / kArchiveDiskFile);
}

BochsStart wait_for_start(const fs::path& folder, pid_t pid) {
    const auto limit = Clock::now() + kStartLimit;
    BochsStart start = BochsStart::kUnknown;
    bool ended = false;
    while (start == BochsStart::kUnknown && !ended && Clock::now() < limit) {
        ended = wait_for_end(pid, kLook);
        start = bochs_start_in(read_file(folder / kBochsLog).value_or(""));
    }
    return ended && start == BochsStart::kRunning ? BochsStart::kUnknown : start;
}

}  // namespace

Outcome<StartedBochs> start_bochs(const Options& options, BootMode mode, const Kernel& kernel,
                                  const fs::path& archive, const fs::path& loader,
                                  const Claim& claimed, const Progress& progress) {
    const fs::path& folder = claimed.folder;
    if (const auto made = make_disks(options, mode, kernel, archive, loader, folder, progress);
        !made)
        return made.failure();
    if (const auto written = write_file(folder / kBochsCommands, bochs_commands()); !written)
        return written.failure();
    if (const auto written = write_file(folder / kBochsMsrs, bochs_msrs()); !written)
        return written.failure();
    // Bochs makes it with the first byte only; who waits for the kernel looks at it at once.
    if (const auto written = write_file(folder / kConsoleLog, {}, 0600); !written)
        return written.failure();
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto relay = start_relay(folder);
        if (!relay)
            return relay.failure();
        const std::uint16_t shell_port = free_port();
        if (const auto written = write_file(folder / kBochsNetwork, bochs_network(shell_port));
            !written)
            return written.failure();
        if (const auto written =
                write_file(folder / kBochsConfig, bochs_config(options, relay->machine_port));
            !written)
            return written.failure();
        std::error_code error;
        fs::remove(folder / kBochsLog, error);
        const auto pid =
            spawn_detached(bochs_command(), folder, {.output = kRootLog, .errors = kBochsLog},
                           {claimed.alive.get()});
        if (!pid)
            return pid.failure();
        if (const auto written = write_file(folder / kPidFile, std::to_string(*pid)); !written) {
            ::kill(*pid, SIGKILL);
            return written.failure();
        }
        const BochsStart start = wait_for_start(folder, *pid);
        if (start == BochsStart::kRunning)
            return StartedBochs{.pid = *pid, .shell_port = shell_port};
        ::kill(*pid, SIGKILL);
        wait_for_end(*pid, kEndLimit);
        // A relay to which Bochs never connected would wait for it.
        ::kill(relay->pid, SIGTERM);
        wait_for_end(relay->pid, kEndLimit);
        if (start == BochsStart::kUnknown)
            return Failure{fmt::format("Bochs did not start: {}", last_words(folder / kBochsLog))};
    }
    return Failure{fmt::format("no port for the shell in {} attempts", kAttempts)};
}

}  // namespace ringside::lab
