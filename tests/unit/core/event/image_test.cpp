// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/image.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "unit/core/event/fixture.hpp"

namespace ringside::event {
namespace {

rs_error parse(const std::vector<u8>& image) {
    Registration registration;
    const auto result = parse_registration(image, registration);
    return result ? RS_OK : result.error().code;
}

ImageBuilder good() {
    return ImageBuilder{}.script(printing("x")).command("!interrupt 25");
}

TEST(Image, GivesBackWhatWasAsked) {
    ImageBuilder builder = good();
    builder.script(printing("second")).pid(490).core(2).flags(RS_EVF_PERSIST);
    builder.actions[1].flags = RS_ACTF_IMMEDIATE;
    builder.detail.output_count = 2;
    builder.detail.output_tag[0] = 5;
    builder.detail.output_tag[1] = 6;
    const auto image = builder.build();
    Registration registration;
    ASSERT_TRUE(parse_registration(image, registration));
    EXPECT_EQ(registration.detail.optional_param[0], 0x25u);
    EXPECT_EQ(registration.detail.process_id, 490u);
    EXPECT_EQ(registration.detail.core_id, 2u);
    EXPECT_EQ(registration.detail.flags, RS_EVF_PERSIST);
    EXPECT_EQ(registration.detail.stage, static_cast<u32>(RS_STAGE_PRE));
    EXPECT_EQ(registration.detail.output_tag[1], 6u);
    ASSERT_EQ(registration.detail.action_count, 2u);
    const auto second = printing("second").build();
    EXPECT_EQ(std::vector<u8>(registration.actions[1].payload.begin(),
                              registration.actions[1].payload.end()),
              second);
    EXPECT_EQ(registration.actions[1].header.flags, RS_ACTF_IMMEDIATE);
    EXPECT_EQ(std::string(registration.command.begin(), registration.command.end()),
              "!interrupt 25");
}

TEST(Image, AcceptsTheEdgesOfEachLimit) {
    const std::function<void(ImageBuilder&)> changes[] = {
        [](ImageBuilder& b) { b.vector(RS_VECTOR_FIRST); },
        [](ImageBuilder& b) { b.vector(RS_VECTOR_LAST); },
        [](ImageBuilder& b) { b.vector(RS_VECTOR_ALL); },
        [](ImageBuilder& b) { b.detail.stage = RS_STAGE_PRE; },
        [](ImageBuilder& b) { b.command(std::string(RS_MAX_COMMAND_BYTES, 'c')); },
        [](ImageBuilder& b) { b.command(""); },
        [](ImageBuilder& b) { b.detail.output_count = RS_MAX_OUTPUTS; },
        [](ImageBuilder& b) {
            while (b.actions.size() < RS_MAX_ACTIONS)
                b.action(RS_ACT_SCRIPT, std::vector<u8>(RS_MAX_ACTION_BYTES), 1);
        },
        [](ImageBuilder& b) { b.stage(RS_STAGE_POST); },
        [](ImageBuilder& b) { b.stage(RS_STAGE_ALL); },
        [](ImageBuilder& b) { b.flags(RS_EVF_SHORT_CIRCUIT); },
        [](ImageBuilder& b) { b.buffer(RS_MAX_BUFFER_BYTES); },
        [](ImageBuilder& b) { b.condition_of(RS_MAX_CONDITION_BYTES); },
        [](ImageBuilder& b) {
            b.code({0x90, 0x90, 0x90});
        },
        [](ImageBuilder& b) { b.vector(0x1f).detail.event_type = RS_EVENT_EXCEPTION; },
        [](ImageBuilder& b) { b.vector(RS_VECTOR_ALL).detail.event_type = RS_EVENT_EXCEPTION; },
        [](ImageBuilder& b) { b.detail.tag = b.detail.event_id = b.detail.error = 77; },
    };
    for (usize i = 0; i < std::size(changes); ++i) {
        ImageBuilder builder = good();
        changes[i](builder);
        EXPECT_EQ(parse(builder.build()), RS_OK) << i;
    }
    EXPECT_EQ(parse(ImageBuilder{}.build()), RS_OK) << "no action at all";
}

TEST(Image, RefusesWhatTheTableOfErrorsNames) {
    const struct {
        const char* name;
        rs_error code;
        std::function<void(ImageBuilder&)> change;
    } rows[] = {
        {"abi", RS_ERR_ABI_MISMATCH, [](auto& b) { b.detail.abi = RS_ABI_VERSION + 1; }},
        {"exception 0x20", RS_ERR_BAD_EXCEPTION_INDEX,
         [](auto& b) { b.vector(0x20).detail.event_type = RS_EVENT_EXCEPTION; }},
        {"type 0", RS_ERR_BAD_EVENT_TYPE, [](auto& b) { b.detail.event_type = 0; }},
        {"vector 0x1f", RS_ERR_BAD_INTERRUPT_INDEX, [](auto& b) { b.vector(0x1f); }},
        {"vector 0", RS_ERR_BAD_INTERRUPT_INDEX, [](auto& b) { b.vector(0); }},
        {"vector 0x100", RS_ERR_BAD_INTERRUPT_INDEX, [](auto& b) { b.vector(0x100); }},
        {"vector -1", RS_ERR_BAD_INTERRUPT_INDEX, [](auto& b) { b.vector(~u64{0}); }},
        {"vector and bit 32", RS_ERR_BAD_INTERRUPT_INDEX,
         [](auto& b) { b.vector(u64{1} << 32 | 0x25); }},
        {"second parameter", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.optional_param[1] = 1; }},
        {"last parameter", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.optional_param[5] = 1; }},
        {"stage 4", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.stage = 4; }},
        {"unknown flag", RS_ERR_BAD_IMAGE, [](auto& b) { b.flags(8); }},
        {"sc on stage post", RS_ERR_SC_NEEDS_PRE,
         [](auto& b) { b.flags(RS_EVF_SHORT_CIRCUIT).detail.stage = RS_STAGE_POST; }},
        {"sc on stage all", RS_ERR_SC_NEEDS_PRE,
         [](auto& b) { b.flags(RS_EVF_SHORT_CIRCUIT).detail.stage = RS_STAGE_ALL; }},
        {"buffer too large", RS_ERR_BUFFER_TOO_LARGE,
         [](auto& b) { b.detail.safe_buffer_len = RS_MAX_BUFFER_BYTES + 1; }},
        {"condition too large", RS_ERR_CONDITION_TOO_LARGE,
         [](auto& b) { b.condition_of(RS_MAX_CONDITION_BYTES + 1); }},
        {"command too large", RS_ERR_COMMAND_TOO_LARGE,
         [](auto& b) { b.command(std::string(RS_MAX_COMMAND_BYTES + 1, 'c')); }},
        {"17 actions", RS_ERR_BAD_IMAGE,
         [](auto& b) {
             while (b.actions.size() <= RS_MAX_ACTIONS)
                 b.script(printing("x"));
         }},
        {"6 outputs", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.output_count = 6; }},
        {"output behind the last", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.output_tag[0] = 1; }},
        {"reserved", RS_ERR_BAD_IMAGE, [](auto& b) { b.detail.reserved[2] = 1; }},
        {"break with payload", RS_ERR_BAD_ACTION, [](auto& b) { b.action(RS_ACT_BREAK, {1}); }},
        {"empty code", RS_ERR_BAD_ACTION, [](auto& b) { b.action(RS_ACT_CODE, {}); }},
        {"empty script", RS_ERR_BAD_ACTION, [](auto& b) { b.action(RS_ACT_SCRIPT, {}); }},
        {"action type 3", RS_ERR_BAD_ACTION_TYPE, [](auto& b) { b.action(3, {1}); }},
        {"action too large", RS_ERR_ACTION_TOO_LARGE,
         [](auto& b) { b.action(RS_ACT_CODE, std::vector<u8>(RS_MAX_ACTION_BYTES + 1)); }},
        {"action flag", RS_ERR_BAD_IMAGE, [](auto& b) { b.actions[0].flags = 2; }},
        {"tag in an action", RS_ERR_BAD_IMAGE, [](auto& b) { b.actions[0].event_tag = 1; }},
        {"instructions of code", RS_ERR_BAD_IMAGE,
         [](auto& b) { b.action(RS_ACT_CODE, {0x90}, 1); }},
        {"action of size 0", RS_ERR_BAD_IMAGE, [](auto& b) { b.actions[0].size = 0; }},
        {"action of size 12", RS_ERR_BAD_IMAGE, [](auto& b) { b.actions[0].size = 12; }},
        {"action of huge size", RS_ERR_BAD_IMAGE, [](auto& b) { b.actions[0].size = ~7u; }},
    };
    for (const auto& row : rows) {
        ImageBuilder builder = good();
        row.change(builder);
        EXPECT_EQ(parse(builder.build()), row.code) << row.name;
    }
}

TEST(Image, ChecksLengthsAndPadding) {
    const std::vector<u8> whole = good().build();
    const usize command_end = whole.size() - 3;  // 13 characters padded to 16
    for (usize length = 0; length < whole.size(); ++length)
        EXPECT_NE(parse({whole.begin(), whole.begin() + static_cast<long>(length)}), RS_OK);
    std::vector<u8> longer = whole;
    longer.resize(whole.size() + 8);
    EXPECT_EQ(parse(longer), RS_ERR_BAD_IMAGE);
    const u64 length = longer.size();
    std::memcpy(longer.data() + offsetof(rs_event_detail, total_len), &length, sizeof length);
    EXPECT_EQ(parse(longer), RS_ERR_BAD_IMAGE) << "bytes behind the last part";
    std::vector<u8> padded = whole;
    padded[command_end] = 1;
    EXPECT_EQ(parse(padded), RS_ERR_BAD_IMAGE);
}

TEST(Image, KnowsOlderAndNewerHeaders) {
    // A caller that knows everything up to `cookie`.
    ImageBuilder builder = good();
    std::vector<u8> image = builder.build();
    constexpr u32 kOld = offsetof(rs_event_detail, cookie);
    image.erase(image.begin() + kOld, image.begin() + sizeof(rs_event_detail));
    const u64 old_length = image.size();
    std::memcpy(image.data(), &kOld, sizeof kOld);
    std::memcpy(image.data() + offsetof(rs_event_detail, total_len), &old_length, 8);
    Registration registration;
    ASSERT_TRUE(parse_registration(image, registration));
    EXPECT_EQ(registration.detail.cookie, 0u);
    EXPECT_EQ(registration.command.size(), 13u);

    // A caller that knows 16 bytes more.
    std::vector<u8> newer = builder.build();
    const u32 new_size = sizeof(rs_event_detail) + 16;
    newer.insert(newer.begin() + sizeof(rs_event_detail), 16, 0);
    const u64 new_length = newer.size();
    std::memcpy(newer.data(), &new_size, sizeof new_size);
    std::memcpy(newer.data() + offsetof(rs_event_detail, total_len), &new_length, 8);
    EXPECT_EQ(parse(newer), RS_OK);
    newer[sizeof(rs_event_detail) + 9] = 1;
    EXPECT_EQ(parse(newer), RS_ERR_UNKNOWN_FIELDS);
}

TEST(Image, NeverReadsOutsideOfHostileBytes) {
    const std::vector<u8> whole = good().condition_of(0).script(printing("y")).build();
    std::mt19937 random{4};
    u32 accepted = 0;
    for (u32 i = 0; i < 200'000; ++i) {
        // On the heap and of the exact size, for the address sanitizer.
        std::vector<u8> image(whole.begin(), whole.end());
        for (u64 j = random() % 4; j != 0; --j) {
            const u64 at = random() % 3 ? random() % 0x120 : random() % image.size();
            image[at] = static_cast<u8>(random() % 2 ? random() : 0xff << random() % 8);
        }
        if (random() % 4 == 0)
            image.resize(random() % (image.size() + 1));
        Registration registration;
        if (!parse_registration(image, registration))
            continue;
        ++accepted;
        for (u32 j = 0; j < registration.detail.action_count; ++j) {
            const auto payload = registration.actions[j].payload;
            ASSERT_GE(payload.data(), image.data());
            ASSERT_LE(payload.data() + payload.size(), image.data() + image.size());
        }
    }
    EXPECT_GT(accepted, 0u);
}

TEST(Image, AsksTheMachine) {
    FakeMachine machine;
    machine.cores = 2;
    machine.pids = {0, 490};
    rs_event_detail detail = {};
    const auto check = [&](u32 core, u32 pid) {
        detail.core_id = core;
        detail.process_id = pid;
        const auto result = check_machine(detail, machine);
        return result ? RS_OK : result.error().code;
    };
    EXPECT_EQ(check(RS_ANY, RS_ANY), RS_OK);
    EXPECT_EQ(check(1, 490), RS_OK);
    EXPECT_EQ(check(2, 490), RS_ERR_BAD_CORE);
    EXPECT_EQ(check(1, 491), RS_ERR_BAD_PID);
    EXPECT_EQ(check(1, 0), RS_OK);
}

TEST(Request, FollowsTheSizeRule) {
    rs_modify_event request = {.size = 24, .action = 1, .tag = 2, .is_enabled = 3, .error = 4};
    std::vector<u8> bytes(32);
    std::memcpy(bytes.data(), &request, sizeof request);
    rs_modify_event read = {};
    ASSERT_TRUE(read_request(bytes, &read, sizeof read));
    EXPECT_EQ(std::memcmp(&read, &request, sizeof read), 0);

    bytes[0] = 16;
    ASSERT_TRUE(read_request(bytes, &read, sizeof read));
    EXPECT_EQ(read.tag, 2u);
    EXPECT_EQ(read.is_enabled, 0u) << "missing fields are 0";

    bytes[0] = 32;
    ASSERT_TRUE(read_request(bytes, &read, sizeof read));
    bytes[31] = 1;
    const auto refused = read_request(bytes, &read, sizeof read);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RS_ERR_UNKNOWN_FIELDS);
    for (const u8 size : {u8{0}, u8{3}, u8{33}}) {
        bytes[0] = size;
        EXPECT_FALSE(read_request(bytes, &read, sizeof read)) << int{size};
    }
    EXPECT_FALSE(read_request(std::span{bytes}.first(3), &read, sizeof read));
}

}  // namespace
}  // namespace ringside::event
