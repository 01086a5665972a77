// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/limits.hpp"

namespace ringside::event {
namespace {

constexpr u32 kKnown = RS_SET_SCRIPT_BUDGET | RS_SET_SCRIPT_TIME | RS_SET_CODE_TIME |
                       RS_SET_GATHER_TIME | RS_SET_SC_REPLAY | RS_SET_SC_DELIVER;
constexpr u64 kMostScriptBudget = u64{1} << 40;
constexpr u64 kMostScriptTimeUs = 10'000'000;
constexpr u64 kMostCodeTimeUs = 1'000'000;
constexpr u64 kMostGatherTimeMs = 60'000;

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
    u64 gather_time_ms = 0;
    if (mask & ~kKnown || request.reserved[0] || request.reserved[1] || request.sc_replay > 1 ||
        request.sc_deliver > 1 ||
        !take(mask & RS_SET_SCRIPT_BUDGET, request.script_budget, kMostScriptBudget,
              taken.script_budget) ||
        !take(mask & RS_SET_SCRIPT_TIME, request.script_time_us, kMostScriptTimeUs,
              taken.script_time_us) ||
        !take(mask & RS_SET_CODE_TIME, request.code_time_us, kMostCodeTimeUs, taken.code_time_us) ||
        !take(mask & RS_SET_GATHER_TIME, request.gather_time_ms, kMostGatherTimeMs, gather_time_ms))
        return false;
    if (mask & RS_SET_GATHER_TIME)
        taken.gather_time_us = gather_time_ms * 1000;
    limits = taken;
    return true;
}

}  // namespace ringside::event
