// SPDX-License-Identifier: GPL-3.0-or-later
// Finds and loads the assembler module.
#pragma once

#include <string>
#include <variant>

#include "assembler/module.h"

namespace ringside::assembler {

/// The module's function; else why there is none. Loaded once, kept for good.
std::variant<ringside_assemble_function*, std::string> load_module();

}  // namespace ringside::assembler
