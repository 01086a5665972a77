// SPDX-License-Identifier: GPL-3.0-or-later
// Conditions and custom code as the engine sees them, and safe buffers: specification section 4.
#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

using test::FakeCode;
using test::ScriptBuilder;

std::vector<rs_diagnostic> diagnostics(Fixture& fixture) {
    std::vector<rs_diagnostic> all;
    for (auto got = fixture.receive(); got.header.kind != 0; got = fixture.receive()) {
        if (got.header.kind != RS_MSG_DIAGNOSTIC)
            continue;
        std::memcpy(&all.emplace_back(), got.payload.data(), sizeof(rs_diagnostic));
    }
    return all;
}

u32 marks_of(Fixture& fixture, u64 tag) {
    rs_event_list header = {};
    alignas(8) u8 room[4096];
    EXPECT_TRUE(fixture.registry->list(header, room));
    for (u32 i = 0; i < header.count; ++i) {
        rs_event_entry entry;
        std::memcpy(&entry, room + i * sizeof entry, sizeof entry);  // no command texts here
        if (entry.tag == tag)
            return entry.marks;
    }
    ADD_FAILURE() << "no such event";
    return 0;
}

TEST(Code, RunsWithItsContextAndAnAppendedRet_CTX1_CTX5) {
    for (const auto view : {Fixture::View::kOne, Fixture::View::kTwo}) {
        Fixture fixture{2, view};
        fixture.add(ImageBuilder{}.vector(0x33).condition({0x90, 0x91}).code({0x92}));
        fixture.arrive(1, 0x33);
        ASSERT_EQ(fixture.code.calls.size(), 2u);
        const FakeCode::Call& condition = fixture.code.calls[0];
        EXPECT_EQ(condition.bytes, (std::vector<u8>{0x90, 0x91, 0xc3}));
        EXPECT_TRUE(condition.is_condition);
        EXPECT_EQ(condition.context, 0x33u);
        const FakeCode::Call& action = fixture.code.calls[1];
        EXPECT_EQ(action.bytes, (std::vector<u8>{0x92, 0xc3}));
        EXPECT_FALSE(action.is_condition);
        EXPECT_EQ(action.context, 0x33u);
        EXPECT_EQ(action.buffer, 0u);
    }
}

TEST(Code, TheConditionGatesScriptsAndCodeAlike_EVT17) {
    Fixture fixture;
    const u64 tag =
        fixture.add(ImageBuilder{}.condition({FakeCode::kZero}).script(printing("s")).code({0x90}));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "");
    EXPECT_EQ(fixture.code.calls.size(), 1u);
    EXPECT_EQ(fixture.stat(tag).condition_false, 1u);
    EXPECT_EQ(fixture.stat(tag).triggers_pre, 0u);
}

TEST(Code, ActionsRunInTheOrderWritten_INT17) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.script(printing("a")).code({0x90}).script(printing("b")));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.texts(), "a|b|");
    EXPECT_EQ(fixture.code.calls.size(), 1u);
}

TEST(Code, AFaultDisablesTheEventAndIsReportedOnce_CTX9) {
    Fixture fixture;
    const u64 tag =
        fixture.add(ImageBuilder{}.code({FakeCode::kBadAddress, 0, 0}).script(printing("behind")));
    fixture.arrive(0, 0x25);
    const auto said = diagnostics(fixture);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].kind, u32{RS_DIAG_CODE});
    EXPECT_EQ(said[0].code, 14u);
    EXPECT_EQ(said[0].action, 0u);
    EXPECT_EQ(said[0].pc, 2u);
    EXPECT_EQ(said[0].value, 0x1234u);
    EXPECT_EQ(said[0].disabled, 1u);
    EXPECT_EQ(marks_of(fixture, tag), RS_MARK_FAULTED);
    EXPECT_EQ(fixture.stat(tag).code_faults, 1u);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), 1u) << "disabled";
    fixture.adopt_all();
    EXPECT_FALSE(fixture.core(0).wants_interrupts);
    fixture.modify(tag, RS_MODIFY_ENABLE);  // EVT-5
    EXPECT_EQ(marks_of(fixture, tag), 0u);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), 2u);
}

TEST(Code, AFaultInTheConditionCountsAsFalse_CTX9) {
    Fixture fixture;
    const u64 tag =
        fixture.add(ImageBuilder{}.condition({FakeCode::kBreakpoint}).script(printing("no")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
    const auto said = diagnostics(fixture);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].code, 3u);
    EXPECT_EQ(said[0].action, RS_DIAG_CONDITION);
    EXPECT_EQ(fixture.stat(tag).triggers_pre, 0u);
}

TEST(Code, AFaultInAShortCircuitingConditionDelivers_D6) {
    Fixture fixture;
    fixture.add(ImageBuilder{}
                    .flags(RS_EVF_SHORT_CIRCUIT)
                    .condition({FakeCode::kBreakpoint})
                    .script(printing("no")));
    EXPECT_EQ(fixture.arrive(0, 0x25), Verdict::kDeliver);
}

TEST(Code, ATimeoutIsToldAsOne_CTX10) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.code({FakeCode::kLoop, 0xfe}));
    fixture.arrive(0, 0x25);
    const auto said = diagnostics(fixture);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].code, RS_CODE_TIMEOUT);
    EXPECT_EQ(said[0].disabled, 1u);
}

TEST(Buffer, IsOneAnEventZeroAtFirst_EVT16) {
    Fixture fixture;
    const auto counting =
        ScriptBuilder{}.op(RS_OP_READ_PSEUDO, 0, RS_PSEUDO_BUFFER).printf("%llx", 1);
    fixture.add(ImageBuilder{}.buffer(0x100).code({0x90}).script(counting).script(counting));
    fixture.arrive(0, 0x25);
    fixture.arrive(1, 0x25);
    ASSERT_EQ(fixture.code.calls.size(), 2u);
    const u64 buffer = fixture.code.calls[0].buffer;
    ASSERT_NE(buffer, 0u);
    EXPECT_EQ(fixture.code.calls[1].buffer, buffer) << "shared by the cores";
    char text[32];
    std::snprintf(text, sizeof text, "%llx|", static_cast<unsigned long long>(buffer));
    EXPECT_EQ(fixture.texts(), std::string(text) + text + text + text);
    const auto* const bytes = reinterpret_cast<const u8*>(buffer);
    EXPECT_EQ(std::count(bytes, bytes + 0x100, 0), 0x100);
}

TEST(Buffer, TwoEventsHaveTwo) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.buffer(8).code({0x90}));
    fixture.add(ImageBuilder{}.buffer(8).code({0x90}));
    fixture.add(ImageBuilder{}.code({0x90}));
    fixture.arrive(0, 0x25);
    ASSERT_EQ(fixture.code.calls.size(), 3u);
    EXPECT_NE(fixture.code.calls[0].buffer, fixture.code.calls[1].buffer);
    EXPECT_EQ(fixture.code.calls[2].buffer, 0u);
}

TEST(Buffer, ItsAddressAsResultSendsItsContent_CTX11) {
    for (const auto view : {Fixture::View::kOne, Fixture::View::kTwo}) {
        Fixture fixture{1, view};
        const u64 tag = fixture.add(ImageBuilder{}.buffer(0x1008).code({FakeCode::kBuffer}));
        fixture.arrive(0, 0x25);
        auto* const buffer = reinterpret_cast<u8*>(fixture.code.calls[0].buffer);
        for (u32 i = 0; i < 0x1008; ++i)
            buffer[i] = u8(i * 7);
        while (fixture.receive().header.kind != 0) {
        }
        fixture.arrive(0, 0x25);
        const auto first = fixture.receive();
        EXPECT_EQ(first.header.kind, RS_MSG_BINARY);
        EXPECT_EQ(first.header.tag, tag);
        EXPECT_EQ(first.header.flags, RS_MSGF_MORE);
        EXPECT_EQ(first.header.len, RS_MAX_MESSAGE_BYTES);
        const auto second = fixture.receive();
        EXPECT_EQ(second.header.kind, RS_MSG_BINARY);
        EXPECT_EQ(second.header.flags, 0);
        EXPECT_EQ(first.payload + second.payload,
                  std::string(reinterpret_cast<const char*>(buffer), 0x1008));
        EXPECT_EQ(fixture.receive().header.kind, 0);
    }
}

TEST(Buffer, NoneMeansNothingIsSent) {
    Fixture fixture;
    fixture.add(ImageBuilder{}.code({FakeCode::kBuffer}));  // returns 0
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.receive().header.kind, 0);
}

TEST(Registration, LeaksNothingWhenMemoryEndsAnywhere) {
    const auto image =
        ImageBuilder{}.buffer(8).command("x").condition({0x90}).code({0x90}).script(printing("s"));
    for (int count = 0;; ++count) {
        Fixture fixture;
        const usize before = fixture.memory.live_blocks();
        fixture.memory.fail_after(count);
        const auto tag = fixture.registry->add(image.build(), Fixture::kClient);
        fixture.memory.fail_after(-1);
        if (tag)
            break;
        EXPECT_TRUE(tag.error().code == RS_ERR_CANNOT_CREATE ||
                    tag.error().code == RS_ERR_NO_BUFFER_MEMORY);
        EXPECT_EQ(fixture.memory.live_blocks(), before) << count;
        EXPECT_EQ(fixture.add(ImageBuilder{}.script(printing("s"))), RS_TAG_BASE) << "id consumed";
        ASSERT_LT(count, 50);
    }
}

/// The image of RS_IOC_ADD_ACTION.
std::vector<u8> action_image(u64 tag, u32 type, std::vector<u8> payload, u32 instructions = 0) {
    rs_action header = {};
    header.size = sizeof header;
    header.action_type = type;
    header.flags = RS_ACTF_IMMEDIATE;
    header.payload_len = static_cast<u32>(payload.size());
    header.script_pointer = instructions;
    header.event_tag = tag;
    payload.resize(align_up(payload.size(), 8));
    std::vector<u8> image(sizeof header);
    std::memcpy(image.data(), &header, sizeof header);
    image.insert(image.end(), payload.begin(), payload.end());
    return image;
}

TEST(AddAction, TheFirstEnablesTheEvent_API9) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{});
    EXPECT_EQ(marks_of(fixture, tag), RS_MARK_NO_ACTION);
    fixture.arrive(0, 0x25);
    EXPECT_TRUE(fixture.registry->add_action(action_image(tag, RS_ACT_CODE, {0x90})));
    EXPECT_EQ(marks_of(fixture, tag), 0u);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), 1u);
    const auto script = printing("added");
    EXPECT_TRUE(fixture.registry->add_action(
        action_image(tag, RS_ACT_SCRIPT, script.build(), script.instruction_count())));
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), 2u);
    EXPECT_EQ(fixture.texts(), "added|");
}

TEST(AddAction, AnEventThatStartsDisabledStaysSo) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.flags(RS_EVF_START_DISABLED));
    EXPECT_TRUE(fixture.registry->add_action(action_image(tag, RS_ACT_CODE, {0x90})));
    fixture.arrive(0, 0x25);
    EXPECT_TRUE(fixture.code.calls.empty());
    fixture.modify(tag, RS_MODIFY_ENABLE);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), 1u);
}

TEST(AddAction, RefusesWhatItCannotAdd) {
    Fixture fixture;
    const u64 tag = fixture.add(ImageBuilder{}.code({0x90}));
    const auto refusal = [&](const std::vector<u8>& image) {
        const auto added = fixture.registry->add_action(image);
        return added ? RS_OK : added.error().code;
    };
    EXPECT_EQ(refusal(action_image(tag + 1, RS_ACT_CODE, {0x90})), RS_ERR_NO_SUCH_EVENT);
    EXPECT_EQ(refusal(action_image(tag, RS_ACT_BREAK, {})), RS_ERR_BREAK_NEEDS_DEBUGGER);
    EXPECT_EQ(refusal(action_image(tag, RS_ACT_CODE, {})), RS_ERR_BAD_ACTION);
    EXPECT_EQ(refusal(action_image(tag, 9, {1})), RS_ERR_BAD_ACTION_TYPE);
    EXPECT_EQ(refusal(action_image(tag, RS_ACT_SCRIPT, {1, 2, 3})), RS_ERR_BAD_ACTION);
    auto longer = action_image(tag, RS_ACT_CODE, {0x90});
    longer.resize(longer.size() + 8);
    EXPECT_EQ(refusal(longer), RS_ERR_BAD_IMAGE);
    auto shorter = action_image(tag, RS_ACT_CODE, {0x90});
    shorter.resize(shorter.size() - 8);
    EXPECT_EQ(refusal(shorter), RS_ERR_BAD_IMAGE);
    for (u32 i = 1; i < RS_MAX_ACTIONS; ++i)
        EXPECT_EQ(refusal(action_image(tag, RS_ACT_CODE, {0x90})), RS_OK);
    EXPECT_EQ(refusal(action_image(tag, RS_ACT_CODE, {0x90})), RS_ERR_TOO_MANY_ACTIONS);
    fixture.arrive(0, 0x25);
    EXPECT_EQ(fixture.code.calls.size(), u32{RS_MAX_ACTIONS});
}

}  // namespace
}  // namespace ringside::event
