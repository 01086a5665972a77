// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/shared_link.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "link/shared_stream.hpp"
#include "transport/channel.hpp"
#include "transport/loop.hpp"

namespace ringside::transport {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// A file as an emulator has it behind its ivshmem device, and the debuggee's side of it.
class SharedLinkTest : public testing::Test {
protected:
    static constexpr std::size_t kBytes = 256 * 1024;

    SharedLinkTest() {
        char name[] = "/tmp/ringside-shared-XXXXXX";
        file.reset(::mkstemp(name));
        path = name;
        EXPECT_EQ(::ftruncate(file.get(), kBytes), 0);
        memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        EXPECT_NE(memory, MAP_FAILED);
    }
    ~SharedLinkTest() override {
        ::munmap(memory, kBytes);
        std::filesystem::remove(path);
    }

    void prepare() { ASSERT_TRUE(debuggee.format(memory, kBytes)); }

    /// Bytes the debuggee gets, until there are `count` or it takes too long.
    std::string debuggee_reads(std::size_t count) {
        std::string text;
        for (const auto end = Clock::now() + 10s; text.size() < count && Clock::now() < end;) {
            std::uint8_t bytes[4096];
            const std::size_t got = debuggee.read(bytes, sizeof(bytes));
            text.append(reinterpret_cast<const char*>(bytes), got);
            if (got == 0)
                std::this_thread::sleep_for(100us);
        }
        return text;
    }
    void debuggee_writes(std::string_view text) {
        for (const auto end = Clock::now() + 10s; !text.empty() && Clock::now() < end;)
            text.remove_prefix(
                debuggee.write(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
        EXPECT_TRUE(text.empty());
    }
    static std::string debugger_reads(const SharedLink& link, std::size_t count) {
        std::string text;
        while (text.size() < count) {
            pollfd entry{.fd = link.descriptor.get(), .events = POLLIN, .revents = 0};
            if (::poll(&entry, 1, 10'000) != 1)
                break;
            char bytes[4096];
            const ssize_t got = ::read(link.descriptor.get(), bytes, sizeof(bytes));
            if (got <= 0)
                break;
            text.append(bytes, static_cast<std::size_t>(got));
        }
        return text;
    }
    static void debugger_writes(const SharedLink& link, std::string_view text) {
        while (!text.empty()) {
            pollfd entry{.fd = link.descriptor.get(), .events = POLLOUT, .revents = 0};
            ASSERT_EQ(::poll(&entry, 1, 10'000), 1);
            const ssize_t sent = ::write(link.descriptor.get(), text.data(), text.size());
            ASSERT_GT(sent, 0);
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// Says "hello" until the debuggee hears it, as a debugger does: what is said before the
    /// memory is attached goes nowhere.
    void connect(const SharedLink& link) {
        std::string heard;
        for (const auto end = Clock::now() + 10s; heard.empty() && Clock::now() < end;) {
            debugger_writes(link, "hello");
            for (int i = 0; i < 100 && heard.empty(); ++i) {
                std::uint8_t bytes[64];
                const std::size_t got = debuggee.read(bytes, sizeof(bytes));
                heard.assign(reinterpret_cast<const char*>(bytes), got);
                std::this_thread::sleep_for(100us);
            }
        }
        ASSERT_TRUE(heard.starts_with("hello"));
    }

    UniqueFd file;
    std::string path;
    void* memory = nullptr;
    link::SharedStream debuggee;
};

TEST_F(SharedLinkTest, CarriesBytesBothWays) {
    prepare();
    const SharedLink link = open_shared_link(path);
    ASSERT_TRUE(link.descriptor) << link.error;
    EXPECT_EQ(link.path, path);
    ASSERT_NO_FATAL_FAILURE(connect(link));
    debuggee_writes("here");
    EXPECT_EQ(debugger_reads(link, 4), "here");
    debugger_writes(link, "there");
    EXPECT_EQ(debuggee_reads(5), "there");
    std::this_thread::sleep_for(20ms);  // looks at the memory less often now
    debuggee_writes("again");
    EXPECT_EQ(debugger_reads(link, 5), "again");
}

TEST_F(SharedLinkTest, CarriesMoreThanFitsIntoTheMemory) {
    prepare();
    const SharedLink link = open_shared_link(path);
    ASSERT_NO_FATAL_FAILURE(connect(link));
    std::string text(3'000'000, '\0');
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>(i * 7 + i / 256);
    std::thread sender{[&] { debugger_writes(link, text); }};
    EXPECT_TRUE(debuggee_reads(text.size()) == text);
    sender.join();
    std::thread answer{[&] { debuggee_writes(text); }};
    EXPECT_TRUE(debugger_reads(link, text.size()) == text);
    answer.join();
}

TEST_F(SharedLinkTest, WaitsForADebuggeeThatIsNotPrepared) {
    const SharedLink link = open_shared_link(path);
    ASSERT_TRUE(link.descriptor) << link.error;
    debugger_writes(link, "nobody hears this");
    std::this_thread::sleep_for(20ms);
    prepare();
    ASSERT_NO_FATAL_FAILURE(connect(link));
    debuggee_writes("here");
    EXPECT_EQ(debugger_reads(link, 4), "here");
}

TEST_F(SharedLinkTest, FollowsADebuggeeThatPreparesTheMemoryAnew) {
    prepare();
    const SharedLink link = open_shared_link(path);
    for (int i = 0; i < 3; ++i) {
        ASSERT_NO_FATAL_FAILURE(connect(link));
        debuggee_writes("here");
        EXPECT_EQ(debugger_reads(link, 4), "here");
        prepare();
    }
}

TEST_F(SharedLinkTest, CarriesFramesOfAChannel) {
    prepare();
    SharedLink link = open_shared_link(path);
    ASSERT_NO_FATAL_FAILURE(connect(link));
    Loop loop;
    const auto channel = Channel::create(loop.context(), std::move(link.descriptor));
    const std::vector<std::byte> payload(9, std::byte{3});
    channel->send(RS_PACKET_PING, {payload});
    const auto frame = encode_frame(RS_PACKET_PING, 0, {payload});
    std::string text;
    (void)loop.wait_until([&] {
        text += debuggee_reads(1);
        return text.size() >= frame.size();
    });
    EXPECT_EQ(text, std::string(reinterpret_cast<const char*>(frame.data()), frame.size()));
}

TEST_F(SharedLinkTest, DeliversWhatWasSentLast) {
    prepare();
    for (int i = 0; i < 20; ++i) {
        SharedLink link = open_shared_link(path);
        ASSERT_NO_FATAL_FAILURE(connect(link));
        debugger_writes(link, "bye");
        if (i % 2 == 0)
            link.descriptor.reset();
        link.bridge.reset();
        std::string rest = debuggee_reads(3);
        while (rest.starts_with("hello"))
            rest = rest.substr(5) + debuggee_reads(rest.size() > 5 ? 0 : 3);
        EXPECT_EQ(rest, "bye");
    }
}

TEST_F(SharedLinkTest, EndsSoonWithADebuggeeThatReadsNothing) {
    prepare();
    SharedLink link = open_shared_link(path);
    ASSERT_NO_FATAL_FAILURE(connect(link));
    const std::string much(1'000'000, 'x');
    while (::send(link.descriptor.get(), much.data(), much.size(), MSG_DONTWAIT) > 0)
        std::this_thread::sleep_for(1ms);
    const auto started = Clock::now();
    link.bridge.reset();
    EXPECT_LT(Clock::now() - started, 5s);
    char byte = 0;
    EXPECT_LE(::recv(link.descriptor.get(), &byte, 1, 0), 0) << "the other end is closed";
}

TEST_F(SharedLinkTest, IsClosedBehindAProgramThatSaysNothingMore) {
    prepare();
    const SharedLink link = open_shared_link(path);
    ASSERT_NO_FATAL_FAILURE(connect(link));
    ASSERT_EQ(::shutdown(link.descriptor.get(), SHUT_WR), 0);
    EXPECT_EQ(debugger_reads(link, 1), "") << "as Channel::finish() waits for";
    char byte = 0;
    EXPECT_EQ(::recv(link.descriptor.get(), &byte, 1, 0), 0);
}

TEST_F(SharedLinkTest, EndsWithTheVirtualMachineThatHeldTheBell) {
    prepare();
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    UniqueFd emulator{ends[1]};
    const SharedLink link = open_shared_link(path, UniqueFd{ends[0]});
    ASSERT_TRUE(link.descriptor);
    connect(link);
    emulator.reset();
    pollfd entry{.fd = link.descriptor.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&entry, 1, 10'000), 1);
    char byte;
    EXPECT_EQ(::read(link.descriptor.get(), &byte, 1), 0);
}

TEST_F(SharedLinkTest, IsForOneProgramAlone) {
    SharedLink link = open_shared_link(path);
    ASSERT_TRUE(link.descriptor);
    const SharedLink second = open_shared_link(path);
    EXPECT_FALSE(second.descriptor);
    EXPECT_FALSE(second.bridge);
    EXPECT_EQ(second.error_number, EBUSY);
    EXPECT_EQ(second.error, "cannot open shared memory " + path + ": another program uses it");
    link = {};
    EXPECT_TRUE(open_shared_link(path).descriptor);
}

TEST_F(SharedLinkTest, SaysWhatIsWrongWithAFile) {
    const SharedLink missing = open_shared_link("/tmp/no-such-memory");
    EXPECT_EQ(missing.error_number, ENOENT);
    EXPECT_EQ(missing.error,
              "cannot open shared memory /tmp/no-such-memory: No such file or directory");
    EXPECT_EQ(open_shared_link("/dev/null").error,
              "cannot open shared memory /dev/null: it is not a file");
    ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
    EXPECT_EQ(open_shared_link(path).error,
              "cannot open shared memory " + path + ": it is smaller than 24 KiB");
}

/// Threads of this process that take no SIGINT, as the kernel tells.
int threads_without_signals() {
    int count = 0;
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
        std::ifstream status{thread.path() / "status"};
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("SigBlk:") &&
                (std::stoull(line.substr(7), nullptr, 16) & (1u << (SIGINT - 1))) != 0)
                ++count;
    }
    return count;
}

TEST_F(SharedLinkTest, LeavesSignalsToTheProgram) {
    sigset_t before;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    const int threads_before = threads_without_signals();
    const SharedLink link = open_shared_link(path);
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (const int signal : {SIGINT, SIGTERM, SIGWINCH})
        EXPECT_EQ(::sigismember(&after, signal), ::sigismember(&before, signal));
    EXPECT_EQ(threads_without_signals(), threads_before + 1);
}

}  // namespace
}  // namespace ringside::transport
