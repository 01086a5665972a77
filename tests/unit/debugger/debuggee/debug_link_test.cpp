// SPDX-License-Identifier: GPL-3.0-or-later
// Debugger Mode from end to end in one process: a connection at one end, the debugger of core/debug
// over threads as cores at the other, and between them a line that loses, changes and doubles bytes
// (MOD-7).
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../../core/event/fixture.hpp"
#include "debuggee/connection.hpp"
#include "debuggee/debug_connection.hpp"
#include "debuggee/structures.hpp"
#include "support/debugged_machine.hpp"
#include "transport/channel.hpp"
#include "transport/loop.hpp"

namespace ringside::debuggee {
namespace {

using namespace std::chrono_literals;
using event::ImageBuilder;

/// Carries bytes between a socket and shared memory.
class Line {
public:
    /// @param fault  one byte of so many is lost, changed or doubled; 0: none
    Line(test::DebuggedMachine& machine, u32 fault) : fault_{fault} {
        EXPECT_TRUE(stream_.attach(machine.link_memory, test::DebuggedMachine::kSharedBytes,
                                   link::Side::kDebugger));
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_), 0);
        thread_ = std::thread{[this] { carry(); }};
    }
    ~Line() {
        has_ended_ = true;
        thread_.join();
        ::close(ends_[1]);
    }
    transport::UniqueFd take() { return transport::UniqueFd{ends_[0]}; }
    void heal() { fault_ = 0; }
    void break_with(u32 fault) { fault_ = fault; }

private:
    void carry() {
        std::vector<u8> out, in;
        u8 buffer[4096];
        while (!has_ended_) {
            const auto count = ::recv(ends_[1], buffer, sizeof buffer, 0);
            if (count > 0)
                spoil(out, {buffer, static_cast<std::size_t>(count)});
            if (!out.empty())
                out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                                         stream_.write(out.data(), out.size())));
            const auto given = stream_.read(buffer, sizeof buffer);
            spoil(in, {buffer, given});
            if (!in.empty()) {
                const auto sent = ::send(ends_[1], in.data(), in.size(), MSG_NOSIGNAL);
                if (sent > 0)
                    in.erase(in.begin(), in.begin() + sent);
            }
            if (count <= 0 && given == 0)
                std::this_thread::sleep_for(50us);
        }
    }
    void spoil(std::vector<u8>& to, std::span<const u8> from) {
        for (const u8 byte : from) {
            const u32 fault = fault_;
            const u32 what = fault == 0 ? 3 : static_cast<u32>(random_() % (3 * fault));
            if (what == 0)
                continue;
            to.push_back(what == 1 ? u8(byte ^ (1u << random_() % 8)) : byte);
            if (what == 2)
                to.push_back(byte);
        }
    }

    std::atomic<u32> fault_;
    std::atomic<bool> has_ended_ = false;
    link::SharedStream stream_;
    int ends_[2] = {-1, -1};
    std::mt19937 random_{1};
    std::thread thread_;
};

class DebugLink : public testing::Test {
protected:
    static constexpr DebugConnection::Times kTimes{
        .ping = 50ms, .retry = 60ms, .resend = 20ms, .unanswered_pings = 600};

    ~DebugLink() override {
        if (connection)
            connection->close();
        // What is left of its coroutines ends.
        loop.wait_for(1ms);
    }

    void connect(u32 fault = 0, bool pause = false) {
        ASSERT_EQ(machine.open(), u32{RS_OK});
        machine.start();
        line.emplace(machine, fault);
        connection = std::make_shared<DebugConnection>(
            loop, transport::Channel::create(loop.context(), line->take()), nullptr, "line",
            ConnectionEvents{
                .on_message = [this](const Message& message) { text += message.text(); },
                .on_lost = [this](const std::string& reason) { lost.push_back(reason); },
                .on_halt = [this](const rs_halt& halt) { halts.push_back(halt); },
                .on_notice = [this](const std::string& notice) { notices.push_back(notice); }},
            kTimes);
        const auto failure = connection->introduce(pause, 20s);
        ASSERT_TRUE(failure) << failure.text;
        connection->start();
    }
    void await_halt() {
        const auto before = awaited++;
        EXPECT_EQ(loop.wait_until([&] { return halts.size() > before; }, 20s),
                  transport::Wait::kDone)
            << "halt " << before;
    }
    template <class T>
    Failure ask(u32 request, T& structure) {
        structure.size = sizeof structure;
        return connection->request(request, std::as_writable_bytes(std::span{&structure, 1}), 30s);
    }
    static bool ok(const Failure& failure) { return failure.kind == Failure::Kind::kNone; }
    void go() {
        rs_run run{};
        EXPECT_TRUE(ok(ask(RS_IOC_RUN, run))) << "go";
    }
    void register_event(const ImageBuilder& builder) {
        auto image = builder.build();
        image.resize(align_up(image.size(), 8));
        const auto failure = connection->request(RS_IOC_REGISTER_EVENT,
                                                 std::as_writable_bytes(std::span{image}), 30s);
        rs_event_detail detail;
        std::memcpy(&detail, image.data(), sizeof detail);
        EXPECT_EQ(detail.error, u32{RS_OK});
        EXPECT_TRUE(ok(failure));
    }

    test::DebuggedMachine machine;
    transport::Loop loop;
    std::optional<Line> line;
    std::shared_ptr<DebugConnection> connection;
    std::string text;
    std::vector<rs_halt> halts;
    std::vector<std::string> lost, notices;
    std::size_t awaited = 0;
};

TEST_F(DebugLink, HaltsLooksAndGoesOn) {
    connect(0, true);
    await_halt();
    rs_registers registers{};
    EXPECT_TRUE(ok(ask(RS_IOC_REGISTERS, registers)));
    EXPECT_EQ(registers.core, halts[0].core);
    rs_version version{};
    EXPECT_TRUE(ok(ask(RS_IOC_VERSION, version)));
    EXPECT_STREQ(version.host_name, "fake");
    register_event(ImageBuilder{}.script(event::printing("hello\n")).action(RS_ACT_BREAK, {}));
    go();
    machine.interrupt(1, 0x25);
    await_halt();
    EXPECT_EQ(halts[1].core, 1u);
    EXPECT_EQ(text, "hello\n");
    go();
    EXPECT_TRUE(ok(connection->drain(20s)));
    EXPECT_TRUE(lost.empty());
    EXPECT_TRUE(notices.empty());
}

TEST_F(DebugLink, OneRequestAtATime) {
    connect();
    Failure inner;
    loop.post([&] {
        rs_halt_state state{};
        inner = ask(RS_IOC_HALT_STATE, state);
    });
    rs_halt_state state{};
    // The posted one runs inside of this one's wait.
    EXPECT_TRUE(ok(ask(RS_IOC_HALT_STATE, state)));
    EXPECT_EQ(inner.error_number, EDEADLK);
}

TEST_F(DebugLink, AnInterruptEndsAWaitAndNothingElse) {
    connect();
    line->break_with(1);  // nothing arrives
    loop.post([&] { EXPECT_TRUE(loop.interrupt()); });
    rs_halt_state state{};
    EXPECT_EQ(ask(RS_IOC_HALT_STATE, state).kind, Failure::Kind::kInterrupted);
    line->heal();
    EXPECT_TRUE(ok(ask(RS_IOC_HALT_STATE, state)));
    EXPECT_EQ(state.core_count, 2u);
}

TEST_F(DebugLink, AGoodByeLetsTheMachineRun) {
    connect(300, true);
    await_halt();
    connection->close();
    EXPECT_FALSE(connection->is_open());
    EXPECT_TRUE(lost.empty());
    const u64 before = machine.steps[0];
    while (machine.steps[0] == before)
        std::this_thread::yield();
}

TEST_F(DebugLink, TheDebuggeesGoodByeIsTold) {
    connect();
    machine.happen(0, [&] { machine.get().close(machine.vcpu(0)); }).wait();
    EXPECT_EQ(loop.wait_until([&] { return !lost.empty(); }, 20s), transport::Wait::kDone);
    EXPECT_EQ(lost, std::vector<std::string>{"the debuggee has ended Debugger Mode"});
}

/// MOD-7: every request is carried out once and answered, every message comes once and in order,
/// every halt is told.
class LossyDebugLink : public DebugLink, public testing::WithParamInterface<u32> {};

TEST_P(LossyDebugLink, NothingIsLostOrDoubled) {
    connect(GetParam(), true);
    await_halt();
    std::string wanted;
    for (u32 i = 0; i < 4; ++i)
        register_event(ImageBuilder{}
                           .vector(0x30 + i)
                           .script(event::printing("event " + std::to_string(i) + "\n"))
                           .action(RS_ACT_BREAK, {}));
    rs_prealloc pools{};
    pools.type = RS_POOL_REGULAR_EVENT;
    for (u32 i = 0; i < 8; ++i) {
        pools.count = 1;
        EXPECT_TRUE(ok(ask(RS_IOC_PREALLOC, pools)));
        EXPECT_EQ(pools.available[RS_POOL_REGULAR_EVENT], 28 + i + 1);
    }
    for (u32 i = 0; i < 24; ++i) {
        go();
        machine.interrupt(i % 2, u8(0x30 + i % 4));
        await_halt();
        if (halts.size() != i + 2)
            break;
        EXPECT_EQ(halts.back().event_id, i % 4);
        EXPECT_EQ(halts.back().generation, i + 2);
        wanted += "event " + std::to_string(i % 4) + "\n";
        EXPECT_EQ(text, wanted);
        rs_halt_state state{};
        EXPECT_TRUE(ok(ask(RS_IOC_HALT_STATE, state)));
        EXPECT_EQ(state.generation, i + 2);
    }
    EXPECT_EQ(halts.size(), 25u);
    EXPECT_TRUE(lost.empty());
    EXPECT_TRUE(notices.empty());
}

INSTANTIATE_TEST_SUITE_P(Faults, LossyDebugLink, testing::Values(5000u, 1000u, 400u));

}  // namespace
}  // namespace ringside::debuggee
