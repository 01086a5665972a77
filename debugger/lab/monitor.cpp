// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/monitor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/machine.hpp"

namespace ringside::lab {
namespace {

constexpr timeval kAnswerTime{.tv_sec = 10, .tv_usec = 0};

}  // namespace

Outcome<Monitor> Monitor::connect(const std::filesystem::path& folder) {
    // Through /proc/self/fd: a socket address holds 107 characters, a runtime folder may have more.
    const Descriptor directory{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), kMonitorSocket);
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof(kAnswerTime));
    if (!directory ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return Failure{fmt::format("cannot reach QEMU's monitor: {}", errno_text(errno))};
    Monitor monitor{std::move(socket)};
    if (const auto greeting = monitor.read_line(); !greeting)
        return greeting.failure();
    if (const auto ready = monitor.ask(R"({"execute":"qmp_capabilities"})"); !ready)
        return ready.failure();
    return monitor;
}

Outcome<std::string> Monitor::read_line() {
    for (;;) {
        if (const auto end = received_.find('\n'); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        std::array<char, 4096> buffer{};
        const ssize_t got = ::read(socket_.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return Failure{"QEMU's monitor does not answer"};
        received_.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Outcome<std::string> Monitor::ask(const std::string& request) {
    const std::string line = request + '\n';
    if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(line.size()))
        return Failure{"QEMU's monitor takes no requests"};
    for (;;) {
        auto answer = read_line();
        if (!answer)
            return answer;
        const auto json = nlohmann::json::parse(*answer, nullptr, false);
        if (json.contains("return"))
            return answer;
        if (json.contains("error"))
            return Failure{fmt::format("QEMU's monitor refuses: {}", *answer)};
    }
}

Outcome<ForwardedPorts> Monitor::forwarded_ports() {
    const auto answer =
        ask(R"({"execute":"human-monitor-command","arguments":{"command-line":"info usernet"}})");
    if (!answer)
        return answer.failure();
    const auto json = nlohmann::json::parse(*answer, nullptr, false);
    const auto ports = parse_forwarded_ports(json.value("return", std::string{}));
    if (ports.agent == 0 || ports.shell == 0)
        return Failure{"QEMU forwards no ports"};
    return ports;
}

void Monitor::quit() {
    (void)ask(R"({"execute":"quit"})");
}

ForwardedPorts parse_forwarded_ports(const std::string& table) {
    // "  TCP[HOST_FORWARD]  11  127.0.0.1 41613  10.0.2.15 50000  0  0"
    ForwardedPorts ports;
    std::istringstream lines{table};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string protocol, fd, source, destination;
        unsigned source_port = 0;
        unsigned destination_port = 0;
        words >> protocol >> fd >> source >> source_port >> destination >> destination_port;
        if (!words || protocol != "TCP[HOST_FORWARD]")
            continue;
        if (destination_port == kAgentPort)
            ports.agent = static_cast<std::uint16_t>(source_port);
        if (destination_port == kShellPort)
            ports.shell = static_cast<std::uint16_t>(source_port);
    }
    return ports;
}

}  // namespace ringside::lab
