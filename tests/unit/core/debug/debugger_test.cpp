// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's half of Debugger Mode over shared memory, with threads as cores: introductions,
// halts, requests, messages, good-byes and lost debuggers (specification 5.1, 10.2, 13.2).
#include "debug/debugger.hpp"

#include "../event/fixture.hpp"
#include "debugger_end.hpp"

namespace ringside::debug {
namespace {

using event::ImageBuilder;
using std::chrono::milliseconds;
using test::ScriptBuilder;

constexpr u32 kInvalid = 22, kTooBig = 7, kBusy = 16, kFault = 14;

ImageBuilder breaking(u8 vector = 0x25) {
    return ImageBuilder{}.vector(vector).action(RS_ACT_BREAK, {}).command("!interrupt 25");
}

struct Debuggee : testing::Test {
    /// @param ticks_per_ms  fewer make the debuggee's patience a moment
    void start(u32 cores = 2, u64 ticks_per_ms = test::DebuggedMachine::kTicksPerMs) {
        machine.emplace(cores);
        machine->machine->short_circuit.ticks_per_ms = ticks_per_ms;
        ASSERT_EQ(machine->open(), u32{RS_OK});
        debugger.emplace(*machine);
        machine->start();
    }
    rs_halt start_halted(u32 cores = 2) {
        start(cores);
        return debugger->pause();
    }
    /// Waits until both guests have gone on.
    void expect_running() {
        for (u32 core = 0; core < machine->machine->core_count; ++core) {
            const u64 before = machine->steps[core];
            const auto start = std::chrono::steady_clock::now();
            while (machine->steps[core] < before + 3 &&
                   std::chrono::steady_clock::now() - start < DebuggerEnd::kPatience)
                std::this_thread::yield();
            EXPECT_GE(machine->steps[core], before + 3) << "core " << core;
        }
    }
    void expect_standing() {
        const u64 before = machine->steps[0] + machine->steps[1];
        std::this_thread::sleep_for(milliseconds{5});
        EXPECT_EQ(machine->steps[0] + machine->steps[1], before);
    }

    std::optional<test::DebuggedMachine> machine;
    std::optional<DebuggerEnd> debugger;
};

// ---- introductions (MOD-3, MOD-7) ----

TEST_F(Debuggee, TellsWhoItIs) {
    start();
    const auto answer = debugger->introduce();
    EXPECT_EQ(answer.link_version, RS_LINK_VERSION);
    EXPECT_EQ(answer.abi, RS_ABI_VERSION);
    EXPECT_EQ(answer.is_halted, 0u);
    EXPECT_EQ(answer.kind, u32{RS_LINK_SHARED_MEMORY});
    EXPECT_EQ(answer.nonce[31], 1);
    EXPECT_STREQ(answer.version.host_name, "fake");
    EXPECT_EQ(answer.version.cores_online, 2u);
    expect_running();
}

TEST_F(Debuggee, ARepeatedHelloGetsTheSameFramesAgain) {
    start();
    debugger->introduce();
    debugger->send(RS_PACKET_PING);
    EXPECT_EQ(debugger->expect(RS_PACKET_PONG).header.sequence, 1u);
    debugger->send(RS_PACKET_HELLO, {raw(DebuggerEnd::hello_of())});
    EXPECT_EQ(debugger->expect(RS_PACKET_DEBUGGEE).header.sequence, 0u);
    EXPECT_EQ(debugger->expect(RS_PACKET_PONG).header.sequence, 1u);
    // Another debugger: numbers begin anew.
    debugger->introduce(0, 2);
    debugger->send(RS_PACKET_PING);
    EXPECT_EQ(debugger->expect(RS_PACKET_PONG).header.sequence, 1u);
}

TEST_F(Debuggee, AnotherVersionIsRefusedWithBothNamed) {  // MOD-7
    start();
    for (const u32 which : {0u, 1u, 2u}) {
        auto hello = DebuggerEnd::hello_of(0, 9);
        (which == 0 ? hello.link_version : hello.abi) += which == 2 ? 0 : 1;
        if (which == 2)
            hello.flags = RS_LINKF_NO_KEY;
        debugger->send(RS_PACKET_HELLO, {raw(hello)});
        const Frame frame = debugger->expect(RS_PACKET_ERROR);
        const auto error = frame.as<rs_packet_error>();
        EXPECT_EQ(error.code, which == 2 ? u32{RS_LINK_ERR_PROTOCOL} : u32{RS_LINK_ERR_VERSION});
        EXPECT_EQ(error.link_version, RS_LINK_VERSION);
        EXPECT_EQ(error.abi, RS_ABI_VERSION);
        EXPECT_STREQ(error.release, RS_RELEASE);
        ASSERT_EQ(frame.payload.size(), sizeof error + sizeof(rs_packet_echo));
        EXPECT_EQ(std::memcmp(&frame.payload[sizeof error], hello.nonce, sizeof hello.nonce), 0);
        debugger->send(RS_PACKET_PING);
        debugger->expect_silence();
    }
    debugger->introduce();
    debugger->send(RS_PACKET_PING);
    debugger->expect(RS_PACKET_PONG);
}

TEST_F(Debuggee, PingsAreAnsweredWithTheirPayload) {
    start();
    debugger->send(RS_PACKET_PING);
    debugger->expect_silence();  // of somebody unknown
    debugger->introduce();
    const u64 word = 0x1234;
    debugger->send(RS_PACKET_PING, {raw(word)});
    EXPECT_EQ(debugger->expect(RS_PACKET_PONG).as<u64>(), word);
    debugger->send(RS_PACKET_PING);
    EXPECT_TRUE(debugger->expect(RS_PACKET_PONG).payload.empty());
}

// ---- halts (MOD-5) ----

TEST_F(Debuggee, IsHaltedAtOnceIfTheDebuggerWantsIt) {
    start();
    machine->stop();
    machine->backend(0).registers[RS_FULL_RIP] = 0xffff'ffff'8100'1000;
    machine->backend(1).registers[RS_FULL_RIP] = 0xffff'ffff'8100'2000;
    machine->backend(0).registers[RS_FULL_RFLAGS] = machine->backend(1).registers[RS_FULL_RFLAGS] =
        0x246;
    machine->start();
    const rs_halt halt = debugger->pause();
    EXPECT_EQ(halt.reason, u32{RS_HALT_REQUEST});
    EXPECT_LT(halt.core, 2u);
    EXPECT_EQ(halt.rip, 0xffff'ffff'8100'1000 + 0x1000 * halt.core);
    EXPECT_EQ(halt.rflags, 0x246u);
    EXPECT_EQ(halt.is_long_mode, 1u);
    EXPECT_EQ(halt.code_len, 0u);  // there is no memory
    EXPECT_EQ(halt.missing_cores, 0u);
    EXPECT_EQ(halt.generation, 1u);
    EXPECT_EQ(halt.event_id, 0u);
    EXPECT_NE(halt.trigger_tsc, 0u);
    EXPECT_GE(halt.halted_tsc, halt.trigger_tsc);
    expect_standing();
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

TEST_F(Debuggee, HaltsWhenItIsAskedTo) {
    start();
    debugger->introduce();
    for (u32 round = 1; round <= 3; ++round) {
        rs_pause pause = {};
        EXPECT_EQ(debugger->request(RS_NR_PAUSE, pause), 0u);
        EXPECT_EQ(debugger->expect(RS_PACKET_HALT).as<rs_halt>().generation, round);
        expect_standing();
        EXPECT_EQ(debugger->go(), 0u);
    }
    expect_running();
    debugger->expect_silence();
}

/// What was asked of a machine that stands does not halt it again when it runs.
TEST_F(Debuggee, APauseWhileHaltedIsForgotten) {
    start_halted();
    rs_pause pause = {};
    EXPECT_EQ(debugger->request(RS_NR_PAUSE, pause), 0u);
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
    debugger->send(RS_PACKET_PING);
    debugger->expect(RS_PACKET_PONG);
    debugger->expect_silence();
}

TEST_F(Debuggee, WhoComesAnewIsToldWhereItStands) {
    const rs_halt first = start_halted();
    EXPECT_EQ(debugger->introduce(0, 2).is_halted, 1u);
    const auto again = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    EXPECT_EQ(again.generation, first.generation);
    EXPECT_EQ(again.core, first.core);
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

TEST_F(Debuggee, AnotherCoreOperates) {
    const rs_halt first = start_halted();
    rs_switch_core request = {};
    request.core = 1 - first.core;
    EXPECT_EQ(debugger->request(RS_NR_SWITCH_CORE, request), 0u);
    auto halt = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    EXPECT_EQ(halt.core, 1 - first.core);
    EXPECT_EQ(halt.reason, u32{RS_HALT_SWITCH});
    EXPECT_EQ(halt.generation, first.generation);
    rs_registers registers = {};
    EXPECT_EQ(debugger->request(RS_NR_REGISTERS, registers), 0u);
    EXPECT_EQ(registers.core, halt.core);

    request.core = 7;
    EXPECT_NE(debugger->request(RS_NR_SWITCH_CORE, request), 0u);
    EXPECT_EQ(request.error, u32{RS_ERR_BAD_CORE});
    request = {};
    request.core = halt.core;  // itself: told again
    EXPECT_EQ(debugger->request(RS_NR_SWITCH_CORE, request), 0u);
    EXPECT_EQ(debugger->expect(RS_PACKET_HALT).as<rs_halt>().core, halt.core);

    request.core = first.core;
    EXPECT_EQ(debugger->request(RS_NR_SWITCH_CORE, request), 0u);
    halt = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    EXPECT_EQ(halt.reason, u32{RS_HALT_REQUEST});
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

// ---- requests ----

TEST_F(Debuggee, OnlyThreeRequestsAreAnsweredWhileItRuns) {
    start();
    debugger->introduce();
    rs_version version = {};
    EXPECT_EQ(debugger->request(RS_NR_VERSION, version), 0u);
    EXPECT_STREQ(version.kernel, "6.1.0-fake");
    rs_halt_state state = {};
    EXPECT_EQ(debugger->request(RS_NR_HALT_STATE, state), 0u);
    EXPECT_EQ(state.is_halted, 0u);
    EXPECT_EQ(state.core_count, 2u);
    EXPECT_EQ(state.core[0], u8{RS_CORE_RUNS});
    EXPECT_EQ(state.core[1], u8{RS_CORE_RUNS});
    EXPECT_EQ(state.core[2], u8{RS_CORE_ABSENT});
    for (u32 number = 0; number < 256; ++number) {
        if (number == RS_NR_VERSION || number == RS_NR_PAUSE || number == RS_NR_HALT_STATE)
            continue;
        u64 image[64] = {};
        EXPECT_EQ(debugger->request(number, {reinterpret_cast<u8*>(image), sizeof image}), kBusy)
            << number;
        EXPECT_EQ(image[0] >> 32, u64{RS_ERR_NOT_HALTED});
    }
    expect_running();
}

TEST_F(Debuggee, TellsHowTheCoresStand) {
    const rs_halt halt = start_halted();
    rs_halt_state state = {};
    EXPECT_EQ(debugger->request(RS_NR_HALT_STATE, state), 0u);
    EXPECT_EQ(state.is_halted, 1u);
    EXPECT_EQ(state.core[halt.core], u8{RS_CORE_OPERATES});
    EXPECT_EQ(state.core[1 - halt.core], u8{RS_CORE_HALTED});
    EXPECT_EQ(state.generation, 1u);
    EXPECT_EQ(state.lost_breaks, 0u);
}

/// A request is carried out once, however often it comes.
TEST_F(Debuggee, ARepeatedRequestGetsTheSameReply) {
    start_halted();
    rs_prealloc request = {};
    request.size = sizeof request;
    request.type = RS_POOL_REGULAR_EVENT;
    request.count = 1;
    Frame first;
    for (u32 round = 0; round < 3; ++round) {
        debugger->ask(RS_NR_PREALLOC, raw(request), 0x77, sizeof request);
        const Frame frame = debugger->expect(RS_PACKET_REPLY);
        if (round == 0)
            first = frame;
        EXPECT_EQ(frame.payload, first.payload);
        EXPECT_EQ(frame.header.sequence, first.header.sequence + round);
    }
    request = {};
    EXPECT_EQ(debugger->request(RS_NR_PREALLOC, request), 0u);
    EXPECT_EQ(request.available[RS_POOL_REGULAR_EVENT], 33u);
}

/// 'g' said twice does not let the next halt pass.
TEST_F(Debuggee, ARepeatedGoIsOne) {
    start_halted();
    rs_run run = {};
    run.size = sizeof run;
    debugger->ask(RS_NR_RUN, raw(run), 0x88, sizeof run);
    debugger->expect(RS_PACKET_REPLY);
    rs_pause pause = {};
    pause.size = sizeof pause;
    expect_running();
    debugger->ask(RS_NR_RUN, raw(run), 0x88, sizeof run);
    debugger->expect(RS_PACKET_REPLY);
    debugger->ask(RS_NR_PAUSE, raw(pause), 0x89, sizeof pause);
    debugger->expect(RS_PACKET_REPLY);
    debugger->expect(RS_PACKET_HALT);
    expect_standing();
}

TEST_F(Debuggee, MissedFramesComeAgainInTheirOrder) {  // MOD-7
    start();
    debugger->introduce();
    for (u32 word = 1; word <= 5; ++word) {
        debugger->send(RS_PACKET_PING, {raw(word)});
        debugger->expect(RS_PACKET_PONG);
    }
    rs_packet_resend resend = {};
    resend.sequence = 3;
    debugger->send(RS_PACKET_RESEND, {raw(resend)});
    for (u32 word = 3; word <= 5; ++word) {
        const Frame frame = debugger->expect(RS_PACKET_PONG);
        EXPECT_EQ(frame.header.sequence, word);
        EXPECT_EQ(frame.as<u32>(), word);
    }
    debugger->expect_silence();
    resend.sequence = 1000;  // there never was one
    debugger->send(RS_PACKET_RESEND, {raw(resend)});
    const Frame frame = debugger->expect(RS_PACKET_ERROR);
    EXPECT_EQ(frame.as<rs_packet_error>().code, u32{RS_LINK_ERR_DAMAGED});
    ASSERT_EQ(frame.payload.size(), sizeof(rs_packet_error) + sizeof resend);
    EXPECT_EQ(std::memcmp(&frame.payload[sizeof(rs_packet_error)], &resend, sizeof resend), 0);
}

/// A HALT may have been among the frames that are gone.
TEST_F(Debuggee, WhoMissesWhatIsGoneIsToldWhereItStands) {
    start_halted();
    rs_packet_resend resend = {};
    resend.sequence = 1000;
    debugger->send(RS_PACKET_RESEND, {raw(resend)});
    debugger->expect(RS_PACKET_ERROR);
    debugger->expect(RS_PACKET_HALT);
}

TEST_F(Debuggee, MalformedRequestsOfEveryNumberAreRefused) {
    start_halted();
    for (u32 number = 0; number < 256; ++number) {
        if (number == RS_NR_RUN || number == RS_NR_VERSION)
            continue;
        for (const usize size : {0u, 1u, 4u, 8u, 16u, 63u, 0x2000u}) {
            for (const u8 fill : {u8{0}, u8{0xff}}) {
                std::vector<u8> image(size, fill);
                const u32 error = debugger->request(number, std::span<u8>{image});
                EXPECT_NE(error, 0u) << number << " of " << size << " bytes of " << u32(fill);
                EXPECT_NE(error, 5u) << number << ": an error without a number";
            }
        }
    }
    // Requests that are none.
    const u8 bytes[64] = {};
    rs_packet_request request = {};
    request.id = 0x100000;
    request.request = RS_IOC_PAUSE;
    request.size = 16;
    const auto refused = [&] {
        ++request.id;
        debugger->send(RS_PACKET_REQUEST, {raw(request), std::span{bytes}.first(32)});
        return debugger->expect(RS_PACKET_REPLY).as<rs_packet_reply>().error_number;
    };
    EXPECT_EQ(refused(), kInvalid);  // more than it says
    request.size = 0xffff'ffff;
    EXPECT_EQ(refused(), kTooBig);
    request.size = 64;
    request.service = 1;
    EXPECT_EQ(refused(), kInvalid);
    request.service = 0;
    request.request = RS_NR_PAUSE;  // not one of ours
    EXPECT_EQ(refused(), kInvalid);
    rs_run run = {};
    run.left = RS_MAX_LEFT_ON_STACK + 1;
    EXPECT_EQ(debugger->request(RS_NR_RUN, run), kInvalid);
    run = {};
    run.id = 1;
    EXPECT_EQ(debugger->request(RS_NR_RUN, run), kInvalid);
    EXPECT_EQ(debugger->go(RS_RUN_TO_THREAD + 1), kInvalid);
    run.how = RS_RUN_TO_THREAD;
    run.until = 0x1000;  // where nothing is
    EXPECT_EQ(debugger->request(RS_NR_RUN, run), kFault);
    EXPECT_EQ(run.error, u32{RS_ERR_BAD_ADDRESS});
    expect_standing();
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

/// Who would never come back is not let go.
TEST_F(Debuggee, StepsOutOnlyToWhereThereIsCode) {
    start_halted();
    constexpr u32 kNotThere = 14;  // EFAULT
    rs_run run = {};
    run.how = RS_RUN_STEP_OUT;
    for (const u64 until : {u64{0}, u64{0xffff'ffff'8100'0000}}) {
        run.until = until;
        EXPECT_EQ(debugger->request(RS_NR_RUN, run), kNotThere);
        EXPECT_EQ(run.error, u32{RS_ERR_BAD_ADDRESS});
    }
    expect_standing();
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

// ---- events while halted (EVT-18 to EVT-23) ----

TEST_F(Debuggee, EventsAreRegisteredListedAndClearedWhileItStands) {  // EVT-18, EVT-6
    start_halted();
    const u64 steps = machine->steps[0] + machine->steps[1];
    u64 first = 0, second = 0;
    EXPECT_EQ(debugger->register_event(breaking().build(), &first), u32{RS_OK});
    EXPECT_EQ(first, RS_TAG_BASE + 0u);
    EXPECT_EQ(debugger->modify(first, RS_MODIFY_DISABLE), u32{RS_OK});
    EXPECT_EQ(debugger->modify(first, RS_MODIFY_ENABLE), u32{RS_OK});
    EXPECT_EQ(debugger->modify(first, RS_MODIFY_CLEAR), u32{RS_OK});
    EXPECT_EQ(debugger->modify(first, RS_MODIFY_QUERY), u32{RS_ERR_NO_SUCH_EVENT});
    EXPECT_EQ(debugger->register_event(breaking().build(), &second), u32{RS_OK});
    EXPECT_EQ(second, first + 1);
    std::vector<u8> image(0x1000);
    rs_event_list list = {};
    list.size = sizeof list;
    list.total_len = image.size();
    std::memcpy(image.data(), &list, sizeof list);
    EXPECT_EQ(debugger->request(RS_NR_LIST_EVENTS, std::span<u8>{image}), 0u);
    std::memcpy(&list, image.data(), sizeof list);
    EXPECT_EQ(list.count, 1u);
    EXPECT_EQ(machine->steps[0] + machine->steps[1], steps);
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
    machine->interrupt(1, 0x25);
    const auto halt = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    EXPECT_EQ(halt.reason, u32{RS_HALT_EVENT});
    EXPECT_EQ(halt.event_id, 1u);
    EXPECT_EQ(halt.stage, u32{RS_STAGE_PRE});
    EXPECT_EQ(halt.context, 0x25u);
    EXPECT_EQ(halt.core, 1u);
}

TEST_F(Debuggee, TheStockOfPoolsRunsOutAndIsAddedTo) {  // EVT-20 to EVT-23
    start_halted();
    const auto regular = [&](u32 buffer = 0) { return breaking().buffer(buffer).build(); };
    const auto big = [&] { return breaking().condition_of(101).build(); };
    // 32 regular ones, then the big ones in their place.
    for (u32 i = 0; i < 36; ++i)
        EXPECT_EQ(debugger->register_event(regular()), u32{RS_OK}) << i;
    EXPECT_EQ(debugger->register_event(regular()), u32{RS_ERR_NO_REGULAR_EVENT});
    EXPECT_EQ(debugger->register_event(big()), u32{RS_ERR_NO_BIG_EVENT});
    rs_prealloc pools = {};
    pools.type = RS_POOL_REGULAR_EVENT;
    pools.count = 10;
    EXPECT_EQ(debugger->request(RS_NR_PREALLOC, pools), 0u);
    EXPECT_EQ(pools.available[RS_POOL_REGULAR_EVENT], 10u);
    EXPECT_EQ(pools.in_use[RS_POOL_REGULAR_EVENT], 32u);
    EXPECT_EQ(pools.in_use[RS_POOL_BIG_EVENT], 4u);
    // 8 regular buffers, then the big one, of 10 events.
    for (u32 i = 0; i < 9; ++i)
        EXPECT_EQ(debugger->register_event(regular(0x1000)), u32{RS_OK}) << i;
    EXPECT_EQ(debugger->register_event(regular(0x1000)), u32{RS_ERR_NO_REGULAR_BUFFER});
    EXPECT_EQ(debugger->register_event(regular(0x1001)), u32{RS_ERR_NO_BIG_BUFFER});
    EXPECT_EQ(debugger->register_event(regular(0x14001)), u32{RS_ERR_BUFFER_TOO_LARGE});
    pools = {};
    pools.type = RS_POOL_COUNT;
    pools.count = 1;
    EXPECT_NE(debugger->request(RS_NR_PREALLOC, pools), 0u);
    EXPECT_EQ(pools.error, u32{RS_ERR_BAD_POOL_TYPE});
    pools = {};
    pools.type = RS_POOL_BIG_EVENT;
    pools.count = 1000;
    EXPECT_NE(debugger->request(RS_NR_PREALLOC, pools), 0u);
    EXPECT_EQ(pools.error, u32{RS_ERR_RESERVE_EXHAUSTED});
    // Whenever the machine has run the stock is there again.
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
    rs_pause pause = {};
    EXPECT_EQ(debugger->request(RS_NR_PAUSE, pause), 0u);
    debugger->expect(RS_PACKET_HALT);
    pools = {};
    EXPECT_EQ(debugger->request(RS_NR_PREALLOC, pools), 0u);
    EXPECT_EQ(pools.available[RS_POOL_REGULAR_EVENT], 42u);
    EXPECT_EQ(pools.available[RS_POOL_REGULAR_BUFFER], 8u);
    EXPECT_EQ(pools.in_use[RS_POOL_REGULAR_EVENT], 0u);
}

/// What is refused takes nothing.
TEST_F(Debuggee, ARefusedEventTakesNothingOfThePools) {
    start_halted();
    for (u32 i = 0; i < 40; ++i)
        EXPECT_EQ(debugger->register_event(breaking().core(5).buffer(0x1000).build()),
                  u32{RS_ERR_BAD_CORE});
    rs_prealloc pools = {};
    EXPECT_EQ(debugger->request(RS_NR_PREALLOC, pools), 0u);
    EXPECT_EQ(pools.available[RS_POOL_REGULAR_EVENT], 32u);
    EXPECT_EQ(pools.available[RS_POOL_REGULAR_BUFFER], 8u);
}

/// Guest context was halted in the middle of its own work on the events.
TEST_F(Debuggee, EventsAreLeftAloneWhileGuestContextIsAtThem) {
    start_halted();
    machine->get().guest_works() = 1;
    EXPECT_EQ(debugger->register_event(breaking().build()), u32{RS_ERR_HALTED_IN_CHANGE});
    EXPECT_EQ(debugger->modify(RS_TAG_ALL, RS_MODIFY_CLEAR), u32{RS_ERR_HALTED_IN_CHANGE});
    machine->get().guest_works() = 0;
    EXPECT_EQ(debugger->register_event(breaking().build()), u32{RS_OK});
}

// ---- breaks (BRK-3 to BRK-7, SC-6) ----

struct Broken : Debuggee {
    /// Halted at an event of core 1.
    rs_halt start_broken(const ImageBuilder& image = breaking(), u64* tag = nullptr) {
        start_halted();
        EXPECT_EQ(debugger->register_event(image.build(), tag), u32{RS_OK});
        EXPECT_EQ(debugger->go(), 0u);
        expect_running();
        done = machine->interrupt(1, 0x25);
        return debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    }
    u64 evaluate(const ScriptBuilder& script, std::string* text = nullptr, u32 script_error = 0) {
        const auto program = script.build();
        std::vector<u8> image(sizeof(rs_eval) + 0x1000);
        rs_eval eval = {};
        eval.size = sizeof eval;
        eval.total_len = image.size();
        eval.program_len = u32(program.size());
        std::memcpy(image.data(), &eval, sizeof eval);
        std::memcpy(&image[sizeof eval], program.data(), program.size());
        EXPECT_EQ(debugger->request(RS_NR_EVAL, std::span<u8>{image}), 0u);
        std::memcpy(&eval, image.data(), sizeof eval);
        EXPECT_EQ(eval.error, u32{RS_OK});
        EXPECT_EQ(eval.script_error, script_error);
        if (text != nullptr)
            text->assign(reinterpret_cast<const char*>(&image[sizeof eval]), eval.text_len);
        return eval.value;
    }
    u32 judge(u32 ignores) {
        rs_event_sc request = {};
        request.ignores = ignores;
        (void)debugger->request(RS_NR_SHORT_CIRCUIT, request);
        return request.error;
    }
    u64 ignored() {
        rs_event_stat stat = {};
        stat.kind = RS_STAT_EVENT;
        stat.tag = RS_TAG_BASE;
        EXPECT_EQ(debugger->request(RS_NR_EVENT_STAT, stat), 0u);
        return stat.ignored;
    }
    rs_halt halt_again() {
        rs_pause pause = {};
        EXPECT_EQ(debugger->request(RS_NR_PAUSE, pause), 0u);
        return debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    }
    std::future<void> done;
};

TEST_F(Broken, TheUsersVerdictIsFinal) {  // SC-6
    start_broken();
    EXPECT_EQ(judge(1), u32{RS_OK});
    EXPECT_EQ(debugger->go(), 0u);
    done.wait();
    halt_again();
    EXPECT_EQ(ignored(), 1u);
    EXPECT_EQ(judge(1), u32{RS_ERR_NO_VERDICT});  // not at an event
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

TEST_F(Broken, AVerdictOverridesTheEventsOwn) {  // SC-6
    start_broken(breaking().flags(RS_EVF_SHORT_CIRCUIT));
    EXPECT_EQ(judge(1), u32{RS_OK});
    EXPECT_EQ(judge(0), u32{RS_OK});  // the last word
    EXPECT_EQ(debugger->go(), 0u);
    done.wait();
    halt_again();
    EXPECT_EQ(ignored(), 0u);
}

TEST_F(Broken, ThePostStageTakesNoVerdict) {  // SC-6
    const rs_halt halt = start_broken(breaking().stage(RS_STAGE_POST));
    EXPECT_EQ(halt.stage, u32{RS_STAGE_POST});
    EXPECT_EQ(judge(1), u32{RS_ERR_NO_VERDICT});
}

TEST_F(Broken, AnotherCoreIsNotAtTheEvent) {  // SC-6, BRK-3
    start_broken();
    rs_switch_core request = {};
    request.core = 0;
    EXPECT_EQ(debugger->request(RS_NR_SWITCH_CORE, request), 0u);
    debugger->expect(RS_PACKET_HALT);
    EXPECT_EQ(judge(1), u32{RS_ERR_NO_VERDICT});
}

/// An event cleared while the machine stands at it is gone at once, and is finished properly.
TEST_F(Broken, AnEventIsClearedWhileTheMachineStandsAtIt) {  // EVT-6
    u64 tag = 0;
    start_broken(breaking(), &tag);
    EXPECT_EQ(debugger->modify(tag, RS_MODIFY_CLEAR), u32{RS_OK});
    EXPECT_EQ(debugger->register_event(breaking().build(), &tag), u32{RS_OK});
    EXPECT_EQ(debugger->go(), 0u);
    done.wait();
    machine->interrupt(0, 0x25);
    const auto halt = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
    EXPECT_EQ(halt.event_id, 1u);
    EXPECT_EQ(halt.core, 0u);
}

TEST_F(Broken, ScriptsRunAtThePrompt) {
    start_broken();
    std::string text;
    evaluate(ScriptBuilder{}.printf("here\n"), &text);
    EXPECT_EQ(text, "here\n");
    // One that runs for long looks whether its core has to stand: it does not, it operates.
    evaluate(ScriptBuilder{}.loop(), nullptr, RS_SCRIPT_BUDGET);
    EXPECT_EQ(debugger->go(), 0u);
    done.wait();
    expect_running();
}

TEST_F(Broken, MessagesComeBeforeTheHalt) {
    start_halted();
    EXPECT_EQ(debugger->register_event(ImageBuilder{}
                                           .script(event::printing("one\n"))
                                           .script(event::printing("two\n"))
                                           .action(RS_ACT_BREAK, {})
                                           .build()),
              u32{RS_OK});
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
    machine->interrupt(0, 0x25);
    std::string text;
    for (;;) {
        const auto frame = debugger->receive();
        ASSERT_TRUE(frame.has_value());
        if (frame->type() == RS_PACKET_HALT)
            break;
        ASSERT_EQ(frame->type(), RS_PACKET_MESSAGES);
        for (usize at = 0; at < frame->payload.size();) {
            rs_msg message;
            std::memcpy(&message, &frame->payload[at], sizeof message);
            text.append(reinterpret_cast<const char*>(&frame->payload[at]) + sizeof message,
                        message.len);
            at += sizeof message + align_up(message.len, 8);
        }
    }
    EXPECT_EQ(text, "one\ntwo\n");
}

TEST_F(Broken, TwoCoresTakeTurns) {  // BRK-5
    start_halted();
    EXPECT_EQ(debugger->register_event(breaking().build()), u32{RS_OK});
    EXPECT_EQ(debugger->go(), 0u);
    for (u32 round = 0; round < 10; ++round) {
        machine->interrupt(0, 0x25);
        machine->interrupt(1, 0x25);
        u32 seen = 0;
        for (u32 i = 0; i < 2; ++i) {
            const auto halt = debugger->expect(RS_PACKET_HALT).as<rs_halt>();
            EXPECT_EQ(halt.reason, u32{RS_HALT_EVENT});
            seen |= 1u << halt.core;
            EXPECT_EQ(debugger->go(), 0u);
        }
        EXPECT_EQ(seen, 3u);
    }
    expect_running();
}

TEST_F(Broken, AGoodByeClearsTheEventsAndLetsItRun) {
    start_broken();
    debugger->send(RS_PACKET_BYE);
    debugger->expect(RS_PACKET_BYE);
    done.wait();
    expect_running();
    machine->interrupt(0, 0x25).wait();
    expect_running();
    debugger->send(RS_PACKET_BYE);  // again: answered, too
    debugger->expect(RS_PACKET_BYE);
    debugger->introduce(RS_LINKF_PAUSE, 3);
    debugger->expect(RS_PACKET_HALT);
    EXPECT_EQ(debugger->modify(RS_TAG_ALL, RS_MODIFY_QUERY), u32{RS_ERR_NO_SUCH_EVENT});
}

/// Said in one breath: nobody would let it go on.
TEST_F(Debuggee, AGoodByeTakesBackTheWishToHalt) {
    start();
    machine->stop();
    debugger->send(RS_PACKET_HELLO, {raw(DebuggerEnd::hello_of(RS_LINKF_PAUSE))});
    debugger->send(RS_PACKET_BYE);
    machine->start();
    debugger->expect(RS_PACKET_DEBUGGEE);
    debugger->expect(RS_PACKET_BYE);
    expect_running();
    EXPECT_EQ(machine->machine->halt.halts, 0u);
}

/// Also in the middle of guest context's own work on them.
TEST_F(Broken, AGoodByeClearsTheEventsWhileGuestContextIsAtThem) {
    start_broken();
    machine->get().guest_works() = 1;
    debugger->send(RS_PACKET_BYE);
    debugger->expect(RS_PACKET_BYE);
    done.wait();
    expect_running();
    machine->interrupt(0, 0x25).wait();
    expect_running();
    EXPECT_EQ(machine->machine->halt.halts, 2u);
    EXPECT_EQ(machine->machine->halt.lost_breaks, 0u);
}

/// Of a machine whose ten seconds of silence are over in some milliseconds.
struct Lost : Broken {
    void start_with(u64 link_loss, const ImageBuilder& image = breaking()) {
        start(2, 1000);
        debugger->pause();
        EXPECT_EQ(debugger->register_event(image.build()), u32{RS_OK});
        rs_settings settings = {};
        settings.mask = RS_SET_LINK_LOSS;
        settings.link_loss = link_loss;
        EXPECT_EQ(debugger->request(RS_NR_SETTINGS, settings), 0u);
        EXPECT_EQ(settings.link_loss, link_loss);
    }
    u64 lost_breaks() { return std::atomic_ref<u64>(machine->machine->halt.lost_breaks).load(); }
};

TEST_F(Lost, ABreakIsCountedAndDoesNothing) {  // BRK-7
    start_with(0);
    EXPECT_EQ(debugger->go(), 0u);
    std::this_thread::sleep_for(milliseconds{50});
    machine->interrupt(0, 0x25).wait();
    machine->interrupt(1, 0x25).wait();
    expect_running();
    EXPECT_EQ(lost_breaks(), 2u);
    // It comes back.
    std::vector<u8> types;
    debugger->send(RS_PACKET_PING);
    while (const auto frame = debugger->receive(milliseconds{100}))
        types.push_back(frame->type());
    EXPECT_TRUE(std::find(types.begin(), types.end(), RS_PACKET_PONG) != types.end());
}

TEST_F(Lost, AHaltedMachineWaits) {
    start_with(0);
    std::this_thread::sleep_for(milliseconds{100});
    expect_standing();
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
}

TEST_F(Lost, AHaltedMachineGoesOnIfItIsToldTo) {
    start_with(1);
    std::this_thread::sleep_for(milliseconds{100});
    expect_running();
    machine->interrupt(0, 0x25).wait();  // its breaks are disabled
    expect_running();
    EXPECT_EQ(lost_breaks(), 0u);
    EXPECT_EQ(machine->machine->halt.halts, 1u);
}

/// The link is let go while a core halts, or is about to (it must not wait for nobody).
TEST_F(Broken, ALinkThatIsLetGoHaltsNothing) {
    start_halted();
    EXPECT_EQ(debugger->register_event(breaking().build()), u32{RS_OK});
    EXPECT_EQ(debugger->go(), 0u);
    expect_running();
    machine->happen(0, [&] { machine->get().close(machine->vcpu(0)); }).wait();
    debugger->expect(RS_PACKET_BYE);
    machine->interrupt(1, 0x25).wait();
    expect_running();
}

}  // namespace
}  // namespace ringside::debug
