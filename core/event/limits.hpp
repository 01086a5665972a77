// SPDX-License-Identifier: GPL-2.0-or-later
// What scripts, machine code and gathered text may take, and what short-circuiting does beside its
// work; may change while loaded (RS_IOC_SETTINGS). Pure.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "ringside/ioctl.h"

namespace ringside::event {

struct Limits {
    u64 script_budget = RS_SCRIPT_DEFAULT_BUDGET;  ///< operations a run (SCR-7)
    u64 script_time_us = RS_DEFAULT_SCRIPT_TIME_US;
    u64 code_time_us = RS_DEFAULT_CODE_TIME_US;      ///< a run of machine code (CTX-10)
    bool jit = true;                                 ///< machine code for scripts of events
    s64 utc_offset_s = 0;                            ///< of $date and $time
    u64 gather_time_ms = RS_DEFAULT_GATHER_TIME_MS;  ///< longest time text is kept (MSG-3)
};

/// Takes what a request changes into `limits`. False, and nothing taken: a field that is not known
/// or out of its range (ringside/ioctl.h); those of short-circuiting are looked at, too.
bool take_limits(const rs_settings& request, Limits& limits);

/// Tells them in the answer to a request.
void tell_limits(const Limits& limits, rs_settings& answer);

}  // namespace ringside::event
