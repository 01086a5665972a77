// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "lab/files.hpp"
#include "lab/folders.hpp"
#include "lab/process.hpp"
#include "lab/runtime.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRelayLog = "relay.log";
/// A debugger that reads so much later than it is told is let go: the debuggee must not wait for
/// it, since Bochs stops all its processors while it waits.
constexpr std::size_t kMostForDebugger = std::size_t{4} << 20;
constexpr int kLookMs = 1000;

/// One end: a socket that does not block, and what is to be written to it.
class End {
public:
    explicit operator bool() const { return static_cast<bool>(socket_); }

    void open(Descriptor socket) {
        socket_ = std::move(socket);
        pending_.clear();
    }
    void close() { open(Descriptor{}); }

    int fd() const { return socket_.get(); }
    std::size_t pending() const { return pending_.size(); }

    /// Not watched at all while nothing is wanted of it: an end that has hung up would be reported
    /// for ever.
    pollfd watch(bool read) const {
        const int events = (read ? POLLIN : 0) | (pending_.empty() ? 0 : POLLOUT);
        return {.fd = events == 0 ? -1 : socket_.get(),
                .events = static_cast<short>(events),
                .revents = 0};
    }

    bool has_hung_up() const {
        pollfd watched{.fd = socket_.get(), .events = 0, .revents = 0};
        return ::poll(&watched, 1, 0) == 1 && (watched.revents & POLLHUP) != 0;
    }

    /// Everything there is to read goes to `other`, if it is open. False: the far end has closed.
    bool forward_to(End& other) {
        std::array<char, 16384> bytes{};
        const ssize_t got = ::read(socket_.get(), bytes.data(), bytes.size());
        if (got < 0)
            return errno == EINTR || errno == EAGAIN;
        if (other)
            other.pending_.append(bytes.data(), static_cast<std::size_t>(got));
        return got > 0;
    }

    bool flush() {
        while (!pending_.empty()) {
            const ssize_t put =
                ::send(socket_.get(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
            if (put < 0)
                return errno == EINTR || errno == EAGAIN;
            pending_.erase(0, static_cast<std::size_t>(put));
        }
        return true;
    }

private:
    Descriptor socket_;
    std::string pending_;
};

void set_tcp_option(int socket, int option) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, option, &on, sizeof(on));
}

/// This program's file; by the kernel's link when the file has been replaced since.
std::string own_program() {
    std::error_code error;
    const fs::path link = "/proc/self/exe";
    const fs::path file = fs::read_symlink(link, error);
    return fs::exists(file, error) ? file.string() : link.string();
}

Descriptor accept_from(int listener) {
    return Descriptor{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
}

Outcome<Descriptor> listen_for_machine(std::uint16_t& port) {
    Descriptor listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (!listener || ::bind(listener.get(), name, length) != 0 ||
        ::listen(listener.get(), 1) != 0 || ::getsockname(listener.get(), name, &length) != 0)
        return Failure{fmt::format("cannot listen for Bochs: {}", errno_text(errno))};
    port = ntohs(address.sin_port);
    return listener;
}

Outcome<Descriptor> listen_for_debuggers(const fs::path& folder) {
    // Through /proc/self/fd, as in monitor.cpp: a socket's path holds 107 characters.
    const Descriptor directory{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    Descriptor listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), kSerialSocket);
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    ::unlink((folder / kSerialSocket).c_str());
    if (!directory || !listener ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener.get(), 4) != 0)
        return Failure{fmt::format("cannot listen in {}: {}", folder.string(), errno_text(errno))};
    return listener;
}

}  // namespace

void run_relay(int machine_listener, int debugger_listener,
               const std::function<bool()>& abandoned) {
    End machine;
    End debugger;
    for (;;) {
        // While the debugger's last bytes wait for Bochs it is not asked for more.
        std::array<pollfd, 4> watched{
            pollfd{.fd = machine ? -1 : machine_listener, .events = POLLIN, .revents = 0},
            pollfd{.fd = debugger_listener, .events = POLLIN, .revents = 0}, machine.watch(true),
            debugger.watch(machine.pending() == 0)};
        if (::poll(watched.data(), watched.size(), machine ? -1 : kLookMs) < 0) {
            if (errno == EINTR)
                continue;
            return;
        }
        if (!machine && abandoned())
            return;
        const auto& [machine_comes, debugger_comes, from_machine, from_debugger] = watched;
        if (from_machine.revents != 0) {
            if (!machine.forward_to(debugger) || !machine.flush())
                return;
            // Bochs sends byte by byte and would wait for a late acknowledgement of the first one.
            set_tcp_option(machine.fd(), TCP_QUICKACK);
        }
        if (from_debugger.revents != 0 && debugger) {
            const bool asked = (from_debugger.events & POLLIN) != 0;
            if ((asked && !debugger.forward_to(machine)) || !debugger.flush())
                debugger.close();
        }
        if (debugger.pending() > kMostForDebugger)
            debugger.close();
        if (machine_comes.revents != 0) {
            machine.open(accept_from(machine_listener));
            set_tcp_option(machine.fd(), TCP_NODELAY);
        }
        if (debugger_comes.revents != 0) {
            // One that has hung up makes room; first its last words are read, if they find room.
            if (debugger && debugger.has_hung_up()) {
                if (machine.pending() == 0)
                    continue;
                debugger.close();
            }
            if (Descriptor comes = accept_from(debugger_listener); comes && !debugger)
                debugger.open(std::move(comes));
        }
    }
}

Outcome<Relay> start_relay(const fs::path& folder) {
    Relay relay;
    const auto machine = listen_for_machine(relay.machine_port);
    if (!machine)
        return machine.failure();
    const auto debuggers = listen_for_debuggers(folder);
    if (!debuggers)
        return debuggers.failure();
    const auto held = locked_file(folder / kRelayLock);
    if (!held)
        return held.failure();
    const auto pid = spawn_detached({own_program(), "lab", "relay", std::to_string(machine->get()),
                                     std::to_string(debuggers->get())},
                                    folder, {.output = kRelayLog, .errors = kRelayLog},
                                    {machine->get(), debuggers->get(), held->get()});
    if (!pid)
        return pid.failure();
    relay.pid = *pid;
    if (const auto written = write_file(folder / kRelayPidFile, std::to_string(*pid)); !written)
        return written.failure();
    return relay;
}

int relay_main(std::span<const std::string> words) {
    if (words.size() != 2) {
        fmt::print(stderr, "err, 'lab relay' is started by 'lab start' only\n");
        return static_cast<int>(ExitCode::kWrongOptions);
    }
    ::signal(SIGPIPE, SIG_IGN);
    const fs::path alive = fs::current_path() / kAliveLock;
    run_relay(std::atoi(words[0].c_str()), std::atoi(words[1].c_str()),
              [&] { return !fs::exists(alive) || lock(alive, LockWait::kTry); });
    return 0;
}

}  // namespace ringside::lab
