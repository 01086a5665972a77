// SPDX-License-Identifier: GPL-2.0-or-later
// Machine code for x86-64 made from a verified, linked program: the same results, the same errors
// at the same instructions, the same count of operations as the interpreter's. Memory, registers of
// the guest and everything else that can fail is reached through a fixed table of functions. Script
// language section 17 "Execution model in root mode".
#pragma once

#include <span>

#include "base/types.hpp"
#include "script/vm.hpp"

namespace ringside::script {

/// Where a program's machine code is. Code and offsets do not depend on the address they are at.
struct MachineCode {
    const u8* code = nullptr;      ///< the entry
    const u32* offsets = nullptr;  ///< of each instruction, from the entry
    bool is_empty() const { return code == nullptr; }
};

/// Translates the program. `offsets` has an element an instruction.
/// @return bytes of code; if that is more than `to` has, nothing there is of use
usize translate(const ProgramView& program, std::span<u8> to, std::span<u32> offsets);

/// As run(), by machine code.
RunResult run_machine_code(const MachineCode& machine_code, const ProgramView& program,
                           Frame& frame, const RunContext& context, GuestAccess& guest,
                           EventHooks& hooks, GlobalStore globals);

}  // namespace ringside::script
