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
    u64 script_time_us = 200'000;
    u64 code_time_us = 10'000;     ///< a run of machine code (CTX-10)
    u64 gather_time_us = 250'000;  ///< longest time text of 'imm no' is kept (MSG-3)
};

/// Takes what a request changes into `limits`. False, and nothing taken: a field that is not known
/// or out of its range (ringside/ioctl.h); those of short-circuiting are looked at, too.
bool take_limits(const rs_settings& request, Limits& limits);

}  // namespace ringside::event
