// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

#include "transport/authentication.hpp"
#include "transport/unique_fd.hpp"

namespace ringside::transport {
namespace {

KeyResult failure(const std::string& what, const std::string& path, const std::string& why) {
    return {.error = what + " '" + path + "': " + why};
}

std::optional<unsigned> hex_digit(char character) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto lower = static_cast<char>(character | 0x20);
    const auto place = kDigits.find(character <= '9' ? character : lower);
    if (place == std::string_view::npos)
        return std::nullopt;
    return static_cast<unsigned>(place);
}

/// Exactly kKeyBytes bytes in hex, white space around them allowed.
std::optional<Key> parse(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos)
        return std::nullopt;
    text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
    if (text.size() != 2 * kKeyBytes)
        return std::nullopt;
    Key key;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        const auto high = hex_digit(text[at]);
        const auto low = hex_digit(text[at + 1]);
        if (!high || !low)
            return std::nullopt;
        key.push_back(static_cast<std::byte>(*high << 4 | *low));
    }
    return key;
}

std::string to_text(const Key& key) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : key) {
        text += kDigits[std::to_integer<unsigned>(byte) >> 4];
        text += kDigits[std::to_integer<unsigned>(byte) & 0xf];
    }
    return text + '\n';
}

/// Creates the folders above `path` that are missing, for the owner alone.
int create_folders(const std::filesystem::path& folder) {
    if (folder.empty() || std::filesystem::is_directory(folder))
        return 0;
    if (const int error_number = create_folders(folder.parent_path()))
        return error_number;
    return ::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

/// Writes a new file that appears under its name only when it is complete. EEXIST if there is one.
int write_new_file(const std::string& path, std::string_view text) {
    std::string temporary = path + ".XXXXXX";
    UniqueFd file{::mkostemp(temporary.data(), O_CLOEXEC)};  // mode 0600
    if (!file)
        return errno;
    int error_number = 0;
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0)
        error_number = errno;
    else if (static_cast<std::size_t>(written) != text.size())
        error_number = ENOSPC;
    else if (::fsync(file.get()) != 0 || ::link(temporary.c_str(), path.c_str()) != 0)
        error_number = errno;
    ::unlink(temporary.c_str());
    return error_number;
}

}  // namespace

std::string default_key_path() {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    if (config && *config == '/')
        return std::string{config} + "/ringside/key";
    const char* home = std::getenv("HOME");
    return home && *home ? std::string{home} + "/.config/ringside/key" : "";
}

KeyResult read_key(const std::string& path) {
    constexpr const char* kWhat = "cannot read key file";
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file)
        return failure(kWhat, path, std::strerror(errno));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0)
        return failure(kWhat, path, std::strerror(errno));
    if (!S_ISREG(status.st_mode))
        return failure(kWhat, path, "not a regular file");
    if (status.st_uid != ::geteuid() && status.st_uid != 0)
        return failure(kWhat, path, "it belongs to another user");
    if ((status.st_mode & 077) != 0)
        return failure(kWhat, path, "others can read it; make it private with 'chmod 600'");
    std::array<char, 256> text;
    const ssize_t count = ::read(file.get(), text.data(), text.size());
    if (count < 0)
        return failure(kWhat, path, std::strerror(errno));
    auto key = parse({text.data(), static_cast<std::size_t>(count)});
    if (!key)
        return failure(kWhat, path, "it must hold 64 hex digits");
    return {.key = std::move(*key)};
}

KeyResult read_or_create_key(const std::string& path) {
    constexpr const char* kWhat = "cannot create key file";
    if (::access(path.c_str(), F_OK) == 0 || errno != ENOENT)
        return read_key(path);
    if (const int error_number = create_folders(std::filesystem::path{path}.parent_path()))
        return failure(kWhat, path, std::strerror(error_number));
    Key key(kKeyBytes);
    fill_random(key);
    const int error_number = write_new_file(path, to_text(key));
    if (error_number == EEXIST)
        return read_key(path);  // another process was faster
    if (error_number != 0)
        return failure(kWhat, path, std::strerror(error_number));
    return {.key = std::move(key), .was_created = true};
}

}  // namespace ringside::transport
