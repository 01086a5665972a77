// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/runtime.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>

#include "lab/folders.hpp"
#include "lab/machine.hpp"
#include "lab/monitor.hpp"
#include "lab/process.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStarterLock = "starter";
constexpr const char* kEndpointFile = "lab.json";
constexpr std::string_view kFolderPrefix = "lab-";
constexpr std::chrono::seconds kPoliteEnd{5};

bool is_locked(const fs::path& file) {
    return fs::exists(file) && !lock(file, LockWait::kTry);
}

std::optional<pid_t> read_pid(const fs::path& file) {
    const auto text = read_file(file);
    pid_t pid = 0;
    if (!text ||
        std::from_chars(text->data(), text->data() + text->size(), pid).ec != std::errc{} ||
        pid <= 1)
        return std::nullopt;
    return pid;
}

/// Ends the emulator whose lock is still held.
void end_machine(const fs::path& folder) {
    const auto pid = read_pid(folder / kPidFile);
    if (!pid)
        return;
    if (auto monitor = Monitor::connect(folder)) {
        monitor->quit();
    } else {
        ::kill(*pid, SIGTERM);
        ::kill(*pid, SIGCONT);  // it may have been paused
    }
    if (wait_for_end(*pid, kPoliteEnd))
        return;
    ::kill(*pid, SIGKILL);
    wait_for_end(*pid, kPoliteEnd);
}

/// The relay ends by itself when the emulator has ended, unless that never connected to it.
void end_relay(const fs::path& folder) {
    const auto pid = read_pid(folder / kRelayPidFile);
    if (!pid || !is_locked(folder / kRelayLock))
        return;
    ::kill(*pid, SIGTERM);
    wait_for_end(*pid, kPoliteEnd);
}

fs::path keep_logs_of(std::string_view name, const fs::path& folder) {
    const fs::path kept = state_folder() / fmt::format("{}{}", kFolderPrefix, name);
    std::error_code error;
    fs::create_directories(kept, error);
    for (const char* log : {kConsoleLog, kRootLog, kQemuLog, kBochsLog})
        fs::copy_file(folder / log, kept / log, fs::copy_options::overwrite_existing, error);
    return kept / kConsoleLog;
}

void remove_folder(const fs::path& folder) {
    std::error_code error;
    fs::remove_all(folder, error);
    // Succeeds only when this was the last lab; a lock held on it by another process is harmless.
    fs::remove(folder.parent_path(), error);
}

/// With the folder above locked.
LabState inspect_locked(std::string_view name, const fs::path& folder) {
    if (!fs::exists(folder))
        return LabState::kAbsent;
    const bool alive = is_locked(folder / kAliveLock);
    if (is_locked(folder / kStarterLock))
        return LabState::kBooting;
    if (alive && fs::exists(folder / kEndpointFile))
        return LabState::kRunning;
    if (alive)
        end_machine(folder);
    end_relay(folder);
    if (fs::exists(folder / kEndpointFile))
        keep_logs_of(name, folder);
    remove_folder(folder);
    return LabState::kAbsent;
}

/// Makes and locks the folder above. A lab that ends may remove it between the two steps, so the
/// lock counts only if the path still names what was locked.
Outcome<Descriptor> lock_runtime_folder() {
    const fs::path folder = runtime_folder();
    for (;;) {
        if (const auto made = make_private_folder(folder); !made)
            return made.failure();
        Descriptor held = lock(folder, LockWait::kWait);
        struct stat locked {};
        struct stat named {};
        if (held && ::fstat(held.get(), &locked) == 0 && ::stat(folder.c_str(), &named) == 0 &&
            locked.st_ino == named.st_ino && locked.st_dev == named.st_dev)
            return held;
    }
}

}  // namespace

Outcome<Descriptor> locked_file(const fs::path& path) {
    if (const auto made = write_file(path, {}, 0600); !made)
        return made.failure();
    Descriptor held = lock(path, LockWait::kTry);
    if (!held)
        return Failure{fmt::format("cannot lock {}", path.string())};
    return held;
}

fs::path lab_folder(std::string_view name) {
    return runtime_folder() / fmt::format("{}{}", kFolderPrefix, name);
}

Outcome<Claim> claim(std::string_view name) {
    const auto held = lock_runtime_folder();
    if (!held)
        return held.failure();
    const fs::path folder = lab_folder(name);
    switch (inspect_locked(name, folder)) {
        case LabState::kBooting:
            return Failure{fmt::format("lab '{}' is being started by another process", name)};
        case LabState::kRunning:
            return Failure{fmt::format("lab '{}' runs already", name),
                           fmt::format("ringside lab stop --name {}", name)};
        case LabState::kAbsent:
            break;
    }
    // inspect may have removed the folder above together with the last lab in it.
    if (const auto made = make_private_folder(runtime_folder()); !made)
        return made.failure();
    if (const auto made = make_private_folder(folder); !made)
        return made.failure();
    auto starter = locked_file(folder / kStarterLock);
    if (!starter)
        return starter.failure();
    auto alive = locked_file(folder / kAliveLock);
    if (!alive)
        return alive.failure();
    return Claim{.folder = folder, .starter = std::move(*starter), .alive = std::move(*alive)};
}

LabState inspect(std::string_view name) {
    if (!fs::exists(lab_folder(name)))
        return LabState::kAbsent;
    const auto held = lock_runtime_folder();
    return held ? inspect_locked(name, lab_folder(name)) : LabState::kAbsent;
}

std::vector<std::string> lab_names() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{runtime_folder(), error}) {
        const std::string file = entry.path().filename().string();
        if (file.starts_with(kFolderPrefix))
            names.push_back(file.substr(kFolderPrefix.size()));
    }
    std::sort(names.begin(), names.end());
    return names;
}

Outcome<fs::path> take_down(std::string_view name, bool keep_logs) {
    const auto held = lock_runtime_folder();
    if (!held)
        return held.failure();
    const fs::path folder = lab_folder(name);
    if (is_locked(folder / kAliveLock))
        end_machine(folder);
    end_relay(folder);
    fs::path kept;
    if (keep_logs)
        kept = keep_logs_of(name, folder);
    remove_folder(folder);
    return kept;
}

Outcome<Done> write_endpoint(const fs::path& folder, const Endpoint& endpoint) {
    const nlohmann::ordered_json json{
        {"name", endpoint.name},
        {"host", endpoint.host},
        {"port", endpoint.port},
        {"shell_port", endpoint.shell_port},
        {"pid", endpoint.pid},
        {"accelerator", endpoint.accelerator},
        {"kernel", endpoint.kernel},
        {"smp", endpoint.smp},
        {"agent", endpoint.agent},
        {"machine", endpoint.machine},
        {"serial_socket", endpoint.serial_socket.string()},
        {"debug_memory", endpoint.debug_memory.string()},
        {"debug_socket", endpoint.debug_socket.string()},
    };
    return write_file(folder / kEndpointFile, json.dump(2) + '\n', 0600);
}

std::optional<Endpoint> read_endpoint(const fs::path& folder) {
    const auto text = read_file(folder / kEndpointFile);
    if (!text)
        return std::nullopt;
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object())
        return std::nullopt;
    Endpoint endpoint;
    endpoint.name = json.value("name", "");
    endpoint.host = json.value("host", "");
    endpoint.port = json.value("port", std::uint16_t{0});
    endpoint.shell_port = json.value("shell_port", std::uint16_t{0});
    endpoint.pid = json.value("pid", 0);
    endpoint.accelerator = json.value("accelerator", "");
    endpoint.kernel = json.value("kernel", "");
    endpoint.smp = json.value("smp", 0U);
    endpoint.agent = json.value("agent", false);
    endpoint.machine = json.value("machine", "qemu");
    endpoint.serial_socket = json.value("serial_socket", "");
    endpoint.debug_memory = json.value("debug_memory", "");
    endpoint.debug_socket = json.value("debug_socket", "");
    endpoint.key_file = folder / kKeyFile;
    endpoint.console_log = folder / kConsoleLog;
    endpoint.root_log = folder / kRootLog;
    return endpoint;
}

}  // namespace ringside::lab
