// SPDX-License-Identifier: GPL-2.0-or-later
// How an event halts the machine for the debugger (specification 5.1). The engine knows no more of
// Debugger Mode than this.
#pragma once

#include "base/types.hpp"
#include "event/event.hpp"

namespace ringside::event {

/// The user's word on the interrupt that an event halted at; it is final (SC-6).
enum class UserVerdict : u8 { kNone, kDeliver, kIgnore };

/// One occurrence of an event at which the machine halts.
struct Occasion {
    const Event& event;
    u32 reason = 0;  ///< RS_HALT_EVENT or RS_HALT_SCRIPT
    u32 stage = 0;   ///< RS_STAGE_PRE or RS_STAGE_POST
    u64 context = 0;
    UserVerdict verdict = UserVerdict::kNone;  ///< out; pre stage only

    bool takes_verdict() const {
        return stage == RS_STAGE_PRE && event.type == RS_EVENT_EXTERNAL_INTERRUPT;
    }
};

class Halter {
public:
    /// Halts every core and returns when the debugger lets the machine go on. Root mode, own core,
    /// within the event's run.
    /// @return false: no debugger is there (BRK-7); nothing happened
    virtual bool halt(Occasion& occasion) = 0;

protected:
    ~Halter() = default;
};

}  // namespace ringside::event
