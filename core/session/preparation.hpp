// SPDX-License-Identifier: GPL-2.0-or-later
// Guest context's part of Debugger Mode: the memory root mode's debugger works in, and the making
// and ending of a debuggee. The caller serialises.
#pragma once

#include "core_api.h"
#include "debug/debugger.hpp"
#include "vcpu/hypervisor.hpp"

namespace ringside {

class Preparation {
public:
    /// What the debugger works with, beside memory.
    struct Parts {
        vcpu::Hypervisor* hypervisor;
        const rs_platform* platform;
        event::Engine* engine;
        event::Registry* registry;
        RootPointer<const symbols::SymbolTable> symbols;  ///< may be null
    };

    /// Makes this machine a debuggee: takes memory, and has root mode take the link over.
    /// @param version  what the debugger is told of the machine
    /// @return RS_OK or RS_ERR_*; on failure nothing has changed
    u32 begin(const Parts& parts, const rs_prepare& request, const rs_link_device& device,
              const rs_version& version);
    /// The link is let go; its events are gone before.
    void end();
    /// Root mode's page tables are gone, and what was mapped there.
    void forget_mapping() { has_shared_memory_ = false; }
    bool is_debuggee() const { return debugger_ != nullptr; }
    /// Whether nothing but tend() tells root mode that the debugger has said something.
    bool is_polled() const { return debugger_ != nullptr && !debugger_->has_doorbell(); }

    /// Now and then: makes up for what was taken of the reserve, gives back what was left over,
    /// and has root mode look at the link.
    void tend();

    /// While it lives root mode leaves the events alone.
    class EventWork {
    public:
        explicit EventWork(Preparation& preparation) : debugger_{preparation.debugger_} {
            if (debugger_)
                debugger_->guest_works().store(1, std::memory_order_seq_cst);
        }
        ~EventWork() {
            if (debugger_)
                debugger_->guest_works().store(0, std::memory_order_release);
        }
        EventWork(const EventWork&) = delete;
        EventWork& operator=(const EventWork&) = delete;

    private:
        debug::Debugger* debugger_;
    };

private:
    /// Memory of one core's link ring.
    struct LinkRing {
        ring::Indices* indices;
        u8* data;
    };
    u32 take_memory(const Parts& parts);
    void give_back();
    u8* take(usize bytes);
    u32 ask(debug::LinkOperation operation);
    void attach_rings();
    void grow_reserve();

    static constexpr u32 kMaxPieces = 16;
    static constexpr u32 kChunks = 8;  ///< of the reserve at first: stock and 'prealloc'

    Parts parts_ = {};
    debug::Debugger* debugger_ = nullptr;
    event::Reserve* reserve_ = nullptr;
    ring::Consumer* consumers_ = nullptr;
    LinkRing rings_[vcpu::kMaxCores] = {};
    struct Piece {
        u8* memory;
        usize bytes;
    } pieces_[kMaxPieces] = {};
    u32 piece_count_ = 0;
    bool has_shared_memory_ = false;  ///< mapped for root mode, since the load
};

}  // namespace ringside
