// SPDX-License-Identifier: GPL-2.0-or-later
// The debuggee's half of Debugger Mode: the debug link as root mode drives it, and the loop in
// which the operating core serves the debugger while the machine is halted (specification 13.2).
#pragma once

#include <span>

#include "debug/breakpoints.hpp"
#include "debug/halted_memory.hpp"
#include "debug/pools.hpp"
#include "event/registry.hpp"
#include "link/frame_queue.hpp"
#include "link/frame_receiver.hpp"
#include "link/shared_stream.hpp"
#include "link/uart.hpp"
#include "ring/ring_set.hpp"
#include "ringside/packet.h"
#include "symbols/symbol_table.hpp"
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

/// What guest context prepares and root mode works on. Every address is one of guest context, at
/// which root mode has the same memory.
struct Setup {
    u32 kind = 0;  ///< RS_LINK_*
    u32 baud = 0;
    u16 port = 0;            ///< of the UART that is the link, or rings for one; 0: none
    u32 irq = 0;             ///< its ISA interrupt line
    u64 shared_address = 0;  ///< of the shared memory, in root mode alone
    u64 shared_bytes = 0;
    std::span<u8> receive, send, request, reply;
    event::Engine* engine = nullptr;
    event::Registry* registry = nullptr;
    event::Reserve* reserve = nullptr;
    HaltedMemory::Parts memory = {};
    ring::Consumer* consumers = nullptr;              ///< of the cores' link rings
    RootPointer<const symbols::SymbolTable> symbols;  ///< may be null
    rs_version version = {};
};

/// What guest context asks for by hypercall.
enum class LinkOperation : u64 { kOpen, kClose, kTend };

/// Puts Debugger Mode's handlers into the table.
void fill(vcpu::ExitTable& table);

/// One a machine, in zeroed memory. Guest context fills setup; from open() on it is root mode's.
class Debugger {
public:
    static constexpr usize kReceiveBytes = 0x80000;      ///< the largest frame that is taken
    static constexpr usize kSendBytes = 0x80000;         ///< frames to be sent, and their history
    static constexpr usize kRequestBytes = 0x80000;      ///< the largest request
    static constexpr usize kLinkRingBytes = 256 * 1024;  ///< messages of one core

    Setup setup;

    /// The machine's; null once another core has let the link go.
    static Debugger* of(vcpu::Machine& machine);

    /// Takes the link over. Root mode, the core of the caller.
    /// @return RS_OK, RS_ERR_NO_PORT, RS_ERR_NO_SHARED_MEMORY
    u32 open(vcpu::Vcpu& vcpu);
    /// Lets it go; the machine runs.
    void close(vcpu::Vcpu& vcpu);

    /// Looks after the link while the machine runs; see vcpu::LinkHandler.
    /// @param has_nmi  an NMI came to this core that the link may have sent
    bool tend(vcpu::Vcpu& vcpu, bool has_nmi);
    /// Serves the debugger while this core operates.
    void operate(vcpu::Vcpu& vcpu);

    /// This core has run the instruction below a breakpoint.
    void end_passing(vcpu::Vcpu& vcpu);

    /// Whether an exception is the debugger's own: a step's end, a breakpoint.
    bool take_exception(vcpu::Vcpu& vcpu, const vcpu::PendingEvent& exception);

    /// Whether a debugger is there to let a halted machine go on; one that was silent for long is
    /// asked (BRK-7).
    bool has_debugger(vcpu::Vcpu& vcpu);

    /// Whether an NMI tells that the debugger has said something.
    bool has_doorbell() const { return has_doorbell_; }

    // Guest context: what root mode left for it, and says whether it may work on events.
    Pools& pools() { return pools_; }
    Leftover*& leftovers() { return leftovers_; }
    /// Set while guest context changes events: root mode then leaves them alone.
    std::atomic<u32>& guest_works() { return guest_works_; }

private:
    struct Reply {
        u32 id = 0;
        rs_packet_reply header = {};
        usize bytes = 0;  ///< of the reply buffer
    };

    link::ByteStream& stream();
    bool is_attached() const;
    bool take_interrupts(vcpu::Vcpu& vcpu);
    bool is_echo(vcpu::Vcpu& vcpu, u64 now);
    void begin_to_listen();
    void end_to_listen();
    void listen(vcpu::Vcpu& vcpu);
    void end_route(vcpu::Vcpu& vcpu);
    void resume(vcpu::Vcpu& vcpu, u32 how);
    void look_after_link(vcpu::Vcpu& vcpu);
    void insert_breakpoints(vcpu::Vcpu& vcpu);
    bool pass_nop(vcpu::Vcpu& vcpu, u64 address);
    void pass(vcpu::Vcpu& vcpu);
    void pass_breakpoint(vcpu::Vcpu& vcpu, u64 address);
    bool take_breakpoint(vcpu::Vcpu& vcpu);
    u32 set_end_of_run(vcpu::Vcpu& vcpu, const rs_run& request);
    bool try_lock() { return lock_.exchange(1, std::memory_order_acquire) == 0; }
    void lock(vcpu::Vcpu& vcpu);
    void unlock() { lock_.store(0, std::memory_order_release); }

    // Frames; the lock is held.
    void serve(vcpu::Vcpu& vcpu);
    void take(vcpu::Vcpu& vcpu, const rs_packet& header, std::span<const u8> payload);
    void take_hello(vcpu::Vcpu& vcpu, std::span<const u8> payload);
    void take_request(vcpu::Vcpu& vcpu, std::span<const u8> payload);
    void send_reply();
    void send_error(rs_link_error code, std::span<const u8> detail);
    void send_messages();
    void send_halt(vcpu::Vcpu& vcpu);
    void pump();
    void flush_out(u64 patience_ms);
    void detach(vcpu::Vcpu& vcpu);
    void fill_halt(vcpu::Vcpu& vcpu, rs_halt& report);

    // Requests of requests.cpp.
    u32 carry_out(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 carry_out_halted(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 work_on_events(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image);
    u32 register_event(vcpu::Vcpu& vcpu, std::span<u8> image);
    u32 evaluate(vcpu::Vcpu& vcpu, std::span<u8> image);
    u32 run(vcpu::Vcpu& vcpu, rs_run& request);
    u32 switch_core(vcpu::Vcpu& vcpu, rs_switch_core& request);
    u32 short_circuit(vcpu::Vcpu& vcpu, rs_event_sc& request);
    u32 tell_halt_state(vcpu::Vcpu& vcpu, rs_halt_state& request);
    u32 preallocate(rs_prealloc& request);
    u32 tell_idt(vcpu::Vcpu& vcpu, rs_idt& request);
    u32 change_settings(vcpu::Vcpu& vcpu, rs_settings& request);
    void clear_events(vcpu::Vcpu& vcpu);
    void disable_breaks(vcpu::Vcpu& vcpu);
    template <class Work>
    u32 with_registry(vcpu::Vcpu& vcpu, Work work);
    static u32 errno_of(u32 error);

    static constexpr u32 kNoCore = ~u32{0};

    MachinePorts ports_;
    link::Uart uart_;
    link::SharedStream shared_;
    link::FrameReceiver receiver_;
    link::FrameQueue queue_;
    ring::RingSet rings_;
    ring::MergedReader messages_;
    Pools pools_;
    Breakpoints breakpoints_;
    CoreHalter halters_[vcpu::kMaxCores];
    Leftover* leftovers_ = nullptr;

    std::atomic<u32> lock_{0};
    std::atomic<u32> guest_works_{0};
    std::atomic<u64> heard_tsc_{0};
    std::atomic<bool> is_attached_{false};
    u64 ticks_per_ms_ = 0;
    u64 interrupt_tsc_ = 0;                ///< of the UART's last interrupt
    std::atomic<bool> has_output_{false};  ///< frames wait to be sent
    bool has_doorbell_ = false;            ///< the UART interrupts by NMI
    u32 bell_core_ = 0;                    ///< the core that the UART's NMI comes to
    u64 bell_halts_ = 0;                   ///< halts when one came there last
    bool has_session_ = false;             ///< a debugger has introduced itself
    bool wants_halt_ = false;
    bool goes_on_alone_ = false;  ///< 'settings linkloss go'
    u32 reported_core_ = 0;
    u64 reported_halt_ = 0;
    u8 nonce_[32] = {};  ///< of its HELLO
    Reply reply_;        ///< to its last request
    u32 run_how_ = 0;
    bool has_run_end_ = false;  ///< a breakpoint ends it
    u32 next_core_ = 0;         ///< the one to operate next
    bool leaves_loop_ = false;  ///< the machine is to run
    u8 batch_[0x4000] = {};
    event::Registration registration_;
};

}  // namespace ringside::debug
