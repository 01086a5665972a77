// SPDX-License-Identifier: GPL-2.0-or-later
// What surrounds one run of a script: the event it runs for, its limits, and where its effects on
// the debugger go.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::script {

/// Effects of a script outside of the guest.
class EventHooks {
public:
    /// Text of one print or printf, at most RS_SCRIPT_MAX_TEXT_BYTES. The bytes are the caller's
    /// again when the call returns.
    virtual void emit(const char* text, usize length) = 0;
    /// By event id. False: no such event (the implementation reports it).
    virtual bool event_enable(u64 id) = 0;
    virtual bool event_disable(u64 id) = 0;
    virtual bool event_clear(u64 id) = 0;
    /// Whether the intercepted operation is left out for this firing.
    virtual void event_sc(bool skip) = 0;
    /// Drops what scripts printed and nobody has read yet.
    virtual void flush() = 0;
    /// Halts the machine for the debugger; where that cannot be, says so.
    virtual void pause() = 0;

protected:
    ~EventHooks() = default;
};

/// One run. All of it is read only by the VM.
struct RunContext {
    u64 context = 0;                          ///< $context
    u64 event_id = 0;                         ///< $event_id, 0 in evaluate
    u64 stage = 0;                            ///< $event_stage: 0 pre, 1 post, 2 handler
    u64 buffer = 0;                           ///< $buffer: guest virtual address, 0 if none
    u64 budget = RS_SCRIPT_DEFAULT_BUDGET;    ///< instructions
    u64 deadline_tsc = ~u64{0};               ///< GuestAccess::tsc() value that ends the run
    u64 ticks_per_ms = 1'000'000;             ///< of GuestAccess::tsc()
    u64 nanoseconds_per_tick = u64{1} << 32;  ///< 32 of its bits are a fraction
    s64 local_less_tsc_ns = 0;       ///< local time since 1970 less the TSC, both in nanoseconds
    u64 lock_limit_ticks = ~u64{0};  ///< longest wait for one lock, in TSC ticks
    const volatile u32* stop = nullptr;  ///< not 0: end the run at the next backward jump
    bool in_event = false;               ///< $event_tag has a value, tighter copy limits
};

/// The global variables of the session: one 8-byte slot a name, shared by all cores, accessed
/// atomically.
struct GlobalStore {
    u64* slots = nullptr;
    u32 count = 0;  ///< slots usable by programs linked so far
};

}  // namespace ringside::script
