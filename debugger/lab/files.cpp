// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

namespace ringside::lab {

Descriptor::~Descriptor() {
    if (fd_ >= 0)
        ::close(fd_);
}

std::string errno_text(int error) {
    std::string text = std::generic_category().message(error);
    if (!text.empty())
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
    std::ifstream stream{path, std::ios::binary};
    if (!stream)
        return std::nullopt;
    std::ostringstream content;
    content << stream.rdbuf();
    if (stream.bad())
        return std::nullopt;
    return std::move(content).str();
}

std::string last_words(const std::filesystem::path& log) {
    std::istringstream lines{read_file(log).value_or("")};
    std::string last;
    for (std::string line; std::getline(lines, line);)
        if (std::any_of(line.begin(), line.end(),
                        [](unsigned char c) { return std::isalnum(c) != 0; }))
            last = line;
    return last;
}

Outcome<Done> write_file(const std::filesystem::path& path, std::string_view content, mode_t mode) {
    const std::string temporary = fmt::format("{}.{}", path.string(), ::getpid());
    const auto failed = [&](int error) {
        ::unlink(temporary.c_str());
        return Failure{fmt::format("cannot write {}: {}", path.string(), errno_text(error))};
    };
    const Descriptor file{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
    if (!file)
        return failed(errno);
    while (!content.empty()) {
        const ssize_t written = ::write(file.get(), content.data(), content.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed(errno);
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        return failed(errno);
    return Done{};
}

std::uint64_t content_hash(std::string_view content, std::uint64_t seed) {
    for (const char byte : content)
        seed = (seed ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return seed;
}

}  // namespace ringside::lab
