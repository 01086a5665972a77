// SPDX-License-Identifier: GPL-3.0-or-later
// Bytecode as text, for people who look at what the compiler makes.
#pragma once

#include <span>
#include <string>

#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "script/program.hpp"

namespace ringside::language {

/// One instruction: "ADD_I        r2, r1, 5".
std::string disassemble(const script::ProgramView& program, u32 instruction);
/// The whole image, a line an instruction; an image that verification refuses gives the reason.
std::string disassemble(std::span<const u8> image);

}  // namespace ringside::language
