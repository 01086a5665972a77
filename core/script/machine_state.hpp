// SPDX-License-Identifier: GPL-2.0-or-later
// What machine code of a script finds in its state register: the layout is the code's contract.
#pragma once

#include "base/types.hpp"
#include "script/machine_code.hpp"
#include "script/run_state.hpp"
#include "script/vm.hpp"

namespace ringside::script {

/// Functions that machine code calls, by their place in the table. Each takes the state first;
/// those that can fail give an error, 0 for none.
enum class Helper : u32 {
    kStep,      ///< (state, registers, pc): carries out any instruction that does not jump
    kLimits,    ///< (state): budget and time, when no operations are left
    kLoad,      ///< (state, where to, address, bytes)
    kPseudo,    ///< (state, which): gives the value
    kRegister,  ///< (state, which): gives the value
    kCall,    ///< (state, registers, pc): gives an error; `registers` of the state are the callee's
    kReturn,  ///< (state, registers, value): gives where to go on, 0 at the end of the run
    kCount,
};

struct MachineState {
    u64* registers;  // of the function that runs; between functions only
    u64* globals;
    const volatile u32* stop;  // never null
    s64 remaining;             // operations until the limits are looked at
    u64 pc;                    // instruction that failed
    u64 value;                 // goes with an error of the code's own
    u64 has_value;
    void* const* helpers;  // by Helper

    // The code does not look at these.
    RunState* run;
    GlobalStore global_store;
    const MachineCode* code;
    u64 next_check;
    u64 budget;
    u32 depth;
};

/// One instruction that does not jump, by the interpreter.
rs_script_error step(RunState& run, GlobalStore globals, const rs_script_instruction& instruction,
                     u64* registers);
u64 read_pseudo(RunState& run, u32 which);

}  // namespace ringside::script
