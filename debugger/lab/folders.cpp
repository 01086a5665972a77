// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/folders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace ringside::lab {
namespace {

std::filesystem::path home() {
    if (const char* folder = std::getenv("HOME"); folder != nullptr && *folder == '/')
        return folder;
    const passwd* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_dir : "/";
}

std::filesystem::path xdg(const char* variable, const char* below_home) {
    if (const char* folder = std::getenv(variable); folder != nullptr && *folder == '/')
        return std::filesystem::path{folder} / "ringside";
    return home() / below_home / "ringside";
}

}  // namespace

std::filesystem::path cache_folder() {
    return xdg("XDG_CACHE_HOME", ".cache");
}

std::filesystem::path state_folder() {
    return xdg("XDG_STATE_HOME", ".local/state");
}

std::filesystem::path runtime_folder() {
    if (const char* folder = std::getenv("XDG_RUNTIME_DIR"); folder != nullptr && *folder == '/')
        return std::filesystem::path{folder} / "ringside";
    return fmt::format("/tmp/ringside-{}", ::getuid());
}

Outcome<Done> make_private_folder(const std::filesystem::path& folder) {
    std::error_code error;
    if (folder.has_parent_path())
        std::filesystem::create_directories(folder.parent_path(), error);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return Failure{fmt::format("cannot make {}: {}", folder.string(), errno_text(errno))};
    struct stat found {};
    if (::lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) ||
        found.st_uid != ::getuid())
        return Failure{fmt::format("{} is not a folder of this user", folder.string()),
                       "set XDG_RUNTIME_DIR to a folder of your own"};
    return Done{};
}

Descriptor lock(const std::filesystem::path& path, LockWait wait) {
    Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file)
        return {};
    while (::flock(file.get(), wait == LockWait::kTry ? LOCK_EX | LOCK_NB : LOCK_EX) != 0) {
        if (errno != EINTR)
            return {};
    }
    return file;
}

}  // namespace ringside::lab
