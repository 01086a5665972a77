// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "lab/files.hpp"

namespace ringside::lab {
namespace {

std::vector<char*> argument_vector(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    return arguments;
}

/// posix_spawn's two option objects, destroyed together. The child gets the default signal
/// dispositions and an empty mask: the caller may have blocked SIGINT around a boot.
class SpawnOptions {
public:
    SpawnOptions() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        sigset_t defaults;
        sigemptyset(&defaults);
        for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGHUP})
            sigaddset(&defaults, signal);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
    }
    ~SpawnOptions() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    SpawnOptions(const SpawnOptions&) = delete;
    SpawnOptions& operator=(const SpawnOptions&) = delete;

    void set_flags(int more) {
        posix_spawnattr_setflags(
            &attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | more));
    }

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

Outcome<pid_t> spawn(const std::vector<std::string>& command, SpawnOptions& options) {
    pid_t pid = 0;
    auto arguments = argument_vector(command);
    const int error = ::posix_spawnp(&pid, command[0].c_str(), &options.actions,
                                     &options.attributes, arguments.data(), environ);
    if (error != 0)
        return Failure{fmt::format("cannot run {}: {}", command[0], errno_text(error))};
    return pid;
}

std::string last_line(const std::string& text) {
    std::istringstream lines{text};
    std::string line;
    std::string last;
    while (std::getline(lines, line))
        if (!line.empty())
            last = line;
    return last;
}

}  // namespace

Outcome<Finished> run(const std::vector<std::string>& command,
                      const std::filesystem::path& folder) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return Failure{fmt::format("cannot make a pipe: {}", errno_text(errno))};
    const Descriptor reader{ends[0]};
    Descriptor writer{ends[1]};
    SpawnOptions options;
    options.set_flags(0);
    posix_spawn_file_actions_addopen(&options.actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&options.actions, writer.get(), 1);
    posix_spawn_file_actions_adddup2(&options.actions, writer.get(), 2);
    if (!folder.empty())
        posix_spawn_file_actions_addchdir_np(&options.actions, folder.c_str());
    const auto pid = spawn(command, options);
    if (!pid)
        return pid.failure();
    writer = Descriptor{};
    Finished finished;
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t got = ::read(reader.get(), buffer.data(), buffer.size());
        if (got > 0)
            finished.output.append(buffer.data(), static_cast<std::size_t>(got));
        else if (got == 0 || errno != EINTR)
            break;
    }
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished;
}

Outcome<std::string> run_checked(const std::vector<std::string>& command,
                                 const std::filesystem::path& folder) {
    auto finished = run(command, folder);
    if (!finished)
        return finished.failure();
    if (finished->status != 0)
        return Failure{fmt::format("{} ended with status {}: {}", command[0], finished->status,
                                   last_line(finished->output))};
    return std::move(finished->output);
}

Outcome<pid_t> spawn_detached(const std::vector<std::string>& command,
                              const std::filesystem::path& folder, const OutputFiles& files,
                              std::initializer_list<int> inherited) {
    SpawnOptions options;
    options.set_flags(POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_addchdir_np(&options.actions, folder.c_str());
    posix_spawn_file_actions_addopen(&options.actions, 0, "/dev/null", O_RDONLY, 0);
    constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_addopen(&options.actions, 1, files.output.c_str(), kAppend, 0600);
    posix_spawn_file_actions_addopen(&options.actions, 2, files.errors.c_str(), kAppend, 0600);
    // dup2 of a descriptor onto itself clears FD_CLOEXEC in the child (POSIX.1-2024; glibc 2.29).
    for (const int descriptor : inherited)
        posix_spawn_file_actions_adddup2(&options.actions, descriptor, descriptor);
    return spawn(command, options);
}

bool has_ended(pid_t pid) {
    if (::waitpid(pid, nullptr, WNOHANG) == pid)
        return true;
    return ::kill(pid, 0) != 0 && errno == ESRCH;
}

bool wait_for_end(pid_t pid, std::chrono::milliseconds limit) {
    const Descriptor handle{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (handle) {
        pollfd watched{.fd = handle.get(), .events = POLLIN, .revents = 0};
        ::poll(&watched, 1, static_cast<int>(limit.count()));
        if ((watched.revents & POLLIN) != 0) {
            ::waitpid(pid, nullptr, WNOHANG);
            return true;
        }
    }
    return has_ended(pid);
}

std::filesystem::path find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders{path != nullptr ? path : "/usr/bin:/bin:/usr/sbin:/sbin"};
    std::string folder;
    while (std::getline(folders, folder, ':')) {
        const auto candidate = std::filesystem::path{folder} / name;
        if (::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return {};
}

}  // namespace ringside::lab
