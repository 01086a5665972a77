// SPDX-License-Identifier: GPL-3.0-or-later
// An engine with its registry, and images to register.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "event/adoption.hpp"
#include "event/registry.hpp"
#include "ringside/version.h"
#include "support/fake_code.hpp"
#include "support/fake_guest.hpp"
#include "support/fake_shared_memory.hpp"
#include "support/script_builder.hpp"

namespace ringside::event {

/// Cores and processes below a number exist.
class FakeMachine final : public Machine {
public:
    u32 cores = kMaxCores;
    std::set<u32> pids = {0, 1, 490};
    bool core_exists(u32 core) override { return core < cores; }
    bool pid_exists(u32 pid) override { return pids.contains(pid); }
};

/// A registration image that is right unless the test changes a field.
class ImageBuilder {
public:
    ImageBuilder() {
        detail.size = sizeof detail;
        detail.abi = RS_ABI_VERSION;
        detail.event_type = RS_EVENT_EXTERNAL_INTERRUPT;
        detail.core_id = RS_ANY;
        detail.process_id = RS_ANY;
        detail.optional_param[0] = 0x25;
    }
    ImageBuilder& vector(u64 value) {
        detail.optional_param[0] = value;
        return *this;
    }
    ImageBuilder& core(u32 value) {
        detail.core_id = value;
        return *this;
    }
    ImageBuilder& pid(u32 value) {
        detail.process_id = value;
        return *this;
    }
    ImageBuilder& flags(u32 value) {
        detail.flags = value;
        return *this;
    }
    ImageBuilder& command(const std::string& text) {
        command_ = text;
        detail.command_len = static_cast<u32>(text.size());
        return *this;
    }
    ImageBuilder& condition_of(usize bytes) {
        detail.condition_len = static_cast<u32>(bytes);
        condition_.assign(bytes, 0x90);
        return *this;
    }
    ImageBuilder& condition(const std::vector<u8>& bytes) {
        detail.condition_len = static_cast<u32>(bytes.size());
        condition_ = bytes;
        return *this;
    }
    ImageBuilder& stage(u32 value) {
        detail.stage = value;
        return *this;
    }
    ImageBuilder& buffer(u32 bytes) {
        detail.safe_buffer_len = bytes;
        return *this;
    }
    ImageBuilder& code(const std::vector<u8>& bytes) { return action(RS_ACT_CODE, bytes); }
    /// The actions so far are not immediate (imm no).
    ImageBuilder& gathering() {
        for (rs_action& one : actions)
            one.flags = 0;
        return *this;
    }
    ImageBuilder& action(u32 type, const std::vector<u8>& payload, u32 instructions = 0) {
        rs_action header = {};
        header.size = sizeof header;
        header.action_type = type;
        header.flags = RS_ACTF_IMMEDIATE;
        header.payload_len = static_cast<u32>(payload.size());
        header.script_pointer = instructions;
        actions.push_back(header);
        payloads_.push_back(payload);
        detail.action_count = static_cast<u32>(actions.size());
        return *this;
    }
    ImageBuilder& script(const test::ScriptBuilder& script) {
        return action(RS_ACT_SCRIPT, script.build(), script.instruction_count());
    }

    std::vector<u8> build() const {
        std::vector<u8> image(sizeof detail);
        append(image, condition_.data(), condition_.size());
        for (usize i = 0; i < actions.size(); ++i) {
            append(image, &actions[i], sizeof actions[i]);
            append(image, payloads_[i].data(), payloads_[i].size());
        }
        append(image, command_.data(), command_.size());
        rs_event_detail header = detail;
        header.total_len = image.size();
        std::memcpy(image.data(), &header, sizeof header);
        return image;
    }

    rs_event_detail detail = {};
    std::vector<rs_action> actions;

private:
    static void append(std::vector<u8>& image, const void* bytes, usize count) {
        const auto* const first = static_cast<const u8*>(bytes);
        image.insert(image.end(), first, first + count);
        image.resize(align_up(image.size(), 8));
    }
    std::string command_;
    std::vector<u8> condition_;
    std::vector<std::vector<u8>> payloads_;
};

/// A script that prints `text`.
inline test::ScriptBuilder printing(const std::string& text) {
    return test::ScriptBuilder{}.printf(text);
}

/// An engine of `cores` cores that all take part, its registry and one client.
struct Fixture {
    static constexpr u32 kClient = 7;
    using View = test::FakeSharedMemory::View;

    explicit Fixture(u32 cores = 2, View view = View::kOne, EngineSettings settings = {})
        : memory{view}, engine{std::make_unique<Engine>()}, registry{std::make_unique<Registry>()} {
        settings.core_count = cores;
        if (settings.tsc_khz == 0)
            settings.tsc_khz = 1'000'000;
        settings.ring_bytes = ring::kMinimumBytes;
        EXPECT_TRUE(engine->open(memory, settings));
        EXPECT_TRUE(registry->open(*engine, machine));
        engine->rings().add_owner(kClient);
        reader.init(engine->rings(), kClient);
        for (u32 core = 0; core < cores; ++core) {
            engine->set_participating(core, true);
            guests.push_back(std::make_unique<test::FakeGuest>(core));
        }
        adopt_all();
    }
    ~Fixture() {
        registry->close();
        engine->close();
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    CoreState& core(u32 number) { return *engine->core(number).in_root(); }
    void adopt_all() {
        for (u32 number = 0; number < engine->core_count(); ++number)
            adopt(core(number));
    }
    /// Registers an event that has to be accepted; its tag.
    u64 add(const ImageBuilder& image, u32 owner = kClient) {
        const auto bytes = image.build();
        const auto tag = registry->add(bytes, owner);
        EXPECT_TRUE(tag) << std::hex << tag.error().code << " line " << tag.error().line;
        return tag ? *tag : 0;
    }
    /// The code with which an event is refused.
    rs_error refusal(const ImageBuilder& image) {
        const auto tag = registry->add(image.build(), kClient);
        EXPECT_FALSE(tag);
        return tag ? RS_OK : tag.error().code;
    }
    Verdict arrive(u32 number, u8 vector) {
        return count_arrival(core(number), vector)
                   ? run_pre_stage(core(number), vector, *guests[number], code)
                   : Verdict::kDeliver;
    }
    /// What follows an arrival whose verdict is kDeliverWithPost.
    void commit(u32 number, u8 vector) {
        run_post_stage(core(number), vector, *guests[number], code);
    }
    /// Both stages, as root mode does it; the verdict.
    Verdict pass(u32 number, u8 vector) {
        const Verdict verdict = arrive(number, vector);
        if (verdict == Verdict::kDeliverWithPost)
            commit(number, vector);
        return verdict;
    }
    rs_error modify(u64 tag, u32 action, u32* is_enabled = nullptr) {
        rs_modify_event request = {
            .size = sizeof request, .action = action, .tag = tag, .is_enabled = 9, .error = 0};
        const auto result = registry->modify(request);
        if (is_enabled != nullptr)
            *is_enabled = request.is_enabled;
        return result ? RS_OK : result.error().code;
    }
    rs_event_stat stat(u64 tag, u32 kind = RS_STAT_EVENT) {
        rs_event_stat request = {};
        request.size = sizeof request;
        request.kind = kind;
        request.tag = tag;
        EXPECT_TRUE(registry->stat(request));
        return request;
    }
    /// Takes the client's next message; kind 0 when there is none.
    struct Received {
        rs_msg header = {};
        std::string payload;
    };
    Received receive() {
        const ring::Record record = reader.peek();
        if (!record)
            return {};
        Received received{*record.header,
                          {reinterpret_cast<const char*>(record.payload()), record.header->len}};
        reader.consume();
        return received;
    }
    /// The text of all messages waiting, `|` behind each.
    std::string texts() {
        std::string all;
        for (Received message = receive(); message.header.kind != 0; message = receive())
            if (message.header.kind == RS_MSG_TEXT || message.header.kind == RS_MSG_GATHERED)
                all += message.payload + '|';
        return all;
    }

    test::FakeSharedMemory memory;
    FakeMachine machine;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Registry> registry;
    ring::MergedReader reader;
    std::vector<std::unique_ptr<test::FakeGuest>> guests;
    test::FakeCode code;
};

}  // namespace ringside::event
