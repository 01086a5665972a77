// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's half of the debug link, with whatever bytes and frames a debugger may send: to a
// machine that runs and to one that stands. It never crashes, and always answers a good HELLO. The
// input is a list of orders: one byte, then what it takes.
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "../unit/core/debug/debugger_end.hpp"
#include "support/debugged_machine.hpp"

namespace {

using namespace ringside;

constexpr u32 kNumbers[] = {RS_NR_VERSION,       RS_NR_REGISTER_EVENT,
                            RS_NR_ADD_ACTION,    RS_NR_MODIFY_EVENT,
                            RS_NR_LIST_EVENTS,   RS_NR_EVENT_STAT,
                            RS_NR_SHORT_CIRCUIT, RS_NR_FLUSH,
                            RS_NR_PREALLOC,      RS_NR_MEM,
                            RS_NR_MSR,           RS_NR_IDT,
                            RS_NR_LAPIC,         RS_NR_IO_APIC,
                            RS_NR_EVAL,          RS_NR_SYMBOL,
                            RS_NR_REGISTERS,     RS_NR_PAGE_WALK,
                            RS_NR_TASKS,         RS_NR_MAPPINGS,
                            RS_NR_SYMBOL_LIST,   RS_NR_RUN,
                            RS_NR_PAUSE,         RS_NR_SWITCH_CORE,
                            RS_NR_HALT_STATE};

/// Everything is said before it is listened to: the ring to the debuggee has room for it.
class Sayer {
public:
    explicit Sayer(test::DebuggedMachine& machine) {
        if (!stream_.attach(machine.link_memory, test::DebuggedMachine::kSharedBytes,
                            link::Side::kDebugger))
            std::abort();
    }
    void bytes(std::span<const u8> what) { (void)stream_.write(what.data(), what.size()); }
    void frame(rs_packet_type type, std::initializer_list<std::span<const u8>> parts) {
        (void)queue_.push(type, parts);
        queue_.pump(stream_);
    }
    void hello(u32 flags, u8 nonce) {
        frame(RS_PACKET_HELLO, {debug::raw(debug::DebuggerEnd::hello_of(flags, nonce))});
    }
    void go_on_alone() {
        rs_packet_request request{};
        request.id = 0xffff'0000;
        request.request = RS_IOC_SETTINGS;
        request.size = sizeof(rs_settings);
        rs_settings settings{};
        settings.size = sizeof settings;
        settings.mask = RS_SET_LINK_LOSS;
        settings.link_loss = 1;
        frame(RS_PACKET_REQUEST, {debug::raw(request), debug::raw(settings)});
    }
    void run() {
        rs_packet_request request{};
        request.id = 0xffff'0000 + ++runs_;
        request.request = RS_IOC_RUN;
        request.size = sizeof(rs_run);
        rs_run run{};
        run.size = sizeof run;
        frame(RS_PACKET_REQUEST, {debug::raw(request), debug::raw(run)});
    }
    /// Whether an answer to the HELLO with this nonce is among what was said.
    bool hears_answer(u8 nonce) {
        bool was_there = false;
        while (receiver_.poll(stream_)) {
            if (receiver_.header().type == RS_PACKET_DEBUGGEE) {
                rs_packet_debuggee answer;
                std::memcpy(&answer, receiver_.payload().data(), sizeof answer);
                was_there |= answer.nonce[0] == nonce;
            }
            receiver_.consume();
        }
        return was_there;
    }

private:
    std::vector<u8> sent_ = std::vector<u8>(0x80000);
    std::vector<u8> heard_ = std::vector<u8>(0x200000);
    link::SharedStream stream_;
    link::FrameQueue queue_{sent_};
    link::FrameReceiver receiver_{heard_};
    u32 runs_ = 0;
};

class Input {
public:
    explicit Input(std::span<const u8> bytes) : rest_{bytes} {}
    bool is_over() const { return rest_.empty(); }
    u8 byte() {
        if (rest_.empty())
            return 0;
        const u8 first = rest_[0];
        rest_ = rest_.subspan(1);
        return first;
    }
    std::span<const u8> take(usize count) {
        const auto taken = rest_.first(count < rest_.size() ? count : rest_.size());
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const u8> rest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size > 0x8000)
        return 0;
    test::DebuggedMachine machine{1};
    machine.machine->short_circuit.ticks_per_ms = 10;  // nobody waits for long
    if (machine.open() != RS_OK)
        std::abort();
    Sayer sayer{machine};
    Input input{{data, size}};
    u32 id = 1;
    // A machine that stands is let go, and goes on by itself where that is not understood.
    static Sayer* speaker;
    speaker = &sayer;
    machine.machine->exits.operate = [](vcpu::Vcpu& vcpu) {
        speaker->run();
        static_cast<debug::Debugger*>(vcpu.machine->debugger)->operate(vcpu);
    };
    const auto settle = [&] { vcpu::settle_entry(machine.vcpu()); };
    sayer.hello(RS_LINKF_PAUSE, 1);
    sayer.go_on_alone();
    settle();
    while (!input.is_over()) {
        const u8 order = input.byte();
        switch (order % 8) {
            case 0:
                sayer.hello(order & 8 ? RS_LINKF_PAUSE : 0, input.byte());
                break;
            case 1:
            case 2: {
                rs_packet_request request{};
                request.id = order & 8 ? id : ++id;
                request.request = RS_IOC_MAGIC << 8 | kNumbers[input.byte() % std::size(kNumbers)];
                const auto argument = input.take(usize{input.byte()} * 2);
                request.size = u32(argument.size()) + (order & 16 ? 0x200 : 0);
                sayer.frame(RS_PACKET_REQUEST, {debug::raw(request), argument});
                break;
            }
            case 3: {
                const u32 word = input.byte();
                const rs_packet_resend resend{.sequence = word, .reserved = 0};
                sayer.frame(order & 8 ? RS_PACKET_RESEND : RS_PACKET_PING, {debug::raw(resend)});
                break;
            }
            case 4:
                sayer.bytes(input.take(input.byte()));
                break;
            case 5:
                (void)sayer.hears_answer(0);
                break;
            case 6:
                settle();
                break;
            default:
                settle();
                machine.backend().interrupts.push_back(0x20 + input.byte() % 0xe0);
                (void)machine.exit(vcpu::ExitReason::kExternalInterrupt);
                break;
        }
    }
    settle();
    (void)sayer.hears_answer(0);
    constexpr u8 kNonce = 0xa5;
    bool is_answered = false;
    for (u32 tries = 0; tries < 64 && !is_answered; ++tries) {
        sayer.hello(0, kNonce);
        settle();
        is_answered = sayer.hears_answer(kNonce);
    }
    if (!is_answered)
        std::abort();
    return 0;
}
