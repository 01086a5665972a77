// SPDX-License-Identifier: GPL-3.0-or-later
// libringside over the real event engine and a stand-in of the device (LIB-1 to LIB-4).
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <type_traits>
#include <vector>

#include "api/handle.hpp"
#include "ringside/ringside.hpp"
#include "support/engine_module.hpp"
#include "support/fake_device.hpp"

namespace {

constexpr unsigned char kIncrement[] = {0x48, 0xff, 0x01};  // inc qword [rcx]
constexpr std::uint8_t kTimer = 0xec;

struct Said {
    std::string text;
    std::string diagnostics;
    static void sink(void* user, int kind, const char* bytes, size_t length) {
        auto& said = *static_cast<Said*>(user);
        (kind == RS_SINK_TEXT ? said.text : said.diagnostics).append(bytes, length);
    }
};

class Library : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(ringside::api::open_handle(module.opener(), &handle), 0);
        ASSERT_EQ(rs_load_vmm(handle), 0);
    }
    void TearDown() override { rs_close(handle); }

    std::string compiled(const char* script) {
        std::string blob(RS_MAX_ACTION_BYTES, '\0');
        size_t length = blob.size();
        EXPECT_EQ(rs_compile(handle, script, blob.data(), &length), 0) << rs_error_text();
        blob.resize(length);
        return blob;
    }

    /// A script event on the timer.
    std::uint64_t committed(const std::string& blob) {
        struct rs_event event;
        rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
        rs_event_vector(&event, kTimer);
        rs_event_cookie(&event, 0xc0de);
        rs_event_add_script(&event, blob.data(), blob.size());
        std::uint64_t tag = 0;
        EXPECT_EQ(rs_event_commit(handle, &event, &tag), 0) << rs_error_text();
        return tag;
    }

    ringside::test::EngineModule module;
    rs_handle* handle = nullptr;
};

TEST_F(Library, CountsAsTheSampleDoes) {
    struct rs_event event;
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_vector(&event, kTimer);
    rs_event_buffer(&event, 8);
    rs_event_add_code(&event, kIncrement, sizeof kIncrement);
    std::uint64_t tag = 0;
    ASSERT_EQ(rs_event_commit(handle, &event, &tag), 0) << rs_error_text();
    EXPECT_EQ(tag, RS_TAG_BASE);
    for (int tick = 0; tick < 5; ++tick)
        module.arrive(0, kTimer);
    module.arrive(1, 0x30);
    struct rs_stat stat;
    ASSERT_EQ(rs_event_stat(handle, tag, &stat), 0);
    EXPECT_EQ(stat.triggers_pre, 5u);
    EXPECT_EQ(stat.triggers_post, 0u);
    EXPECT_EQ(rs_event_clear(handle, tag), 0);
    EXPECT_EQ(rs_event_stat(handle, tag, &stat), static_cast<int>(RS_ERR_NO_SUCH_EVENT));
    EXPECT_EQ(errno, ENOENT);
}

TEST_F(Library, EnablesDisablesAndAsks) {
    const std::uint64_t tag = committed(compiled("print(1);"));
    int is_enabled = 7;
    EXPECT_EQ(rs_event_query(handle, tag, &is_enabled), 0);
    EXPECT_EQ(is_enabled, 1);
    EXPECT_EQ(rs_event_disable(handle, tag), 0);
    EXPECT_EQ(rs_event_query(handle, tag, &is_enabled), 0);
    EXPECT_EQ(is_enabled, 0);
    EXPECT_EQ(rs_event_enable(handle, tag), 0);
    EXPECT_EQ(rs_event_query(handle, tag, &is_enabled), 0);
    EXPECT_EQ(is_enabled, 1);
}

TEST_F(Library, HandsOutMessagesInOrder) {
    const std::uint64_t tag = committed(compiled("printf(\"core %x\\n\", $core);"));
    const struct rs_msg* message = nullptr;
    EXPECT_EQ(rs_msg_next(handle, &message, 0), ETIMEDOUT);
    EXPECT_EQ(message, nullptr);
    module.arrive(0, kTimer);
    module.arrive(1, kTimer);
    for (const char* expected : {"core 0\n", "core 1\n"}) {
        ASSERT_EQ(rs_msg_next(handle, &message, 2000), 0) << rs_error_text();
        EXPECT_EQ(message->kind, RS_MSG_TEXT);
        EXPECT_EQ(message->tag, tag);
        EXPECT_EQ(message->cookie, 0xc0deu);
        EXPECT_EQ(std::string(rs_msg_payload(message), message->len), expected);
    }
    EXPECT_EQ(rs_msg_next(handle, &message, 0), ETIMEDOUT);
}

TEST_F(Library, FlushDropsWhatNobodyHasRead) {
    committed(compiled("print(1);"));
    for (int tick = 0; tick < 3; ++tick)
        module.arrive(0, kTimer);
    std::uint64_t count = 0;
    EXPECT_EQ(rs_flush(handle, &count), 0);
    EXPECT_EQ(count, 3u);
    const struct rs_msg* message = nullptr;
    EXPECT_EQ(rs_msg_next(handle, &message, 0), ETIMEDOUT);
}

TEST_F(Library, ReportsTheFirstMistakeOfAnEvent) {
    struct rs_event event;
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    EXPECT_EQ(rs_event_vector(&event, 0x1f), static_cast<int>(RS_ERR_BAD_INTERRUPT_INDEX));
    EXPECT_EQ(rs_event_buffer(&event, RS_MAX_BUFFER_BYTES + 1),
              static_cast<int>(RS_ERR_BAD_INTERRUPT_INDEX));
    std::uint64_t tag = 0;
    EXPECT_EQ(rs_event_commit(handle, &event, &tag), static_cast<int>(RS_ERR_BAD_INTERRUPT_INDEX));
    EXPECT_EQ(errno, ERANGE);
    EXPECT_STREQ(rs_error_text(), rs_strerror(static_cast<int>(RS_ERR_BAD_INTERRUPT_INDEX)));
}

TEST_F(Library, ModuleRefusesWhatOnlyItCanTell) {
    struct rs_event event;
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_core(&event, 99);
    rs_event_add_code(&event, kIncrement, sizeof kIncrement);
    EXPECT_EQ(rs_event_commit(handle, &event, nullptr), static_cast<int>(RS_ERR_BAD_CORE));
    rs_event_core(&event, RS_ANY);
    EXPECT_EQ(rs_event_commit(handle, &event, nullptr), 0) << "the same event, put right";
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_sc(&event, 1);
    rs_event_stage(&event, RS_STAGE_POST);
    rs_event_add_code(&event, kIncrement, sizeof kIncrement);
    EXPECT_EQ(rs_event_commit(handle, &event, nullptr), static_cast<int>(RS_ERR_SC_NEEDS_PRE));
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_add_break(&event);
    EXPECT_EQ(rs_event_commit(handle, &event, nullptr),
              static_cast<int>(RS_ERR_BREAK_NEEDS_DEBUGGER));
}

TEST_F(Library, CompileSaysHowMuchRoomItTakesAndWhy) {
    size_t length = 0;
    char one = 0;
    EXPECT_EQ(rs_compile(handle, "print(1);", &one, &length), ENOSPC);
    EXPECT_GT(length, sizeof(rs_msg));
    EXPECT_EQ(rs_compile(nullptr, "print(", &one, &length), EINVAL);
    EXPECT_NE(std::string{rs_error_text()}.find("line 1"), std::string::npos) << rs_error_text();
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(Library, RunsCommandsOnItsOwnConnection) {
    Said said;
    EXPECT_EQ(rs_command(handle, "? print(1+2);\n!interrupt ec script { printf(\"tick\\n\"); }",
                         Said::sink, &said),
              0)
        << said.diagnostics;
    EXPECT_EQ(said.text, "3\n");
    module.arrive(0, kTimer);
    EXPECT_EQ(rs_command(handle, "sleep 20", Said::sink, &said), 0);
    EXPECT_NE(said.text.find("tick\n"), std::string::npos) << said.text;
    // The same tags and counters whoever registered (section 15's check).
    struct rs_stat stat;
    EXPECT_EQ(rs_event_stat(handle, RS_TAG_BASE, &stat), 0);
    EXPECT_EQ(stat.triggers_pre, 1u);
    // A message outside of rs_command() is rs_msg_next()'s.
    module.arrive(0, kTimer);
    const struct rs_msg* message = nullptr;
    ASSERT_EQ(rs_msg_next(handle, &message, 2000), 0);
    EXPECT_EQ(message->tag, RS_TAG_BASE);
}

TEST_F(Library, KeepsMessagesOfItsEventsWhileACommandRuns) {
    committed(compiled("printf(\"mine\");"));
    module.arrive(0, kTimer);
    Said said;
    EXPECT_EQ(rs_command(handle, "sleep 20", Said::sink, &said), 0);
    EXPECT_EQ(said.text, "");
    const struct rs_msg* message = nullptr;
    ASSERT_EQ(rs_msg_next(handle, &message, 0), 0);
    EXPECT_EQ(std::string(rs_msg_payload(message), message->len), "mine");
}

TEST_F(Library, CommandsThatFailSayWhyAndEndTheRest) {
    Said said;
    EXPECT_EQ(rs_command(handle, "nonsense\n? print(1);", Said::sink, &said), 1);
    EXPECT_NE(said.diagnostics.find("no such command: 'nonsense'"), std::string::npos);
    EXPECT_EQ(said.text, "");
    EXPECT_NE(std::string{rs_error_text()}.find("no such command"), std::string::npos);
    EXPECT_EQ(rs_command(handle, "!interrupt script {", nullptr, nullptr), 1);
    EXPECT_EQ(rs_command(handle, ".listen", Said::sink, &said), 1);
    EXPECT_EQ(rs_command(handle, "", nullptr, nullptr), 0);
}

TEST_F(Library, LoadingNeedsAllOthersClosed) {  // API-1
    rs_handle* other = nullptr;
    ASSERT_EQ(ringside::api::open_handle(module.opener(), &other), 0);
    EXPECT_EQ(rs_load_vmm(other), 0) << "it is there";
    EXPECT_EQ(rs_unload(other), static_cast<int>(RS_ERR_OTHER_CLIENTS));
    EXPECT_EQ(errno, EBUSY);
    rs_close(other);
    EXPECT_TRUE(module.is_loaded()) << "it was not the one who loaded";
    EXPECT_EQ(rs_unload(handle), 0);
    EXPECT_EQ(rs_unload(handle), static_cast<int>(RS_ERR_NOT_LOADED));
}

TEST_F(Library, ClosingUnloadsUnlessAnEventPersists) {
    struct rs_event event;
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_persist(&event);
    rs_event_add_code(&event, kIncrement, sizeof kIncrement);
    ASSERT_EQ(rs_event_commit(handle, &event, nullptr), 0);
    rs_close(handle);
    handle = nullptr;
    EXPECT_TRUE(module.is_loaded());
    ASSERT_EQ(ringside::api::open_handle(module.opener(), &handle), 0);
    int is_enabled = 0;
    EXPECT_EQ(rs_event_query(handle, RS_TAG_BASE, &is_enabled), 0);
    EXPECT_EQ(is_enabled, 1);
    ASSERT_EQ(rs_unload(handle), 0);
    ASSERT_EQ(rs_load_vmm(handle), 0);
    rs_close(handle);
    handle = nullptr;
    EXPECT_FALSE(module.is_loaded());
}

TEST(LibraryOpen, FailsWithoutADevice) {
    ringside::test::FakeModule module;
    module.fail_next_open(ENOENT);
    rs_handle* handle = nullptr;
    EXPECT_EQ(ringside::api::open_handle(module.opener(), &handle), ENOENT);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_NE(std::string{rs_error_text()}.find("cannot open"), std::string::npos);
    EXPECT_EQ(rs_close(nullptr), 0);
}

TEST(LibraryErrors, HaveASentence) {
    EXPECT_STREQ(rs_strerror(0), "success");
    EXPECT_STREQ(rs_strerror(static_cast<int>(RS_ERR_BAD_PID)), "no such process");
    EXPECT_STREQ(rs_strerror(ENOENT), "No such file or directory");
    EXPECT_STREQ(rs_strerror(123456), "unknown error");
}

// LIB-4
static_assert(!std::is_copy_constructible_v<ringside::Event>);
static_assert(std::is_nothrow_move_constructible_v<ringside::Event>);
static_assert(!std::is_copy_constructible_v<ringside::Connection>);
static_assert(std::is_move_constructible_v<ringside::Connection>);

class CppLibrary : public Library {
protected:
    ringside::Connection connection{ringside::Connection::adopt(nullptr)};
    void SetUp() override {
        Library::SetUp();
        connection = ringside::Connection::adopt(handle);
        handle = nullptr;  // TearDown: nothing left to close
    }
};

TEST_F(CppLibrary, ClearsAnEventWhenItGoes) {
    struct rs_stat stat;
    {
        ringside::Event event;
        event.vector(kTimer).add_code(std::as_bytes(std::span{kIncrement}));
        ASSERT_FALSE(event.commit(connection));
        EXPECT_EQ(event.commit(connection), std::errc::connection_already_in_progress);
        ringside::Event moved{std::move(event)};
        EXPECT_EQ(event.tag(), 0u);
        EXPECT_EQ(moved.tag(), RS_TAG_BASE);
        module.arrive(0, kTimer);
        std::error_code error;
        EXPECT_EQ(moved.stat(error).triggers_pre, 1u);
        EXPECT_FALSE(error);
    }
    EXPECT_EQ(rs_event_stat(connection.get(), RS_TAG_BASE, &stat),
              static_cast<int>(RS_ERR_NO_SUCH_EVENT));
}

TEST_F(CppLibrary, ErrorsCompareWithStandardConditions) {
    ringside::Event event;
    event.vector(0x100).add_code(std::as_bytes(std::span{kIncrement}));
    const std::error_code error = event.commit(connection);
    EXPECT_EQ(error, std::errc::result_out_of_range);
    EXPECT_EQ(error.message(), "vector must be 0x20 to 0xff");
    EXPECT_EQ(std::string{error.category().name()}, "ringside");
    ringside::Connection closed;
    EXPECT_EQ(closed.load(), std::errc::bad_file_descriptor);
}

TEST_F(CppLibrary, ScriptsMessagesAndCommands) {
    std::error_code error;
    const auto image = connection.compile("printf(\"hello\");", error);
    ASSERT_FALSE(error);
    ringside::Event event;
    ASSERT_FALSE(event.add_script(image).commit(connection));
    module.arrive(1, 0x55);
    const auto message = connection.next_message(std::chrono::seconds{2});
    ASSERT_TRUE(message);
    EXPECT_EQ(message.payload(), "hello");
    std::string text;
    EXPECT_FALSE(
        connection.command("? print(2*3);", [&](int, std::string_view bytes) { text += bytes; }));
    EXPECT_EQ(text, "6\n");
    EXPECT_EQ(connection.command("nonsense"), std::errc::operation_canceled);
}

TEST_F(Library, Assembles) {  // LIB-3
    unsigned char code[16];
    size_t length = sizeof code;
    ASSERT_EQ(rs_assemble(handle, "inc qword ptr [rcx]", code, &length), 0) << rs_error_text();
    ASSERT_EQ(length, sizeof kIncrement);
    EXPECT_EQ(std::string(code, code + length), std::string(kIncrement, kIncrement + length));
    length = 2;
    EXPECT_EQ(rs_assemble(nullptr, "inc qword ptr [rcx]", code, &length), ENOSPC);
    EXPECT_EQ(length, sizeof kIncrement);
    length = sizeof code;
    EXPECT_EQ(rs_assemble(handle, "mov rax, jiffies", code, &length), 0);
    EXPECT_EQ(length, 7u);
    EXPECT_EQ(rs_assemble(nullptr, "nop; mov rax, jiffies", code, &length), EINVAL);
    EXPECT_STREQ(rs_error_text(), "assembler: unknown symbol 'jiffies' at statement 2 (byte 14)");
}

}  // namespace
