// SPDX-License-Identifier: GPL-3.0-or-later
// The whole way with the real event engine: debuggee, link, agent, registration, script, ring and
// back.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "debuggee/debuggee.hpp"
#include "support/engine_module.hpp"
#include "support/script_builder.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;

EventImage printing(const std::string& text) {
    const auto script = test::ScriptBuilder{}.printf(text);
    const auto program = script.build();
    return EventImage{}.add_script(std::as_bytes(std::span{program}), script.instruction_count());
}

/// With and without a link.
class EngineDebuggee : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        debuggee.on_message([this](const Message& message) {
            texts.emplace_back(message.text());
            headers.push_back(message.header);
        });
        if (!GetParam()) {
            ASSERT_TRUE(debuggee.connect_local(module.opener()));
        } else {
            agent::Options options;
            options.address = "127.0.0.1";
            options.port = 0;
            options.open_device = module.opener();
            agent = std::make_unique<agent::Agent>(loop, std::move(options));
            ASSERT_EQ(agent->listen(), 0);
            ASSERT_TRUE(debuggee.connect_tcp("127.0.0.1", agent->port(), {}));
        }
        ASSERT_TRUE(debuggee.load());
    }

    transport::Loop loop;
    test::EngineModule module;
    std::unique_ptr<agent::Agent> agent;
    Debuggee debuggee{loop};
    std::vector<std::string> texts;
    std::vector<rs_msg> headers;
};

INSTANTIATE_TEST_SUITE_P(LocalAndRemote, EngineDebuggee, testing::Bool(),
                         [](const auto& test) { return test.param ? "remote" : "local"; });

TEST_P(EngineDebuggee, AScriptsTextArrives) {
    const auto tag = debuggee.register_event(
        printing("tick\n").vector(0xec).cookie(5).command("!interrupt ec script {...}"));
    ASSERT_TRUE(tag) << tag.failure().text();
    module.arrive(0, 0xec);
    module.arrive(1, 0xec);
    module.arrive(1, 0xed);
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts, (std::vector<std::string>{"tick\n", "tick\n"}));
    EXPECT_EQ(headers[0].tag, *tag);
    EXPECT_EQ(headers[0].cookie, 5u);
    EXPECT_EQ(headers[1].core, 1u);
    EXPECT_EQ(debuggee.event_stat(*tag)->triggers_pre, 2u);

    const auto events = debuggee.list_events();
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 1u);
    EXPECT_EQ((*events)[0].command, "!interrupt ec script {...}");
    EXPECT_EQ((*events)[0].entry.is_enabled, 1u);
}

TEST_P(EngineDebuggee, DrainingBringsGatheredText_MSG3) {
    const auto program = test::ScriptBuilder{}.printf("g").build();
    ASSERT_TRUE(debuggee.register_event(
        EventImage{}.add_script(std::as_bytes(std::span{program}), 2, false)));
    module.arrive(0, 0xec);
    module.arrive(0, 0xec);
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts, std::vector<std::string>{"gg"});
    module.arrive(0, 0xec);
    const auto dropped = debuggee.flush();
    ASSERT_TRUE(dropped);
    EXPECT_EQ(*dropped, 1u);
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts.size(), 1u);
}

TEST_P(EngineDebuggee, DisablingAndClearingTakeEffect) {
    const auto tag = debuggee.register_event(printing("x"));
    ASSERT_TRUE(debuggee.modify_event(*tag, RS_MODIFY_DISABLE));
    module.arrive(0, 0xec);
    ASSERT_TRUE(debuggee.modify_event(*tag, RS_MODIFY_ENABLE));
    module.arrive(0, 0xec);
    ASSERT_TRUE(debuggee.modify_event(*tag, RS_MODIFY_CLEAR));
    module.arrive(0, 0xec);
    ASSERT_TRUE(debuggee.drain());
    EXPECT_EQ(texts.size(), 1u);
    EXPECT_EQ(debuggee.modify_event(*tag, RS_MODIFY_QUERY).failure().error_number, ENOENT);
}

TEST_P(EngineDebuggee, RefusalsAreTheModules) {
    EXPECT_EQ(debuggee.register_event(printing("x").vector(0x1f)).failure().code,
              RS_ERR_BAD_INTERRUPT_INDEX);
    EXPECT_EQ(debuggee.register_event(printing("x").core(64)).failure().code, RS_ERR_BAD_CORE);
    EXPECT_EQ(debuggee.register_event(printing("x").process(99999)).failure().code, RS_ERR_BAD_PID);
    EXPECT_EQ(debuggee.register_event(EventImage{}.add_break()).failure().code,
              RS_ERR_BREAK_NEEDS_DEBUGGER);
    EXPECT_EQ(debuggee.list_events()->size(), 0u);
}

TEST_P(EngineDebuggee, EvaluatesAScript) {
    const auto program = test::ScriptBuilder{}.printf("hello").build();
    const auto result = debuggee.eval(std::as_bytes(std::span{program}));
    ASSERT_TRUE(result) << result.failure().text();
    EXPECT_EQ(result->text, "hello");
    EXPECT_EQ(result->header.script_error, 0u);
}

TEST_P(EngineDebuggee, AMessagesHandlerMakesNoRequest) {
    ASSERT_TRUE(debuggee.register_event(printing("x")));
    int error_number = 0;
    bool is_version_known = false;
    debuggee.on_message([&](const Message&) {
        error_number = debuggee.version().failure().error_number;
        loop.post([&] { is_version_known = debuggee.version().ok(); });
    });
    module.arrive(0, 0xec);
    EXPECT_EQ(loop.wait_until([&] { return is_version_known; }, 20s), transport::Wait::kDone);
    EXPECT_EQ(error_number, EDEADLK);
}

TEST_P(EngineDebuggee, LeavingClearsTheEvents) {
    ASSERT_TRUE(debuggee.register_event(printing("x")));
    debuggee.disconnect();
    EXPECT_EQ(loop.wait_until([&] { return module.open_files() == 0; }, 20s),
              transport::Wait::kDone);
    ASSERT_TRUE(debuggee.connect_local(module.opener()));
    EXPECT_EQ(debuggee.list_events()->size(), 0u);
    EXPECT_TRUE(debuggee.unload());
    EXPECT_EQ(debuggee.list_events().failure().code, RS_ERR_NOT_LOADED);
}

}  // namespace
}  // namespace ringside::debuggee
