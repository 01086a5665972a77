// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/sink.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "output/module_sink.hpp"
#include "output/stream_sink.hpp"

namespace ringside::output {
namespace {

constexpr std::string_view kTypeNames[] = {"file", "namedpipe", "tcp", "module"};
constexpr mode_t kOwnerOnly = 0600;

OpenedSink failed(int error_number) {
    return {nullptr, std::strerror(error_number)};
}

OpenedSink opened(asio::io_context& context, int descriptor, bool is_socket) {
    auto sink = std::make_shared<StreamSink>(context);
    sink->attach(descriptor, is_socket);
    return {std::move(sink), {}};
}

OpenedSink open_file(asio::io_context& context, const std::string& path) {
    // Non-blocking for what is no regular file: a FIFO without a reader is an error here.
    const int descriptor =
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
               kOwnerOnly);
    return descriptor < 0 ? failed(errno) : opened(context, descriptor, false);
}

OpenedSink open_unix_socket(asio::io_context& context, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return failed(ENAMETOOLONG);
    std::copy(path.begin(), path.end(), address.sun_path);
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return failed(errno);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(descriptor);
        return failed(error);
    }
    return opened(context, descriptor, true);
}

OpenedSink open_named_pipe(asio::io_context& context, const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT || ::mkfifo(path.c_str(), kOwnerOnly) != 0)
            return failed(errno);
    } else if (S_ISSOCK(status.st_mode)) {
        return open_unix_socket(context, path);
    } else if (!S_ISFIFO(status.st_mode)) {
        return {nullptr, "neither a FIFO nor a unix socket"};
    }
    auto sink = std::make_shared<StreamSink>(context);
    sink->wait_for_reader(path);
    if (!sink->failure().empty())
        return {nullptr, sink->failure()};
    return {std::move(sink), {}};
}

OpenedSink open_tcp(asio::io_context& context, const std::string& address) {
    std::string host;
    std::string port;
    if (!split_host_and_port(address, host, port))
        return {nullptr, "not HOST:PORT or [V6]:PORT"};
    auto sink = std::make_shared<StreamSink>(context);
    sink->connect(host, port);
    return {std::move(sink), {}};
}

}  // namespace

std::string_view sink_type_name(SinkType type) {
    return kTypeNames[static_cast<std::size_t>(type)];
}

std::optional<SinkType> find_sink_type(std::string_view name) {
    const auto found = std::find(std::begin(kTypeNames), std::end(kTypeNames), name);
    if (found == std::end(kTypeNames))
        return std::nullopt;
    return static_cast<SinkType>(found - std::begin(kTypeNames));
}

void Sink::fail(std::string why) {
    if (!failure_.empty())
        return;
    failure_ = std::move(why);
    if (on_failure_)
        on_failure_();
}

OpenedSink open_sink(asio::io_context& context, SinkType type, const std::string& address) {
    const std::string path = expand_address(type, address);
    switch (type) {
        case SinkType::kFile:
            return open_file(context, path);
        case SinkType::kNamedPipe:
            return open_named_pipe(context, path);
        case SinkType::kTcp:
            return open_tcp(context, address);
        case SinkType::kModule:
            return open_module(path);
    }
    return failed(EINVAL);
}

std::string expand_address(SinkType type, const std::string& address) {
    const char* home = std::getenv("HOME");
    const std::string home_folder = home != nullptr ? home : "";
    constexpr std::string_view kPipe = "\\\\.\\pipe\\";
    if (type == SinkType::kNamedPipe && address.rfind(kPipe, 0) == 0) {
        const std::string name = address.substr(kPipe.size());
        const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        if (runtime != nullptr && *runtime != '\0')
            return std::string{runtime} + "/" + name;
        const std::string folder = home_folder + "/.ringside";
        (void)::mkdir(folder.c_str(), 0700);  // what goes wrong is told by the pipe's own open()
        return folder + "/" + name;
    }
    if (type != SinkType::kTcp && address.rfind("~/", 0) == 0)
        return home_folder + address.substr(1);
    // dlopen() searches the system's folders for a name without a slash.
    if (type == SinkType::kModule && address.find('/') == std::string::npos)
        return "./" + address;
    return address;
}

bool split_host_and_port(std::string_view address, std::string& host, std::string& port) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string_view::npos)
        return false;
    std::string_view name = address.substr(0, colon);
    const std::string_view digits = address.substr(colon + 1);
    if (name.size() >= 2 && name.front() == '[' && name.back() == ']')
        name = name.substr(1, name.size() - 2);
    else if (name.find(':') != std::string_view::npos)
        return false;  // which colon is it?
    constexpr std::size_t kMostDigits = 5;
    constexpr unsigned long kLastPort = 65535;
    if (name.empty() || digits.empty() || digits.size() > kMostDigits ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
        return false;
    const unsigned long number = std::strtoul(std::string{digits}.c_str(), nullptr, 10);
    if (number == 0 || number > kLastPort)
        return false;
    host = name;
    port = digits;
    return true;
}

}  // namespace ringside::output
