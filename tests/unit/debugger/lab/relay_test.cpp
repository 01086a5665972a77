// SPDX-License-Identifier: GPL-3.0-or-later
// The relay of the second serial line, between a machine and debuggers that the test plays.
#include "lab/relay.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "lab/files.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

constexpr int kLimitMs = 20'000;

bool is_readable(const Descriptor& socket, int limit_ms = kLimitMs) {
    pollfd watched{.fd = socket.get(), .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, limit_ms) == 1;
}

/// `length` bytes, or fewer when the far end closes.
std::string read_bytes(const Descriptor& socket, std::size_t length) {
    std::string text;
    std::array<char, 4096> piece{};
    while (text.size() < length && is_readable(socket)) {
        const ssize_t got =
            ::read(socket.get(), piece.data(), std::min(piece.size(), length - text.size()));
        if (got <= 0)
            break;
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

bool is_closed(const Descriptor& socket) {
    char byte = 0;
    return is_readable(socket) && ::read(socket.get(), &byte, 1) == 0;
}

void write_bytes(const Descriptor& socket, const std::string& text) {
    ASSERT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
}

class RelayLoop : public ::testing::Test {
protected:
    RelayLoop() {
        std::string pattern = fs::temp_directory_path() / "ringside-test-XXXXXX";
        base_ = ::mkdtemp(pattern.data());
        machine_listener_ = listen_at("machine");
        debugger_listener_ = listen_at("debugger");
        loop_ = std::thread{[this] {
            run_relay(machine_listener_.get(), debugger_listener_.get(),
                      [this] { return abandoned_.load(); });
        }};
    }
    ~RelayLoop() override {
        abandoned_ = true;
        machine_ = Descriptor{};
        if (loop_.joinable())
            loop_.join();
        fs::remove_all(base_);
    }

    sockaddr_un address(const char* name) const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(static_cast<char*>(address.sun_path), (base_ / name).c_str(),
                     sizeof(address.sun_path) - 1);
        return address;
    }
    Descriptor listen_at(const char* name) const {
        Descriptor listener{::socket(AF_UNIX, SOCK_STREAM, 0)};
        const sockaddr_un at = address(name);
        EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
        EXPECT_EQ(::listen(listener.get(), 4), 0);
        return listener;
    }
    Descriptor connect_to(const char* name) const {
        Descriptor socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
        const sockaddr_un at = address(name);
        EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
        return socket;
    }

    /// A debugger that the relay has taken: its byte has arrived at the machine.
    Descriptor connect_debugger(const std::string& hello) {
        Descriptor debugger = connect_to("debugger");
        write_bytes(debugger, hello);
        EXPECT_EQ(read_bytes(machine_, hello.size()), hello);
        return debugger;
    }

    fs::path base_;
    Descriptor machine_listener_;
    Descriptor debugger_listener_;
    Descriptor machine_;
    std::atomic<bool> abandoned_ = false;
    std::thread loop_;
};

TEST_F(RelayLoop, CarriesBytesBothWays) {
    machine_ = connect_to("machine");
    const Descriptor debugger = connect_debugger("hello\0\xff\n"s);
    write_bytes(machine_, "answer");
    EXPECT_EQ(read_bytes(debugger, 6), "answer");
    std::string much(300'000, 'x');
    much.back() = 'y';
    std::thread writer{[&] { write_bytes(machine_, much); }};
    EXPECT_EQ(read_bytes(debugger, much.size()), much);
    writer.join();
}

TEST_F(RelayLoop, TurnsASecondDebuggerAway) {
    machine_ = connect_to("machine");
    const Descriptor first = connect_debugger("1");
    const Descriptor second = connect_to("debugger");
    EXPECT_TRUE(is_closed(second));
    write_bytes(machine_, "still");
    EXPECT_EQ(read_bytes(first, 5), "still");
}

TEST_F(RelayLoop, TakesTheNextDebuggerAsSoonAsOneHasGone) {
    machine_ = connect_to("machine");
    for (int i = 0; i < 200; ++i) {
        const Descriptor debugger = connect_debugger("in");
        write_bytes(debugger, "last words");
        ASSERT_EQ(read_bytes(machine_, 10), "last words");
    }
}

TEST_F(RelayLoop, BringsTheLastWordsOfOneThatHasGone) {
    machine_ = connect_to("machine");
    std::string words(100'000, 'x');
    {
        const Descriptor debugger = connect_debugger("in");
        write_bytes(debugger, words);
    }
    EXPECT_EQ(read_bytes(machine_, words.size()), words);
    connect_debugger("next");
}

TEST_F(RelayLoop, DropsWhatNobodyListensTo) {
    machine_ = connect_to("machine");
    // More than the sockets between hold: it would stall if it were kept.
    for (int i = 0; i < 200; ++i)
        write_bytes(machine_, std::string(10'000, 'x'));
    const Descriptor debugger = connect_debugger("1");
    write_bytes(machine_, "fresh");
    std::string seen = read_bytes(debugger, 5);
    // What the machine said before the debugger came may still have been under way.
    while (!seen.ends_with("fresh") && !seen.empty()) {
        const std::string more = read_bytes(debugger, 1);
        ASSERT_FALSE(more.empty());
        seen += more;
    }
    EXPECT_TRUE(seen.ends_with("fresh"));
}

TEST_F(RelayLoop, LetsADebuggerGoThatDoesNotRead) {
    machine_ = connect_to("machine");
    const Descriptor deaf = connect_debugger("1");
    // The machine is never made to wait: 8 MB go through although nobody reads them.
    for (int i = 0; i < 800; ++i)
        write_bytes(machine_, std::string(10'000, 'x'));
    std::size_t got = 0;
    while (is_readable(deaf)) {
        const std::size_t piece = read_bytes(deaf, 4096).size();
        if (piece == 0)
            break;
        got += piece;
    }
    EXPECT_LT(got, 8'000'000U);
}

TEST_F(RelayLoop, EndsWithTheMachine) {
    machine_ = connect_to("machine");
    const Descriptor debugger = connect_debugger("1");
    machine_ = Descriptor{};
    loop_.join();
    EXPECT_FALSE(abandoned_);
}

TEST_F(RelayLoop, EndsWhenNoMachineComes) {
    abandoned_ = true;
    loop_.join();  // for ever, if the loop did not ask
}

TEST(RelayMain, IsForTheLabAlone) {
    EXPECT_EQ(relay_main({}), static_cast<int>(ExitCode::kWrongOptions));
}

}  // namespace
}  // namespace ringside::lab
