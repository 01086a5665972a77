// SPDX-License-Identifier: GPL-2.0-or-later
// Which instructions leave a trace outside of the run: a program without any is a condition
// (RS_SCRIPTF_CONDITION).
#pragma once

#include "ringside/bytecode.h"

namespace ringside::script {

/// Prints, stores, or changes events or locks. `instruction.op` must be a known opcode.
bool has_effect(const rs_script_instruction& instruction);

}  // namespace ringside::script
