// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/script_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "commands/problem.hpp"

namespace ringside::commands {
namespace {

constexpr std::size_t kMostBytes = 1u << 20;

ScriptFileError cannot_read(const std::string& path, int error) {
    return {"cannot read " + in_quotes(path) + ": " + std::strerror(error)};
}

}  // namespace

std::string expand_home(const std::string& path) {
    const char* home = std::getenv("HOME");
    const bool names_home = path == "~" || path.substr(0, 2) == "~/";
    return names_home && home != nullptr ? home + path.substr(1) : path;
}

std::variant<std::string, ScriptFileError> read_script_file(const std::string& path) {
    // Non-blocking, so that a FIFO without a writer is an error and not a hang.
    const int descriptor = ::open(expand_home(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return cannot_read(path, errno);
    struct stat status {};
    int error = ::fstat(descriptor, &status) != 0 ? errno : 0;
    if (error == 0 && S_ISDIR(status.st_mode))
        error = EISDIR;
    std::string text;
    char chunk[16384];
    while (error == 0 && text.size() <= kMostBytes) {
        const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
        if (count == 0)
            break;
        if (count > 0)
            text.append(chunk, static_cast<std::size_t>(count));
        else if (errno != EINTR)
            error = errno;
    }
    ::close(descriptor);
    if (error != 0)
        return cannot_read(path, error);
    if (text.empty())
        return ScriptFileError{"script file is empty"};
    if (text.size() > kMostBytes)
        return ScriptFileError{"script file is too large (more than 1 MiB)"};
    return text;
}

}  // namespace ringside::commands
