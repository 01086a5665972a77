// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/accelerator.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "lab/files.hpp"
#include "lab/folders.hpp"
#include "lab/machine.hpp"
#include "lab/process.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kProbeLimit{10};
constexpr std::chrono::milliseconds kLook{50};
constexpr std::uint32_t kExtendedFeatures = 0x80000001;
constexpr std::uint32_t kSvmBit = 1U << 2;  // AMD APM vol. 3, CPUID Fn8000_0001 ECX[2]
constexpr std::size_t kCpuidEntries = 256;

/// Whether KVM would give a guest the SVM feature; nothing is booted for that.
std::optional<std::string> objection_of_kvm() {
    const Descriptor kvm{::open("/dev/kvm", O_RDWR | O_CLOEXEC)};
    if (!kvm)
        return fmt::format("/dev/kvm: {}", errno_text(errno));
    // struct kvm_cpuid2 ends in an array of entries; a vector of entries gives the room, the header
    // fits in its first one.
    static_assert(sizeof(kvm_cpuid2) <= sizeof(kvm_cpuid_entry2));
    std::vector<kvm_cpuid_entry2> room(kCpuidEntries + 1);
    auto* supported = reinterpret_cast<kvm_cpuid2*>(room.data());
    supported->nent = kCpuidEntries;
    if (::ioctl(kvm.get(), KVM_GET_SUPPORTED_CPUID, supported) != 0)
        return fmt::format("/dev/kvm does not tell its CPU features: {}", errno_text(errno));
    for (std::uint32_t i = 0; i < supported->nent; ++i) {
        const kvm_cpuid_entry2& entry = supported->entries[i];
        if (entry.function == kExtendedFeatures && (entry.ecx & kSvmBit) != 0)
            return std::nullopt;
    }
    return "this machine's KVM does not offer SVM to a guest (no nested virtualization)";
}

/// Boots the kernel under KVM until it says that it has SVM.
std::optional<std::string> objection_of_boot(const Kernel& kernel, const fs::path& archive,
                                             const fs::path& scratch) {
    Options options;
    options.smp = 1;
    options.memory_mb = 512;
    const auto pid =
        spawn_detached(machine_command(options, true, BootMode::kProbe, kernel.image, archive),
                       scratch, {kQemuLog, kQemuLog}, {});
    if (!pid)
        return pid.failure().message;
    std::optional<std::string> objection =
        fmt::format("a kernel under KVM did not boot within {} s", kProbeLimit.count());
    const auto limit = Clock::now() + kProbeLimit;
    bool ended = false;
    while (!ended && Clock::now() < limit) {
        ended = wait_for_end(*pid, kLook);
        const std::string console = read_file(scratch / kConsoleLog).value_or("");
        if (console.find("ringside-lab: probe svm") != std::string::npos) {
            objection = std::nullopt;
            break;
        }
        if (console.find("ringside-lab: probe no-svm") != std::string::npos) {
            objection = "a kernel under KVM sees no SVM";
            break;
        }
        if (ended)
            objection = "a kernel under KVM died while booting";
    }
    if (!ended) {
        ::kill(*pid, SIGKILL);
        wait_for_end(*pid, kProbeLimit);
    }
    return objection;
}

/// "boot id, kernel: objection or nothing": a probe holds until this machine reboots.
std::string probe_key(const Kernel& kernel) {
    std::string boot = read_file("/proc/sys/kernel/random/boot_id").value_or("");
    while (!boot.empty() && boot.back() == '\n')
        boot.pop_back();
    return fmt::format("{} {}\n", boot, kernel.release);
}

}  // namespace

AcceleratorChoice choose_accelerator(const Options& options, const Kernel& kernel,
                                     const fs::path& archive, const fs::path& scratch,
                                     const Progress& progress) {
    if (options.accelerator == Accelerator::kKvm)
        return {.use_kvm = true};
    if (options.accelerator == Accelerator::kTcg || options.icount)
        return {.use_kvm = false};
    if (const auto objection = objection_of_kvm())
        return {.use_kvm = false, .reason = *objection};
    const fs::path remembered = cache_folder() / "kvm-probe";
    const std::string key = probe_key(kernel);
    if (const auto text = read_file(remembered); text && text->starts_with(key)) {
        const std::string objection = text->substr(key.size());
        return {.use_kvm = objection.empty(), .reason = objection};
    }
    progress("accelerator: trying KVM (once)");
    const std::string objection = objection_of_boot(kernel, archive, scratch).value_or("");
    (void)write_file(remembered, key + objection);
    return {.use_kvm = objection.empty(), .reason = objection};
}

}  // namespace ringside::lab
