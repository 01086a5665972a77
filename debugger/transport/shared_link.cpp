// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/shared_link.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "link/shared_stream.hpp"

namespace ringside::transport {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr nanoseconds kBusyWait = 20us;   // between two looks while there is traffic
constexpr nanoseconds kIdleWait = 1ms;    // at most, while there is none
constexpr nanoseconds kBusyAfter = 2ms;   // traffic counts as going on
constexpr nanoseconds kFarewell = 100ms;  // for the last bytes, at the end

/// Memory mapped from a file.
class Mapping {
public:
    Mapping(int descriptor, std::size_t bytes)
        : data_{::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)},
          bytes_{bytes} {}
    ~Mapping() {
        if (*this)
            ::munmap(data_, bytes_);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    explicit operator bool() const { return data_ != MAP_FAILED; }
    void* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }

private:
    void* data_;
    std::size_t bytes_;
};

/// Bytes taken from one side that the other has not taken yet.
class Pending {
public:
    bool is_empty() const { return begin_ == end_; }
    void clear() { begin_ = end_ = 0; }
    /// Fills itself. `take(to, count)` gives the number of bytes it put there.
    template <class Take>
    bool fill(Take take) {
        begin_ = 0;
        end_ = take(bytes_.data(), bytes_.size());
        return !is_empty();
    }
    /// Empties itself as far as possible. `give(from, count)` gives the number of bytes it took.
    template <class Give>
    bool empty(Give give) {
        const std::size_t given = give(bytes_.data() + begin_, end_ - begin_);
        begin_ += given;
        return given != 0;
    }

private:
    std::array<std::uint8_t, 64 * 1024> bytes_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// No signal of the program's is delivered to a thread begun during its life.
class WithoutSignals {
public:
    WithoutSignals() {
        sigset_t all;
        ::sigfillset(&all);
        (void)::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~WithoutSignals() { (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    WithoutSignals(const WithoutSignals&) = delete;
    WithoutSignals& operator=(const WithoutSignals&) = delete;

private:
    sigset_t before_{};
};

class Bridge final : public SharedMemoryBridge {
public:
    /// @param file  locked for as long as we live
    /// @param stop  an eventfd
    Bridge(UniqueFd file, std::unique_ptr<Mapping> memory, UniqueFd socket, UniqueFd stop,
           UniqueFd bell)
        : file_{std::move(file)},
          memory_{std::move(memory)},
          socket_{std::move(socket)},
          stop_{std::move(stop)},
          bell_{std::move(bell)} {
        const WithoutSignals without_signals;
        thread_ = std::thread{[this] { run(); }};
    }
    ~Bridge() override {
        const std::uint64_t one = 1;
        (void)!::write(stop_.get(), &one, sizeof(one));
        thread_.join();
    }
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

private:
    // Everything below belongs to the thread.

    void run() {
        (void)::prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);  // else 50 us on top of each wait
        auto last_traffic = Clock::now();
        auto wait = kBusyWait;
        while (!is_over()) {
            if (step()) {
                last_traffic = Clock::now();
                wait = kBusyWait;
            } else if (Clock::now() - last_traffic > kBusyAfter) {
                wait = std::min(2 * wait, kIdleWait);
            }
            if (is_stopped(wait)) {
                say_farewell();
                break;
            }
        }
        socket_.reset();
    }

    /// The program closed its end, and got rid of what it sent before; or nobody will answer it:
    /// who holds the other end of a bell has ended, and the virtual machine with it.
    bool is_over() const { return (is_closed_ && to_memory_.is_empty()) || is_bell_dead_; }

    /// Carries what can be carried now.
    /// @return whether there was something
    bool step() {
        if (stream_.is_attached() && !stream_.is_current())
            hang_up();
        if (!stream_.is_attached() &&
            !stream_.attach(memory_->data(), memory_->bytes(), link::Side::kDebugger)) {
            (void)receive();
            hang_up();  // nobody is there to take it
            return false;
        }
        bool is_moved = receive();
        if (!to_memory_.is_empty() &&
            to_memory_.empty([this](const std::uint8_t* from, std::size_t count) {
                return stream_.write(from, count);
            })) {
            ring_bell();
            is_moved = true;
        }
        if (to_socket_.is_empty())
            is_moved |= to_socket_.fill(
                [this](std::uint8_t* to, std::size_t count) { return stream_.read(to, count); });
        if (!to_socket_.is_empty())
            is_moved |= send();
        return is_moved;
    }

    /// One that is full has rung.
    void ring_bell() {
        if (bell_)
            (void)::send(bell_.get(), "\a", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    /// Forgets the debuggee and what was on its way to and from it.
    void hang_up() {
        stream_.detach();
        to_memory_.clear();
        to_socket_.clear();
    }

    /// Takes the program's bytes once the last ones are gone.
    bool receive() {
        if (is_closed_ || !to_memory_.is_empty())
            return false;
        return to_memory_.fill([this](std::uint8_t* to, std::size_t count) -> std::size_t {
            const ssize_t got = ::recv(socket_.get(), to, count, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
                is_closed_ = true;
            return got > 0 ? static_cast<std::size_t>(got) : 0;
        });
    }

    bool send() {
        return to_socket_.empty([this](const std::uint8_t* from, std::size_t count) -> std::size_t {
            const ssize_t sent = ::send(socket_.get(), from, count, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN && errno != EINTR)
                return count;  // nobody will ever read it
            return sent > 0 ? static_cast<std::size_t>(sent) : 0;
        });
    }

    /// Waits until the socket can go on, or time has passed.
    /// @return whether the program wants the end
    bool is_stopped(nanoseconds time) {
        short events = 0;
        if (!is_closed_ && to_memory_.is_empty())
            events |= POLLIN;
        if (!to_socket_.is_empty())
            events |= POLLOUT;
        // A socket that nothing is expected of would still wake us by being hung up.
        std::array<pollfd, 3> entries{
            pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
            pollfd{.fd = events == 0 ? -1 : socket_.get(), .events = events, .revents = 0},
            pollfd{.fd = bell_ ? bell_.get() : -1, .events = 0, .revents = 0}};
        const timespec limit{.tv_sec = 0, .tv_nsec = time.count()};
        (void)::ppoll(entries.data(), entries.size(), &limit, nullptr);
        is_bell_dead_ = (entries[2].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
        return entries[0].revents != 0;
    }

    /// A BYE may be among the last bytes.
    void say_farewell() {
        const auto deadline = Clock::now() + kFarewell;
        do {
            (void)receive();
            if (to_memory_.is_empty() || !stream_.is_attached() || !stream_.is_current())
                return;
            if (to_memory_.empty([this](const std::uint8_t* from, std::size_t count) {
                    return stream_.write(from, count);
                }))
                ring_bell();
            else
                std::this_thread::sleep_for(kBusyWait);
        } while (Clock::now() < deadline);
    }

    UniqueFd file_;
    std::unique_ptr<Mapping> memory_;
    UniqueFd socket_;
    UniqueFd stop_;
    UniqueFd bell_;
    link::SharedStream stream_;
    Pending to_memory_;
    Pending to_socket_;
    bool is_closed_ = false;
    bool is_bell_dead_ = false;
    std::thread thread_;
};

SharedLink failed(const std::string& path, int error_number, const std::string& reason = {}) {
    SharedLink link;
    link.path = path;
    link.error_number = error_number;
    link.error = "cannot open shared memory " + path + ": " +
                 (reason.empty() ? std::strerror(error_number) : reason);
    return link;
}

}  // namespace

SharedLink open_shared_link(const std::string& path, UniqueFd bell) {
    // Non-blocking for what turns out not to be a file.
    UniqueFd file{::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (!file)
        return failed(path, errno);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0)
        return failed(path, errno);
    if (!S_ISREG(status.st_mode))
        return failed(path, EINVAL, "it is not a file");
    if (static_cast<std::uint64_t>(status.st_size) < link::SharedStream::kSmallestMemory)
        return failed(path, EINVAL,
                      "it is smaller than " +
                          std::to_string(link::SharedStream::kSmallestMemory / 1024) + " KiB");
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        return failed(path, EBUSY, "another program uses it");
    auto memory = std::make_unique<Mapping>(file.get(), static_cast<std::size_t>(status.st_size));
    if (!*memory)
        return failed(path, errno);
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return failed(path, errno);
    SharedLink link;
    link.path = path;
    link.descriptor.reset(ends[0]);
    UniqueFd socket{ends[1]};
    UniqueFd stop{::eventfd(0, EFD_CLOEXEC)};
    if (!stop)
        return failed(path, errno);
    try {
        link.bridge = std::make_unique<Bridge>(std::move(file), std::move(memory),
                                               std::move(socket), std::move(stop), std::move(bell));
    } catch (const std::system_error& error) {  // no thread to be had
        return failed(path, error.code().value());
    }
    return link;
}

}  // namespace ringside::transport
