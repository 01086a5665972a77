// SPDX-License-Identifier: GPL-3.0-or-later
// Builtins through the VM: strings, copies, locks, printing, script memory.
#include <gtest/gtest.h>

#include <memory>

#include "script/globals.hpp"
#include "script/script_memory.hpp"
#include "script/verifier.hpp"
#include "script/vm.hpp"
#include "support/program_builder.hpp"
#include "support/script_guest.hpp"

namespace ringside::script {
namespace {

using test::ProgramBuilder;

constexpr u64 kPage = 0x10000;  ///< "ringside" lies here
constexpr u64 kEdge = 0x20ffc;  ///< four letters up to the end of the mapped page
constexpr u64 kReadOnly = 0x40000;
constexpr u64 kNowhere = 0x1234;

class Builtins : public testing::Test {
protected:
    Builtins() {
        guest_.map(kPage, "ringside");
        std::vector<u8> edge(0x1000);
        std::memcpy(edge.data() + 0xffc, "abcd", 4);
        guest_.map(0x20000, edge);
        guest_.map(kReadOnly, std::vector<u8>(16, 'r'), false);
    }

    RunResult run(const ProgramBuilder& builder) {
        image_ = builder.build();
        const VerifyResult verdict = verify(image_, {});
        EXPECT_TRUE(verdict) << rule_text(verdict.rule);
        EXPECT_TRUE(link(image_, *table_));
        return script::run(ProgramView{image_.data()}, *frame_, context_, guest_, hooks_,
                           {slots_.data(), table_->count()});
    }
    /// Calls with arguments in r1, r2, r3; the value is in r0.
    RunResult call(rs_script_builtin builtin, u64 a = 0, u64 b = 0, u64 c = 0) {
        return run(ProgramBuilder{}
                       .load(1, a)
                       .load(2, b)
                       .load(3, c)
                       .op(RS_OP_CALL_BUILTIN, 0, 1, builtin)
                       .op(RS_OP_RETURN));
    }
    u64 value(rs_script_builtin builtin, u64 a = 0, u64 b = 0, u64 c = 0) {
        const RunResult result = call(builtin, a, b, c);
        EXPECT_EQ(result.error, RS_SCRIPT_OK) << error_text(result.error);
        return frame_->registers[0];
    }
    /// What a printf prints with one argument.
    std::string printed(const std::string& format, u64 argument) {
        ProgramBuilder builder;
        const u32 index = builder.string(format);
        hooks_.text.clear();
        result_ = run(builder.load(0, argument).op(RS_OP_PRINTF, 0, 1, index).op(RS_OP_RETURN));
        return hooks_.text;
    }

    std::unique_ptr<GlobalTable> table_ = std::make_unique<GlobalTable>();
    std::vector<u64> slots_ = std::vector<u64>(RS_SCRIPT_MAX_GLOBALS);
    std::unique_ptr<Frame> frame_ = std::make_unique<Frame>();
    std::vector<u8> image_;
    RunContext context_;
    RunResult result_;
    test::ScriptGuest guest_;
    test::RecordingHooks hooks_;
};

TEST_F(Builtins, MeasureStrings) {
    EXPECT_EQ(value(RS_BUILTIN_STRLEN, kPage), 8u);
    EXPECT_EQ(value(RS_BUILTIN_STRLEN, kEdge), 0u) << "runs into an unmapped page";
    EXPECT_EQ(value(RS_BUILTIN_STRLEN, kNowhere), 0u);
    guest_.map(0x50000, std::string{"a\0b\0\0\0", 6});
    EXPECT_EQ(value(RS_BUILTIN_WCSLEN, 0x50000), 2u);
    guest_.map(0x100000, std::vector<u8>(0x20000, 'x'));
    EXPECT_EQ(value(RS_BUILTIN_STRLEN, 0x100000), 0x10000u) << "the most that is read";
}

TEST_F(Builtins, CompareStringsAndMemory) {
    guest_.map(0x50000, "ringsidf");
    EXPECT_EQ(value(RS_BUILTIN_STRCMP, kPage, kPage), 0u);
    EXPECT_EQ(value(RS_BUILTIN_STRCMP, kPage, 0x50000), static_cast<u64>(-1));
    EXPECT_EQ(value(RS_BUILTIN_STRCMP, 0x50000, kPage), 1u);
    EXPECT_EQ(value(RS_BUILTIN_STRCMP, kPage, kNowhere), 2u);
    EXPECT_EQ(value(RS_BUILTIN_STRNCMP, kPage, 0x50000, 7), 0u);
    EXPECT_EQ(value(RS_BUILTIN_STRNCMP, kPage, 0x50000, 8), static_cast<u64>(-1));
    EXPECT_EQ(value(RS_BUILTIN_MEMCMP, kPage, 0x50000, 7), 0u);
    EXPECT_EQ(value(RS_BUILTIN_MEMCMP, 0x50000, kPage, 8), 1u);
    EXPECT_EQ(value(RS_BUILTIN_MEMCMP, kEdge, kEdge, 4), 0u);
    EXPECT_EQ(value(RS_BUILTIN_MEMCMP, kEdge, kEdge, 5), 2u);
    EXPECT_EQ(value(RS_BUILTIN_WCSCMP, kPage, 0x50000), static_cast<u64>(-1));
    EXPECT_EQ(value(RS_BUILTIN_WCSNCMP, kPage, 0x50000, 3), 0u);
    EXPECT_EQ(call(RS_BUILTIN_MEMCMP, kPage, kPage, 0x10001).error, RS_SCRIPT_LENGTH);
}

TEST_F(Builtins, CopyMemoryThatOverlaps) {
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage + 2, kPage, 8).error, RS_SCRIPT_OK);
    EXPECT_EQ(std::string(guest_.area(kPage).begin(), guest_.area(kPage).begin() + 10),
              "riringside");
    guest_.map(0x100000, std::vector<u8>(0x4000));
    for (usize i = 0; i < 0x3000; ++i)
        guest_.area(0x100000)[i] = static_cast<u8>(i % 251);
    const std::vector<u8> before = guest_.area(0x100000);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, 0x100800, 0x100000, 0x3000).error, RS_SCRIPT_OK);
    EXPECT_TRUE(
        std::equal(before.begin(), before.begin() + 0x3000, guest_.area(0x100000).begin() + 0x800));
}

TEST_F(Builtins, CopyNothingWhenAnyOfItIsBad) {
    const std::vector<u8> before = guest_.area(kPage);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage, kEdge, 5).error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kReadOnly, kPage, 4).error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kEdge, kPage, 5).error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage, kPage, 0).error, RS_SCRIPT_LENGTH);
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage, ~u64{0} - 2, 8).error, RS_SCRIPT_INVALID_ADDRESS);
    context_.in_event = true;
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage, kPage, 0x10001).error, RS_SCRIPT_LENGTH);
    EXPECT_EQ(guest_.area(kPage), before);
    EXPECT_EQ(guest_.area(0x20000)[0xffc], 'a');
}

TEST_F(Builtins, CopyPhysicalMemory) {
    guest_.physical_offset = kPage;
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY_PA, 0x20, 0, 8).error, RS_SCRIPT_OK);
    EXPECT_EQ(guest_.area(kPage)[0x20], 'r');
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY_PA, 0x7000'0000, 0, 8).error, RS_SCRIPT_INVALID_ADDRESS);
}

TEST_F(Builtins, TranslateAddresses) {
    guest_.physical_offset = 0x8000;
    EXPECT_EQ(value(RS_BUILTIN_VIRTUAL_TO_PHYSICAL, kPage), kPage - 0x8000);
    EXPECT_EQ(value(RS_BUILTIN_VIRTUAL_TO_PHYSICAL, kNowhere), 0u);
    EXPECT_EQ(value(RS_BUILTIN_PHYSICAL_TO_VIRTUAL, 0x8000), kPage);
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, kPage), 1u);
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, kNowhere), 0u);
}

TEST_F(Builtins, InterlockedOperationsOnGuestMemory) {
    guest_.map(0x50000, std::vector<u8>{5, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_INCREMENT, 0x50000), 6u);
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_DECREMENT, 0x50000), 5u);
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_EXCHANGE, 0x50000, 9), 5u);
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_EXCHANGE_ADD, 0x50000, 2), 9u);
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_COMPARE_EXCHANGE, 0x50000, 1, 7), 11u);
    EXPECT_EQ(value(RS_BUILTIN_INTERLOCKED_COMPARE_EXCHANGE, 0x50000, 1, 11), 11u);
    EXPECT_EQ(guest_.area(0x50000)[0], 1u);
    EXPECT_EQ(call(RS_BUILTIN_INTERLOCKED_INCREMENT, 0x50001).error, RS_SCRIPT_MISALIGNED);
    EXPECT_EQ(call(RS_BUILTIN_INTERLOCKED_INCREMENT, kReadOnly).error, RS_SCRIPT_INVALID_ADDRESS);
}

TEST_F(Builtins, WaitForALockOnlySoLong) {
    guest_.map(0x50000, std::vector<u8>{1, 0, 0, 0});
    context_.lock_limit_ticks = 10;
    const RunResult limit = call(RS_BUILTIN_SPINLOCK_LOCK, 0x50000);
    EXPECT_EQ(limit.error, RS_SCRIPT_LOCK_LIMIT);
    EXPECT_EQ(limit.value, 0x50000u);
    EXPECT_EQ(guest_.area(0x50000)[0], 1u) << "another's lock is not released";
    context_.lock_limit_ticks = ~u64{0};
    context_.deadline_tsc = guest_.clock + 10;
    EXPECT_EQ(call(RS_BUILTIN_SPINLOCK_LOCK_CUSTOM_WAIT, 0x50000, 4).error, RS_SCRIPT_TIME);
}

TEST_F(Builtins, KeepLocksOfARunThatEndsAndReleaseThoseOfOneThatFails) {
    guest_.map(0x50000, std::vector<u8>(8));
    EXPECT_EQ(call(RS_BUILTIN_SPINLOCK_LOCK, 0x50000).error, RS_SCRIPT_OK);
    EXPECT_EQ(guest_.area(0x50000)[0], 1u);
    EXPECT_EQ(call(RS_BUILTIN_SPINLOCK_UNLOCK, 0x50000).error, RS_SCRIPT_OK);
    EXPECT_EQ(guest_.area(0x50000)[0], 0u);
    const RunResult failed = run(ProgramBuilder{}
                                     .load(1, 0x50000)
                                     .op(RS_OP_CALL_BUILTIN, 0, 1, RS_BUILTIN_SPINLOCK_LOCK)
                                     .op(RS_OP_DIV_U, 0, 0, 2)
                                     .op(RS_OP_RETURN));
    EXPECT_EQ(failed.error, RS_SCRIPT_DIVISION_BY_ZERO);
    EXPECT_EQ(guest_.area(0x50000)[0], 0u);
}

TEST_F(Builtins, PrintAndRecordValues) {
    const RunResult result = call(RS_BUILTIN_PRINT, 0xbeef);
    EXPECT_EQ(hooks_.text, "beef\n");
    EXPECT_TRUE(result.has_value);
    EXPECT_EQ(result.last_value, 0xbeefu);
    EXPECT_EQ(call(RS_BUILTIN_TEST_STATEMENT, 7).last_value, 7u);
    EXPECT_FALSE(call(RS_BUILTIN_RDTSC).has_value);
    EXPECT_GT(frame_->registers[0], 0u);
}

TEST_F(Builtins, ReachTheEvents) {
    call(RS_BUILTIN_EVENT_ENABLE, 3);
    call(RS_BUILTIN_EVENT_DISABLE, 4);
    call(RS_BUILTIN_EVENT_CLEAR, 5);
    call(RS_BUILTIN_EVENT_SC, 9);
    call(RS_BUILTIN_EVENT_SC, 0);
    EXPECT_EQ(hooks_.calls,
              (std::vector<std::string>{"enable 3", "disable 4", "clear 5", "sc 1", "sc 0"}));
}

TEST_F(Builtins, PrintText) {
    EXPECT_EQ(printed("<%s>", kPage), "<ringside>");
    EXPECT_EQ(printed("<%10s>", kPage), "<  ringside>");
    EXPECT_EQ(printed("<%-10s>", kPage), "<ringside  >");
    EXPECT_EQ(printed("<%.4s>", kPage), "<ring>");
    EXPECT_EQ(printed("<%c>", 'x'), "<x>");
    EXPECT_EQ(printed("<%s>", kEdge), "<abcd>") << "up to the unreadable page";
    guest_.map(0x50000, std::string{"w\0\xe9\0\0\0", 6});
    EXPECT_EQ(printed("<%ws>", 0x50000), "<w?>");
}

TEST_F(Builtins, PrintNothingWhenATextIsUnreadable) {
    EXPECT_EQ(printed("before %s", kNowhere), "");
    EXPECT_EQ(result_.error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(result_.value, kNowhere);
}

TEST_F(Builtins, CutLongText) {
    guest_.map(0x100000, std::vector<u8>(0x2000, 'x'));
    const std::string text = printed("%s", 0x100000);
    EXPECT_EQ(text.size(), RS_SCRIPT_MAX_TEXT_BYTES);
    EXPECT_EQ(text.substr(text.size() - 4), "x...");
    EXPECT_GT(result_.operations, RS_SCRIPT_MAX_TEXT_BYTES / 16);
}

TEST_F(Builtins, AddressesOfScriptObjectsAreChecked) {
    ProgramBuilder builder;
    const u32 g = builder.global("g");
    const u32 text = builder.string("text");
    const RunResult result = run(builder.op(RS_OP_ADDRESS_GLOBAL, 1, g)
                                     .set(0, 0x77)
                                     .op(RS_OP_EDIT32, 2, 1, 0)
                                     .op(RS_OP_ADDRESS_LOCAL, 3, 0)
                                     .op(RS_OP_LOAD64, 4, 3)
                                     .op(RS_OP_ADDRESS_STRING, 5, text)
                                     .op(RS_OP_LOAD32, 6, 5)
                                     .op(RS_OP_EDIT8, 7, 5, 0)
                                     .op(RS_OP_RETURN));
    EXPECT_EQ(result.error, RS_SCRIPT_OK);
    EXPECT_EQ(slots_[0], 0x77u);
    EXPECT_EQ(frame_->registers[4], 0x77u);
    EXPECT_EQ(frame_->registers[6], 0x7478'6574u) << "text";
    EXPECT_EQ(frame_->registers[7], 0u) << "strings are read only";

    const u64 local = frame_->registers[3];
    EXPECT_EQ(call(RS_BUILTIN_MEMCPY, kPage, local, 8).error, RS_SCRIPT_DEAD_VARIABLE);
    const u64 beyond = window_address(RS_WINDOW_GLOBAL, 0, 8);
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, beyond), 0u) << "only one global exists";
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, beyond - 1), 1u);
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, window_address(RS_WINDOW_GLOBAL, 1, 0)), 0u);
    EXPECT_EQ(value(RS_BUILTIN_CHECK_ADDRESS, u64{0x5c52} << 48), 0u);
}

TEST_F(Builtins, InjectWhatExists_EVT10_EVT11) {
    struct Row {
        u64 type, vector;
        bool has_code;
        bool is_valid;
    };
    const Row rows[] = {
        {0, 0x20, false, true},   {0, 0xff, false, true},  {0, 0x1f, false, false},
        {0, 0x100, false, false}, {0, 0x25, true, false},  {1, 0x25, false, false},
        {2, 2, false, true},      {2, 3, false, false},    {3, 3, false, true},
        {3, 14, true, true},      {3, 14, false, false},   {3, 6, true, false},
        {3, 2, false, false},     {3, 0x20, false, false}, {4, 0x80, false, true},
        {4, 0x80, true, false},   {5, 1, false, true},     {5, 3, false, false},
        {6, 3, false, true},      {6, 4, false, true},     {6, 5, false, false},
        {7, 3, false, false},     {8, 3, false, false},
    };
    for (const Row& row : rows) {
        guest_.injections.clear();
        const RunResult result =
            call(row.has_code ? RS_BUILTIN_EVENT_INJECT_ERROR_CODE : RS_BUILTIN_EVENT_INJECT,
                 row.type, row.vector, 6);
        EXPECT_EQ(result.error, row.is_valid ? RS_SCRIPT_OK : RS_SCRIPT_INJECTION)
            << row.type << " " << row.vector;
        ASSERT_EQ(guest_.injections.size(), row.is_valid ? 1u : 0u) << row.type << row.vector;
        if (!row.is_valid)
            continue;
        EXPECT_EQ(guest_.injections[0].type, row.type);
        EXPECT_EQ(guest_.injections[0].vector, row.vector);
        EXPECT_EQ(guest_.injections[0].has_error_code, row.has_code);
        EXPECT_EQ(guest_.injections[0].error_code, row.has_code ? 6u : 0u);
    }
}

TEST_F(Builtins, InjectFailsWhenTooManyWait) {
    guest_.most_injections = 1;
    EXPECT_EQ(call(RS_BUILTIN_EVENT_INJECT, 3, 3).error, RS_SCRIPT_OK);
    EXPECT_EQ(call(RS_BUILTIN_EVENT_INJECT, 3, 3).error, RS_SCRIPT_INJECTION);
}

}  // namespace
}  // namespace ringside::script
