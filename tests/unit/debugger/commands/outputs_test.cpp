// SPDX-License-Identifier: GPL-3.0-or-later
// The command 'output' and events that name outputs, against a module whose events are real
// (OUT-1 to OUT-5, OUT-9, OUT-11, specification section 2.1).
#include "output/outputs.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "commands/session.hpp"
#include "support/engine_module.hpp"

namespace ringside::commands {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Recorder final : public output::Output {
public:
    void text(std::string_view bytes) override { printed += bytes; }
    void diagnostic(std::string_view message) override {
        told += message;
        told += '\n';
    }
    std::string printed;
    std::string told;
};

class NoEnvironment final : public Environment {
public:
    void clear_screen() override {}
    Outcome listen(std::uint16_t) override { return Outcome::kFailed; }
    Outcome listen_on_line(const std::string&) override { return Outcome::kFailed; }
    void connection_lost() override {}
};

class OutputCommand : public testing::Test {
protected:
    OutputCommand() {
        std::string pattern = testing::TempDir() + "output-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~OutputCommand() override { std::filesystem::remove_all(folder_); }

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
        return recorder_.told.substr(0, recorder_.told.find('\n'));
    }
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    static std::string content(const std::string& path) {
        std::ifstream file{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }
    void connect_and_load() {
        ASSERT_TRUE(session_.debuggee().connect_local(module_.opener()).ok());
        run("load vmm");
    }
    void create_and_open(const std::string& name) {
        run("output create " + name + " file " + path(name));
        run("output open " + name);
    }
    bool until(const std::function<bool()>& done) {
        return loop_.wait_until(done, std::chrono::seconds{10}) == transport::Wait::kDone;
    }
    static std::string example(const std::string& name) {
        return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../../examples" /
               (name + ".so");
    }

    std::string folder_;
    test::EngineModule module_;
    transport::Loop loop_;
    Recorder recorder_;
    NoEnvironment environment_;
    Session session_{loop_, recorder_, environment_};
};

TEST_F(OutputCommand, WalksThroughItsStates) {
    EXPECT_EQ(run("output"), "no outputs\n");
    EXPECT_EQ(run("OUTPUT CREATE a FILE " + path("a")), "");
    EXPECT_EQ(run("output"), "1  file        not opened\ta\n");
    EXPECT_EQ(fail("output close a"), "err, output 'a' is not open");
    EXPECT_EQ(run("output open a"), "");
    EXPECT_EQ(run("output list"), "1  file        opened    \ta\n");
    EXPECT_EQ(fail("output open a"), "err, output 'a' is already open");
    EXPECT_EQ(run("output close a"), "");
    EXPECT_EQ(run("output"), "1  file        closed    \ta\n");
    EXPECT_EQ(fail("output close a"), "err, output 'a' is already closed");
    EXPECT_EQ(fail("output open a"), "err, output 'a' is already closed");
    EXPECT_EQ(fail("output create a file " + path("b")), "err, output 'a' exists");
    EXPECT_EQ(run("output create A file " + path("a")), "") << "the address is free again";
}

TEST_F(OutputCommand, TellsWhatIsWrong) {
    EXPECT_EQ(fail("output create x nosuch y"), "err, unknown output type 'nosuch'");
    EXPECT_EQ(fail("output create x file /nope/y"),
              "err, cannot open '/nope/y': No such file or directory");
    EXPECT_EQ(fail("output create x tcp 127.0.0.1"),
              "err, cannot open '127.0.0.1': not HOST:PORT or [V6]:PORT");
    EXPECT_EQ(fail("output create x tcp 127.0.0.1:1"),
              "err, cannot open '127.0.0.1:1': Connection refused");
    EXPECT_EQ(fail("output create a,b file y"), "err, bad output name 'a,b'");
    EXPECT_EQ(fail("output create " + std::string(50, 'n') + " file y"),
              "err, bad output name '" + std::string(50, 'n') + "'");
    EXPECT_EQ(fail("output open x"), "err, no such output 'x'");
    EXPECT_EQ(fail("output close x"), "err, no such output 'x'");
    for (const char* command : {"output x", "output create", "output create x", "output open",
                                "output open x y", "output create x file y z"})
        EXPECT_EQ(fail(command), "err, wrong use of 'output'") << command;
    EXPECT_EQ(run("output"), "no outputs\n") << "nothing is left of what failed";
}

TEST_F(OutputCommand, CtrlCEndsAConnectionAttempt) {
    loop_.post([this] { (void)loop_.interrupt(); });
    EXPECT_EQ(session_.execute("output create x tcp 127.0.0.1:1"), Outcome::kInterrupted);
    EXPECT_EQ(recorder_.told, "");
    (void)loop_.wait_for(std::chrono::milliseconds{20});  // what was under way finds nobody
    EXPECT_EQ(run("output"), "no outputs\n");
}

TEST_F(OutputCommand, EventsNameOutputsThatExist) {
    connect_and_load();
    create_and_open("closed");
    run("output close closed");
    run("output create quiet file " + path("quiet"));
    EXPECT_EQ(fail("!interrupt ec script { print(1); } output { quiet, nosuch }"),
              "err, no such output 'nosuch'; create it with 'output create'");
    EXPECT_THAT(recorder_.told, HasSubstr("\n" + std::string(51, ' ') + "^\n"));
    EXPECT_EQ(fail("!interrupt ec script { print(1); } output {closed}"),
              "err, output 'closed' is closed");
    EXPECT_EQ(run("events"), "no events\n");
    run("!interrupt ec script { print(1); } output {quiet}");
    EXPECT_EQ(recorder_.told,
              "notice: output 'quiet' is not open yet, nothing will be forwarded until it is\n");
}

TEST_F(OutputCommand, TextGoesToTheOpenOutputsInsteadOfTheConsole) {
    connect_and_load();
    create_and_open("a");
    create_and_open("b");
    run("!interrupt ec script { printf(\"tick %x\\n\", $core); } output {b, a}");
    run("!interrupt fd script { printf(\"other\\n\"); }");
    module_.arrive(0, 0xec);
    module_.arrive(0, 0xfd);
    module_.arrive(0, 0xec);
    EXPECT_TRUE(until([&] { return content(path("a")) == "tick 0\ntick 0\n"; }));
    EXPECT_TRUE(until([&] { return !recorder_.printed.empty(); }));
    EXPECT_EQ(recorder_.printed, "other\n");
    run("output close a");
    run("output close b");
    module_.arrive(0, 0xec);
    EXPECT_TRUE(until([&] { return !recorder_.printed.empty(); }));
    EXPECT_EQ(recorder_.printed, "tick 0\n");
    EXPECT_EQ(content(path("b")), "tick 0\ntick 0\n");
}

TEST_F(OutputCommand, GatheredTextIsForwardedToo) {
    connect_and_load();
    create_and_open("a");
    const std::string text(500, 'x');
    run("!interrupt ec script { printf(\"" + text + "\"); } imm no output {a}");
    for (int i = 0; i < 9; ++i)  // the ninth does not fit with the others, which are handed over
        module_.arrive(1, 0xec);
    EXPECT_TRUE(until([&] { return !content(path("a")).empty(); }));
    EXPECT_EQ(content(path("a")), std::string(8 * text.size(), 'x'));
    EXPECT_EQ(recorder_.printed, "");
}

TEST_F(OutputCommand, ForwardingGoesOnWhilePaused) {
    connect_and_load();
    create_and_open("a");
    run("!interrupt ec script { printf(\"tick\"); } output {a}");
    run("pause");
    module_.arrive(0, 0xec);
    EXPECT_TRUE(until([&] { return content(path("a")) == "tick"; }));
    EXPECT_EQ(recorder_.printed, "paused\n");
}

TEST_F(OutputCommand, ReaderThatGoesIsToldOnceAndTheOthersGoOn) {
    connect_and_load();
    create_and_open("log");
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    const int reader = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    run("output create fifo namedpipe " + path("fifo"));
    run("output open fifo");
    run("!interrupt ec script { printf(\"t\"); } output {fifo, log}");
    ::close(reader);
    module_.arrive(0, 0xec);
    EXPECT_TRUE(until([&] { return !recorder_.told.empty(); }));
    module_.arrive(0, 0xec);
    EXPECT_TRUE(until([&] { return content(path("log")) == "tt"; }));
    EXPECT_THAT(recorder_.told,
                StartsWith("warn, output 'fifo' failed: Broken pipe; bytes not taken: "));
    EXPECT_EQ(recorder_.printed, "");
    EXPECT_THAT(run("output"), HasSubstr("namedpipe   failed    \tfifo\n"));
    EXPECT_THAT(fail("output open fifo"),
                StartsWith("err, output 'fifo' has failed: Broken pipe; bytes not taken: "));
    run("output close fifo");
}

TEST_F(OutputCommand, LeavingHandsOnWhatWasPrinted) {
    connect_and_load();
    create_and_open("a");
    run("!interrupt ec script { printf(\"last\"); } output {a}");
    module_.arrive(0, 0xec);
    session_.close();
    EXPECT_EQ(content(path("a")), "last");
    EXPECT_EQ(run("output"), "1  file        closed    \ta\n");
}

TEST_F(OutputCommand, ModuleGetsEachMessage) {
    connect_and_load();
    ::setenv("FORWARDER_FILE", path("numbered").c_str(), 1);
    for (const std::string name : {"forwarder", "hyperdbg_forwarder"}) {
        run("output create " + name + " module " + example(name));
        run("output open " + name);
    }
    run("!interrupt ec script { printf(\"tick\\n\"); } output {forwarder}");
    run("!interrupt fd script { printf(\"tock\\n\"); } output {hyperdbg_forwarder}");
    module_.arrive(0, 0xec);
    module_.arrive(0, 0xec);
    module_.arrive(0, 0xfd);
    EXPECT_TRUE(until([&] { return content(path("numbered")) == "1: tick\n2: tick\n1: tock\n"; }))
        << content(path("numbered"));
}

TEST_F(OutputCommand, ModuleThatCannotBeUsedSaysWhy) {
    EXPECT_THAT(fail("output create m module " + path("nope.so")),
                HasSubstr("nope.so: cannot open shared object file: No such file"));
    EXPECT_THAT(fail("output create m module " + example("no_forwarder")),
                HasSubstr("undefined symbol: ringside_event_forwarding"));
    std::ofstream{path("text.so")} << "no library";
    EXPECT_THAT(fail("output create m module " + path("text.so")), HasSubstr("file too short"));
}

}  // namespace
}  // namespace ringside::commands
