// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/limits.hpp"

namespace ringside::event {
namespace {

/// False: `value` is asked for and out of its range.
bool take(bool is_asked, u64 value, u64 most, u64& target) {
    if (!is_asked)
        return true;
    if (value == 0 || value > most)
        return false;
    target = value;
    return true;
}

}  // namespace

bool take_limits(const rs_settings& request, Limits& limits) {
    const u32 mask = request.mask;
    Limits taken = limits;
    if (mask & ~RS_SET_ALL || request.jit > 1 || request.link_loss > 1 || request.sc_replay > 1 ||
        request.sc_deliver > 1 ||
        !take(mask & RS_SET_SCRIPT_BUDGET, request.script_budget, RS_MAX_SCRIPT_BUDGET,
              taken.script_budget) ||
        !take(mask & RS_SET_SCRIPT_TIME, request.script_time_us, RS_MAX_SCRIPT_TIME_US,
              taken.script_time_us) ||
        !take(mask & RS_SET_CODE_TIME, request.code_time_us, RS_MAX_CODE_TIME_US,
              taken.code_time_us) ||
        !take(mask & RS_SET_GATHER_TIME, request.gather_time_ms, RS_MAX_GATHER_TIME_MS,
              taken.gather_time_ms))
        return false;
    if (mask & RS_SET_JIT)
        taken.jit = request.jit != 0;
    if (mask & RS_SET_UTC_OFFSET) {
        if (request.utc_offset_s > RS_MAX_UTC_OFFSET_S ||
            request.utc_offset_s < -RS_MAX_UTC_OFFSET_S)
            return false;
        taken.utc_offset_s = request.utc_offset_s;
    }
    limits = taken;
    return true;
}

void tell_limits(const Limits& limits, rs_settings& answer) {
    answer.script_budget = limits.script_budget;
    answer.script_time_us = limits.script_time_us;
    answer.code_time_us = limits.code_time_us;
    answer.gather_time_ms = limits.gather_time_ms;
    answer.jit = limits.jit;
    answer.utc_offset_s = limits.utc_offset_s;
}

}  // namespace ringside::event
