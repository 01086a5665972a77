// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ringside::output {

int Log::open(const std::string& path) {
    const int file =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (file < 0)
        return errno;
    struct stat status {};
    if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode))
        (void)::fchmod(file, 0600);
    file_ = file;
    path_ = path;
    line_is_open_ = false;
    return 0;
}

bool Log::close() {
    if (file_ < 0)
        return false;
    ::close(std::exchange(file_, -1));
    return true;
}

void Log::text(std::string_view bytes) {
    write(bytes);
    to_.text(bytes);
}

void Log::diagnostic(std::string_view message) {
    write_line(message);
    to_.diagnostic(message);
}

void Log::finding(const Finding& finding) {
    write_line(finding.rendered);
    to_.finding(finding);
}

void Log::event(const EventRecord& record) {
    event_unseen(record);
    to_.event(record);
}

void Log::halt(const HaltRecord& record) {
    write(record.text);
    to_.halt(record);
}

void Log::event_unseen(const EventRecord& record) {
    if (record.kind == EventRecord::Kind::kMessage)
        write(record.text);
    else
        write_line(record.text);
}

void Log::command(std::string_view prompt, std::string_view command) {
    write_line(fmt::format("{}{}", prompt, command));
}

void Log::write_line(std::string_view line) {
    write(fmt::format("{}{}\n", line_is_open_ ? "\n" : "", line));
}

void Log::write(std::string_view bytes) {
    if (file_ < 0 || bytes.empty())
        return;
    line_is_open_ = bytes.back() != '\n';
    while (!bytes.empty()) {
        const ssize_t count = ::write(file_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            const int error = errno;
            close();
            to_.diagnostic(fmt::format("err, cannot write the log '{}': {}; it is closed", path_,
                                       std::strerror(error)));
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace ringside::output
