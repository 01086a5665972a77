// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a verified, linked script. No allocation, no locks, no guest code; guest memory is reached
// through GuestAccess only. Script language section 17 "Execution model in root mode".
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "script/environment.hpp"
#include "script/guest_access.hpp"
#include "script/program.hpp"

namespace ringside::script {

/// Working memory of one run, given by the caller: one a core (and a second one for nested runs).
/// Needs no initialisation. Used by one run at a time.
struct Frame {
    static constexpr u32 kMaxHeldLocks = 16;
    alignas(16) u64 registers[RS_SCRIPT_MAX_REGISTERS];
    u32 top;  ///< registers in use: those of the function that runs, and of its callers
    /// Functions that wait for the one they called.
    struct Call {
        u32 return_pc;
        u16 base;  ///< its first register
        u16 to;    ///< which of its registers gets the result
    } calls[RS_SCRIPT_MAX_CALLS];
    u64 held_locks[kMaxHeldLocks];  ///< addresses of the locks this run took
    u32 held_lock_count;
    u32 run_number;  ///< grows by one a run: dates the addresses of locals
    char text[RS_SCRIPT_MAX_TEXT_BYTES + 16];
    char clock_text[2][16];  ///< of $date and $time, zero-terminated
    u8 scratch[4096];        ///< copies, comparisons
};
inline constexpr usize kFrameBytes = sizeof(Frame);

/// How a run ended.
struct RunResult {
    rs_script_error error = RS_SCRIPT_OK;
    u32 pc = 0;              ///< instruction that failed, for the debugger's line table
    u64 value = 0;           ///< offending address, count, register value ... (see error table)
    u64 operations = 0;      ///< instructions run, with the extra cost of expensive ones
    u64 last_value = 0;      ///< of the last print() or test_statement()
    bool has_value = false;  ///< print() or test_statement() ran
};

/// Runs function 0 of `program` to its end, an error or a limit. Effects done before an error stay;
/// locks taken by a run that fails are released.
RunResult run(const ProgramView& program, Frame& frame, const RunContext& context,
              GuestAccess& guest, EventHooks& hooks, GlobalStore globals);

/// The sentence of an error ("invalid address"), "" for RS_SCRIPT_OK.
const char* error_text(rs_script_error error);

}  // namespace ringside::script
