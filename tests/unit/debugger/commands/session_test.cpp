// SPDX-License-Identifier: GPL-3.0-or-later
// Commands against a module whose events are real: what the user types and sees.
#include "commands/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/engine_module.hpp"
#include "support/session_recorder.hpp"

namespace ringside::commands {
namespace {

using test::NoEnvironment;
using test::Recorder;
using testing::HasSubstr;
using testing::StartsWith;

class SessionTest : public testing::Test {
protected:
    /// Runs a command that must succeed and returns what it printed.
    std::string run(std::string_view command) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), Outcome::kOk) << command << ": " << recorder_.told;
        return recorder_.printed;
    }

    /// The same, though some of it is done and shows something.
    std::string fail_noisily(std::string_view command) {
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), Outcome::kFailed) << command;
        return recorder_.told;
    }

    /// Runs a command that must fail and returns what was told.
    std::string fail(std::string_view command, Outcome expected = Outcome::kFailed) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), expected) << command;
        EXPECT_EQ(recorder_.printed, "") << command;
        return recorder_.told;
    }

    void connect() { ASSERT_TRUE(session_.debuggee().connect_local(module_.opener()).ok()); }
    void connect_and_load() {
        connect();
        run("load vmm");
    }

    /// Waits until what was printed contains `text`.
    bool sees(const std::string& text) {
        return loop_.wait_until([&] { return recorder_.printed.find(text) != std::string::npos; },
                                std::chrono::seconds{10}) == transport::Wait::kDone;
    }

    test::EngineModule module_;
    transport::Loop loop_;
    Recorder recorder_;
    NoEnvironment environment_;
    Session session_{loop_, recorder_, environment_};
};

TEST_F(SessionTest, IgnoresEmptyCommandsAndPastedPrompts) {
    EXPECT_EQ(run(""), "");
    EXPECT_EQ(run("// a comment"), "");
    EXPECT_EQ(run("HyperDbg> print 2"), "2\n");
}

TEST_F(SessionTest, SuggestsTheCommandThatWasMeant) {
    EXPECT_EQ(fail("evnets"),
              "err, no such command: 'evnets'\nevnets\n^\nhint: did you mean 'events'?\n");
    EXPECT_THAT(fail("{ x }"), StartsWith("err, no such command: "));
}

TEST_F(SessionTest, ShowsTheSyntaxOnWrongUse) {
    EXPECT_EQ(fail("sleep 1 2"),
              "err, wrong use of 'sleep'\nsleep 1 2\n        ^\nsyntax:\n    sleep MS\n"
              "hint: see '.help sleep'\n");
}

TEST_F(SessionTest, RunsScriptsHereWhileNothingIsConnected) {
    EXPECT_EQ(run("print 0n10"), "a\n");
    EXPECT_EQ(run("? .x = 5;"), "");
    EXPECT_EQ(run("?print(.x + 1);"), "6\n");
    EXPECT_EQ(run("eval { print(1); }"), "1\n");
    EXPECT_THAT(fail("? print(dq(1000));"), StartsWith("err, script stopped: "));
}

TEST_F(SessionTest, SaysWhatTheDebuggeeIsAndCan) {
    connect();
    const std::string before = run("status");
    EXPECT_THAT(before, StartsWith("local, VMI Mode\nRingside 0.1.0 — debuggee: Linux "));
    EXPECT_THAT(before, HasSubstr("vmm loaded            no\n"));
    run("load vmm");
    EXPECT_THAT(run("status"), HasSubstr("vmm loaded            yes\n"));
    EXPECT_EQ(run(".status"), "local, VMI Mode\n");
}

TEST_F(SessionTest, LoadsOnceAndUnloads) {
    connect();
    EXPECT_EQ(fail("events"), "err, vmm not loaded; use 'load vmm'\n");
    EXPECT_EQ(fail("unload"), "err, nothing is loaded\n");
    EXPECT_THAT(run("load vmm"), testing::EndsWith(", 2 cores\nvmm: loaded\n"));
    EXPECT_TRUE(module_.is_loaded());
    EXPECT_EQ(fail("load vmm"), "err, vmm is already loaded\n");
    EXPECT_EQ(fail(".disconnect"), "err, the vmm is loaded here\nhint: type 'unload' first\n");
    EXPECT_EQ(run("unload"), "vmm: unloaded\n");
    EXPECT_FALSE(module_.is_loaded());
    EXPECT_EQ(run(".disconnect"), "disconnected\n");
}

TEST_F(SessionTest, RegistersAnEventAndShowsItsText) {
    connect_and_load();
    EXPECT_EQ(run("!interrupt ec core 1 script { printf(\"tick %x\", $context); }"), "");
    module_.arrive(0, 0xec);
    module_.arrive(1, 0x20);
    module_.arrive(1, 0xec);
    EXPECT_TRUE(sees("tick ec"));
    EXPECT_EQ(recorder_.printed, "tick ec");
}

TEST_F(SessionTest, ListsEventsAsTyped) {
    connect_and_load();
    EXPECT_EQ(run("events"), "no events\n");
    run("!INTERRUPT   ec script { print(1); }  ");
    run("!interrupt fd script {\n print(1);\n}");
    EXPECT_EQ(run("events"),
              "0\t(enabled)\t    !INTERRUPT   ec script { print(1); }\n"
              "1\t(enabled)\t    !interrupt fd script {  print(1); }\n");
    EXPECT_THAT(session_.known_events(), testing::ElementsAre(0u, 1u));
}

TEST_F(SessionTest, EnablesDisablesAndClearsEvents) {
    connect_and_load();
    run("!interrupt ec script { print(1); }");
    EXPECT_EQ(run("events d 0"), "");
    EXPECT_THAT(run("events"), HasSubstr("(disabled)"));
    EXPECT_EQ(run("event e all"), "");
    EXPECT_THAT(run("events"), HasSubstr("(enabled)"));
    EXPECT_EQ(run("events c 0"), "");
    EXPECT_EQ(run("events"), "no events\n");
    EXPECT_EQ(fail("events c all"), "err, no events\n");
    EXPECT_THAT(fail("events c 0"), StartsWith("err, no such event (c000000e)\n"));
    EXPECT_THAT(fail("events d ffffffffffffffff"), StartsWith("err, no such event (c000000e)\n"));
}

TEST_F(SessionTest, NeverReusesAnId) {
    connect_and_load();
    run("!interrupt ec script { print(1); }");
    run("events c 0");
    fail("!interrupt ec core 40 script { print(1); }");
    run("!interrupt ec script { print(1); }");
    EXPECT_THAT(run("events"), StartsWith("1\t"));
}

TEST_F(SessionTest, NoticesThatAnEventCoversAllVectors) {
    connect_and_load();
    run("!interrupt script { print(1); }");
    EXPECT_EQ(recorder_.told, "notice: this event covers all external interrupts (0x20-0xff)\n");
    run("!interrupt ec script { print(1); }");
    EXPECT_EQ(recorder_.told, "");
}

TEST_F(SessionTest, TellsWhichProcessOrCoreDoesNotExist) {
    connect_and_load();
    EXPECT_EQ(fail("!interrupt ec core 40 script { print(1); }"),
              "err, no such core (c0000006)\n!interrupt ec core 40 script { print(1); }\n"
              "                   ^\nhint: 'status' tells how many there are\n");
    EXPECT_EQ(fail("!interrupt ec pid 99999 script { print(1); }"),
              "err, no such process; pids are hex, prefix 0n for decimal (c000001e)\n"
              "!interrupt ec pid 99999 script { print(1); }\n"
              "                  ^\nhint: see '.help !interrupt'\n");
    EXPECT_EQ(run("events"), "no events\n");
}

TEST_F(SessionTest, RefusesAnEventThatWouldBreak) {
    connect_and_load();
    EXPECT_THAT(fail("!interrupt 25"),
                StartsWith("err, this event would break, which needs Debugger Mode"));
}

TEST_F(SessionTest, ShowsNothingWhilePausedUntilGo) {
    connect_and_load();
    run("!interrupt ec script { printf(\"a\"); }");
    EXPECT_EQ(run("pause"), "paused\n");
    module_.arrive(0, 0xec);
    session_.drain_messages();
    EXPECT_EQ(recorder_.printed, "paused\n");
    run("g");
    module_.arrive(0, 0xec);
    EXPECT_TRUE(sees("a"));
}

TEST_F(SessionTest, ANewEventEndsThePause) {
    connect_and_load();
    run("pause");
    run("!interrupt ec script { printf(\"a\"); }");
    EXPECT_FALSE(session_.is_paused());
}

TEST_F(SessionTest, TellsWhereAScriptFailed) {
    connect_and_load();
    run("!interrupt ec script {\n  x = dq(10);\n}");
    module_.arrive(1, 0xec);
    EXPECT_EQ(loop_.wait_until([&] { return !recorder_.told.empty(); }, std::chrono::seconds{10}),
              transport::Wait::kDone);
    EXPECT_THAT(recorder_.told,
                StartsWith("err, script stopped: invalid address 0000000000000010 in dq() at "
                           "line 2, column 7 (event 0x0, core 1)\n"));
}

TEST_F(SessionTest, RemembersGlobalsFromOneCommandToTheNext) {
    connect_and_load();
    EXPECT_THAT(fail("!interrupt ec script { print(.seen); }"), HasSubstr("seen"));
    run("!interrupt ec script { .seen = 7; }");
    run("!interrupt fd script { print(.seen); }");
    module_.arrive(0, 0xec);
    module_.arrive(0, 0xfd);
    EXPECT_TRUE(sees("7\n"));
}

TEST_F(SessionTest, ReadsScriptsFromFiles) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("ringside_session_test_" + std::to_string(::getpid()) + ".ds");
    std::ofstream{path} << "printf(\"from a file\");\n";
    connect_and_load();
    run("!interrupt ec script { file: \"" + path.string() + "\" }");
    module_.arrive(0, 0xec);
    EXPECT_TRUE(sees("from a file"));
    std::ofstream{path} << "nope nope";
    EXPECT_THAT(fail("!interrupt ec script {file:" + path.string() + "}"),
                HasSubstr("(" + path.string() + "): "));
    std::ofstream{path, std::ios::trunc};
    EXPECT_THAT(fail("!interrupt ec script {file:" + path.string() + "}"),
                StartsWith("err, script file is empty\n"));
    std::ofstream{path} << std::string((1u << 20) + 1, ' ');
    EXPECT_THAT(fail("!interrupt ec script {file:" + path.string() + "}"),
                StartsWith("err, script file is too large"));
    std::filesystem::remove(path);
}

TEST_F(SessionTest, CountsWhatEventsAndCoresDid) {
    connect_and_load();
    run("!interrupt ec core 0 script { x = 1; }");
    for (int i = 0; i < 3; ++i)
        module_.arrive(0, 0xec);
    EXPECT_THAT(run("events stat 0"), HasSubstr("triggers (pre)                     3\n"));
    EXPECT_THAT(run("events stat"), HasSubstr("core  "));
    EXPECT_THAT(fail("events stat 9"), StartsWith("err, no such event (c000000e)"));
}

TEST_F(SessionTest, EvaluatesInRootModeWhenLoaded) {
    connect_and_load();
    EXPECT_EQ(run("print 6 * 7"), "2a\n");
    EXPECT_EQ(run("? printf(\"%x\\n\", 3);"), "3\n");
}

TEST_F(SessionTest, CloseLeavesTheDebuggeeAsItWasFound) {
    connect_and_load();
    run("!interrupt ec script { printf(\"last words\"); }");
    module_.arrive(0, 0xec);
    session_.close();
    EXPECT_EQ(recorder_.printed, "last words");
    EXPECT_FALSE(module_.is_loaded());
    EXPECT_EQ(module_.open_files(), 0u);
}

TEST_F(SessionTest, SleepEndsWithCtrlC) {
    loop_.post([this] { loop_.interrupt(); });
    EXPECT_EQ(session_.execute("sleep 0n600000"), Outcome::kInterrupted);
    EXPECT_EQ(run("sleep 1"), "");
}

TEST_F(SessionTest, ALocalLoopEndsWithCtrlC) {
    loop_.post([this] { loop_.interrupt(); });
    EXPECT_EQ(session_.execute("? { while (1) { x = 1; } }"), Outcome::kInterrupted);
}

TEST_F(SessionTest, AsksTheProgramToListenClearAndLeave) {
    EXPECT_EQ(session_.execute(".listen 50001"), Outcome::kInterrupted);
    EXPECT_EQ(environment_.listened_on, 50001);
    run(".cls");
    EXPECT_EQ(environment_.clears, 1);
    EXPECT_FALSE(session_.exit_requested());
    run("exit");
    EXPECT_TRUE(session_.exit_requested());
}

TEST_F(SessionTest, ThePromptNamesOnlyARemoteDebuggee) {
    EXPECT_EQ(session_.prompt(), "Ringside> ");
    connect();
    EXPECT_EQ(session_.prompt(), "Ringside> ");
}

TEST(CommandTable, NamesAreUniqueAndEveryRowIsComplete) {
    std::vector<std::string> names;
    for (const CommandSpec* spec : all_commands()) {
        names.emplace_back(spec->name);
        for (const std::string_view alias : split_words(spec->aliases))
            names.emplace_back(alias);
        EXPECT_NE(spec->run, nullptr) << spec->name;
        EXPECT_FALSE(spec->summary.empty()) << spec->name;
        EXPECT_THAT(std::string{spec->syntax}, StartsWith(std::string{spec->name}));
        EXPECT_THAT(std::string{spec->help}, HasSubstr("example")) << spec->name;
        EXPECT_EQ(find_command(spec->name), spec);
        EXPECT_THAT(help_overview(), HasSubstr(std::string{spec->summary}));
        EXPECT_THAT(help_text(*spec), HasSubstr(std::string{spec->help}));
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(SignatureLine, NamesTheDebuggee) {
    rs_version version{};
    std::snprintf(version.kernel, sizeof version.kernel, "6.1.0-49-amd64");
    version.cores_online = 2;
    version.vendor = RS_VENDOR_SVM;
    EXPECT_EQ(signature_line(version),
              "Ringside 0.1.0 — debuggee: Linux 6.1.0-49-amd64, 2 cores, SVM");
}

TEST_F(SessionTest, AssemblyIsCodeLikeAnyOther) {  // INT-12, INT-14
    connect_and_load();
    run("!interrupt 2f asm condition { cmp qword ptr [rcx+0x78], 0; sete al; movzx eax, al } "
        "asm code { inc qword ptr [rcx] } buffer 8");
    run("!interrupt 25 asm code { mov rax, jiffies; mov rax, <jiffies+8> } condition { 90 90 90 }");
    EXPECT_EQ(recorder_.told, "");
    EXPECT_EQ(fail("!interrupt 25 asm code {bogus}"),
              "err, assembler: invalid instruction mnemonic 'bogus' at statement 1\n"
              "!interrupt 25 asm code {bogus}\n"
              "                        ^\n"
              "hint: see '.help !interrupt'\n");
    EXPECT_EQ(fail("!interrupt 25 script { print(1); } asm condition {\n  nop\n  mov rax, [rbx\n}"),
              "err, assembler: missing ']' at statement 2\n"
              "  mov rax, [rbx\n"
              "           ^\n"
              "hint: see '.help !interrupt'\n");
    EXPECT_THAT(fail("!interrupt 25 asm code { mov rax, nowhere }"),
                StartsWith("err, assembler: unknown symbol 'nowhere' at statement 1\n"));
    EXPECT_THAT(fail("!interrupt 25 asm condition { .align 4096; nop; .align 4096; nop }"),
                StartsWith("err, condition too large (c0000041)\n"));
    EXPECT_THAT(fail("!interrupt 25 asm { nop }"), StartsWith("err, 'asm' needs a { } block"));
    EXPECT_EQ(fail("!interrupt 25 asm code { }").substr(0, 23), "err, empty 'code' block");
    run("events");
    EXPECT_EQ(std::ranges::count(recorder_.printed, '\n'), 2);  // nothing of what failed
}

TEST_F(SessionTest, ExceptionsAreHookedByTheSameWords) {  // row 5, row 54
    connect_and_load();
    run("!exception 1f script { print(1); }");
    EXPECT_EQ(recorder_.told, "");
    run("!exception sc on script { .seen = $context; }");
    EXPECT_EQ(recorder_.told, "notice: this event covers all exceptions (0x0-0x1f)\n");
    EXPECT_THAT(fail("!exception 20 script { print(1); }"),
                StartsWith("err, entry must be 0x0 to 0x1f (use '!interrupt' for 0x20 to 0xff)\n"));
    EXPECT_THAT(
        fail("!interrupt 1f script { print(1); }"),
        StartsWith("err, vector must be 0x20 to 0xff (use '!exception' for 0x0 to 0x1f)\n"));
    EXPECT_THAT(fail("!exception e"), HasSubstr("hint: see '.help !exception'"));
    EXPECT_THAT(run(".help !interrupt"), HasSubstr("'!exception'"));
}

TEST_F(SessionTest, SystemVectorsAreNamedWhenTheyMayBeIgnored) {  // INT-21
    connect_and_load();
    run("!interrupt ec sc on script { event_sc(0); }");
    EXPECT_EQ(recorder_.told,
              "notice: vector 0xec is sysvec_apic_timer_interrupt; ignoring or stopping it can "
              "stall the machine\n");
    run("!interrupt ec script { print(1); }");
    EXPECT_EQ(recorder_.told, "");
    run("!interrupt 31 sc on script { print(1); }");
    EXPECT_EQ(recorder_.told, "");
}

TEST_F(SessionTest, TheActiveProcessIsTheDefault) {  // MOD-9, MOD-10, rows 12, 13
    connect_and_load();
    run(".attach pid 1");
    EXPECT_EQ(session_.prompt(), "1:1 (running) u64Ringside> ");
    run("!interrupt 30 script { printf(\"a\"); }");
    EXPECT_EQ(recorder_.told,
              "notice: event limited to process 1; add 'pid all' for the whole system\n");
    run("!interrupt 31 pid all script { printf(\"b\"); }");
    EXPECT_EQ(recorder_.told, "");
    run("!interrupt 32 pid 0 script { printf(\"c\"); }");
    EXPECT_EQ(recorder_.told, "");
    run(".attach pid 0");
    EXPECT_EQ(run(".switch"), "  1  init  (running)\n* 0  a?[m  (running)\n");
    run(".switch pid 1");
    run(".detach");
    EXPECT_EQ(session_.prompt(), "Ringside> ");
    EXPECT_EQ(run(".switch"), "  0  a?[m  (running)\n");
    run("!interrupt 33 script { printf(\"d\"); }");
    EXPECT_EQ(recorder_.told, "");
    // What was registered stays as it was.
    recorder_.printed.clear();
    for (const std::uint32_t pid : {0u, 1u})
        for (const int vector : {0x30, 0x31, 0x32, 0x33})
            module_.arrive(0, static_cast<std::uint8_t>(vector), pid);
    session_.drain_messages();
    EXPECT_EQ(recorder_.printed, "bcdabd");
    EXPECT_THAT(fail(".attach pid 7"), StartsWith("err, no such process"));
    EXPECT_THAT(fail(".attach pid zz"), StartsWith("err, bad pid 'zz'"));
    EXPECT_THAT(fail(".attach pid 0"), StartsWith("err, process 0 is attached already"));
    EXPECT_THAT(fail(".attach 1 2"), StartsWith("err, wrong use of '.attach'"));
    EXPECT_THAT(fail(".switch pid 1"), StartsWith("err, process 1 is not attached"));
    EXPECT_THAT(fail(".detach"), StartsWith("err, no process is active"));
}

TEST_F(SessionTest, AnActiveProcessThatHasEndedIsNoLongerMeant) {  // MOD-9
    connect_and_load();
    run(".attach pid 1");
    module_.replace_processes();
    EXPECT_EQ(fail("!interrupt 30 script { print(1); }"),
              "err, the active process 1 (init) has ended\n"
              "hint: '.detach' lets go of it; 'pid all' means the whole system\n");
    EXPECT_EQ(run("events"), "no events\n");
    run("!interrupt 30 pid all script { print(1); }");
    run(".detach");
    run(".attach pid 1");
    run("!interrupt 30 script { print(1); }");
}

TEST_F(SessionTest, ShowsTheInterruptDescriptorTable) {
    connect_and_load();
    EXPECT_EQ(run("!idt ec"),
              "IDT Entries:\nIDT[0xec:236] : ffffffff`81e00ec0     "
              "vmlinux!asm_sysvec_apic_timer_interrupt\n");
    EXPECT_THAT(run("!idt"),
                HasSubstr("\nIDT[0x30:48]  : ffffffff`81e00300     nvme!irq_entry+0x10\n"));
    EXPECT_THAT(recorder_.printed, HasSubstr("\nIDT[0x8:8]    : "));
    EXPECT_EQ(std::ranges::count(recorder_.printed, '\n'), 257);
    EXPECT_THAT(fail("!idt 100"), StartsWith("err, entry must be 0x0 to 0xff, not '100'"));
}

/// A folder of its own for what a test writes.
class FilesOfSession : public SessionTest {
protected:
    FilesOfSession() {
        char name[] = "/tmp/ringside-session-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~FilesOfSession() override { std::filesystem::remove_all(folder_); }
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    void write(const std::string& name, std::string_view text) const {
        std::ofstream{path(name), std::ios::binary} << text;
    }
    std::string read(const std::string& name) const {
        std::ifstream file{path(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

private:
    std::string folder_;
};

TEST_F(FilesOfSession, SettingsAreShownSetAndKept) {  // AUX-5
    EXPECT_THAT(run("settings"), StartsWith("autoflush = off\nautounpause = on\nsyntax = intel\n"));
    EXPECT_THAT(recorder_.printed, HasSubstr("\nscriptbudget = f4240\nscripttime = 30d40\n"
                                             "codebudget = 2710\njit = on\nlinkloss = wait\n"
                                             "immflush = fa\nscreplay = on\nsclevel = throttle\n"));
    EXPECT_EQ(run("settings AutoUnpause"), "autounpause = on\n");
    EXPECT_TRUE(session_.settings().use_file(path("new/settings.toml")).empty());
    EXPECT_EQ(run("settings autounpause OFF"), "autounpause = off\n");
    EXPECT_EQ(run("settings codebudget 0n20000"), "codebudget = 4e20\n");
    EXPECT_EQ(run("settings sclevel deliver"), "sclevel = deliver\n");
    EXPECT_EQ(recorder_.told, "");
    run("settings syntax att");
    EXPECT_EQ(recorder_.told, "");
    run("settings linkloss go");
    EXPECT_EQ(recorder_.told, "");
    Settings other;
    EXPECT_TRUE(other.use_file(path("new/settings.toml")).empty());
    EXPECT_FALSE(other.is_on(Setting::kAutoUnpause));
    EXPECT_EQ(other.number(Setting::kCodeBudget), 20'000u);
    EXPECT_EQ(other.word(Setting::kSyntax), "att");
    EXPECT_EQ(other.number(Setting::kImmFlush), 250u);

    EXPECT_THAT(fail("settings foo"), StartsWith("err, no such option 'foo'\n"));
    EXPECT_THAT(fail("settings autoflus on"), HasSubstr("hint: did you mean 'autoflush'?"));
    EXPECT_THAT(fail("settings autoflush maybe"), StartsWith("err, 'autoflush' takes on or off\n"));
    EXPECT_THAT(fail("settings codebudget 0"),
                StartsWith("err, 'codebudget' must be 1 to f4240 (hex)\n"));
    EXPECT_THAT(fail("settings codebudget zz"), StartsWith("err, bad number 'zz'\n"));
    EXPECT_EQ(run("settings codebudget"), "codebudget = 4e20\n");
}

TEST_F(FilesOfSession, AFileOfSettingsIsTakenAsFarAsItGoes) {
    write("settings.toml",
          "future = 1\ncodebudget = 5\njit = \"maybe\"\nscripttime = -1\n"
          "autoflush = \"on\"\nimmflush = true\n");
    Settings settings;
    const auto complaints = settings.use_file(path("settings.toml"));
    ASSERT_EQ(complaints.size(), 4u);
    EXPECT_THAT(complaints[0], HasSubstr("line 1: no such option 'future'"));
    EXPECT_EQ(settings.number(Setting::kCodeBudget), 5u);
    EXPECT_TRUE(settings.is_on(Setting::kAutoFlush));
    EXPECT_EQ(settings.number(Setting::kScriptTime), 200'000u);
    EXPECT_FALSE(settings.save());
    EXPECT_THAT(read("settings.toml"), HasSubstr("future = 1"));
    write("broken.toml", "codebudget = = 5\n");
    const auto broken = settings.use_file(path("broken.toml"));
    ASSERT_EQ(broken.size(), 1u);
    EXPECT_THAT(broken[0], HasSubstr("line 1"));
    EXPECT_FALSE(settings.save());
    EXPECT_EQ(read("broken.toml"), "codebudget = = 5\n");
    EXPECT_TRUE(settings.use_file("/proc/nowhere/settings.toml").empty());
    EXPECT_THAT(settings.save().value_or(""), StartsWith("cannot write '/proc/nowhere/"));
}

TEST_F(FilesOfSession, EmulatedDebuggeesHaveMoreTimeUnlessItWasChosen) {
    Settings settings;
    EXPECT_FALSE(settings.set(*Settings::find("scripttime"), "5"));
    settings.set_emulated();
    EXPECT_EQ(settings.number(Setting::kScriptTime), 5u);
    EXPECT_EQ(settings.number(Setting::kCodeBudget), 100'000u);
}

TEST_F(FilesOfSession, RootModeHearsOfSettings) {
    run("settings scriptbudget 3e8");
    connect_and_load();
    EXPECT_EQ(session_.debuggee().settings({})->script_budget, 1000u);
    run("settings scriptbudget 7d0");
    EXPECT_EQ(session_.debuggee().settings({})->script_budget, 2000u);
    run("settings autounpause off");
    run("pause");
    run("!interrupt 30 script { printf(\"a\"); }");
    EXPECT_TRUE(session_.is_paused());
    run("settings autounpause on");
    run("!interrupt 31 script { printf(\"b\"); }");
    EXPECT_FALSE(session_.is_paused());
}

TEST_F(FilesOfSession, TheLogHasCommandsAndOutput) {  // AUX-2, MSG-9
    connect_and_load();
    EXPECT_THAT(fail(".logclose"), StartsWith("err, no log is open"));
    run(".logopen " + path("log"));
    EXPECT_THAT(fail(".logopen " + path("other")),
                StartsWith("err, a log is open, use '.logclose'\n"));
    run("!interrupt 30 script { printf(\"tick\"); }");
    run("pause");
    module_.arrive(0, 0x30);
    session_.drain_messages();
    EXPECT_EQ(recorder_.printed, "paused\n");
    run("print 2 + 2");
    write("two", "print 7\n");
    run(".script " + path("two"));
    run(".logclose");
    EXPECT_EQ(read("log"), "Ringside> .logopen " + path("other") +
                               "\nerr, a log is open, use '.logclose'\n" +
                               "Ringside> !interrupt 30 script { printf(\"tick\"); }\n"
                               "Ringside> pause\npaused\ntick\nRingside> print 2 + 2\n4\n"
                               "Ringside> .script " +
                               path("two") +
                               "\nRingside> print 7\n7\n"
                               "Ringside> .logclose\n");
    EXPECT_EQ(std::filesystem::status(path("log")).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_THAT(fail(".logopen /proc/nowhere/log"),
                StartsWith("err, cannot open '/proc/nowhere/log'"));
    run(".logopen /dev/full");
    run("print 1");
    EXPECT_THAT(recorder_.told, HasSubstr("No space left on device; it is closed"));
    fail(".logclose");
}

TEST_F(FilesOfSession, ScriptsRunCommandsOfAFile) {  // AUX-3
    write("inner", "print $arg1\n");
    write("outer", "# a comment\nprint 2\nfoo\n? {\n  print(3);\n}\n.script \"" + path("inner") +
                       "\" $arg1$arg10\n");
    std::string command = ".script " + path("outer") + " a";
    for (int i = 2; i <= 9; ++i)
        command += " x";
    recorder_.printed.clear();
    EXPECT_EQ(session_.execute(command + " b"), Outcome::kFailed);
    EXPECT_EQ(recorder_.printed,
              "Ringside> print 2\n2\nRingside> foo\nRingside> ? {\n  print(3);\n}\n3\n"
              "Ringside> .script \"" +
                  path("inner") +
                  "\" ab\n"
                  "Ringside> print ab\nab\n");
    EXPECT_THAT(recorder_.told, HasSubstr("warn, 1 command of '" + path("outer") + "' failed\n"));
    session_.set_stops_at_failure(true);
    recorder_.printed.clear();
    EXPECT_EQ(session_.execute(command), Outcome::kFailed);
    EXPECT_EQ(recorder_.printed, "Ringside> print 2\n2\nRingside> foo\n");
    session_.set_stops_at_failure(false);
    write("self", ".script " + path("self") + "\n");
    EXPECT_THAT(fail_noisily(".script " + path("self")), HasSubstr("nested more than 16 deep"));
    EXPECT_THAT(fail(".script " + path("nothing")), StartsWith("err, cannot read "));
    write("open", "print 5\n? { print(6);\n");
    EXPECT_THAT(fail_noisily(".script " + path("open")), HasSubstr("'{' without '}'"));
}

TEST_F(SessionTest, AValueIsShownInEveryNotation) {
    EXPECT_THAT(run(".formats 55 + 4"), StartsWith("Hex:      00000000`00000059\nDecimal:  89\n"));
    connect_and_load();
    EXPECT_THAT(run(".formats 40 + 2;"), HasSubstr("Decimal:  66\n"));
    EXPECT_THAT(fail(".formats nope"), StartsWith("line 1, column 16: unresolved variable 'nope'"));
    EXPECT_THAT(fail(".formats"), StartsWith("err, wrong use of '.formats'"));
}

TEST_F(SessionTest, GlobalsKeepTheirTypes) {  // SCR-5, script language section 5.2
    run("? double .half = 1; .half /= 2; int .count = -1;");
    EXPECT_EQ(run(".globals"), ".count = ffffffffffffffff\n.half = 0.500000\n");
    EXPECT_EQ(run("? if (.count < 0) { print(5); }"), "5\n");
    EXPECT_THAT(fail("? float .half = 2;"), HasSubstr("'.half' is of type 'double' already"));
    run(".globals clear");
    run("? float .half = 2;");
    EXPECT_EQ(run(".globals"), ".half = 2.000000\n");
}

TEST_F(SessionTest, GlobalsAreShownAndCleared) {  // SCR-5
    EXPECT_EQ(run(".globals"), "no globals\n");
    run("? .local = 5;");
    EXPECT_EQ(run(".globals"), ".local = 5\n");
    connect();  // without a hypervisor scripts run here as before
    EXPECT_EQ(run(".globals"), ".local = 5\n");
    session_.disconnect();
    connect_and_load();
    EXPECT_EQ(run(".globals"), "no globals\n");
    run("? .first = 0x10; .second = 2;");
    EXPECT_EQ(run(".globals"), ".first = 10\n.second = 2\n");
    run(".globals clear");
    EXPECT_EQ(run(".globals"), "no globals\n");
    EXPECT_THAT(fail("print .first"), HasSubstr("first"));
    EXPECT_EQ(run("? .second = 1; print(.second);").substr(0, 1), "1");
    EXPECT_THAT(fail(".globals all"), StartsWith("err, wrong use of '.globals'"));
}

}  // namespace
}  // namespace ringside::commands
