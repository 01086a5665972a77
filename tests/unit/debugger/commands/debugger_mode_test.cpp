// SPDX-License-Identifier: GPL-3.0-or-later
// Debugger Mode as a user types it, over shared memory, with root mode's own debugger and threads
// as cores at the other end (specification 5.1, 10.2, 13.2).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "commands/session.hpp"
#include "support/debugged_machine.hpp"
#include "support/session_recorder.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class DebuggerMode : public testing::Test {
protected:
    DebuggerMode() {
        const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        EXPECT_GE(file, 0);
        EXPECT_EQ(::ftruncate(file, static_cast<off_t>(kBytes)), 0);
        memory_ = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        EXPECT_NE(memory_, MAP_FAILED);
        ::close(file);
        machine_.emplace(2, memory_);
        EXPECT_EQ(machine_->open(), u32{RS_OK});
        machine_->start();
    }
    ~DebuggerMode() override {
        session_.disconnect();
        machine_.reset();
        ::munmap(memory_, kBytes);
        ::unlink(path_.c_str());
    }

    /// Runs a command that must succeed and returns what it printed.
    std::string run(std::string_view command) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), Outcome::kOk) << command << ": " << recorder_.told;
        return recorder_.printed;
    }
    std::string fail(std::string_view command) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), Outcome::kFailed) << command;
        return recorder_.told;
    }
    std::string connect_halted() { return run(".debug remote pause shmem " + path_); }
    /// The halt that an interrupt brings about.
    std::string await_halt(u32 core, u8 vector) {
        recorder_.printed.clear();
        machine_->interrupt(core, vector);
        EXPECT_EQ(session_.await_halt(std::chrono::seconds{20}), Outcome::kOk);
        return recorder_.printed;
    }

    static constexpr u64 kBytes = test::DebuggedMachine::kSharedBytes;
    const std::string path_ = "/dev/shm/ringside-test-" + std::to_string(::getpid());
    void* memory_ = nullptr;
    std::optional<test::DebuggedMachine> machine_;
    transport::Loop loop_;
    test::Recorder recorder_;
    test::NoEnvironment environment_;
    Session session_{loop_, recorder_, environment_};
};

TEST_F(DebuggerMode, ConnectsAndHalts) {  // MOD-3, MOD-5
    const std::string said = connect_halted();
    EXPECT_THAT(said, StartsWith("waiting for a debuggee ...\n"
                                 "debuggee connected: 6.1.0-fake, fake\n"));
    EXPECT_TRUE(session_.is_halted());
    EXPECT_EQ(run("g"), "running...\n");
    EXPECT_FALSE(session_.is_halted());
    run("pause");
    EXPECT_TRUE(session_.is_halted());
    EXPECT_EQ(run(".debug close"), "Debugger Mode ended\n");
    EXPECT_FALSE(session_.debuggee().is_connected());
}

TEST_F(DebuggerMode, RegistersAnEventAndStandsAtIt) {  // BRK-2 to BRK-4, EVT-18
    connect_halted();
    run("!interrupt 25 core 1");
    EXPECT_THAT(run("events"), HasSubstr("(enabled)\t    !interrupt 25 core 1"));
    EXPECT_EQ(run("g"), "running...\n");
    EXPECT_THAT(await_halt(1, 0x25), StartsWith("event 0x0 triggered (pre)\n"));
    EXPECT_EQ(run("? printf(\"%llx %x %x\\n\", $context, $event_stage, $event_id);"), "25 0 0\n");
    EXPECT_EQ(run("events sc on"), "");
    run("~ 0");
    EXPECT_EQ(run("? printf(\"%llx\\n\", $context);"), "0\n");
    EXPECT_THAT(fail("events sc on"), HasSubstr("no event is waiting for a verdict"));
    EXPECT_THAT(fail("~ 9"), HasSubstr("no such core"));
    run("events c 0");
    run("!interrupt 25 core 1");  // EVT-6
    run("g");
    EXPECT_THAT(await_halt(1, 0x25), StartsWith("event 0x1 triggered (pre)\n"));
    run("events c all");
    run("g");
}

TEST_F(DebuggerMode, ReservesPools) {  // EVT-22, EVT-23
    connect_halted();
    EXPECT_EQ(run("prealloc regular-event 10"), "reserved 10 pools of regular-event\n");
    EXPECT_THAT(fail("prealloc big-event 10000"), HasSubstr("reserve exhausted"));
    run("g");
}

TEST_F(DebuggerMode, TellsTheDebuggeeWhatALostLinkMeans) {
    EXPECT_EQ(run("settings linkloss go"), "linkloss = go\n");
    connect_halted();  // told at the first halt
    rs_settings settings{};
    const auto answer = session_.debuggee().settings(settings);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->link_loss, 1u);
    run("settings linkloss wait");  // at once
    EXPECT_EQ(session_.debuggee().settings(settings)->link_loss, 0u);
    run("g");
}

}  // namespace
}  // namespace ringside::commands
