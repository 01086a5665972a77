// SPDX-License-Identifier: GPL-3.0-or-later
// Sinks against real files, FIFOs, unix sockets and TCP peers (OUT-6 to OUT-8, LEX-8).
#include "output/sink.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <utility>

#include "output/stream_sink.hpp"

namespace ringside::output {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kLimit{10};

class SinkTest : public testing::Test {
protected:
    SinkTest() {
        std::string pattern = testing::TempDir() + "sink-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~SinkTest() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return folder_ + "/" + name; }

    std::shared_ptr<Sink> open(SinkType type, const std::string& address) {
        OpenedSink opened = open_sink(context_, type, address);
        EXPECT_EQ(opened.error, "");
        return opened.sink;
    }

    std::string error_of(SinkType type, const std::string& address) {
        const OpenedSink opened = open_sink(context_, type, address);
        EXPECT_EQ(opened.sink, nullptr);
        return opened.error;
    }

    /// Runs the loop until `done` holds.
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + kLimit;
        while (!done()) {
            if (std::chrono::steady_clock::now() > end)
                return false;
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds{10});
        }
        return true;
    }

    /// Reads `size` bytes, or fewer if there is an end, while the loop runs.
    std::string take(int descriptor, std::size_t size) {
        std::string bytes;
        bool at_end = false;
        (void)until([&] {
            char chunk[65536];
            const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
            if (count > 0)
                bytes.append(chunk, static_cast<std::size_t>(count));
            at_end = count == 0 && bytes.size() > 0;
            return at_end || bytes.size() >= size;
        });
        return bytes;
    }

    static std::string content(const std::string& path) {
        std::ifstream file{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

    static unsigned mode(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return status.st_mode & 07777u;
    }

    asio::io_context context_;
    std::string folder_;
};

/// A listening socket of either family that accepts one peer.
class Listener {
public:
    explicit Listener(int family) : socket_{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)} {}
    ~Listener() {
        for (const int descriptor : {socket_, peer_})
            if (descriptor >= 0)
                ::close(descriptor);
    }
    void on_path(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        listen(&address, sizeof address);
    }
    /// @return "HOST:PORT" to connect to
    std::string on_loopback() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listen(&address, sizeof address);
        socklen_t size = sizeof address;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    std::string on_loopback_v6() {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
        listen(&address, sizeof address);
        socklen_t size = sizeof address;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        return "[::1]:" + std::to_string(ntohs(address.sin6_port));
    }
    bool works() const { return works_; }
    int accept() { return peer_ = ::accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK); }
    void hang_up() {
        // At once and with what it has not read: the peer gets a reset.
        const linger now{1, 0};
        (void)::setsockopt(peer_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        ::close(std::exchange(peer_, -1));
    }

private:
    void listen(const void* address, socklen_t size) {
        works_ = ::bind(socket_, static_cast<const sockaddr*>(address), size) == 0 &&
                 ::listen(socket_, 1) == 0;
    }
    int socket_;
    int peer_ = -1;
    bool works_ = false;
};

TEST_F(SinkTest, FileIsCreatedForItsOwnerOrAppendedTo) {
    const auto first = open(SinkType::kFile, path("log"));
    EXPECT_TRUE(first->write("one\n"));
    EXPECT_TRUE(first->write(std::string_view{"t\0o\n", 4}));
    EXPECT_EQ(first->close(), 0u);
    EXPECT_EQ(mode(path("log")), 0600u);
    const auto second = open(SinkType::kFile, path("log"));
    EXPECT_TRUE(second->write("three\n"));
    EXPECT_TRUE(until([&] { return second->is_idle(); })) << "written without being closed";
    EXPECT_EQ(content(path("log")), (std::string{"one\nt\0o\nthree\n", 14}));
}

TEST_F(SinkTest, FullDiskFailsOnce) {
    const auto sink = open(SinkType::kFile, "/dev/full");
    int failures = 0;
    sink->on_failure([&] { ++failures; });
    EXPECT_TRUE(sink->write("x"));
    EXPECT_TRUE(until([&] { return failures > 0; }));
    EXPECT_EQ(sink->failure().find("No space left on device"), 0u);
    EXPECT_FALSE(sink->write("y"));
    EXPECT_EQ(failures, 1);
}

TEST_F(SinkTest, WhatCannotBeOpenedSaysWhy) {
    EXPECT_EQ(error_of(SinkType::kFile, folder_), "Is a directory");
    EXPECT_EQ(error_of(SinkType::kFile, "/nope/log"), "No such file or directory");
    EXPECT_EQ(error_of(SinkType::kNamedPipe, "/nope/pipe"), "No such file or directory");
    EXPECT_EQ(error_of(SinkType::kNamedPipe, folder_), "neither a FIFO nor a unix socket");
    EXPECT_EQ(error_of(SinkType::kTcp, "localhost"), "not HOST:PORT or [V6]:PORT");
    { Listener{AF_UNIX}.on_path(path("stale")); }
    EXPECT_EQ(error_of(SinkType::kNamedPipe, path("stale")), "Connection refused");
    EXPECT_EQ(error_of(SinkType::kNamedPipe, "/tmp/" + std::string(200, 'x') + "/.."),
              "No such file or directory");
}

TEST_F(SinkTest, FifoIsCreatedAndKeepsTextUntilItIsRead) {
    const auto sink = open(SinkType::kNamedPipe, path("fifo"));
    EXPECT_EQ(mode(path("fifo")), 0600u);
    EXPECT_TRUE(sink->write("early "));
    const int reader = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    EXPECT_EQ(take(reader, 6), "early ");
    EXPECT_TRUE(sink->write("late"));
    EXPECT_EQ(take(reader, 4), "late");
    ::close(reader);
}

TEST_F(SinkTest, FifoWithoutAReaderDropsWhatHasNoRoomAndFitsAgainLater) {
    const auto sink = open(SinkType::kNamedPipe, path("fifo"));
    const std::string message(4080, 'a');
    std::size_t taken = 0;
    while (sink->write(message))
        ++taken;
    EXPECT_EQ(taken, kQueueBytes / message.size());
    EXPECT_EQ(sink->failure(), "");
    EXPECT_TRUE(sink->is_idle()) << "nobody is reading: nothing to wait for";
    const int reader = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_EQ(take(reader, taken * message.size()).size(), taken * message.size());
    EXPECT_TRUE(sink->write(message));
    EXPECT_EQ(take(reader, message.size()), message);
    ::close(reader);
}

TEST_F(SinkTest, FifoWhoseReaderHasGoneFailsWithoutASignal) {
    const auto sink = open(SinkType::kNamedPipe, path("fifo"));
    const int reader = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_TRUE(sink->write("x"));
    EXPECT_EQ(take(reader, 1), "x");
    ::close(reader);
    EXPECT_TRUE(sink->write("y"));
    EXPECT_TRUE(until([&] { return !sink->failure().empty(); }));
    EXPECT_EQ(sink->failure(), "Broken pipe; bytes not taken: 1");
}

TEST_F(SinkTest, UnixSocketIsConnectedTo) {
    Listener listener{AF_UNIX};
    listener.on_path(path("socket"));
    ASSERT_TRUE(listener.works());
    const auto sink = open(SinkType::kNamedPipe, path("socket"));
    const int peer = listener.accept();
    EXPECT_TRUE(sink->write("through"));
    EXPECT_EQ(take(peer, 7), "through");
    listener.hang_up();
    EXPECT_TRUE(sink->write("gone"));
    EXPECT_TRUE(until([&] { return !sink->failure().empty(); }));
}

TEST_F(SinkTest, TcpPeerIsReachedByNameAndByAddress) {
    for (const bool by_name : {false, true}) {
        Listener listener{AF_INET};
        std::string address = listener.on_loopback();
        if (by_name)
            address.replace(0, address.find(':'), "localhost");
        const auto sink = open(SinkType::kTcp, address);
        ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
        ASSERT_EQ(sink->failure(), "");
        const int peer = listener.accept();
        EXPECT_TRUE(sink->write("hello"));
        EXPECT_EQ(take(peer, 5), "hello");
        EXPECT_TRUE(sink->write("last"));
        EXPECT_EQ(sink->close(), 0u);
        EXPECT_EQ(take(peer, 100), "last");
    }
}

TEST_F(SinkTest, TcpPeerIsReachedOverIpv6) {
    Listener listener{AF_INET6};
    const std::string address = listener.on_loopback_v6();
    if (!listener.works())
        GTEST_SKIP() << "no IPv6 loopback here";
    const auto sink = open(SinkType::kTcp, address);
    ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
    ASSERT_EQ(sink->failure(), "");
    const int peer = listener.accept();
    EXPECT_TRUE(sink->write("six"));
    EXPECT_EQ(take(peer, 3), "six");
}

TEST_F(SinkTest, TcpPeerThatRefusesIsAFailure) {
    std::string address;
    { address = Listener{AF_INET}.on_loopback(); }
    const auto sink = open(SinkType::kTcp, address);
    ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
    EXPECT_EQ(sink->failure(), "Connection refused");
}

TEST_F(SinkTest, ConnectionThatIsGivenUpLeavesNothingBehind) {
    Listener listener{AF_INET};
    open(SinkType::kTcp, listener.on_loopback()).reset();
    context_.run_for(std::chrono::milliseconds{50});
    SUCCEED() << "handlers of a sink that is gone do nothing";
}

TEST_F(SinkTest, SlowTcpPeerLosesWholeMessagesAndNoTime) {
    Listener listener{AF_INET};
    const auto sink = open(SinkType::kTcp, listener.on_loopback());
    ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
    const int peer = listener.accept();
    // Numbered messages of one length, until one is dropped for want of room.
    constexpr std::size_t kLength = 1000;
    std::size_t taken = 0;
    const auto message = [](std::size_t number) {
        std::string text = std::to_string(number);
        text.resize(kLength, '.');
        return text;
    };
    while (sink->write(message(taken))) {
        ++taken;
        context_.restart();
        context_.poll();
        ASSERT_LT(taken, 1'000'000u) << "the queue has no bound";
    }
    EXPECT_GE(taken, kQueueBytes / kLength);
    EXPECT_EQ(sink->failure(), "");
    EXPECT_FALSE(sink->is_idle());
    const std::string received = take(peer, taken * kLength);
    ASSERT_EQ(received.size(), taken * kLength);
    for (std::size_t i = 0; i < taken; ++i)
        ASSERT_EQ(received.substr(i * kLength, kLength), message(i));
    EXPECT_TRUE(sink->write("again"));
    EXPECT_EQ(take(peer, 5), "again");
}

TEST_F(SinkTest, ClosingTellsWhatASlowPeerNeverTook) {
    Listener listener{AF_INET};
    const auto sink = open(SinkType::kTcp, listener.on_loopback());
    ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
    (void)listener.accept();
    const std::string message(4000, 'x');
    while (sink->write(message)) {
        context_.restart();
        context_.poll();
    }
    EXPECT_GT(sink->close(), kQueueBytes / 2);
    EXPECT_FALSE(sink->write("x"));
}

TEST_F(SinkTest, TcpPeerThatVanishesWhileSlowIsAFailure) {
    Listener listener{AF_INET};
    const auto sink = open(SinkType::kTcp, listener.on_loopback());
    ASSERT_TRUE(until([&] { return !sink->is_connecting(); }));
    (void)listener.accept();
    const std::string message(4000, 'x');
    while (sink->write(message)) {
        context_.restart();
        context_.poll();
    }
    listener.hang_up();
    EXPECT_TRUE(until([&] { return !sink->failure().empty(); }));
    EXPECT_NE(sink->failure().find("; bytes not taken: "), std::string::npos);
    EXPECT_TRUE(sink->is_idle());
}

TEST(SinkAddress, PipeNamesOfTheReferenceSystemAreFilesOfTheUser) {
    ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    EXPECT_EQ(expand_address(SinkType::kNamedPipe, "\\\\.\\pipe\\Name"), "/run/user/7/Name");
    EXPECT_EQ(expand_address(SinkType::kFile, "\\\\.\\pipe\\Name"), "\\\\.\\pipe\\Name");
    ::unsetenv("XDG_RUNTIME_DIR");
    const std::string home = testing::TempDir() + "sink-home";
    std::filesystem::create_directory(home);
    ::setenv("HOME", home.c_str(), 1);
    EXPECT_EQ(expand_address(SinkType::kNamedPipe, "\\\\.\\pipe\\N"), home + "/.ringside/N");
    EXPECT_TRUE(std::filesystem::is_directory(home + "/.ringside"));
    EXPECT_EQ(expand_address(SinkType::kFile, "~/x"), home + "/x");
    EXPECT_EQ(expand_address(SinkType::kModule, "x.so"), "./x.so");
    std::filesystem::remove_all(home);
}

TEST(SinkAddress, HostAndPortAreTakenApart) {
    struct Row {
        const char* address;
        const char* host;  ///< null: refused
        const char* port;
    };
    constexpr Row kRows[] = {
        {"localhost:80", "localhost", "80"}, {"[::1]:65535", "::1", "65535"},
        {"10.0.0.1:1", "10.0.0.1", "1"},     {"::1:80", nullptr, nullptr},
        {"host:", nullptr, nullptr},         {":80", nullptr, nullptr},
        {"host:0", nullptr, nullptr},        {"host:65536", nullptr, nullptr},
        {"host:http", nullptr, nullptr},     {"[]:80", nullptr, nullptr},
        {"host:000080", nullptr, nullptr},   {"host", nullptr, nullptr},
    };
    for (const Row& row : kRows) {
        std::string host;
        std::string port;
        ASSERT_EQ(split_host_and_port(row.address, host, port), row.host != nullptr) << row.address;
        if (row.host == nullptr)
            continue;
        EXPECT_EQ(host + " " + port, std::string{row.host} + " " + row.port) << row.address;
    }
}

}  // namespace
}  // namespace ringside::output
