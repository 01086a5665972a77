// SPDX-License-Identifier: GPL-3.0-or-later
// Runtime folders, locks and processes, in a folder of the test's own.
#include "lab/runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "lab/folders.hpp"
#include "lab/lab.hpp"
#include "lab/process.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Runtime : public ::testing::Test {
protected:
    Runtime() {
        std::string pattern = fs::temp_directory_path() / "ringside-test-XXXXXX";
        base_ = ::mkdtemp(pattern.data());
        ::setenv("XDG_RUNTIME_DIR", base_.c_str(), 1);
        ::setenv("XDG_STATE_HOME", (base_ / "state").c_str(), 1);
        ::setenv("XDG_CACHE_HOME", (base_ / "cache").c_str(), 1);
    }
    ~Runtime() override { fs::remove_all(base_); }

    /// A claimed lab whose machine is `sleep`, as after a boot.
    pid_t start_machine(const char* name) {
        auto claimed = claim(name);
        const auto pid = spawn_detached({"sleep", "1000"}, claimed->folder,
                                        {"qemu.log", "qemu.log"}, {claimed->alive.get()});
        EXPECT_TRUE(write_file(claimed->folder / "pid", std::to_string(*pid)));
        EXPECT_TRUE(write_endpoint(claimed->folder, {.name = name, .port = 4711, .pid = *pid}));
        return *pid;
    }

    fs::path base_;
};

TEST_F(Runtime, FoldersFollowTheEnvironment) {
    EXPECT_EQ(runtime_folder(), base_ / "ringside");
    EXPECT_EQ(state_folder(), base_ / "state/ringside");
    EXPECT_EQ(cache_folder(), base_ / "cache/ringside");
    ::unsetenv("XDG_RUNTIME_DIR");
    EXPECT_THAT(runtime_folder().string(), HasSubstr("/tmp/ringside-"));
}

TEST_F(Runtime, AClaimedNameIsTakenUntilTheClaimIsDropped) {
    {
        const auto claimed = claim("one");
        ASSERT_TRUE(claimed);
        struct stat status {};
        ASSERT_EQ(::stat(claimed->folder.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0700U);
        EXPECT_EQ(inspect("one"), LabState::kBooting);
        EXPECT_THAT(claim("one").failure().message, HasSubstr("being started"));
        EXPECT_TRUE(claim("two"));
    }
    EXPECT_EQ(inspect("one"), LabState::kAbsent);
    EXPECT_FALSE(fs::exists(lab_folder("one")));
}

TEST_F(Runtime, ALabRunsWhileItsMachineHoldsTheLock) {
    const pid_t pid = start_machine("one");
    EXPECT_EQ(inspect("one"), LabState::kRunning);
    EXPECT_THAT(lab_names(), ElementsAre("one"));
    const auto endpoint = find("one");
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->port, 4711);
    EXPECT_EQ(endpoint->pid, pid);
    EXPECT_THAT(claim("one").failure().message, HasSubstr("runs already"));

    ::kill(pid, SIGKILL);
    ASSERT_TRUE(wait_for_end(pid, std::chrono::seconds{10}));
    EXPECT_FALSE(find("one"));
    EXPECT_FALSE(fs::exists(runtime_folder()));
}

TEST_F(Runtime, TheEndpointFileKeepsWhatIsKnownOfALab) {
    const Endpoint before{.name = "one",
                          .host = "127.0.0.1",
                          .port = 4711,
                          .shell_port = 4712,
                          .serial_socket = "/r/serial",
                          .debug_memory = "/r/debug.memory",
                          .debug_socket = "/r/debug",
                          .pid = 17,
                          .machine = "qemu",
                          .accelerator = "tcg",
                          .kernel = "6.1.0",
                          .smp = 2,
                          .agent = true};
    ASSERT_TRUE(write_endpoint(base_, before));
    const auto after = read_endpoint(base_);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->name, before.name);
    EXPECT_EQ(after->host, before.host);
    EXPECT_EQ(after->port, before.port);
    EXPECT_EQ(after->shell_port, before.shell_port);
    EXPECT_EQ(after->serial_socket, before.serial_socket);
    EXPECT_EQ(after->debug_memory, before.debug_memory);
    EXPECT_EQ(after->debug_socket, before.debug_socket);
    EXPECT_EQ(after->pid, before.pid);
    EXPECT_EQ(after->machine, before.machine);
    EXPECT_EQ(after->accelerator, before.accelerator);
    EXPECT_EQ(after->kernel, before.kernel);
    EXPECT_EQ(after->smp, before.smp);
    EXPECT_EQ(after->agent, before.agent);
    EXPECT_EQ(after->key_file, base_ / "key");
}

TEST_F(Runtime, TheEndpointFileOfAnOlderLabHasNoDebugLines) {
    ASSERT_TRUE(write_file(base_ / "lab.json", "{\"name\": \"old\"}\n"));
    const auto endpoint = read_endpoint(base_);
    ASSERT_TRUE(endpoint);
    EXPECT_EQ(endpoint->name, "old");
    EXPECT_TRUE(endpoint->debug_memory.empty());
    EXPECT_TRUE(endpoint->debug_socket.empty());
}

TEST_F(Runtime, TakeDownEndsTheMachineAndKeepsItsLogsIfAsked) {
    const pid_t pid = start_machine("one");
    ASSERT_TRUE(write_file(lab_folder("one") / "console.log", "last words\n"));
    const auto kept = take_down("one", true);
    ASSERT_TRUE(kept);
    EXPECT_EQ(read_file(*kept), "last words\n");
    EXPECT_TRUE(has_ended(pid));
    EXPECT_FALSE(fs::exists(lab_folder("one")));
}

TEST_F(Runtime, TheMachineOfADeadStarterIsEnded) {
    const pid_t pid = start_machine("one");
    fs::remove(lab_folder("one") / "lab.json");
    EXPECT_EQ(inspect("one"), LabState::kAbsent);
    EXPECT_TRUE(has_ended(pid));
}

TEST_F(Runtime, AFolderThatIsALinkIsRefused) {
    fs::create_directory(base_ / "elsewhere");
    fs::create_symlink(base_ / "elsewhere", base_ / "link");
    EXPECT_FALSE(make_private_folder(base_ / "link"));
    EXPECT_TRUE(make_private_folder(base_ / "elsewhere"));
}

TEST_F(Runtime, ALockIsHeldByOneAtATime) {
    auto held = lock(base_, LockWait::kTry);
    EXPECT_TRUE(held);
    EXPECT_FALSE(lock(base_, LockWait::kTry));
    held = Descriptor{};
    EXPECT_TRUE(lock(base_, LockWait::kTry));
    EXPECT_FALSE(lock(base_ / "missing", LockWait::kTry));
}

TEST_F(Runtime, StoppingAndAskingALabThatDoesNotRunFails) {
    EXPECT_EQ(stop("none").failure().code, ExitCode::kUnreachable);
    EXPECT_EQ(shell("none", "true", [](std::string_view, bool) {}).failure().code,
              ExitCode::kUnreachable);
    EXPECT_TRUE(list().empty());
}

TEST(Process, RunReturnsStatusAndOutput) {
    const auto finished = run({"sh", "-c", "echo out; echo err >&2; exit 3"});
    ASSERT_TRUE(finished);
    EXPECT_EQ(finished->status, 3);
    EXPECT_EQ(finished->output, "out\nerr\n");
    EXPECT_EQ(run({"sh", "-c", "kill -9 $$"})->status, 128 + SIGKILL);
    EXPECT_THAT(run({"/no/such/program"}).failure().message, HasSubstr("cannot run"));
    EXPECT_EQ(*run_checked({"pwd"}, "/"), "/\n");
    EXPECT_THAT(run_checked({"sh", "-c", "echo why; exit 1"}).failure().message, HasSubstr("why"));
}

TEST(Process, FindProgramLooksAtPath) {
    EXPECT_FALSE(find_program("sh").empty());
    EXPECT_TRUE(find_program("no-such-program-anywhere").empty());
}

}  // namespace
}  // namespace ringside::lab
