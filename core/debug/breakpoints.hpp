// SPDX-License-Identifier: GPL-2.0-or-later
// Breakpoints in the guest's code: INT3 in place of a byte while the machine runs, the byte itself
// while it is halted. Root mode.
#pragma once

#include <span>

#include "ringside/debug.h"
#include "vcpu/vcpu.hpp"

namespace ringside::debug {

/// One breakpoint, the user's or one that ends a run.
struct Breakpoint {
    u32 id = 0;  ///< 0: free; kTemporary
    u32 process_id = RS_ANY;
    u32 thread_id = RS_ANY;
    u32 core = RS_ANY;
    u32 space = RS_ANY;  ///< the process whose memory it is in; RS_ANY: the kernel's
    u64 address = 0;
    u64 hits = 0;
    u64 task = 0;         ///< of a temporary one that ends a step; 0: the ids above count
    u64 stack = 0;        ///< of a temporary one: it counts only where RSP is at least that
    u8* place = nullptr;  ///< of the byte, in root mode; while it is there
    u8 original = 0;
    bool is_enabled = false;
};

/// What an INT3 of the guest's turns out to be.
enum class BreakpointHit : u8 {
    kNone,       ///< the guest's own
    kPassed,     ///< ours, and not meant: the instruction below it is to run
    kHit,        ///< the user's
    kTemporary,  ///< a run ends here
};

/// All of them. Changed while the machine is halted, and by the core that takes a hit under the
/// link's lock. Usable from zeroed memory.
class Breakpoints {
public:
    static constexpr u32 kTemporary = ~u32{0};

    /// Carries out RS_NR_BREAKPOINT. The machine is halted, on `vcpu` as the operating core.
    u32 answer(vcpu::Vcpu& vcpu, rs_breakpoint& request);
    /// One that is gone at its first hit, or with the next halt.
    /// @param wanted  address and what it is limited to
    /// @return RS_OK or RS_ERR_BAD_ADDRESS
    u32 set_temporary(vcpu::Vcpu& vcpu, Breakpoint wanted);

    /// The machine runs again: INT3s go in. Those that cannot be reached any more stay out.
    void insert(vcpu::Vcpu& vcpu);
    /// It is halted: the code is as it was.
    void remove();
    /// No temporary ones from here on.
    void forget_temporary();
    void clear_all();

    /// Code that was read while the machine runs, as it is without them.
    void hide(u64 address, std::span<u8> code) const;
    u32 count() const;
    /// Null: there is none.
    const Breakpoint* temporary() const;

    /// An INT3 was met at `address`. @param id  of the one that was hit
    BreakpointHit judge(vcpu::Vcpu& vcpu, u64 address, u32& id);
    /// Whether there is one, inserted, where this core executes `address`.
    bool is_at(vcpu::Vcpu& vcpu, u64 address);
    /// Takes out what this core is at, so that the instruction below it can run, and puts it back.
    /// @return whether there was any
    bool lift(vcpu::Vcpu& vcpu, u64 address);
    void put_back(vcpu::Vcpu& vcpu) { insert(vcpu); }
    /// Whether it is still there and enabled.
    bool is_live(u32 id) const;

private:
    static constexpr u32 kTemporarySlot = RS_MAX_BREAKPOINTS;

    u32 set(vcpu::Vcpu& vcpu, rs_breakpoint& request);
    Breakpoint* find_id(u32 id);
    Breakpoint* find_at(const u8* place);
    bool take_out(const u8* place);

    Breakpoint all_[RS_MAX_BREAKPOINTS + 1] = {};  ///< the last one: temporary
    u32 last_id_ = 0;
};

}  // namespace ringside::debug
