// SPDX-License-Identifier: GPL-2.0-or-later
// The debuggee's half of Debugger Mode: the debug link as root mode drives it, and the loop in
// which the operating core serves the debugger while the machine is halted (specification 13.2).
#pragma once

#include <span>

#include "debug/halted_memory.hpp"
#include "debug/pools.hpp"
#include "event/registry.hpp"
#include "link/frame_queue.hpp"
#include "link/frame_receiver.hpp"
#include "link/shared_stream.hpp"
#include "link/uart.hpp"
#include "ring/ring_set.hpp"
#include "ringside/packet.h"
#include "vcpu/halt.hpp"

namespace ringside::debug {

class Debugger;

/// How an event on one core halts the machine.
class CoreHalter final : public event::Halter {
public:
    void init(Debugger& debugger, vcpu::Vcpu& vcpu) {
        debugger_ = &debugger;
        vcpu_ = &vcpu;
    }
    bool halt(event::Occasion& occasion) override;

private:
    Debugger* debugger_ = nullptr;
    vcpu::Vcpu* vcpu_ = nullptr;
};

/// The ports of this machine.
class MachinePorts final : public link::PortIo {
public:
    u8 in(u16 port) override;
    void out(u16 port, u8 value) override;
};

/// Answers what is not known of the machine itself: names.
class Symbols {
public:
    virtual u32 answer_symbol(rs_symbol& request) = 0;
    virtual u32 answer_list(std::span<u8> image) = 0;
    /// "vmlinux!name" of what stands at `address` into `name`, and where it begins; 0: unknown.
    virtual u64 name_at(u64 address, std::span<char> name) = 0;

protected:
    ~Symbols() = default;
};

/// What guest context prepares and root mode works on. Every address is one of guest context, at
/// which root mode has the same memory.
struct Setup {
    u32 kind = 0;  ///< RS_LINK_*
    u32 baud = 0;
    u16 port = 0;  ///< of the UART that is the link, or rings for one; 0: none
    u32 irq = 0;   ///< its ISA interrupt line
    u64 shared_address = 0;  ///< of the shared memory, in root mode alone
    u64 shared_bytes = 0;
    std::span<u8> receive, send, request, reply;
    event::Engine* engine = nullptr;
    event::Registry* registry = nullptr;
    event::Reserve* reserve = nullptr;
    HaltedMemory::Parts memory = {};
    ring::Consumer* consumers = nullptr;  ///< of the cores' link rings
    Symbols* symbols = nullptr;           ///< may be null
    rs_version version = {};
};

/// One a machine. Guest context makes it and fills setup; from open() on it is root mode's.
class Debugger {
public:
    static constexpr usize kReceiveBytes = 0x80000;  ///< the largest frame that is taken
    static constexpr usize kSendBytes = 0x80000;     ///< frames to be sent, and their history
    static constexpr usize kRequestBytes = 0x80000;  ///< the largest request
    static constexpr usize kLinkRingBytes = 256 * 1024;  ///< messages of one core

    Setup setup;

    /// Takes the link over. Root mode, the core of the caller.
    /// @return RS_OK, RS_ERR_NO_PORT, RS_ERR_NO_SHARED_MEMORY
    u32 open(vcpu::Vcpu& vcpu);
    /// Lets it go; the machine runs.
    void close(vcpu::Vcpu& vcpu);

    /// LinkHandler, OperateHandler.
    bool tend(vcpu::Vcpu& vcpu);
    void operate(vcpu::Vcpu& vcpu);

    /// Whether a debugger was heard of lately (BRK-7).
    bool is_attached() const;
    bool goes_on_without_debugger() const { return link_loss_goes_; }

    Pools& pools() { return pools_; }
    Leftover*& leftovers() { return leftovers_; }
    std::atomic<u32>& wants_close() { return wants_close_; }

private:
    struct Reply {
        u32 id = 0;
        rs_packet_reply header = {};
        usize bytes = 0;  ///< of the reply buffer
    };

    link::ByteStream& stream();
    bool try_lock() { return lock_.exchange(1, std::memory_order_acquire) == 0; }
    void unlock() { lock_.store(0, std::memory_order_release); }

    // Frames; the lock is held.
    void serve(vcpu::Vcpu& vcpu);
    void take(vcpu::Vcpu& vcpu, const rs_packet& header, std::span<const u8> payload);
    void take_hello(vcpu::Vcpu& vcpu, std::span<const u8> payload);
    void take_request(vcpu::Vcpu& vcpu, std::span<const u8> payload);
    void send_reply();
    void send_error(rs_link_error code);
    void send_messages();
    void send_halt(vcpu::Vcpu& vcpu);
    void pump();
    void flush_out(u64 patience_ms);
    void detach(vcpu::Vcpu& vcpu);
    void fill_halt(vcpu::Vcpu& vcpu, rs_halt& report);
    u64 ticks_per_ms() const { return ticks_per_ms_; }

    // Requests of requests.cpp.
    u32 carry_out(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 carry_out_halted(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 work_on_events(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 register_event(std::span<u8> image);
    u32 evaluate(vcpu::Vcpu& vcpu, std::span<u8> image);
    u32 run(vcpu::Vcpu& vcpu, rs_run& request);
    u32 switch_core(vcpu::Vcpu& vcpu, rs_switch_core& request);
    u32 short_circuit(vcpu::Vcpu& vcpu, rs_event_sc& request);
    u32 tell_halt_state(vcpu::Vcpu& vcpu, rs_halt_state& request);
    u32 preallocate(rs_prealloc& request);

    MachinePorts ports_;
    link::Uart uart_;
    link::SharedStream shared_;
    link::FrameReceiver receiver_;
    link::FrameQueue queue_;
    ring::RingSet rings_;
    ring::MergedReader messages_;
    Pools pools_;
    CoreHalter halters_[vcpu::kMaxCores];
    Leftover* leftovers_ = nullptr;

    std::atomic<u32> lock_{0};
    std::atomic<u32> wants_close_{0};
    std::atomic<u64> heard_tsc_{0};
    std::atomic<bool> is_attached_{false};
    u64 ticks_per_ms_ = 1'000'000;
    u64 interrupt_tsc_ = 0;  ///< of the UART's last interrupt
    bool has_doorbell_ = false;
    bool wants_halt_ = false;
    bool link_loss_goes_ = false;
    bool is_operating_ = false;  ///< the loop of operate() is in the lock
    u32 reported_core_ = ~u32{0};
    u64 reported_halt_ = 0;
    u8 nonce_[32] = {};
    Reply reply_;
    u32 run_how_ = 0;
    bool leaves_loop_ = false;
};

}  // namespace ringside::debug
