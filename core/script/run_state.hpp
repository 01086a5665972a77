// SPDX-License-Identifier: GPL-2.0-or-later
// What one run carries along, shared by the interpreter loop and the builtins.
#pragma once

#include "base/types.hpp"
#include "script/environment.hpp"
#include "script/guest_access.hpp"
#include "script/program.hpp"
#include "script/script_memory.hpp"
#include "script/vm.hpp"

namespace ringside::script {

struct RunState {
    const ProgramView& program;
    Frame& frame;
    const RunContext& context;
    GuestAccess& guest;
    EventHooks& hooks;
    ScriptMemory memory;
    u64 last_value = 0;
    bool has_value = false;
    u64 error_value = 0;  ///< goes with the error a function returns
    u64 extra_cost = 0;   ///< operations beyond the instructions
    u64 slept_us = 0;     ///< by microsleep()
    u64 stood_ticks = 0;  ///< while the machine was halted: not this run's time

    rs_script_error fail(rs_script_error error, u64 value) {
        error_value = value;
        return error;
    }
};

struct Ending {
    rs_script_error error;
    u32 pc;
    u64 operations;
};
/// Frees what a failed run still holds.
void release_locks(RunState& run);
/// What every run begins and ends with.
inline void begin_run(const ProgramView& program, Frame& frame) {
    ++frame.run_number;
    frame.held_lock_count = 0;
    const u32 registers = program.function(0).registers;
    for (u32 i = 0; i < registers; ++i)
        frame.registers[i] = 0;
    frame.top = registers;
}
inline RunResult end_run(RunState& run, const Ending& ending) {
    if (ending.error != RS_SCRIPT_OK)
        release_locks(run);
    RunResult result;
    result.error = ending.error;
    result.pc = ending.error == RS_SCRIPT_OK ? 0 : ending.pc;
    result.value = ending.error == RS_SCRIPT_OK ? 0 : run.error_value;
    result.operations = ending.operations;
    result.last_value = run.last_value;
    result.has_value = run.has_value;
    return result;
}

/// Stop request and deadline, and a halt of the machine, which is waited for; budget is the
/// caller's.
rs_script_error check_time(RunState& run);

/// PRINTF: `arguments` values for the format with index `format`.
rs_script_error print_formatted(RunState& run, u32 format, const u64* arguments);
/// CALL_BUILTIN: `arguments` as many as the table says; `value` gets the result.
rs_script_error call_builtin(RunState& run, u32 builtin, const u64* arguments, u64& value);

/// strlen, strcmp and the like. `unit_bytes` 1, 2 or 4.
u64 string_length(RunState& run, u64 address, u32 unit_bytes);
/// -1, 0, 1 by the first difference of unsigned units within `units`, 2 if unreadable.
s64 compare_strings(RunState& run, u64 left, u64 right, u64 units, u32 unit_bytes);
s64 compare_memory(RunState& run, u64 left, u64 right, u64 bytes);
rs_script_error copy_memory(RunState& run, u64 to, u64 from, u64 bytes);
rs_script_error copy_physical(RunState& run, u64 to, u64 from, u64 bytes);

/// Interlocked operations and locks.
rs_script_error interlocked(RunState& run, u32 builtin, const u64* arguments, u64& value);
rs_script_error lock(RunState& run, u64 address, u64 longest_pause);
rs_script_error unlock(RunState& run, u64 address);

}  // namespace ringside::script
